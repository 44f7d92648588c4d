//! Decides which server certificates are accepted.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

#[derive(Debug)]
pub(super) struct Verifier {
    /// `None`: any certificate is accepted.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that the operator gave; one of them may be the server's own.
    given: Vec<CertificateDer<'static>>,
    check_name: bool,
    /// The password is bound to the certificate, so the server must prove that it has the certificate's key.
    bound: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The reason for refusing a server certificate on the curve P-521: ring cannot verify its signatures. The client offers
/// the curve anyway, because a server without another one would only report a failed handshake.
pub(super) const P521: &str = "a signature on P-521";
const P521_SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP521_SHA512;
/// secp521r1 in DER.
pub(super) const P521_OID: &[u8] = b"\x06\x05\x2b\x81\x04\x00\x23";

impl Verifier {
    pub(super) fn nothing(algorithms: WebPkiSupportedAlgorithms, bound: bool) -> Self {
        Verifier { chain: None, given: Vec::new(), check_name: false, bound, algorithms }
    }

    /// If nothing is verified, the signature proves nothing, unless the password is bound to it. A certificate with
    /// another key must not pass as one of P-521.
    fn p521(&self, cert: &CertificateDer<'_>) -> Result<HandshakeSignatureValid, Error> {
        let is_p521 = cert.windows(P521_OID.len()).any(|window| window == P521_OID);
        if self.chain.is_none() && !self.bound && is_p521 {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(Error::General(P521.to_owned()))
    }

    pub(super) fn chain(
        chain: Arc<WebPkiServerVerifier>,
        given: Vec<CertificateDer<'static>>,
        check_name: bool,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Verifier { chain: Some(chain), given, check_name, bound: false, algorithms }
    }

    /// If nothing is verified, even a certificate that cannot be parsed (X.509 version 1) is accepted.
    fn forgive(&self, result: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        match result {
            Err(Error::InvalidCertificate(error)) if self.chain.is_none() && is_unreadable(&error) => {
                Ok(HandshakeSignatureValid::assertion())
            }
            result => result,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The chain is checked before the name, so only the name is wrong.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.check_name => Ok(ServerCertVerified::assertion()),
            // `openssl req -x509` creates a self-signed certificate that is marked as a CA. If it is itself given as
            // root, it is trusted, as in OpenSSL and Go. Its dates were checked before this error.
            Err(Error::InvalidCertificate(error))
                if webpki_error(&error) == Some(&webpki::Error::CaUsedAsEndEntity)
                    && self.given.iter().any(|given| given == end_entity) =>
            {
                if self.check_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if dss.scheme == P521_SCHEME {
            return self.p521(cert);
        }
        self.forgive(verify_tls12_signature(message, cert, dss, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if dss.scheme == P521_SCHEME {
            return self.p521(cert);
        }
        self.forgive(verify_tls13_signature(message, cert, dss, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        schemes.push(P521_SCHEME);
        schemes
    }
}

fn is_unreadable(error: &CertificateError) -> bool {
    matches!(error, CertificateError::BadEncoding) || webpki_error(error).is_some()
}

/// Errors without a separate variant in rustls.
pub(super) fn webpki_error(error: &CertificateError) -> Option<&webpki::Error> {
    match error {
        CertificateError::Other(other) => other.0.downcast_ref(),
        _ => None,
    }
}
