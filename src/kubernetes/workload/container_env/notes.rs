//! Explains why a reference stays in a value: the template's list shows more than the value.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;

use super::super::expand::{Piece, pieces};
use crate::provider::redact;

/// Notes by variable name, for those of `texts` (name and value as the kubelet builds it) that contain a `$(`.
pub fn of<'a>(container: &Container, texts: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let entries = container.env.as_deref().unwrap_or_default();
    // Among entries with the same name, the last one counts.
    let places: BTreeMap<&str, usize> =
        entries.iter().enumerate().map(|(place, entry)| (entry.name.as_str(), place)).collect();
    let note = |(name, text): (&str, &str)| {
        let Some(place) = places.get(name) else { return "values of envFrom are never expanded".to_owned() };
        let Some(written) = entries[*place].value.as_deref().filter(|value| !value.is_empty()) else {
            return "values of valueFrom are never expanded".to_owned();
        };
        let stays = pieces(written).into_iter().find_map(|piece| match piece {
            Piece::Reference(name) if text.contains(&format!("$({name})")) => Some(name),
            _ => None,
        });
        match stays {
            None if written.contains("$$(") => "\"$$\" keeps Kubernetes from replacing it; write one \"$\"".to_owned(),
            None => "an inserted value contains it, and is not expanded again".to_owned(),
            Some(reference) => unresolved(reference, name, places.get(reference).is_some_and(|other| other > place)),
        }
    };
    let held = texts.filter(|(_, text)| text.contains("$("));
    held.map(|(name, text)| (name.to_owned(), note((name, text)))).collect()
}

fn unresolved(reference: &str, own: &str, is_later: bool) -> String {
    // People write keys in the wrong place.
    let Some(shown) = redact::plain_identifier(reference) else {
        return "the name is not a variable of this container".to_owned();
    };
    if is_later {
        format!("{shown} is defined later in the list; move it before this one")
    } else if reference == own {
        format!("{shown} refers to itself")
    } else {
        format!("{shown} is not defined in this container")
    }
}
