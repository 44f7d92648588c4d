//! The options of `controller`, by the same rules: a flag overrides its variable, an empty variable is unset.

use std::net::SocketAddr;

use super::args::RawOptions;
use super::cluster::ApiServer;
use super::database_hosts::{AllowedHost, Restriction};
use super::reader::OptionReader;
use super::seed::LogFormat;
use super::words::{boolean, is_label, is_subdomain, level, word};
use crate::env::Variable;
use crate::problem::{Code, Problem};

pub struct ControllerOptions {
    pub server: ApiServer,
    pub namespaces: Vec<String>,
    pub all_namespaces: bool,
    pub listen: SocketAddr,
    pub leader_elect: bool,
    /// Without it the controller never writes to a database.
    pub allow_writes: bool,
    pub lease_name: String,
    pub concurrency: u16,
    /// The most sessions that may listen for Coder's announcements at one host; `None`: no listening.
    pub listeners_per_host: Option<u16>,
    /// The hosts on which databases are allowed.
    pub destinations: Restriction,
    pub log_format: LogFormat,
    pub log_level: tracing::Level,
}

/// Reads all options, as far as possible.
pub fn parse(raw: &RawOptions, variables: &[Variable]) -> (ControllerOptions, Vec<Problem>) {
    let mut reader = OptionReader::new(raw, variables);
    let options = read(&mut reader);
    let mut problems = reader.problems;
    if options.all_namespaces && !options.namespaces.is_empty() {
        let message = "namespaces and all namespaces exclude each other; keep one of the two";
        problems.push(Problem::new(Code::InvalidOption, message).variables(["--namespace", "--all-namespaces"]));
    }
    (options, problems)
}

pub(super) fn read(reader: &mut OptionReader) -> ControllerOptions {
    ControllerOptions {
        server: ApiServer::read(reader),
        namespaces: reader.read_or("namespace", Vec::new(), namespaces),
        all_namespaces: reader.read_or("all-namespaces", false, boolean),
        listen: reader.read("listen", |text| {
            text.parse().map_err(|_| "an address and a port are expected, such as [::]:8080".to_owned())
        }),
        leader_elect: reader.read_or("leader-elect", false, boolean),
        allow_writes: reader.read_or("allow-writes", false, boolean),
        lease_name: reader.read("lease-name", |text| {
            if is_subdomain(text) {
                Ok(text.to_owned())
            } else {
                Err("the name of a Lease is a-z, 0-9, - and .".to_owned())
            }
        }),
        concurrency: reader.read("concurrency", positive),
        listeners_per_host: listeners_per_host(reader),
        destinations: Restriction {
            local: reader.read_or("allow-local", false, boolean),
            allowed: reader.read_or("database-hosts", Vec::new(), hosts),
        },
        log_format: reader.read("log-format", |text| word(text, LogFormat::WORDS)),
        log_level: reader.read("log-level", level),
    }
}

fn listeners_per_host(reader: &mut OptionReader) -> Option<u16> {
    let number = reader.read("listeners-per-host", positive);
    let on = reader.read("watch-database", |text| word(text, &[("auto", true), ("off", false)]));
    on.then_some(number)
}

fn positive(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or("a whole number from 1 to 65535 is expected".to_owned())
}

fn namespaces(text: &str) -> Result<Vec<String>, String> {
    let mut names: Vec<String> =
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    if names.iter().all(|name| is_label(name)) {
        Ok(names)
    } else {
        Err("the name of a namespace is a-z, 0-9 and -, at most 63".to_owned())
    }
}

fn hosts(text: &str) -> Result<Vec<AllowedHost>, String> {
    let hosts = text.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::parse);
    hosts.collect::<Result<_, ()>>().map_err(|()| {
        "expected host names, *.example.com, addresses or networks such as 10.0.0.0/8, separated by commas".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::definitions::Command;
    use crate::provider::Source;

    #[test]
    fn flags_and_variables() {
        let variable = |name: &str, value: &str| Variable::new(name, value, Source::Process);
        let variables = [
            variable("AI_PROVIDER_SEED_NAMESPACE", "b, a,a"),
            variable("AI_PROVIDER_SEED_LEADER_ELECT", "true"),
            variable("AI_PROVIDER_SEED_CONCURRENCY", "0"),
        ];
        let (options, problems) = parse(&RawOptions::of(Command::Controller, &[]), &variables);
        assert_eq!(options.namespaces, ["a", "b"]);
        assert!(options.leader_elect && !options.all_namespaces && !options.allow_writes);
        assert_eq!(options.listen.to_string(), "[::]:8080");
        assert_eq!((options.concurrency, options.listeners_per_host), (8, Some(8)));
        let texts = [("watch-database", "off"), ("listeners-per-host", "2")];
        let (off, none) = parse(&RawOptions::of(Command::Controller, &texts), &[]);
        assert!(off.listeners_per_host.is_none() && none.is_empty());
        let texts = [("watch-database", "on"), ("listeners-per-host", "0")];
        assert_eq!(parse(&RawOptions::of(Command::Controller, &texts), &[]).1.len(), 2);
        assert_eq!(options.lease_name, "ai-provider-seed");
        assert_eq!(problems.len(), 1);
        assert_eq!(options.destinations, Restriction { local: false, allowed: Vec::new() });
        let texts = [("database-hosts", "db.coder.svc, 10.0.0.0/8,"), ("allow-local", "true")];
        let (options, problems) = parse(&RawOptions::of(Command::Controller, &texts), &[]);
        assert!(problems.is_empty() && options.destinations.local);
        assert_eq!(options.destinations.allowed.len(), 2);
        let texts = [("database-hosts", "postgres://db")];
        assert_eq!(parse(&RawOptions::of(Command::Controller, &texts), &[]).1.len(), 1);
        let texts = [("namespace", "C"), ("all-namespaces", "true"), ("listen", "nonsense")];
        assert_eq!(parse(&RawOptions::of(Command::Controller, &texts), &[]).1.len(), 2);
    }

    #[test]
    fn lease_name_is_valid_in_kubernetes() {
        let lease_of = |name: &str| parse(&RawOptions::of(Command::Controller, &[("lease-name", name)]), &[]);
        for name in ["a", "release-ai-provider-seed", "a.b"] {
            let (options, problems) = lease_of(name);
            assert_eq!((options.lease_name.as_str(), problems.len()), (name, 0));
        }
        for name in ["A", "a..b", "-a", "a/b", &"a".repeat(64)] {
            let (options, problems) = lease_of(name);
            assert_eq!((options.lease_name.as_str(), problems.len()), ("ai-provider-seed", 1), "{name}");
        }
        let texts = [("namespace", "c"), ("all-namespaces", "true")];
        assert_eq!(parse(&RawOptions::of(Command::Controller, &texts), &[]).1.len(), 1);
    }
}
