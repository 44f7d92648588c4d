//! Conditions that must hold after a step of a case. Each check returns its failures, in words.

use super::cases::{Env, Prediction};
use super::{Finished, Snapshot};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub outcome: String,
    pub problem: Option<String>,
    #[serde(default)]
    pub warnings: Vec<Warning>,
    #[serde(default)]
    pub conflicting: Vec<String>,
    /// The fields of all conflicts, including those that do not block.
    pub fields: Option<Vec<String>>,
    /// Live rows that no variable describes, in the listed form.
    pub undescribed: Option<Vec<String>>,
    /// Every row afterwards; a missing field is not checked.
    pub providers: Option<Vec<Map<String, Value>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    code: String,
    variable: Option<String>,
}

fn exit_code(outcome: &str) -> i32 {
    match outcome {
        "ok" => 0,
        "changes" => 1,
        "invalid" => 2,
        "conflict" => 3,
        "unavailable" => 4,
        "unusable" => 5,
        "locked" => 6,
        other => panic!("unknown outcome {other}"),
    }
}

/// The exit code and the document of a seed.
pub fn check_run(finished: &Finished, expect: &Expect) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |right: bool, text: String| {
        if !right {
            wrong.push(text);
        }
    };
    let code = exit_code(&expect.outcome);
    check(finished.code == code, format!("exit code {} instead of {code} ({})", finished.code, expect.outcome));
    let json = finished.json();
    check(
        json["outcome"] == expect.outcome.as_str(),
        format!("outcome {} instead of {}", json["outcome"], expect.outcome),
    );
    check(json["version"] == 1, format!("version {}", json["version"]));
    check(json["blocked"] == (code != 0), format!("blocked is {}", json["blocked"]));
    let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
    if let Some(problem) = &expect.problem {
        let problems = finished.codes("problems");
        check(problems.contains(problem), format!("problem {problem} is not among {problems:?}"));
    }
    for Warning { code, variable } in &expect.warnings {
        let matches = |warning: &Value| {
            let names = warning["variables"].as_array().is_some_and(|names| {
                variable.as_ref().is_none_or(|variable| names.iter().any(|name| name == variable.as_str()))
            });
            warning["code"] == code.as_str() && names
        };
        check(
            list("warnings").iter().any(matches),
            format!("no warning {code} about {variable:?} in {}", json["warnings"]),
        );
    }
    if let Some(fields) = &expect.fields {
        let found: Vec<_> = list("conflicts").iter().map(|conflict| conflict["field"].clone()).collect();
        check(json!(found) == json!(fields), format!("conflicts about {found:?} instead of {fields:?}"));
    }
    if let Some(names) = &expect.undescribed {
        check(json["undescribed"] == json!(names), format!("undescribed {} instead of {names:?}", json["undescribed"]));
    }
    for name in &expect.conflicting {
        let named = list("conflicts").iter().any(|conflict| conflict["provider"] == name.as_str());
        check(named, format!("{name} is not among the conflicts {}", json["conflicts"]));
    }
    check((expect.outcome == "conflict") != list("conflicts").iter().all(|c| c["blocking"] == false), {
        format!("outcome {} with conflicts {}", expect.outcome, json["conflicts"])
    });
    wrong
}

/// The prediction of `diff` just before equals the result of `seed`.
pub fn check_agreement(diff: &Finished, seed: &Finished, before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut wrong = Vec::new();
    let (said, did) = (diff.json(), seed.json());
    let created = after.providers.len() > before.providers.len();
    let outcome = if created { json!("changes") } else { did["outcome"].clone() };
    let code = if created { 1 } else { seed.code };
    if said["outcome"] != outcome || diff.code != code {
        wrong.push(format!(
            "diff: outcome {} and exit code {}, but seed: {outcome}, {code}",
            said["outcome"], diff.code
        ));
    }
    // By default a seed does not report rows that no variable describes.
    let told = |json: &Value, list: &str| {
        let all = json[list].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|told| told["code"] != "undescribed_provider").collect::<Vec<_>>()
    };
    for list in ["conflicts", "problems", "warnings"] {
        if told(&said, list) != told(&did, list) {
            wrong.push(format!("{list} of diff {} are not those of seed {}", said[list], did[list]));
        }
    }
    let seeds_default = did["undescribed"] == json!([]);
    if !seeds_default && said["undescribed"] != did["undescribed"] {
        wrong.push(format!("undescribed of diff {} is not that of seed {}", said["undescribed"], did["undescribed"]));
    }
    wrong
}

/// The prediction from a pod template equals the result of `diff` with the same environment, and the result of `seed`.
pub fn check_prediction(prediction: &Prediction, diff: &Finished, seed: &Finished) -> Vec<String> {
    let mut wrong = Vec::new();
    let (diff, seed) = (diff.json(), seed.json());
    let outcome = seed["outcome"].as_str().unwrap_or_default();
    let fits = match prediction.reason.as_str() {
        "InSync" | "NothingDesired" | "SchemaPending" | "CredentialsDiffer" | "SettingsDiffer" => {
            outcome == "ok" && seed["written"] == false
        }
        "WouldSeed" => outcome == "ok",
        "Conflict" => outcome == "conflict",
        "InvalidEnvironment" => outcome == "invalid",
        "DatabaseUnusable" => outcome == "unusable",
        _ => false,
    };
    if !fits {
        wrong.push(format!("{} was predicted, but seed: {outcome}, written {}", prediction.reason, seed["written"]));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| diff[name].as_array().cloned().unwrap_or_default();
    let camel = |word: String| -> String {
        let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
        word.split('_').filter(|part| !part.is_empty()).map(capital).collect()
    };
    // Neither is reported if nothing was read.
    if !["InvalidEnvironment", "DatabaseUnusable"].contains(&prediction.reason.as_str()) {
        let conflicts: Vec<_> =
            list("conflicts").iter().map(|c| (text(&c["id"]), text(&c["provider"]), text(&c["field"]))).collect();
        let providers = list("providers").iter().map(|p| (text(&p["name"]), camel(text(&p["state"])))).collect();
        if prediction.conflicts != conflicts {
            wrong.push(format!("conflicts {:?} were predicted, but diff: {conflicts:?}", prediction.conflicts));
        }
        if prediction.providers != providers {
            wrong.push(format!("providers {:?} were predicted, but diff: {providers:?}", prediction.providers));
        }
    }
    let warnings: Vec<String> = list("warnings").iter().map(|warning| text(&warning["code"])).collect();
    if prediction.warnings != warnings {
        wrong.push(format!("warnings {:?} were predicted, but diff: {warnings:?}", prediction.warnings));
    }
    wrong
}

/// The rows after all seeds of a step, and the truth of each seed's report about its own writes.
pub fn check_rows(before: &Snapshot, after: &Snapshot, seeds: &[Finished], expect: &Expect) -> Vec<String> {
    let changes = after.changes_since(before);
    let mut wrong: Vec<String> = changes
        .iter()
        .filter(|change| expect.outcome != "ok" || !change.contains(": inserted "))
        .map(|change| format!("must not happen: {change}"))
        .collect();
    if let Some(expected) = &expect.providers {
        wrong.extend(check_providers(after, expected));
    }
    let new = |rows: &[Value], old: &[Value]| -> Vec<Value> {
        rows.iter().filter(|row| !old.iter().any(|old| old["id"] == row["id"])).cloned().collect()
    };
    let providers = new(&after.providers, &before.providers);
    let keys = new(&after.keys, &before.keys);
    wrong.extend(check_audit(&providers, &keys, &new(&after.audit, &before.audit)));

    // Each new row is claimed by exactly one run, and a run says `written` exactly if it claims one.
    let mut claimed: Vec<String> = Vec::new();
    for seed in seeds {
        let json = seed.json();
        let mine = json["providers"].as_array().into_iter().flatten().filter(|provider| provider["state"] == "created");
        let mine: Vec<String> = mine.map(|provider| provider["id"].as_str().unwrap_or_default().to_owned()).collect();
        if json["written"] == mine.is_empty() {
            wrong.push(format!("written is {} with created {mine:?}", json["written"]));
        }
        claimed.extend(mine);
    }
    let mut inserted: Vec<String> =
        providers.iter().map(|row| row["id"].as_str().unwrap_or_default().to_owned()).collect();
    claimed.sort();
    inserted.sort();
    if claimed != inserted {
        wrong.push(format!("the runs say they created {claimed:?}, but there are {inserted:?}"));
    }
    wrong
}

fn check_providers(after: &Snapshot, expected: &[Map<String, Value>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rest: Vec<Value> = after.providers.iter().map(|row| comparable(after, row)).collect();
    for row in expected {
        let mut row = row.clone();
        if let Some(Value::Array(keys)) = row.get_mut("keys") {
            keys.sort_by_key(Value::to_string);
        }
        match rest.iter().position(|there| row.iter().all(|(field, value)| there[field] == *value)) {
            Some(place) => drop(rest.remove(place)),
            None => wrong.push(format!("no such row: {}\n  there are: {rest:?}", Value::Object(row))),
        }
    }
    wrong.extend(rest.iter().map(|row| format!("a row too many: {row}")));
    wrong
}

/// A stored row in terms of the case file.
fn comparable(after: &Snapshot, row: &Value) -> Value {
    let mut keys = after.keys_of(&row["id"]);
    keys.sort();
    let mut settings = match row["settings"].as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        None => Value::Null,
    };
    // It is random: 128 bits in base32.
    let of_form = |id: &str| id.len() == 26 && id.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'));
    if settings["external_id"].as_str().is_some_and(of_form) {
        settings["external_id"] = json!("26 characters");
    }
    json!({"name": row["name"], "type": row["type"], "base_url": row["base_url"], "enabled": row["enabled"],
           "display_name": row["display_name"], "icon": row["icon"], "deleted": row["deleted"], "settings": settings, "keys": keys})
}

/// Exactly one audit row for each new provider and each new key, as Coder would have written it, without a secret.
fn check_audit(providers: &[Value], keys: &[Value], audit: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rest = audit.to_vec();
    let zero = "00000000-0000-0000-0000-000000000000";
    let new = providers.iter().map(|row| ("ai_provider", row, &row["name"]));
    for (kind, row, target) in new.chain(keys.iter().map(|row| ("ai_provider_key", row, &row["id"]))) {
        let Some(place) = rest.iter().position(|audit| audit["resource_id"] == row["id"]) else {
            wrong.push(format!("no audit row for {kind} {target}"));
            continue;
        };
        let audit = rest.remove(place);
        for (field, value) in [
            ("resource_type", json!(kind)),
            ("resource_target", target.clone()),
            ("action", json!("create")),
            ("user_id", json!(zero)),
            ("organization_id", json!(zero)),
            ("request_id", json!(zero)),
            ("ip", Value::Null),
            ("user_agent", Value::Null),
            ("status_code", json!(0)),
            ("additional_fields", json!({})),
            ("resource_icon", json!("")),
        ] {
            if audit[field] != value {
                wrong.push(format!("audit row of {kind} {target}: {field} is {} instead of {value}", audit[field]));
            }
        }
        // Without the columns that Coder's own table of audited fields leaves out.
        let expected: &[&str] = match kind {
            "ai_provider" => &["base_url", "display_name", "enabled", "id", "name", "settings", "type"],
            _ => &["api_key", "id", "provider_id"],
        };
        let fields = audit["diff"].as_object().into_iter().flatten().map(|(field, _)| field.as_str());
        let mut fields: Vec<&str> = fields.filter(|field| *field != "icon").collect();
        fields.sort_unstable();
        if fields != expected {
            wrong.push(format!("audit row of {kind} {target} is about {fields:?} instead of {expected:?}"));
        }
        for (field, change) in audit["diff"].as_object().into_iter().flatten() {
            if change["secret"] == true && (change["new"] != "" || change["old"] != "") {
                wrong.push(format!("audit row of {kind} {target}: the secret field {field} has a value"));
            }
        }
        for secret in [&row["api_key"], &row["settings"]].into_iter().filter_map(Value::as_str) {
            if audit.to_string().contains(secret) {
                wrong.push(format!("audit row of {kind} {target} holds a secret"));
            }
        }
    }
    wrong.extend(rest.iter().map(|audit| format!("an audit row too many: {audit}")));
    wrong
}

/// No value of eight or more characters of a variable with KEY or SECRET in its name, nor any of its elements, was
/// printed.
pub fn check_secrets(finished: &Finished, env: &Env) -> Vec<String> {
    let printed = finished.everything();
    let secret = |name: &str| ["KEY", "SECRET"].iter().any(|word| name.to_uppercase().contains(word));
    let shown = env.iter().filter(|(name, value)| {
        let parts = value.split(',').map(str::trim).chain([value.as_str()]);
        secret(name) && parts.into_iter().any(|part| part.chars().count() >= 8 && printed.contains(part))
    });
    shown.map(|(name, _)| format!("the value of {name} is printed")).collect()
}
