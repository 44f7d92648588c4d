//! Values that need more than a copy: hosts, TLS, times, start-up parameters.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::parameter_reader::{Parameter, ParameterReader};
use super::params::{self, Rule};
use super::{ChannelBinding, Host, HostAddress, Identity, Pem, SslMode, TargetSession, parse_conninfo};
use crate::options::RequireAuth;
use crate::provider::redact;

const DEFAULT_PORT: u16 = 5432;
/// The most hosts of one URL. Each attempt tries all of them, each with its share of the time.
pub const MAX_HOSTS: usize = 8;
/// Used if no limit is given, and if the limit is "none".
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn hosts(reader: &mut ParameterReader<'_>) -> Vec<Host> {
    let (host, address, port) = (reader.take("host"), reader.take("hostaddr"), reader.take("port"));
    let (names, addresses, ports) = (list(&host), list(&address), list(&port));
    let count = names.len().max(addresses.len()).max(1);
    if let Some(value) = host.as_ref().or(address.as_ref()).filter(|_| count > MAX_HOSTS) {
        reader.refuse(value, &format!("{count} hosts; at most {MAX_HOSTS} are tried, so name fewer"));
        return Vec::new();
    }
    if let Some(value) = address.as_ref().filter(|_| addresses.len() != count) {
        reader.refuse(value, &format!("{} addresses for {count} hosts; give one for each", addresses.len()));
    }
    if let Some(value) = port.as_ref().filter(|_| ports.len() != 1 && ports.len() != count) {
        reader.refuse(value, &format!("{} ports for {count} hosts; give one for all or one for each", ports.len()));
    }
    let addresses: Option<Vec<Option<IpAddr>>> = addresses.iter().map(|text| optional(text)).collect();
    if let (Some(value), None) = (&address, &addresses) {
        reader.refuse(value, "hostaddr is not an IP address; write the address, or use host");
    }
    let ports: Option<Vec<Option<u16>>> = ports.iter().map(|text| optional(text)).collect();
    let ports = ports.filter(|ports| !ports.contains(&Some(0)));
    if let (Some(value), None) = (&port, &ports) {
        reader.refuse(value, "the port is not a number from 1 to 65535; write it after the host, as in host:5432");
    }
    let (addresses, ports) = (addresses.unwrap_or_default(), ports.unwrap_or_default());
    let mut hosts = Vec::new();
    for at in 0..count {
        let address = addresses.get(at).copied().flatten();
        let name = names.get(at).filter(|name| !name.is_empty()).cloned();
        let name = name.or(address.map(|address| address.to_string())).unwrap_or_else(|| "localhost".to_owned());
        let port = ports.get(at).or(ports.first().filter(|_| ports.len() == 1)).copied().flatten();
        let address = if name.starts_with('/') {
            HostAddress::Socket(PathBuf::from(name))
        } else {
            if let Some(value) = host.as_ref().filter(|_| !is_host(&name)) {
                reader.refuse(
                    value,
                    "a host has a character that is not valid in a host name; if the password has / ? # @ : in it, percent-encode them",
                );
            }
            HostAddress::Tcp { name, address }
        };
        hosts.push(Host { address, port: port.unwrap_or(DEFAULT_PORT) });
    }
    hosts
}

fn list(value: &Option<Parameter>) -> Vec<String> {
    value.as_ref().map_or_else(Vec::new, |value| value.text.split(',').map(|item| item.trim().to_owned()).collect())
}

/// An empty element means the default.
fn optional<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

fn is_host(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().all(plain) || name.split('%').next().is_some_and(|address| address.parse::<IpAddr>().is_ok())
}

pub(super) fn ssl_mode(reader: &mut ParameterReader<'_>) -> Option<SslMode> {
    let words = [
        ("disable", SslMode::Disable),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];
    reader.choice_or("sslmode", &words, |text| match text {
        "allow" => Some(
            "sslmode=allow is not supported, by Coder neither; use require, or prefer where the server may have no TLS",
        ),
        _ => None,
    })
}

pub(super) fn certificates(reader: &mut ParameterReader<'_>, mode: Option<SslMode>) -> (Option<Pem>, Option<Identity>) {
    // lib/pq: with `sslinline=true` the values are the certificates themselves.
    let inline = reader.text("sslinline").is_some_and(|value| value == "true");
    let pem = |text: String| if inline { Pem::Bytes(text.into_bytes()) } else { Pem::File(PathBuf::from(text)) };
    let root = reader.take("sslrootcert").map(|value| {
        let system = value.text == "system";
        if system && mode.is_some_and(|mode| mode != SslMode::VerifyFull) {
            // Anyone can get a certificate from a public CA, so the host name must be verified too.
            reader.refuse(&value, "sslrootcert=system needs sslmode=verify-full; write it, or leave sslmode out");
        }
        if system { Pem::System } else { pem(value.text) }
    });
    let identity = match (reader.take("sslcert"), reader.take("sslkey")) {
        (Some(certificate), Some(key)) => Some(Identity { certificate: pem(certificate.text), key: pem(key.text) }),
        (Some(value), None) => {
            reader.refuse(&value, "sslcert is given without sslkey; give both");
            None
        }
        (None, Some(value)) => {
            reader.refuse(&value, "sslkey is given without sslcert; give both");
            None
        }
        (None, None) => None,
    };
    (root, identity)
}

pub(super) fn connect_timeout(reader: &mut ParameterReader<'_>) -> Duration {
    let Some(value) = reader.take("connect_timeout") else { return DEFAULT_TIMEOUT };
    match value.text.trim().parse::<i64>() {
        Ok(seconds) => u64::try_from(seconds).ok().filter(|s| *s > 0).map_or(DEFAULT_TIMEOUT, Duration::from_secs),
        Err(_) => {
            reader.refuse(&value, "connect_timeout is not a whole number of seconds; write it without a unit");
            DEFAULT_TIMEOUT
        }
    }
}

pub(super) fn target(reader: &mut ParameterReader<'_>) -> TargetSession {
    let words = [
        ("any", TargetSession::Any),
        ("read-write", TargetSession::ReadWrite),
        ("read-only", TargetSession::ReadOnly),
        ("primary", TargetSession::Primary),
        ("standby", TargetSession::Standby),
        ("prefer-standby", TargetSession::PreferStandby),
    ];
    reader.choice("target_session_attrs", &words).unwrap_or(TargetSession::Any)
}

pub(super) fn channel_binding(reader: &mut ParameterReader<'_>) -> ChannelBinding {
    let words = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    reader.choice("channel_binding", &words).unwrap_or(ChannelBinding::Prefer)
}

/// The start-up parameters, as Coder's driver sends them.
pub(super) struct Startup {
    pub application_name: Option<String>,
    pub options: Option<String>,
    pub parameters: Vec<(String, String)>,
    pub require_auth: Option<RequireAuth>,
}

/// Takes the remaining pairs from the reader.
pub(super) fn startup(reader: &mut ParameterReader<'_>) -> Startup {
    let require_auth = require_auth(reader);
    let options = reader.take("options");
    let settings = options.as_ref().and_then(|value| parse_conninfo::settings(&value.text)).unwrap_or_default();
    if let Some(value) = &options
        && settings
            .iter()
            .any(|(name, text)| matches!(params::rule(name, text), Rule::Refused(_)) && name == "client_encoding")
    {
        reader.refuse(value, "client_encoding: only UTF8 is possible; remove it");
    }
    // A name set by this program would override the one in the options.
    let named = settings.iter().any(|(name, _)| name.eq_ignore_ascii_case("application_name"));
    let default = (!named).then(|| "ai-provider-seed".to_owned());
    let application_name = reader.text("application_name").or(default);
    Startup { application_name, options: options.map(|value| value.text), parameters: parameters(reader), require_auth }
}

/// Only a variable may set it: from a URL, Coder's driver would pass it to the server as a run-time parameter.
fn require_auth(reader: &mut ParameterReader<'_>) -> Option<RequireAuth> {
    let value = reader.take("require_auth")?;
    if reader.origin == Some(value.from.as_str()) {
        let reason = "require_auth in a URL is sent to the server by Coder's driver, which refuses it; \
                      use --require-auth or PGREQUIREAUTH";
        reader.refuse(&value, reason);
        return None;
    }
    match RequireAuth::parse(&value.text) {
        Ok(methods) => Some(methods),
        Err(why) => {
            reader.refuse(&value, &why);
            None
        }
    }
}

fn parameters(reader: &mut ParameterReader<'_>) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    for (name, _) in params::OTHER_VARIABLES {
        if let Some(value) = reader.take(name) {
            let text = value.text.clone();
            add(reader, &value, (*name).to_owned(), text, &mut parameters);
        }
    }
    let from = reader.origin.unwrap_or_default().to_owned();
    for (name, text) in std::mem::take(&mut reader.pairs) {
        let value = Parameter { text: String::new(), from: from.clone() };
        if !text.is_empty() {
            add(reader, &value, name, text, &mut parameters);
        }
    }
    parameters
}

fn add(
    reader: &mut ParameterReader<'_>,
    value: &Parameter,
    name: String,
    text: String,
    parameters: &mut Vec<(String, String)>,
) {
    match (params::rule(&name, &text), redact::plain_identifier(&name)) {
        (Rule::Ignored, _) => {}
        (Rule::Refused(advice), _) => reader.refuse(value, &format!("{name}: {advice}")),
        (Rule::Parameter, None) => {
            reader.refuse(
                value,
                "a parameter has a name that is not valid in Postgres; write it as ?name=value&name=value",
            );
        }
        (Rule::Parameter, Some(shown)) if params::is_known(&shown.to_ascii_lowercase()) => {
            reader.refuse(value, &format!("{shown} must be written in lower case"));
        }
        (Rule::Parameter, Some(_)) => parameters.push((name, text)),
    }
}
