//! `--compare-credentials`: ignore, warn, fail.

use super::*;

fn state(options: &PlanOptions, row: StoredProvider) -> (State, bool) {
    let plan = plan(&openai(), &snapshot([("openai", row)]), options);
    (plan.entries[0].state, plan.blocks())
}

#[test]
fn other_keys() {
    for keys in [&["sk-two"][..], &[], &["sk-one", "sk-two"], &["sk-one", "sk-one"]] {
        let row = || row("openai", URL, keys);
        assert_eq!(state(&IGNORE, row()), (State::InSync, false));
        assert_eq!(state(&WRITE, row()), (State::CredentialsDiffer, false));
        assert_eq!(state(&FAIL, row()), (State::Conflict, true));
    }
}

#[test]
fn the_order_of_keys_does_not_matter_and_their_number_does() {
    let two = desired(&[("0_TYPE", "openai"), ("0_BASE_URL", URL), ("0_KEYS", "a,b")]);
    let differs =
        |keys: &[&str]| !plan(&two, &snapshot([("openai", row("openai", URL, keys))]), &FAIL).conflicts.is_empty();
    assert!(!differs(&["a", "b"]) && !differs(&["b", "a"]));
    assert!(differs(&["a"]) && differs(&["a", "a"]) && differs(&["a", "b", "b"]) && differs(&["a", "b", "c"]));
}

#[test]
fn blocking_and_other_differences_are_told_apart() {
    let rows = snapshot([("openai", row("openai", "https://other.example/", &["sk-two"]))]);
    let blocking = |options| {
        let plan = plan(&openai(), &rows, options);
        plan.conflicts.iter().map(|conflict| (conflict.field, conflict.blocking)).collect::<Vec<_>>()
    };
    assert_eq!(blocking(&IGNORE), [(Field::BaseUrl, true)]);
    assert_eq!(blocking(&WRITE), [(Field::BaseUrl, true), (Field::ApiKeys, false)]);
    assert_eq!(blocking(&FAIL), [(Field::BaseUrl, true), (Field::ApiKeys, true)]);
}

#[test]
fn a_stored_key_that_cannot_be_read() {
    let mut encrypted = row("openai", URL, &["sk-one"]);
    encrypted.keys = Some(stored_keys([Ok("sk-one".into()), Err(Unreadable::KeyRequired)]));
    let rows = snapshot([("openai", encrypted.clone())]);

    let warn = plan(&openai(), &rows, &WRITE);
    assert_eq!(
        (states(&warn), codes(&warn.findings.warnings)),
        (vec![State::InSync], vec![Code::CredentialsNotCompared])
    );
    let fail = plan(&openai(), &rows, &FAIL);
    assert_eq!(codes(&fail.findings.problems), [Code::EncryptionKeyRequired]);
    // Credentials are not compared, so the damage does not matter.
    let ignore = plan(&openai(), &rows, &IGNORE);
    assert!(ignore.findings.warnings.is_empty() && !ignore.blocks());

    encrypted.keys = Some(stored_keys([Err(Unreadable::KeyUnknown { digest: "6a193b3".into() })]));
    let fail = plan(&openai(), &snapshot([("openai", encrypted)]), &FAIL);
    assert_eq!(codes(&fail.findings.problems), [Code::UnknownEncryptionKey]);
    assert!(
        fail.findings.problems[0].message.contains("no given key opens it")
            && fail.findings.problems[0].message.contains("6a193b3")
    );

    let mut damaged = row("openai", URL, &[]);
    damaged.keys = Some(stored_keys([Err(Unreadable::Damaged { digest: "6a193b3".into() })]));
    let fail = plan(&openai(), &snapshot([("openai", damaged)]), &FAIL);
    assert_eq!(codes(&fail.findings.problems), [Code::UnknownEncryptionKey]);
    assert!(fail.findings.problems[0].message.contains("it is damaged"), "{}", fail.findings.problems[0].message);
}

/// As `diff --from -` reads a Secret that is not among the manifests.
#[test]
fn unknown_credentials_are_not_compared() {
    let mut desired = openai();
    desired[0].credentials_unknown = true;
    for options in [WRITE, FAIL] {
        let plan = plan(&desired, &snapshot([("openai", row("openai", URL, &["sk-two"]))]), &options);
        assert_eq!((states(&plan), plan.conflicts.len()), (vec![State::InSync], 0));
    }
}

#[test]
fn bedrock_credentials() {
    let differences = |row: StoredProvider, options| differences(&plan(&bedrock(), &snapshot([("aws", row)]), options));
    let same = bedrock_row("bedrock", "us-east-1", Some(("id", "secret")));
    assert!(differences(same, &FAIL).is_empty());
    for (other, count) in [(Some(("id", "other")), 2), (Some(("secret", "id")), 2), (None, 0)] {
        let row = || bedrock_row("bedrock", "us-east-1", other);
        assert_eq!(differences(row(), &FAIL), [format!("bedrock_credentials 2 | {count}")]);
        assert!(differences(row(), &IGNORE).is_empty());
    }
    // Settings without credentials differ from no settings.
    let region_only = desired(&[("0_TYPE", "bedrock"), ("0_NAME", "aws"), ("0_BEDROCK_BASE_URL", URL)]);
    let none = plan(&region_only, &with(schema(), snapshot([("aws", row("bedrock", URL, &[]))])), &FAIL);
    assert_eq!(none.conflicts.len(), 1);
    assert!(none.conflicts[0].differs_only_in_redacted_part());
}
