//! The wording of a conflict: one everywhere, the value always beside its origin.

use crate::plan::{Conflict, Field, Value};
use crate::problem::Problem;
use crate::provider::{Origin, Presence, Source, shown};

/// `https://api.openai.com/v2`, `2 keys (1f3a09bc, 77b1c0de)`, `(empty)`.
pub fn value(value: &Value) -> String {
    match value {
        Value::Text(text) if text.is_empty() => "(empty)".to_owned(),
        Value::Text(text) => text.clone(),
        Value::Credentials { count: 0, .. } => "none".to_owned(),
        Value::Credentials { count, fingerprints } => format!("{count} ({})", fingerprints.join(", ")),
    }
}

/// `CODER_AIBRIDGE_PROVIDER_0_BASE_URL`, and where that came from if it was not the process's own environment.
pub fn origin(origin: &Origin) -> String {
    let variable = &origin.variable;
    match (origin.presence, &origin.source) {
        (Presence::Default, _) => format!("{variable}, default"),
        (Presence::Unset, _) => format!("{variable}, not set"),
        (Presence::Set, Source::Process | Source::Container) => variable.clone(),
        (Presence::Set, source) => format!("{variable}, {source}"),
    }
}

/// `openai base_url is A in the environment (VARIABLE), B in the database`
pub fn conflict_sentence(conflict: &Conflict) -> String {
    let hidden = if conflict.differs_out_of_sight() { ", and they differ in what is not shown" } else { "" };
    format!(
        "{} {} is {} in the environment ({}), {} in the database{hidden}",
        conflict.provider,
        conflict.field.as_str(),
        value(&conflict.environment),
        origin(&conflict.origin),
        value(&conflict.database),
    )
}

/// `VARIABLE: what is wrong and what to do (code)`
pub fn problem_sentence(problem: &Problem) -> String {
    let place = match (&problem.provider, problem.variables.first()) {
        (_, Some(variable)) => format!("{variable}: "),
        (Some(provider), None) => format!("{provider}: "),
        (None, None) => String::new(),
    };
    format!("{place}{} ({})", problem.message, problem.code)
}

/// What to do to keep what the database holds, for one field.
pub fn keep_database(conflict: &Conflict) -> String {
    let variable = &conflict.origin.variable;
    let readable =
        matches!(&conflict.database, Value::Text(text) if !text.ends_with("not shown") && !text.contains("***"));
    match (&conflict.field, &conflict.database) {
        (Field::BedrockCredentials, _) => format!("set {variable} and its secret to the pair that Coder holds"),
        (Field::ApiKeys, Value::Credentials { count: 0, .. }) => format!("unset {variable}"),
        (Field::ApiKeys, _) => format!("set {variable} to the keys that Coder holds"),
        (_, Value::Text(text)) if text.is_empty() => format!("unset {variable}"),
        (_, Value::Text(text)) if readable && !conflict.differs_out_of_sight() => format!("set {variable} to {text}"),
        _ => format!("set {variable} to the database's value"),
    }
}

/// What to do to make the database follow the environment.
pub fn take_environment(conflicts: &[Conflict]) -> String {
    let page = "Admin settings, AI, Providers";
    if conflicts.iter().any(|conflict| conflict.field == Field::Type) {
        // Coder: name and type are immutable; and a deleted name is not seeded again.
        return format!(
            "a type cannot be changed in Coder: delete the provider there ({page}) and create it with the new type, \
             or give it another NAME in the environment"
        );
    }
    format!(
        "if Coder is running, change the provider there ({page}); if not, unset this provider's variables, start Coder, \
         change it, set the variables again"
    )
}

pub const START_ANYWAY: &str = "AI_PROVIDER_SEED_BLOCK_ON=none";

/// The next step in one sentence, for places with little room.
pub fn advice(conflicts: &[Conflict]) -> String {
    let what = match conflicts {
        [one] => keep_database(one),
        _ => "set the variables to the database's values".to_owned(),
    };
    let what = if what.len() > 200 { "set the variable to the database's value".to_owned() } else { what };
    format!("{}, change the provider in Coder, or start anyway with {START_ANYWAY}", capital(&what))
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_ascii_uppercase().to_string() + characters.as_str()).unwrap_or_default()
}

/// `2026-11-20T09:12:00Z` to `2026-11-20 09:12 UTC`.
pub fn minute(time: &str) -> String {
    match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(minute)) => format!("{} {} UTC", shown::escape(day), shown::escape(minute)),
        _ => shown::escape(time),
    }
}
