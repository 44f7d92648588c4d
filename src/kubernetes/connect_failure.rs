//! The reason for a failed connection to the API server, as far as the errors show it. The words are this program's,
//! because those of the libraries may contain a URL.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// The chain of errors behind this one. An I/O error hides its inner error: its source is the inner error's source.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    fn cause<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    }
    std::iter::successors(Some(error), cause)
}

fn of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())
}

pub fn is_of_certificate(error: &(dyn Error + 'static)) -> bool {
    matches!(of_tls(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// The rest of a sentence about the connection. `None`: unknown.
pub fn reason(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = of_tls(error) {
        return match error {
            rustls::Error::InvalidCertificate(error) => certificate(error),
            rustls::Error::AlertReceived(_) => Some("it ended the TLS handshake; it may ask for a client certificate"),
            _ => Some("it does not speak TLS; check http and https, and the port"),
        };
    }
    if causes(error).any(|cause| cause.to_string().starts_with("dns error")) {
        return Some("its name cannot be resolved");
    }
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).find_map(|error| of_socket(error.kind()))
}

fn certificate(error: &CertificateError) -> Option<&'static str> {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Some("it has expired"),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Some("it is not valid yet"),
        CertificateError::UnknownIssuer => Some("the certificate-authority of the kubeconfig has not issued it"),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some("it is not for this address")
        }
        CertificateError::Revoked => Some("it was revoked"),
        _ => None,
    }
}

fn of_socket(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some("connection refused"),
        io::ErrorKind::TimedOut => Some("no answer in time"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some("there is no route to it"),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some("it closed the connection"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn reason_of_a_connection_is_found_below_what_wraps_it() {
        let wrapped = |error: io::Error| Error::other(Error::other(error));
        let tls = |error: rustls::Error| wrapped(Error::new(ErrorKind::InvalidData, error));
        for (error, said) in [
            (wrapped(Error::from(ErrorKind::ConnectionRefused)), Some("connection refused")),
            (wrapped(Error::from(ErrorKind::TimedOut)), Some("no answer in time")),
            (tls(rustls::Error::InvalidCertificate(CertificateError::Expired)), Some("it has expired")),
            (
                tls(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)),
                Some("it does not speak TLS; check http and https, and the port"),
            ),
            (wrapped(Error::other("dns error: sk-canary.example")), Some("its name cannot be resolved")),
            (Error::other("something else"), None),
        ] {
            assert_eq!(reason(&error), said);
        }
    }
}
