//! The client's certificate and key, and their faults.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::{certificates, pem, problem, read};
use crate::problem::Problem;
use crate::store::url::Identity;

pub(super) fn load(identity: &Identity, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Problem> {
    let (bytes, certificate_name) = read(&identity.certificate, "sslcert")?;
    let chain = certificates(&bytes, &certificate_name)?;
    let (bytes, key_name) = read(&identity.key, "sslkey")?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| problem(pem::no_key(&bytes, &key_name)))?;
    let unusable = pem::unusable_key(key.secret_der(), &key_name);
    match CertifiedKey::from_der(chain.clone(), key.clone_key(), provider) {
        Ok(pair) => Ok(Arc::new(pair)),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(problem(if is_of_a_later_one(&chain, &key, provider) {
                format!(
                    "{key_name} is the key of a certificate further down in {certificate_name}; put that one first, and its CAs after it"
                )
            } else {
                format!("sslkey is not the key of sslcert: {key_name} does not match {certificate_name}; give the pair")
            }))
        }
        Err(Error::InvalidCertificate(_)) => {
            Err(problem(format!("the certificate in {certificate_name} cannot be read; issue it as X.509 version 3")))
        }
        Err(_) => Err(problem(unusable)),
    }
}

/// A chain in the wrong order: the CA before the certificate.
fn is_of_a_later_one(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> bool {
    let fits = |at| CertifiedKey::from_der(chain[at..].to_vec(), key.clone_key(), provider).is_ok();
    (1..chain.len()).any(fits)
}
