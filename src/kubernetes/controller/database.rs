//! The database as the resource names it: a URL in a Secret, certificates as bytes. Nothing here opens a file.

use crate::kubernetes::crd::reason::{Asker, Reason, Stop};
use crate::kubernetes::crd::spec::{Database, KeyRef};
use crate::kubernetes::workload::objects::Objects;
use crate::provider::redact;
use crate::store::url::{ConnectOptions, Identity, Pem};

/// `spec.database.urlSecretRef`. It stands alone: the container's PG variables belong to the container's URL.
pub fn from_secret(reference: &KeyRef, objects: &Objects) -> Result<ConnectOptions, Stop> {
    let bytes = objects.secret_of_spec(reference, "spec.database.urlSecretRef")?;
    let origin = format!("Secret {}, key {}", redact::name(&reference.name), redact::name(&reference.key));
    let unusable = |message: &str| Stop::new(Reason::DatabaseUnusable, format!("{origin}: {message}"));
    let text = std::str::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8 text; write the URL as text"))?;
    ConnectOptions::parse(text, &origin, &|_| None).map_err(|problems| {
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        unusable(&messages.join("; "))
    })
}

pub fn set_certificates(
    options: &mut ConnectOptions,
    database: Option<&Database>,
    objects: &Objects,
) -> Result<(), Stop> {
    let Some(database) = database else { return Ok(()) };
    if let Some(ca) = &database.ca {
        let field = "spec.database.ca";
        let bytes = match (&ca.secret_key_ref, &ca.config_map_key_ref) {
            (Some(reference), None) => objects.secret_of_spec(reference, field)?.to_vec(),
            (None, Some(reference)) => objects.config_map_of_spec(reference, field)?.as_bytes().to_vec(),
            _ => {
                let message = format!("{field} must have exactly one of secretKeyRef and configMapKeyRef");
                return Err(Stop::new(Reason::InvalidSpec, message));
            }
        };
        options.set_root(Pem::Bytes(bytes));
    }
    if let Some(reference) = &database.client_cert_secret_ref {
        let part = |key: &str| {
            let reference = KeyRef { name: reference.name.clone(), key: key.to_owned() };
            let bytes = objects.secret_of_spec(&reference, "spec.database.clientCertSecretRef")?;
            Ok::<_, Stop>(Pem::Bytes(bytes.to_vec()))
        };
        options.set_identity(Identity { certificate: part("tls.crt")?, key: part("tls.key")? });
    }
    Ok(())
}

/// A path in a URL is one of the pod's, and would be read as one of the controller's own.
pub fn refuse_files(options: &ConnectOptions, asker: Asker) -> Result<(), Stop> {
    let mut sentences = Vec::new();
    for parameter in options.uses_files() {
        let (what, next) = match parameter {
            "host" => ("the host is a socket", asker.url()),
            "sslrootcert" => ("sslrootcert names a file", asker.ca()),
            "sslcert" => ("sslcert names a file", asker.identity()),
            _ => continue,
        };
        sentences.push(format!("{what}, which only the pod can open; {next}"));
    }
    if sentences.is_empty() { Ok(()) } else { Err(Stop::new(Reason::DatabaseUnusable, sentences.join("; "))) }
}
