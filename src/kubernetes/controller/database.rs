//! The database that the resource names: a URL in a Secret, certificates as bytes. This module opens no file.

use crate::kubernetes::crd::reason::{CheckStopped, Reason};
use crate::kubernetes::crd::spec::{Database, KeyRef};
use crate::kubernetes::workload::objects::{Mention, Names, Objects};
use crate::provider::redact;
use crate::store::url::{ConnectOptions, Identity, Pem};

/// In a Secret of type `kubernetes.io/tls`: certificate and key.
const IDENTITY_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// The objects that a resource itself names, whether or not they exist.
pub fn names(database: Option<&Database>) -> Names {
    let mut names = Names::default();
    let Some(Database { url_secret_ref, ca, client_cert_secret_ref }) = database else { return names };
    if let Some(reference) = url_secret_ref {
        names.secret_key(&reference.name, &reference.key);
    }
    if let Some(reference) = client_cert_secret_ref {
        IDENTITY_KEYS.iter().for_each(|key| names.secret_key(&reference.name, key));
    }
    let Some(ca) = ca else { return names };
    if let Some(reference) = &ca.secret_key_ref {
        names.secret_key(&reference.name, &reference.key);
    }
    if let Some(reference) = &ca.config_map_key_ref {
        names.config_map_key(&reference.name, &reference.key);
    }
    names
}

fn secret_of_spec<'a>(objects: &'a Objects, reference: &KeyRef, field: &str) -> Result<&'a [u8], CheckStopped> {
    objects.required_secret_key(&reference.name, &reference.key, &Mention(field))
}

fn config_map_of_spec<'a>(objects: &'a Objects, reference: &KeyRef, field: &str) -> Result<&'a str, CheckStopped> {
    objects.required_config_map_key(&reference.name, &reference.key, &Mention(field))
}

/// Uses only `spec.database.urlSecretRef`: the container's PG variables belong to the container's URL.
pub fn from_secret(reference: &KeyRef, objects: &Objects) -> Result<ConnectOptions, CheckStopped> {
    let bytes = secret_of_spec(objects, reference, "spec.database.urlSecretRef")?;
    let origin = format!("Secret {}, key {}", redact::name(&reference.name), redact::name(&reference.key));
    let unusable = |message: &str| CheckStopped::new(Reason::DatabaseUnusable, format!("{origin}: {message}"));
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
) -> Result<(), CheckStopped> {
    let Some(database) = database else { return Ok(()) };
    if let Some(ca) = &database.ca {
        let field = "spec.database.ca";
        let bytes = match (&ca.secret_key_ref, &ca.config_map_key_ref) {
            (Some(reference), None) => secret_of_spec(objects, reference, field)?.to_vec(),
            (None, Some(reference)) => config_map_of_spec(objects, reference, field)?.as_bytes().to_vec(),
            _ => {
                let message = format!("{field} must have exactly one of secretKeyRef and configMapKeyRef");
                return Err(CheckStopped::new(Reason::InvalidSpec, message));
            }
        };
        options.set_root(Pem::Bytes(bytes));
    }
    if let Some(reference) = &database.client_cert_secret_ref {
        let part = |key: &str| {
            let reference = KeyRef { name: reference.name.clone(), key: key.to_owned() };
            let bytes = secret_of_spec(objects, &reference, "spec.database.clientCertSecretRef")?;
            Ok::<_, CheckStopped>(Pem::Bytes(bytes.to_vec()))
        };
        let [certificate, key] = IDENTITY_KEYS;
        options.set_identity(Identity { certificate: part(certificate)?, key: part(key)? });
    }
    Ok(())
}
