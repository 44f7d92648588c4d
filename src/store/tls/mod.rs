//! TLS as `sslmode` and `sslrootcert` require it.

mod explain;
mod identity;
mod pem;
mod verifier;

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};

pub(super) use explain::{Explained, explain};

use super::url::{ChannelBinding, ConnectOptions, Pem, Verification};
use crate::problem::{Code, Problem};
use crate::provider::redact;
use verifier::Verifier;

/// A certificate file is smaller than this; a device or a log file is not read to its end.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The system's certificates, read at most once and only if needed: there may be hundreds.
#[derive(Clone, Debug, Default)]
pub struct SystemRoots(Arc<OnceLock<Arc<RootCertStore>>>);

impl SystemRoots {
    fn get(&self) -> Result<Arc<RootCertStore>, Problem> {
        if let Some(roots) = self.0.get() {
            return Ok(Arc::clone(roots));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(problem(
                "this system has no CA certificates; give the CA of the database in sslrootcert, or point SSL_CERT_FILE to a bundle"
                    .to_owned(),
            ));
        }
        Ok(Arc::clone(self.0.get_or_init(|| Arc::new(roots))))
    }
}

/// `None`: no TLS is requested.
pub fn client_config(options: &ConnectOptions, system: &SystemRoots) -> Result<Option<ClientConfig>, Problem> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let verification = options.verification();
    let verifier = match verification {
        Verification::Plain => return Ok(None),
        Verification::Opportunistic | Verification::Encrypted => {
            Verifier::nothing(algorithms, options.channel_binding == ChannelBinding::Require)
        }
        Verification::Chain | Verification::Full => {
            let (roots, given) = roots(options.root.as_ref(), system)?;
            let inner = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(|_| problem("the CA certificates cannot be used; check sslrootcert".to_owned()))?;
            Verifier::chain(inner, given, verification == Verification::Full, algorithms)
        }
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| Problem::new(Code::Internal, "the TLS library has no protocol version"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &options.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let pair = identity::load(identity, &provider)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
        }
    };
    config.enable_sni = options.ssl_sni;
    if options.ssl_direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(Some(config))
}

type Roots = (Arc<RootCertStore>, Vec<CertificateDer<'static>>);

/// The store, and the explicitly given certificates.
fn roots(root: Option<&Pem>, system: &SystemRoots) -> Result<Roots, Problem> {
    let Some(pem @ (Pem::File(_) | Pem::Bytes(_))) = root else {
        return Ok((system.get()?, Vec::new()));
    };
    let (bytes, name) = read(pem, "sslrootcert")?;
    let given = certificates(&bytes, &name)?;
    let mut store = RootCertStore::empty();
    let (_, unusable) = store.add_parsable_certificates(given.iter().cloned());
    if store.is_empty() {
        return Err(problem(format!(
            "none of the {unusable} certificates in {name} can be used as a CA; give the CA's certificate"
        )));
    }
    Ok((Arc::new(store), given))
}

fn certificates(bytes: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match certificates {
        // Bundles may repeat certificates, and a CA that occurs a hundred times would end the search for a chain.
        Ok(mut list) if !list.is_empty() => {
            let mut seen = HashSet::new();
            list.retain(|certificate| seen.insert(certificate.clone()));
            Ok(list)
        }
        _ => Err(problem(pem::no_certificate(bytes, name))),
    }
}

/// The bytes, and their name in a message.
fn read(pem: &Pem, parameter: &str) -> Result<(Vec<u8>, String), Problem> {
    match pem {
        Pem::Bytes(bytes) => Ok((bytes.clone(), parameter.to_owned())),
        Pem::System => Err(problem(format!("{parameter} cannot be \"system\"; give a file"))),
        Pem::File(path) => {
            let name = format!("{parameter} {}", redact::name(&path.to_string_lossy()));
            match read_file(path, MAX_FILE) {
                Ok(bytes) => Ok((bytes, name)),
                Err(cause) => Err(problem(format!(
                    "cannot read {name}: {cause}; mount the file into this container and make it readable for its user"
                ))),
            }
        }
    }
}

/// Reads a regular file up to a size limit: neither an endless pipe nor a device.
pub(super) fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, &'static str> {
    use std::io::ErrorKind;
    let cause = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => "there is no such file",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::NotADirectory => "a part of its path is not a directory",
        _ => "it cannot be read",
    };
    let metadata = std::fs::metadata(path).map_err(cause)?;
    if !metadata.is_file() {
        return Err("it is not a file");
    }
    // Reads one byte beyond the limit: some files do not report their size (those of /proc), and a file may grow.
    let mut bytes = Vec::new();
    let size = std::fs::File::open(path).map_err(cause)?.take(max + 1).read_to_end(&mut bytes).map_err(cause)?;
    if size as u64 > max { Err("it is too large") } else { Ok(bytes) }
}

fn problem(message: String) -> Problem {
    Problem::new(Code::Tls, message)
}

/// The name of the CAs in a message.
pub(super) fn roots_name(options: &ConnectOptions) -> String {
    match &options.root {
        Some(Pem::File(path)) => format!("sslrootcert {}", redact::name(&path.to_string_lossy())),
        Some(Pem::Bytes(_)) => "the given CA bundle".to_owned(),
        Some(Pem::System) | None => "the system's certificate store".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_hides_its_size_is_read_up_to_the_bound() {
        let path = Path::new("/proc/self/status");
        assert_eq!(std::fs::metadata(path).unwrap().len(), 0);
        assert_eq!(read_file(path, 16), Err("it is too large"));
        assert!(read_file(path, MAX_FILE).is_ok());
    }
}
