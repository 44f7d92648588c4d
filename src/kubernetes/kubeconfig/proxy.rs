//! The proxy of an API server, and its exceptions, as kubectl reads them.

use std::net::IpAddr;

use kube::Config;
use kube::config::Kubeconfig;

/// The variables for a proxy, as in kubectl.
pub const PROXY_VARIABLES: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The `proxy-url` of the context's cluster, to which exceptions do not apply.
pub fn own_proxy(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let context = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|named| named.name == context)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster)?.cluster.as_ref()?;
    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}

pub fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()))
}

/// Whether the environment's proxy applies to this API server.
pub fn is_behind_proxy(config: &Config) -> bool {
    let host = config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']);
    let exceptions = variable(&NO_PROXY_VARIABLES).unwrap_or_default();
    !is_direct(host, &exceptions)
}

/// `exceptions`: `NO_PROXY`, a list of hosts with their subdomains, addresses, networks and `*`. This machine is always
/// an exception.
fn is_direct(host: &str, exceptions: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    if host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let host = host.to_ascii_lowercase();
    exceptions.split(',').map(|exception| exception.trim().to_ascii_lowercase()).any(|exception| {
        let domain = exception.trim_start_matches("*.").trim_start_matches('.');
        match (exception.as_str(), address) {
            ("", _) => false,
            ("*", _) => true,
            (_, Some(address)) => is_within(address, &exception),
            (_, None) if domain == exception => {
                host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
            }
            (_, None) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        }
    })
}

/// `network`: an address, with or without a prefix length.
fn is_within(address: IpAddr, network: &str) -> bool {
    let (base, length) = network.split_once('/').map_or((network, None), |(base, length)| (base, length.parse().ok()));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((address, of_address), Ok(base)) = (bits(address), base.parse::<IpAddr>()) else { return false };
    let (base, of_base) = bits(base);
    let length: u32 = length.unwrap_or(of_base);
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
    of_address == of_base && address & mask == base & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> Kubeconfig {
        Kubeconfig::from_yaml(text).unwrap()
    }

    #[test]
    fn proxy_of_the_cluster_is_that_of_its_context() {
        let kubeconfig = of_text(
            "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a}}, {name: b, context: {cluster: b}}],\n\
             clusters: [{name: a, cluster: {server: 'https://a', proxy-url: 'http://proxy:3128'}}, {name: b, cluster: {server: 'https://b'}}]}",
        );
        assert_eq!(own_proxy(&kubeconfig, None).as_deref(), Some("http://proxy:3128"));
        assert_eq!(own_proxy(&kubeconfig, Some("b")), None);
        assert_eq!(own_proxy(&kubeconfig, Some("c")), None);
    }

    #[test]
    fn exceptions_of_a_proxy_are_about_the_api_server() {
        for (host, exceptions, direct) in [
            ("api.example.com", "", false),
            ("api.example.com", "other.com, example.com", true),
            ("example.com", "example.com", true),
            ("example.com", ".example.com", false),
            ("api.example.com", ".example.com", true),
            ("api.example.com", "*.Example.com", true),
            ("notexample.com", "example.com", false),
            ("api.example.com", "*", true),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4,11.0.0.0/8,fd00::/8", false),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("fd00::1", "fd00::/8", true),
            ("fd00::1", "0.0.0.0/0", false),
            ("10.1.2.3", "10.1.2.x/8,/,10.0.0.0/", false),
            ("127.0.0.1", "", true),
            ("::1", "", true),
            ("localhost", "", true),
        ] {
            assert_eq!(is_direct(host, exceptions), direct, "{host} {exceptions}");
        }
    }
}
