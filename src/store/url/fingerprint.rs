use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{ConnectOptions, Pem};

impl ConnectOptions {
    /// Tells options apart without holding on to a secret.
    pub fn fingerprint(&self) -> [u8; 32] {
        // Exhaustive on purpose: a field that is left out would make two databases one.
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
        let pem = |pem: &Pem| match pem {
            Pem::File(path) => (b'f', path.to_string_lossy().into_owned().into_bytes()),
            Pem::Bytes(bytes) => (b'b', bytes.clone()),
            Pem::System => (b's', Vec::new()),
        };
        let identity = identity.as_ref();
        let pems =
            [root.as_ref(), identity.map(|identity| &identity.certificate), identity.map(|identity| &identity.key)];
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
