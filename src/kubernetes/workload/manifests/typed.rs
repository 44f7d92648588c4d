//! Converts a value of a manifest to its type. Manifests that were never applied may have numbers in place of text: the
//! error names the path, never the value.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::sources;
use crate::provider::redact;

/// `spec.template.spec.initContainers[0].env[0].value is a number; put it in quotes`
type Mistake = String;

/// The parts of a container on which a seed depends. `path`: its place.
pub fn container(container: &Value, path: &str) -> Result<Container, Mistake> {
    let at = |field: &str| format!("{path}.{field}");
    Ok(Container {
        name: container["name"].as_str().unwrap_or_default().to_owned(),
        command: texts(&container["command"], &at("command"))?,
        args: texts(&container["args"], &at("args"))?,
        env: entries::<EnvVar>(&container["env"], &at("env"))?,
        env_from: entries::<EnvFromSource>(&container["envFrom"], &at("envFrom"))?,
        ..Container::default()
    })
}

fn texts(list: &Value, path: &str) -> Result<Option<Vec<String>>, Mistake> {
    let Some(list) = items(list, path)? else { return Ok(None) };
    let text = |(at, item): (usize, &Value)| text(item, &format!("{path}[{at}]")).map(str::to_owned);
    list.iter().enumerate().map(text).collect::<Result<_, _>>().map(Some)
}

fn entries<T: DeserializeOwned>(list: &Value, path: &str) -> Result<Option<Vec<T>>, Mistake> {
    let Some(list) = items(list, path)? else { return Ok(None) };
    let entry = |(at, item): (usize, &Value)| {
        let path = format!("{path}[{at}]");
        sources::check(item, &path)?;
        ill_typed(item, &path)?;
        // The library's error would quote the value.
        serde_json::from_value(item.clone()).map_err(|_| format!("{path} is not of the form that Kubernetes takes"))
    };
    list.iter().enumerate().map(entry).collect::<Result<_, _>>().map(Some)
}

fn items<'a>(list: &'a Value, path: &str) -> Result<Option<&'a Vec<Value>>, Mistake> {
    match list {
        Value::Null => Ok(None),
        Value::Array(list) => Ok(Some(list)),
        other => Err(format!("{path} is {}; a list is expected", kind(other))),
    }
}

/// Every field of `env` and `envFrom`, except one, is a text or a map of texts.
fn ill_typed(value: &Value, path: &str) -> Result<(), Mistake> {
    let Some(map) = value.as_object() else {
        return Err(format!("{path} is {}; a map is expected", kind(value)));
    };
    for (name, field) in map {
        let path = format!("{path}.{}", redact::name(name));
        match (name.as_str(), field) {
            (_, Value::Null) | ("optional", Value::Bool(_)) => {}
            ("optional", other) => return Err(format!("{path} is {}; write true or false", kind(other))),
            ("valueFrom" | "configMapRef" | "secretRef", _) => ill_typed(field, &path)?,
            // Sources of newer releases, and quantities, which may be numbers.
            (name, Value::Object(_)) if name.ends_with("Ref") => ill_typed(field, &path)?,
            ("divisor", _) => {}
            _ => _ = text(field, &path)?,
        }
    }
    Ok(())
}

/// The used keys of a ConfigMap's `data` or a Secret's `stringData`.
pub fn text_data(data: &Value, path: &str, used: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, String>, Mistake> {
    let entry = |(key, value): (&String, &Value)| {
        // As the API server does.
        let value = if value.is_null() { "" } else { text(value, &format!("{path}.{}", redact::name(key)))? };
        Ok((key.clone(), value.to_owned()))
    };
    map(data, path)?.into_iter().flatten().filter(|(key, _)| used(key)).map(entry).collect()
}

/// The `data` of a Secret.
pub fn binary_data(
    data: &Value,
    path: &str,
    used: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, Mistake> {
    let decoded = |(key, text): (String, String)| {
        // Kubernetes ignores the line breaks of a folded text.
        let plain: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        let bytes = STANDARD.decode(plain).map_err(|_| {
            format!("{path}.{} is not base64; encode it, or write it under stringData as it is", redact::name(&key))
        })?;
        Ok((key, bytes))
    };
    text_data(data, path, used)?.into_iter().map(decoded).collect()
}

fn map<'a>(value: &'a Value, path: &str) -> Result<Option<&'a serde_json::Map<String, Value>>, Mistake> {
    match value {
        Value::Null => Ok(None),
        Value::Object(map) => Ok(Some(map)),
        other => Err(format!("{path} is {}; a map is expected", kind(other))),
    }
}

pub fn text<'a>(value: &'a Value, path: &str) -> Result<&'a str, Mistake> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Err(format!("{path} is {}; put it in quotes", kind(value))),
        other => Err(format!("{path} is {}; a text is expected", kind(other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
