//! A conflict or a problem in one sentence, each value beside its origin, for the status, events and the termination
//! message. `terminal` shows the same values in lines, with the same next steps.

use crate::plan::{Conflict, FieldValue};
use crate::problem::Problem;
use crate::provider::{Field, Origin, Presence, ProviderType, Source, redact};

/// `https://api.openai.com/v2`, `2 keys (1f3a09bc, 77b1c0de)`, `access key 1f3a09bc, secret 77b1c0de`, `(empty)`.
pub fn value(field: Field, value: &FieldValue) -> String {
    match (field, value) {
        (_, FieldValue::Text(text)) if text.text.is_empty() => "(empty)".to_owned(),
        (_, FieldValue::Text(text)) => text.text.clone(),
        (Field::BedrockCredentials, FieldValue::Credentials { fingerprints, .. }) => match &fingerprints[..] {
            [] => "no credentials".to_owned(),
            [access_key, secret] => format!("access key {access_key}, secret {secret}"),
            // Half a pair: Coder's API can store one.
            half => format!("half a pair ({})", half.join(", ")),
        },
        (_, FieldValue::Credentials { count: 0, .. }) => "no keys".to_owned(),
        (_, FieldValue::Credentials { count, fingerprints }) => {
            format!("{} ({})", redact::count(*count, "key"), fingerprints.join(", "))
        }
    }
}

/// `CODER_AIBRIDGE_PROVIDER_0_BASE_URL`, and its source unless that is the environment of the process.
pub fn origin(origin: &Origin) -> String {
    let variable = &origin.variable;
    match (origin.presence, &origin.source) {
        (Presence::Default, _) => format!("{variable}, default"),
        (Presence::Unset, _) => format!("{variable}, not set"),
        (Presence::Set, Source::Process | Source::Container) => variable.to_string(),
        (Presence::Set, source) => format!("{variable}, {source}"),
    }
}

/// `openai base_url is A in the environment (VARIABLE), B in the database`
pub fn conflict_sentence(conflict: &Conflict) -> String {
    let hidden =
        if conflict.differs_only_in_redacted_part() { ", and the difference is in a part that is hidden" } else { "" };
    let field = conflict.field;
    format!(
        "{} {} is {} in the environment ({}), {} in the database{hidden}",
        conflict.provider,
        field.as_str(),
        value(field, &conflict.environment),
        origin(&conflict.origin),
        value(field, &conflict.database),
    )
}

/// For each provider: the sentences of the blocking differences, and the names of other fields that a decision would also
/// change.
pub fn conflict_facts(told: &[(&Conflict, String)]) -> Vec<String> {
    let of_provider = |told: &[(&Conflict, String)]| {
        let blocking = told.iter().filter(|(conflict, _)| conflict.blocking);
        let mut facts: Vec<String> = blocking.map(|(_, sentence)| sentence.clone()).collect();
        let others = told.iter().filter(|(conflict, _)| !conflict.blocking);
        let others: Vec<&str> = others.map(|(conflict, _)| conflict.field.as_str()).collect();
        if let (Some(first), [_, ..]) = (facts.first_mut(), &others[..]) {
            // In the first sentence, so that it is not cut off.
            first.push_str(&format!(", and its {} differ too", others.join(", ")));
        }
        facts
    };
    told.chunk_by(|(a, _), (b, _)| a.provider == b.provider).flat_map(of_provider).collect()
}

/// `VARIABLE: fault and next step (code)`
pub fn problem_sentence(problem: &Problem) -> String {
    let place = match (&problem.provider, problem.variables.first()) {
        (_, Some(variable)) => format!("{variable}: "),
        (Some(provider), None) => format!("{provider}: "),
        (None, None) => String::new(),
    };
    format!("{place}{} ({})", problem.message, problem.code)
}

const INDEXED: &str = "describe the provider in indexed variables (CODER_AIBRIDGE_PROVIDER_0_TYPE, …) instead";

/// The steps to keep the database's values of one provider. A description of the whole provider includes all other
/// changes.
pub fn keep_database_of(conflicts: &[Conflict]) -> Vec<String> {
    let mut ways: Vec<String> = conflicts.iter().map(keep_database).collect();
    if ways.iter().any(|way| way == INDEXED) {
        ways.retain(|way| way == INDEXED);
    }
    ways.dedup();
    ways
}

/// The step for one field.
fn keep_database(conflict: &Conflict) -> String {
    let variable = &conflict.origin.variable;
    // Only an exact value can be set.
    let exact = match &conflict.database {
        FieldValue::Text(text) => text.exact(),
        FieldValue::Credentials { .. } => None,
    };
    let was_bedrock =
        matches!(&conflict.environment, FieldValue::Text(text) if text.text == ProviderType::Bedrock.as_str());
    match (conflict.field, exact) {
        // The older variables have no TYPE. An unset variable has Coder's default, and an empty one overrides it.
        (Field::Type, _) if conflict.origin.presence == Presence::Default => return INDEXED.to_owned(),
        (_, Some("")) if conflict.falls_back_to_default() => return format!("set {variable} to an empty value"),
        // The other variables may make it a Bedrock provider.
        (Field::Type, Some(kind)) if was_bedrock => {
            return format!("set {variable} to {kind} and unset the BEDROCK variables");
        }
        (_, Some("")) => return format!("unset {variable}"),
        (_, Some(value)) if !conflict.differs_only_in_redacted_part() => return format!("set {variable} to {value}"),
        _ => {}
    }
    match (conflict.field, &conflict.database) {
        (Field::BedrockCredentials, FieldValue::Credentials { count: 0, .. }) => {
            format!("unset {variable} and its secret")
        }
        (Field::BedrockCredentials, _) => format!("set {variable} and its secret to the pair that Coder holds"),
        (Field::ApiKeys, FieldValue::Credentials { count: 0, .. }) => format!("unset {variable}"),
        (Field::ApiKeys, _) => format!("set {variable} to the keys that Coder holds"),
        _ => format!("set {variable} to the database's value"),
    }
}

const PAGE: &str = "Admin settings, AI, Providers";

/// The steps to make the database follow the environment, for one provider.
pub fn take_environment(conflicts: &[Conflict], options: &[String]) -> String {
    let resolve = resolve_command(conflicts, options);
    if changes_a_type(conflicts) {
        // In Coder name and type are immutable, and a deleted name is not seeded again.
        return format!(
            "{resolve}, if nothing is lost by the new type; or delete the provider in Coder ({PAGE}) and create it again, \
             or give it another NAME in the environment"
        );
    }
    if conflicts.iter().all(Conflict::would_clear_credentials) {
        return format!("delete the credentials in Coder ({PAGE}); resolve never removes them");
    }
    if conflicts.iter().all(|conflict| !conflict.blocking && conflict.field.is_credential()) {
        return format!("{resolve}; or change the credentials in Coder ({PAGE})");
    }
    format!("{resolve}; or, if Coder is running, change the provider there ({PAGE})")
}

/// The command for this, with the ids of the shown conflicts and the options that give the same ids.
fn resolve_command(conflicts: &[Conflict], options: &[String]) -> String {
    let mut ids: Vec<&str> = conflicts.iter().map(|conflict| conflict.id.as_str()).collect();
    ids.dedup();
    let ids: String = ids.iter().map(|id| format!(" --conflict {id}")).collect();
    let options: String = options.iter().map(|option| format!(" {option}")).collect();
    format!("ai-provider-seed resolve --take environment{ids}{options}")
}

/// The next step in one sentence, for places with little room. `anyway`: the option that lets the start pass, if it
/// applies. `options`: the options that `resolve` needs to see the same conflicts.
pub fn advice(conflicts: &[Conflict], anyway: Option<&str>, options: &[String]) -> String {
    let keep = match conflicts {
        [one] => keep_database(one),
        _ => "set the variables to the database's values".to_owned(),
    };
    let keep = if keep.len() > 200 { "set the variable to the database's value".to_owned() } else { keep };
    let several = conflicts.windows(2).any(|pair| pair[0].provider != pair[1].provider);
    let take = if changes_a_type(conflicts) { "recreate" } else { "change" };
    let take = format!("{take} the {} in Coder", if several { "providers" } else { "provider" });
    let resolve = resolve_command(conflicts, options);
    // Many ids go to the end of the message.
    let resolve = if resolve.len() > 120 { "ai-provider-seed resolve".to_owned() } else { resolve };
    if conflicts.iter().all(Conflict::would_clear_credentials) {
        // `resolve` would refuse it.
        return capital(&match anyway {
            Some(anyway) => format!("{keep}, {take}, or start anyway with {anyway}"),
            None => format!("{keep}, or {take}"),
        });
    }
    capital(&match anyway {
        Some(anyway) => format!("{keep}, {take}, run {resolve}, or start anyway with {anyway}"),
        None => format!("{keep}, {take}, or run {resolve}"),
    })
}

fn changes_a_type(conflicts: &[Conflict]) -> bool {
    conflicts.iter().any(|conflict| conflict.field == Field::Type)
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_ascii_uppercase().to_string() + characters.as_str()).unwrap_or_default()
}

/// `2026-11-20T09:12:00Z` to `2026-11-20 09:12 UTC`.
pub fn minute(time: &str) -> String {
    match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(minute)) => format!("{} {} UTC", redact::escape(day), redact::escape(minute)),
        _ => redact::escape(time),
    }
}
