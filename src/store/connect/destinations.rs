//! Restricts the addresses of connections. The command line has no restriction; a controller, whose URLs come from
//! others, must not connect to itself, its node or a cloud's metadata service.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::options::database_hosts::Restriction;

/// Concurrent look-ups of names in the process: each holds a thread and cannot be cancelled.
pub const MAX_LOOKUPS: usize = 8;
/// Concurrent look-ups on behalf of one client.
pub const MAX_LOOKUPS_OF_ONE: usize = 2;

/// Metadata services of clouds at addresses that are not link-local: Alibaba, Azure, Oracle; AWS, Google.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// The allowed destinations, and the limits for look-ups. The default restricts nothing.
#[derive(Clone, Default)]
pub struct Destinations(Option<Limited>);

#[derive(Clone)]
struct Limited {
    restriction: Arc<Restriction>,
    lookups: Arc<Semaphore>,
    lookups_of_one: Arc<Semaphore>,
    /// The shares of clients with look-ups in progress.
    others: Arc<Mutex<HashMap<String, Weak<Semaphore>>>>,
}

impl fmt::Debug for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Destinations").field(&self.0.as_ref().map(|limited| &limited.restriction)).finish()
    }
}

impl Destinations {
    pub fn restricted(restriction: Restriction) -> Destinations {
        Destinations(Some(Limited {
            restriction: Arc::new(restriction),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            lookups_of_one: Arc::new(Semaphore::new(MAX_LOOKUPS_OF_ONE)),
            others: Arc::default(),
        }))
    }

    /// The same for a client with its own share of look-ups.
    #[must_use]
    pub fn on_behalf_of(&self, name: &str) -> Destinations {
        let Some(limited) = &self.0 else { return Destinations::default() };
        let mut others = limited.others.lock().unwrap_or_else(PoisonError::into_inner);
        let lookups_of_one = others.get(name).and_then(Weak::upgrade).unwrap_or_else(|| {
            others.retain(|_, semaphore| semaphore.strong_count() > 0);
            let semaphore = Arc::new(Semaphore::new(MAX_LOOKUPS_OF_ONE));
            others.insert(name.to_owned(), Arc::downgrade(&semaphore));
            semaphore
        });
        Destinations(Some(Limited { lookups_of_one, ..limited.clone() }))
    }

    /// Details of the network go only to the log: a reader of the status must not be able to scan a network.
    pub fn is_restricted(&self) -> bool {
        self.0.is_some()
    }

    /// `name`: the resolved name, if any. The check covers the exact address of the connection.
    pub fn allow(&self, name: Option<&str>, address: IpAddr) -> bool {
        let Some(Limited { restriction, .. }) = &self.0 else { return true };
        let address = address.to_canonical();
        let listed = || {
            restriction.allowed.is_empty() || restriction.allowed.iter().any(|allowed| allowed.allows(name, address))
        };
        (restriction.local || !is_local(address)) && listed()
    }

    /// Waits for a free place among the look-ups. The look-up itself holds it, because it continues after its caller has
    /// left.
    pub async fn lookup(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let Limited { lookups, lookups_of_one, .. } = self.0.clone()?;
        let of_one = lookups_of_one.acquire_owned().await.ok()?;
        Some([of_one, lookups.acquire_owned().await.ok()?])
    }
}

/// This machine, its link, the metadata services of clouds, and unassigned addresses; also inside an IPv6 address.
fn is_local(address: IpAddr) -> bool {
    if METADATA.contains(&address) {
        return true;
    }
    match address {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            first == 0
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            let local = address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address.is_multicast();
            local || embedded(address).is_some_and(|inner| is_local(IpAddr::V4(inner)))
        }
    }
}

/// The IPv4 address to which a mapped, compatible, translated (RFC 6052) or 6to4 address leads.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::database_hosts::AllowedHost;

    fn destinations(local: bool, allowed: &[&str]) -> Destinations {
        let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
        Destinations::restricted(Restriction { local, allowed })
    }

    fn allows(destinations: &Destinations, name: Option<&str>, address: &str) -> bool {
        destinations.allow(name, address.parse().unwrap())
    }

    #[test]
    fn addresses_of_this_machine_and_its_cloud_are_refused() {
        let (restricted, with_local) = (destinations(false, &[]), destinations(true, &[]));
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:100.100.100.200",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
        ] {
            assert!(!allows(&restricted, Some("db"), address), "{address}");
            assert!(allows(&with_local, Some("db"), address) && allows(&Destinations::default(), None, address));
        }
        for address in
            ["10.96.0.1", "192.168.1.1", "100.100.100.201", "8.8.8.8", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1"]
        {
            assert!(allows(&restricted, Some("db"), address), "{address}");
        }
    }

    #[test]
    fn allow_list_holds_names_and_networks() {
        let listed =
            destinations(false, &["db.coder.svc", "*.rds.example", "10.1.0.0/16", "2001:db8::/32", "192.0.2.7"]);
        for (name, address) in [
            (Some("db.coder.svc"), "10.9.9.9"),
            (Some("DB.Coder.svc."), "10.9.9.9"),
            (Some("a.rds.example"), "8.8.8.8"),
            (Some("a.b.rds.example"), "8.8.8.8"),
            (Some("other"), "10.1.255.255"),
            (None, "10.1.0.0"),
            (None, "::ffff:10.1.2.3"),
            (None, "192.0.2.7"),
            (None, "2001:db8:ffff::1"),
        ] {
            assert!(allows(&listed, name, address), "{name:?} {address}");
        }
        for (name, address) in [
            (Some("other"), "10.2.0.0"),
            (Some("rds.example"), "8.8.8.8"),
            (Some("xrds.example"), "8.8.8.8"),
            (Some("db.coder.svc.evil.example"), "8.8.8.8"),
            // An address in the URL itself was not resolved from the name.
            (None, "10.9.9.9"),
            (None, "192.0.2.8"),
            (None, "2001:db9::1"),
            // A listed name that leads to this machine is still refused.
            (Some("db.coder.svc"), "127.0.0.1"),
        ] {
            assert!(!allows(&listed, name, address), "{name:?} {address}");
        }
        let all = destinations(false, &["0.0.0.0/0"]);
        assert!(
            allows(&all, None, "8.8.8.8") && !allows(&all, None, "127.0.0.1") && !allows(&all, None, "2001:db8::1")
        );
        for text in
            ["", "a b", "a/8", "10.0.0.0/33", "10.0.0.0/x", "::/129", "*", "*.", "a..b", "*.*.a", "postgres://a"]
        {
            assert_eq!(text.parse::<AllowedHost>(), Err(()), "{text}");
        }
    }

    #[tokio::test]
    async fn look_ups_are_bounded_for_each_and_for_all() {
        let waits = async |of: &Destinations| {
            tokio::time::timeout(std::time::Duration::from_millis(20), of.lookup()).await.is_err()
        };
        let process = destinations(false, &[]);
        let (one, other) = (process.on_behalf_of("one"), process.on_behalf_of("other"));
        let held = [one.lookup().await, process.on_behalf_of("one").lookup().await];
        assert!(waits(&one).await && waits(&process.on_behalf_of("one")).await && !waits(&other).await);
        let others: Vec<Destinations> = (0..3).map(|n| process.on_behalf_of(&n.to_string())).collect();
        let mut all = Vec::new();
        for another in &others {
            all.extend([another.lookup().await, another.lookup().await]);
        }
        assert!(waits(&other).await);
        drop(held);
        assert!(!waits(&other).await);
        assert!(Destinations::default().lookup().await.is_none());
    }
}
