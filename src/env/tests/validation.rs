//! Checks 1 to 17 of an indexed provider.

use super::*;

const URL: (&str, &str) = ("0_BASE_URL", "https://ai.example/v1");

/// Each check alone, with every way to fail it.
#[test]
fn each_check_has_its_code_its_index_and_its_variables() {
    let table: &[(Pairs, &[&str])] = &[
        // 1
        (&[("0_NAME", "a"), ("0_KEY", "k")], &["type_required[0] 0_TYPE"]),
        (&[("0_TYPE", ""), ("0_KEY", "k")], &["type_required[0] 0_TYPE"]),
        (&[("0_TYPO", "openai")], &["type_required[0] 0_TYPE"]),
        // 2: exact, case-sensitive, not trimmed
        (&[("0_TYPE", "opnai")], &["unknown_type[0] 0_TYPE"]),
        (&[("0_TYPE", "OpenAI")], &["unknown_type[0] 0_TYPE"]),
        (&[("0_TYPE", "openai ")], &["unknown_type[0] 0_TYPE"]),
        (&[("0_TYPE", "azure-openai")], &["unknown_type[0] 0_TYPE"]),
        // 3
        (
            &[("0_TYPE", "openai"), ("0_KEY", "k"), ("0_BEDROCK_REGION", "us-east-1")],
            &["bedrock_unsupported[0] 0_BEDROCK_REGION"],
        ),
        (
            &[("0_TYPE", "copilot"), ("0_BEDROCK_BASE_URL", "https://b.example"), ("0_BEDROCK_REGION", "us-east-1")],
            &["bedrock_unsupported[0] 0_BEDROCK_BASE_URL 0_BEDROCK_REGION"],
        ),
        // 4: models alone are no Bedrock configuration
        (&[("0_TYPE", "bedrock")], &["bedrock_required[0] 0_BEDROCK_REGION"]),
        (&[("0_TYPE", "bedrock"), ("0_BEDROCK_MODEL", "m")], &["bedrock_required[0] 0_BEDROCK_REGION"]),
        (&[("0_TYPE", "bedrock"), ("0_BEDROCK_REGION", "")], &["bedrock_required[0] 0_BEDROCK_REGION"]),
        // 5, 6
        (
            &[("0_TYPE", "bedrock"), ("0_BEDROCK_REGION", "us-east-1"), ("0_KEYS", "a,b")],
            &["keys_unsupported[0] 0_KEYS"],
        ),
        (&[("0_TYPE", "copilot"), ("0_KEY", "k")], &["keys_unsupported[0] 0_KEY"]),
        // 7
        (
            &[("0_TYPE", "anthropic"), ("0_KEY", "k"), ("0_BEDROCK_REGION", "us-east-1")],
            &["keys_with_bedrock[0] 0_KEY 0_BEDROCK_REGION"],
        ),
        // 12
        (&[("0_TYPE", "openai"), ("0_KEYS", "1,2,3,4,5,6")], &["too_many_keys[0] 0_KEYS"]),
        // 13: set but empty is an error, not unset
        (&[("0_TYPE", "openai"), ("0_KEY", "")], &["empty_key[0] 0_KEY"]),
        (&[("0_TYPE", "openai"), ("0_KEY", " \n")], &["empty_key[0] 0_KEY"]),
        (&[("0_TYPE", "openai"), ("0_KEYS", "")], &["empty_key[0] 0_KEYS"]),
        (&[("0_TYPE", "openai"), ("0_KEYS", "a,,b, ")], &["empty_key[0] 0_KEYS", "empty_key[0] 0_KEYS"]),
        // 14: after trimming
        (&[("0_TYPE", "openai"), ("0_KEYS", "a, a ,b")], &["duplicate_key[0] 0_KEYS"]),
        // 15
        (
            &[("0_TYPE", "bedrock"), ("0_BEDROCK_ACCESS_KEY", "id")],
            &["credential_count_mismatch[0] 0_BEDROCK_ACCESS_KEY 0_BEDROCK_ACCESS_KEY_SECRET"],
        ),
        (
            &[("0_TYPE", "bedrock"), ("0_BEDROCK_ACCESS_KEY_SECRETS", "a,b"), ("0_BEDROCK_ACCESS_KEYS", "c")],
            &["credential_count_mismatch[0] 0_BEDROCK_ACCESS_KEYS 0_BEDROCK_ACCESS_KEY_SECRETS"],
        ),
        // 16
        (
            &[
                ("0_TYPE", "bedrock"),
                ("0_BEDROCK_ACCESS_KEYS", "1,2,3,4,5,6"),
                ("0_BEDROCK_ACCESS_KEY_SECRETS", "a,a,b,c,,d"),
            ],
            &[
                "too_many_keys[0] 0_BEDROCK_ACCESS_KEYS",
                "too_many_keys[0] 0_BEDROCK_ACCESS_KEY_SECRETS",
                "duplicate_key[0] 0_BEDROCK_ACCESS_KEY_SECRETS",
                "empty_key[0] 0_BEDROCK_ACCESS_KEY_SECRETS",
            ],
        ),
        // 17: among names and types alike
        (&[("0_TYPE", "openai"), ("1_TYPE", "openai"), ("1_KEY", "k")], &["duplicate_name[1] 0_TYPE 1_TYPE"]),
        (
            &[
                ("0_TYPE", "azure"),
                ("0_NAME", "openai"),
                ("1_TYPE", "openai"),
                ("2_TYPE", "google"),
                ("2_NAME", "openai"),
            ],
            &["duplicate_name[1] 0_NAME 1_TYPE", "duplicate_name[2] 0_NAME 2_NAME"],
        ),
        // The seed step: the name pattern.
        (&[("0_TYPE", "openai"), ("0_NAME", "my_openai")], &["invalid_name[0] 0_NAME"]),
        (&[("0_TYPE", "openai"), ("0_NAME", " openai")], &["invalid_name[0] 0_NAME"]),
    ];
    for (pairs, expected) in table {
        assert_problems(pairs, expected);
    }
}

/// Fields of a branch that was never released: the provider is still seeded.
#[test]
fn federation_fields_are_unknown() {
    let fields = ["FEDERATION_RULE_ID", "ORGANIZATION_ID", "IDENTITY_TOKEN_FILE", "SERVICE_ACCOUNT_ID", "WORKSPACE_ID"];
    for kind in ["openai", "anthropic"] {
        for field in fields {
            let name = format!("0_{field}");
            let pairs = [("0_TYPE", kind), ("0_KEY", "k"), URL, (&name, "x")];
            let environment = assert_warnings(&pairs, &[&format!("unknown_variable[0] {name}")]);
            assert_eq!((environment.providers.len(), &environment.findings.warnings[0].suggestion), (1, &None));
        }
    }
}

/// Without a type, only checks 3 to 7 of that provider are left out.
#[test]
fn without_a_type_only_3_to_7_are_left_out() {
    for (kind, code) in [("", "type_required"), ("sk-wrong-place", "unknown_type")] {
        assert_problems(
            &[
                ("0_TYPE", kind),
                ("0_NAME", "Bad"),
                ("0_KEYS", "a,a,,1,2,3"),
                ("0_BEDROCK_ACCESS_KEY", ""),
                ("1_TYPE", "copilot"),
                ("1_NAME", "Bad"),
                ("1_KEY", "k"),
            ],
            &[
                &format!("{code}[0] 0_TYPE"),
                "invalid_name[0] 0_NAME",
                "too_many_keys[0] 0_KEYS",
                "duplicate_key[0] 0_KEYS",
                "empty_key[0] 0_KEYS",
                "empty_key[0] 0_BEDROCK_ACCESS_KEY",
                "credential_count_mismatch[0] 0_BEDROCK_ACCESS_KEY 0_BEDROCK_ACCESS_KEY_SECRET",
                "duplicate_name[1] 0_NAME 1_NAME",
                "invalid_name[1] 1_NAME",
                "keys_unsupported[1] 1_KEY",
            ],
        );
    }
}

/// Every mistake at once, and every code of the environment in one run.
#[test]
fn all_problems_of_a_run_are_found_together() {
    let mut given = variables(&[
        ("X_TYPE", "left alone"),
        ("0_TYPE", "opnai"),
        ("1_NAME", "a"),
        ("2_TYPE", "openai"),
        ("2_BEDROCK_REGION", "us-east-1"),
        ("2_KEY", "a"),
        ("2_KEYS", "b"),
        ("3_TYPE", "bedrock"),
        ("3_KEY", ""),
        ("4_TYPE", "anthropic"),
        ("4_NAME", "a"),
        ("4_BEDROCK_REGION", "us-east-1"),
        ("4_KEYS", "1,1,2,3,4,5"),
        ("5_TYPE", "bedrock"),
        ("5_NAME", "UP"),
        ("5_BEDROCK_ACCESS_KEY", "a"),
        ("7_TYPE", "openai"),
        ("7_NAME", "openai2"),
        ("7_KEY", "one\ntwo"),
        ("7_ENABLED", "yes"),
        ("-1_TYPE", "openai"),
        ("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "google"),
        ("CODER_AIBRIDGE_OPENAI_KEY", "k"),
        ("CODER_AIBRIDGE_ANTHROPIC_KEY", "k"),
        ("CODER_AIBRIDGE_BEDROCK_REGION", "us-east-1"),
    ]);
    given.push(Variable::from_os("CODER_AIBRIDGE_OPENAI_BASE_URL".into(), not_unicode()));
    given.push(Variable::in_pod("CODER_AIBRIDGE_BEDROCK_MODEL", "it comes from fieldRef metadata.name"));
    let mut environment = Environment::read(&given);
    environment.require(10, "AI_PROVIDER_SEED_REQUIRE_PROVIDERS");
    let mut found: Vec<Code> = environment.findings.problems.iter().map(|problem| problem.code).collect();
    found.sort();
    found.dedup();
    // The remaining codes do not belong to the environment, or are in `without_a_type…`.
    let others = [Code::EncryptionKeyInvalid, Code::EnvFileInvalid, Code::EnvironmentTooLarge, Code::InvalidOption];
    let expected: Vec<Code> =
        Code::ALL.iter().copied().filter(|code| *code < Code::DatabaseUrlInvalid && !others.contains(code)).collect();
    assert_eq!(found, expected, "{:#?}", environment.findings.problems);
    for problem in &environment.findings.problems {
        assert!(!problem.variables.is_empty(), "{problem:?}");
    }
}

#[test]
fn messages_help() {
    let message = |pairs: &[(&str, &str)]| read(pairs).findings.problems[0].message.clone();
    assert_eq!(message(&[("0_TYPE", "opnai")]), "unknown type \"opnai\"; did you mean \"openai\"?");
    assert_eq!(
        message(&[("0_TYPE", " OPENAI ")]),
        "unknown type of 8 characters, the first is a space; did you mean \"openai\"?"
    );
    assert_eq!(
        message(&[("0_TYPE", "openai"), ("0_NAME", "my_openai")]),
        "name of 9 characters has \"_\" at the 3rd; use a-z, 0-9 and single \"-\" between them"
    );
    assert_eq!(message(&[("0_TYPE", "openai"), ("0_KEYS", "1,2,3,4,5,6")]), "6 keys; Coder takes at most 5");
    assert_eq!(
        message(&[("0_TYPE", "openai"), ("0_KEYS", "a,b,a")]),
        "the 3rd key is the same as the 1st; remove one of them"
    );
    // Coder's limit itself is allowed.
    assert_eq!(read(&[("0_TYPE", "openai"), ("0_KEYS", "1,2,3,4,5")]).findings.problems, []);
    let bedrock = [("0_TYPE", "bedrock"), ("0_BEDROCK_REGION", "us-east-1"), ("0_KEY", "k")];
    assert_eq!(message(&bedrock), "type bedrock takes no keys; use the BEDROCK_* fields");
    assert_eq!(message(&[("0_TYPE", "copilot"), ("0_KEY", "k")]), "type copilot takes no keys; remove it");
    for (name, what) in [
        ("0", "expected a number and a field after the prefix; write "),
        ("-1_TYPE", "the number of a provider cannot be negative; write "),
        ("99999999999999999999_TYPE", "the number does not fit 64 bits; write "),
        ("0x1_TYPE", "expected a number after the prefix; write "),
        ("CODER_AIBRIDGE_PROVIDER__TYPE", "expected a number after the prefix; write "),
    ] {
        assert!(message(&[(name, "openai")]).starts_with(what), "{name}: {}", message(&[(name, "openai")]));
    }
    assert!(message(&[("0_TYPE", "openai"), ("0_KEYS", "a,,b")]).starts_with("the 2nd key is empty"));
    assert!(message(&[("0_TYPE", "openai"), ("0_KEY", "")]).starts_with("set, but empty"));
    assert_eq!(read(&[("0_TYPE", "opnai")]).findings.problems[0].suggestion.as_deref(), Some("openai"));
    // A known type is not secret; a key in the wrong place is, even one that could be a name.
    for pairs in
        [&[("0_TYPE", "sk-0123456789"), ("0_NAME", "sk-ABCDEFGHIJ")], &[("0_TYPE", "sk-0123456789"), ("0_KEY", "")]]
    {
        assert!(!said(&read(pairs)).contains("sk-"), "{}", said(&read(pairs)));
    }
}

pub fn not_unicode() -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(vec![b'k', 0xff, 0xfe])
}
