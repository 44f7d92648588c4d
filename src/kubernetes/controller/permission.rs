//! Decides where the controller may write: to the database that the workload itself names, or to one whose Secret permits
//! this resource. Otherwise any author of a resource could make the controller write through any URL in a Secret of the
//! namespace.

use k8s_openapi::api::core::v1::Container;

use crate::env::DATABASE_URL_VARIABLES;
use crate::kubernetes::crd::spec::AIProviderSeedSpec;
use crate::kubernetes::workload::objects::{Objects, WRITABLE_BY};
use crate::options::variable_name;
use crate::provider::redact;

/// Why the write is not permitted, and the next step. `None`: it is permitted.
pub fn refused(resource: &str, spec: &AIProviderSeedSpec, container: &Container, objects: &Objects) -> Option<String> {
    let reference = spec.url_secret_ref()?;
    let own = container.env.iter().flatten().any(|variable| {
        let from = variable.value_from.as_ref().and_then(|from| from.secret_key_ref.as_ref());
        from.is_some_and(|from| from.name == reference.name && from.key == reference.key)
            && (DATABASE_URL_VARIABLES.contains(&variable.name.as_str())
                || variable.name == variable_name("database-url"))
    });
    let writers = objects.writable_by.get(&reference.name).map(String::as_str).unwrap_or_default();
    if own || writers.split(',').any(|writer| writer.trim() == resource) {
        return None;
    }
    let secret = redact::name(&reference.name);
    Some(format!(
        "Secret {secret} (spec.database.urlSecretRef) does not say that this resource may write to its database: run kubectl \
         annotate secret {secret} {WRITABLE_BY}={}, with the names of all that may",
        redact::name(resource)
    ))
}
