//! Explains a failed handshake to the operator.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::verifier::{P521, P521_OID, webpki_error};
use crate::provider::redact;

/// Cause and next step.
pub(in crate::store) struct Explained {
    pub cause: String,
    pub next: &'static str,
}

/// `None` if it is not a TLS error. `host`: the expected name of the certificate; `roots`: the name of the CAs.
pub(in crate::store) fn explain(error: &(dyn StdError + 'static), host: &str, roots: &str) -> Option<Explained> {
    let (cause, next) = match find(error)? {
        Error::InvalidCertificate(error) => certificate(error, host, roots),
        Error::AlertReceived(alert) => refused(*alert),
        Error::PeerIncompatible(why) => incompatible(why),
        Error::InvalidMessage(_) => {
            ("the server's answer is not TLS".to_owned(), "check host and port; is there a proxy in between?")
        }
        Error::General(text) if text == P521 => p521(),
        Error::NoCertificatesPresented => ("the server has no certificate".to_owned(), "give the server one"),
        error => (redact::name(&error.to_string()), "check the server's TLS settings"),
    };
    Some(Explained { cause, next })
}

/// An `io::Error` displays its inner error, but does not return it as a source.
fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        current = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &'a (dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

fn certificate(error: &CertificateError, host: &str, roots: &str) -> (String, &'static str) {
    use CertificateError as E;
    let host = redact::name(host);
    match error {
        E::Expired | E::ExpiredContext { .. } => {
            ("the server's certificate has expired".to_owned(), "renew the server's certificate")
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            ("the server's certificate is not valid yet".to_owned(), "check the clocks of both sides")
        }
        E::UnknownIssuer => (
            format!("the server's certificate is not signed by a CA in {roots}"),
            "give the CA that signed it in sslrootcert (~/.postgresql/root.crt is not read)",
        ),
        E::NotValidForName => wrong_host(&host, None),
        E::NotValidForNameContext { presented, .. } => wrong_host(&host, Some(presented)),
        E::BadSignature => (
            format!("the signature of the server's certificate is not by the CA in {roots}"),
            "give the CA that signed it in sslrootcert; a CA of the same name may have been renewed",
        ),
        E::Revoked => ("the server's certificate is revoked".to_owned(), "renew the server's certificate"),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => (
            "the server's certificate is not meant for servers".to_owned(),
            "issue one with the extended key usage serverAuth",
        ),
        E::UnsupportedSignatureAlgorithmContext { signature_algorithm_id: id, .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { public_key_algorithm_id: id, .. }
            if names_p521(id) =>
        {
            p521()
        }
        E::UnsupportedSignatureAlgorithmContext { .. } | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            "the server's certificate is signed in a way that is no longer accepted (SHA-1, or RSA below 2048 bits?)"
                .to_owned(),
            "issue one with SHA-256 and RSA of 2048 bits or ECDSA",
        ),
        // For version 1, the error depends on the bytes after the missing version.
        E::BadEncoding => version_one(),
        error => match webpki_error(error) {
            Some(webpki::Error::UnsupportedCertVersion) => version_one(),
            Some(webpki::Error::CaUsedAsEndEntity) => (
                "the server's certificate is a CA's own certificate".to_owned(),
                "give this very certificate in sslrootcert, or issue one for the server",
            ),
            _ => (
                format!("the server's certificate is not accepted ({})", redact::name(&error.to_string())),
                "issue a new one, of X.509 version 3 with a subject alternative name",
            ),
        },
    }
}

/// Among the algorithms, ECDSA with SHA-512 is used only with this curve.
fn names_p521(algorithm: &[u8]) -> bool {
    let ids = [P521_OID, b"\x2a\x86\x48\xce\x3d\x04\x03\x04"];
    ids.iter().any(|id| algorithm.windows(id.len()).any(|window| window == *id))
}

fn p521() -> (String, &'static str) {
    (
        "the server's certificate, or its CA, is on the curve P-521, which cannot be verified here".to_owned(),
        "issue both on P-256 or P-384, or use sslmode=require without sslrootcert and channel_binding, which verifies nothing",
    )
}

fn version_one() -> (String, &'static str) {
    (
        "the server's certificate cannot be read (X.509 version 1?)".to_owned(),
        "issue it as version 3 with a subject alternative name, or use sslmode=require without sslrootcert",
    )
}

fn wrong_host(host: &str, names: Option<&Vec<String>>) -> (String, &'static str) {
    let next = "connect by a name that is in the certificate, or issue one with this name; sslmode=verify-ca does not check it";
    let cause = match names {
        Some(names) if names.is_empty() => {
            format!(
                "the server's certificate has no subject alternative name for {host} (a common name alone does not count)"
            )
        }
        Some(names) => {
            let names: Vec<String> = names.iter().take(5).map(|name| readable(name)).collect();
            format!("the server's certificate is for {}, not for {host}", names.join(", "))
        }
        None => format!("the server's certificate is not for {host}"),
    };
    (cause, next)
}

/// rustls prints a name as `DnsName("db.example")`.
fn readable(name: &str) -> String {
    let name = name.split_once('(').map_or(name, |(_, inner)| inner.trim_end_matches(')'));
    redact::name(name.trim_matches('"'))
}

fn incompatible(why: &PeerIncompatible) -> (String, &'static str) {
    use PeerIncompatible as P;
    match why {
        P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired | P::KeyShareExtensionRequired => no_key_exchange(),
        P::ServerDoesNotSupportTls12Or13 | P::ServerTlsVersionIsDisabledByOurConfig | P::Tls12NotOffered => {
            no_version()
        }
        P::NoSignatureSchemesInCommon | P::NoCertificateRequestSignatureSchemesInCommon => (
            "no signature scheme in common (we offer ECDSA on P-256 and P-384, Ed25519 and RSA)".to_owned(),
            "issue the certificate with a key of one of these kinds",
        ),
        _ => ("the server has no TLS version or cipher suite in common with us".to_owned(), ENABLE),
    }
}

const ENABLE: &str = "enable TLS 1.2 or 1.3 in the server";

fn no_version() -> (String, &'static str) {
    ("no TLS version in common (we offer 1.2 and 1.3)".to_owned(), ENABLE)
}

/// A server only reports that the handshake failed. It shares cipher suites with this client unless it is very old.
fn no_key_exchange() -> (String, &'static str) {
    (
        "no key exchange in common (we offer X25519, P-256, P-384), or no cipher suite".to_owned(),
        "add one of these curves to ssl_groups (ssl_ecdh_curve before Postgres 18) in the server, and keep the default of ssl_ciphers",
    )
}

fn refused(alert: AlertDescription) -> (String, &'static str) {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => (
            "the server asks for a client certificate".to_owned(),
            "give one in sslcert and sslkey (~/.postgresql/postgresql.crt is not read)",
        ),
        A::UnknownCA
        | A::BadCertificate
        | A::CertificateUnknown
        | A::CertificateExpired
        | A::CertificateRevoked
        | A::UnsupportedCertificate
        | A::AccessDenied
        | A::DecryptError => (
            format!("the server refuses our client certificate ({alert:?})"),
            "give one in sslcert that is signed by the server's ssl_ca_file and has not expired",
        ),
        A::ProtocolVersion => no_version(),
        A::HandshakeFailure | A::InsufficientSecurity => no_key_exchange(),
        A::NoApplicationProtocol => {
            ("the server does not take sslnegotiation=direct".to_owned(), "remove sslnegotiation; it needs Postgres 17")
        }
        alert => (format!("the server ended the TLS handshake ({alert:?})"), "look at the server's log"),
    }
}
