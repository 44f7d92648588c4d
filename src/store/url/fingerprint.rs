use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{ConnectOptions, HostAddress, Pem, Verification};

/// The target of a session as hashes, for the limits. They reveal nothing of the URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// All hosts of the URL: a session goes to any one of them.
    pub hosts: Vec<[u8; 32]>,
    /// The database at these hosts with this role.
    pub database: [u8; 32],
}

impl ConnectOptions {
    /// Host names are compared as in DNS.
    pub fn route(&self) -> Route {
        let host = |host: &super::Host| match &host.address {
            HostAddress::Tcp { name, address } => {
                let name = address.map_or_else(|| name.trim_end_matches('.').to_ascii_lowercase(), |ip| ip.to_string());
                hash_of(&[name.as_bytes(), &host.port.to_be_bytes()])
            }
            HostAddress::Socket(path) => hash_of(&[path.to_string_lossy().as_bytes(), &host.port.to_be_bytes(), b"s"]),
        };
        let mut hosts: Vec<[u8; 32]> = self.hosts.iter().map(host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let mut parts: Vec<&[u8]> = hosts.iter().map(|hash| &hash[..]).collect();
        parts.extend([self.database.as_bytes(), self.user.as_bytes()]);
        let database = hash_of(&parts);
        Route { hosts, database }
    }

    /// Distinguishes options without keeping a secret. A value without effect makes no difference: certificates if
    /// nothing is verified, or without TLS.
    pub fn fingerprint(&self) -> [u8; 32] {
        // Exhaustive on purpose: a missing field would make two databases share a fingerprint.
        let ConnectOptions {
            hosts,
            database,
            user,
            password,
            application_name,
            connect_timeout,
            target,
            ssl_mode,
            ssl_sni,
            ssl_direct,
            channel_binding,
            root,
            identity,
            options,
            parameters,
            require_auth,
        } = self;
        let plain = format!(
            "{:?}",
            (
                (hosts, database, user, application_name, connect_timeout, target),
                (ssl_mode, ssl_sni, ssl_direct, channel_binding, options, parameters, require_auth)
            )
        );
        let verification = self.verification();
        let tls = verification != Verification::Plain
            && hosts.iter().any(|host| matches!(host.address, HostAddress::Tcp { .. }));
        let verified = tls && matches!(verification, Verification::Chain | Verification::Full);
        let identity = identity.as_ref().filter(|_| tls);
        let pem = |pem: &Pem| match pem {
            Pem::File(path) => (b'f', path.to_string_lossy().into_owned().into_bytes()),
            Pem::Bytes(bytes) => (b'b', bytes.clone()),
            Pem::System => (b's', Vec::new()),
        };
        let pems = [
            root.as_ref().filter(|_| verified),
            identity.map(|identity| &identity.certificate),
            identity.map(|identity| &identity.key),
        ];
        let mut hash = Sha256::new();
        let mut add = |kind: u8, bytes: &[u8]| {
            hash.update([kind]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        add(b'o', plain.as_bytes());
        match password {
            Some(password) => add(b'p', password.expose_secret().as_bytes()),
            None => add(b'-', b""),
        }
        for part in pems {
            match part.map(pem) {
                Some((kind, bytes)) => add(kind, &bytes),
                None => add(b'-', b""),
            }
        }
        hash.finalize().into()
    }
}

/// Hashes each part after its length.
fn hash_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> ConnectOptions {
        ConnectOptions::parse(text, "url", &|_| None).unwrap()
    }

    fn with_root(text: &str, root: &str) -> [u8; 32] {
        let mut options = options(text);
        options.set_root(Pem::Bytes(root.as_bytes().to_vec()));
        options.fingerprint()
    }

    #[test]
    fn fingerprint_covers_only_effective_options() {
        let plain = "postgres://u:p@db/coder?sslmode=disable";
        assert_eq!(with_root(plain, "one"), with_root(plain, "two"));
        let verified = "postgres://u:p@db/coder?sslmode=verify-full";
        assert_ne!(with_root(verified, "one"), with_root(verified, "two"));
        // `require` with a root certificate is `verify-ca`.
        let required = "postgres://u:p@db/coder?sslmode=require";
        assert_ne!(with_root(required, "one"), with_root(required, "two"));
        let preferred = "postgres://u:p@db/coder?sslmode=prefer";
        assert_eq!(with_root(preferred, "one"), with_root(preferred, "two"));
        assert_ne!(options(plain).fingerprint(), options("postgres://u:q@db/coder?sslmode=disable").fingerprint());
    }

    #[test]
    fn route_is_by_host_database_and_role_alone() {
        let route = |text: &str| options(text).route();
        let one = route("postgres://u:p@db:5432/coder");
        assert_eq!(one, route("postgres://u:other@DB./coder?sslmode=disable"));
        assert_ne!(one.database, route("postgres://v:p@db/coder").database);
        assert_ne!(one.database, route("postgres://u:p@db/other").database);
        assert_eq!(one.hosts, route("postgres://v:p@db/other").hosts);
        assert_ne!(one.hosts, route("postgres://u:p@db:5433/coder").hosts);
        let two = route("postgres://u:p@db,standby/coder");
        assert!(two.hosts.len() == 2 && two.hosts.contains(&one.hosts[0]));
        assert_eq!(two, route("postgres://u:p@standby,db/coder"));
    }
}
