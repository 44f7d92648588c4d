//! The hosts on which a controller may connect to databases: an allow-list of names and addresses.

use std::net::IpAddr;
use std::str::FromStr;

/// An entry of an allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHost {
    /// A host name as in a URL, in lower case, with any address.
    Name(String),
    /// `*.example.com`: the part after the star.
    Below(String),
    /// Addresses, with any host name.
    Net { address: IpAddr, prefix: u8 },
}

impl FromStr for AllowedHost {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| ())?)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.unwrap_or(longest);
            return if prefix <= longest { Ok(AllowedHost::Net { address, prefix }) } else { Err(()) };
        }
        let is_name = |name: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            name.len() <= 253 && name.split('.').all(|label| !label.is_empty() && label.chars().all(plain))
        };
        let name = canonical(text);
        match name.strip_prefix("*.") {
            Some(below) if prefix.is_none() && is_name(below) => Ok(AllowedHost::Below(format!(".{below}"))),
            None if prefix.is_none() && is_name(&name) => Ok(AllowedHost::Name(name)),
            _ => Err(()),
        }
    }
}

impl AllowedHost {
    /// `name`: the resolved name, if any.
    pub fn allows(&self, name: Option<&str>, address: IpAddr) -> bool {
        match self {
            AllowedHost::Name(allowed) => name.is_some_and(|name| canonical(name) == *allowed),
            AllowedHost::Below(suffix) => name.is_some_and(|name| canonical(name).ends_with(suffix)),
            AllowedHost::Net { address: net, prefix } => match (net, address) {
                (IpAddr::V4(net), IpAddr::V4(address)) => {
                    (net.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(*prefix)
                }
                (IpAddr::V6(net), IpAddr::V6(address)) => {
                    (net.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(*prefix)
                }
                _ => false,
            },
        }
    }
}

fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The restriction on connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// Also allow loopback and link-local addresses.
    pub local: bool,
    /// Empty: all other hosts.
    pub allowed: Vec<AllowedHost>,
}
