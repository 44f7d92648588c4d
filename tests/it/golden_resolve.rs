//! The output of `resolve` and `export`; see golden.rs.

use crate::support::{Database, Run, Server, Variant};

const ENV: [(&str, &str); 6] = [
    ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai"),
    ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://api.openai.com/v2"),
    ("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-golden-new"),
    ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic"),
    ("CODER_AIBRIDGE_PROVIDER_1_NAME", "claude"),
    ("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://api.anthropic.com/"),
];
const ROWS: &str = "
    insert into ai_providers (id, type, name, base_url, updated_at) values
      ('00000000-0000-4000-8000-000000000001', 'openai', 'openai', 'https://api.openai.com/v1', '2026-11-20 09:12:00+00'),
      ('00000000-0000-4000-8000-000000000002', 'anthropic', 'claude', 'https://claude.internal.example.com/', '2026-11-20 09:12:00+00');
    insert into ai_provider_keys (provider_id, api_key) values ('00000000-0000-4000-8000-000000000001', 'sk-golden-old')";
const AWS: &str = r#"
    ; insert into ai_providers (id, type, name, base_url, enabled, settings) values ('00000000-0000-4000-8000-000000000003', 'bedrock', 'aws', '', false,
      '{"_type":"bedrock","_version":1,"access_key":"AKIAGOLDEN","access_key_secret":"golden-secret","model":"global.anthropic.claude-sonnet-4-5-20250929-v1:0","region":"eu-central-1","role_arn":"arn:aws:iam::1:role/x"}')
    ; insert into ai_providers (id, type, name, base_url) values ('00000000-0000-4000-8000-000000000004', 'copilot', 'copilot', 'https://copilot.example.com/')
    ; insert into ai_provider_keys (provider_id, api_key) select id, 'sk-golden' from ai_providers where name = 'copilot'"#;

fn conflict(database: &Database, provider: &str) -> String {
    let diff = Run::diff().json().envs(ENV).database(database.url()).run().json();
    let conflicts = diff["conflicts"].as_array().unwrap();
    let found = conflicts.iter().find(|conflict| conflict["provider"] == provider).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

/// Text, termination message and JSON, each with a separate database.
fn golden(name: &str, sql: &str, arguments: impl Fn(&Database) -> Vec<String>) {
    let place = format!("127.0.0.1:{}", Server::shared().port());
    let run = |json: bool| {
        let database = Server::shared().database(Variant::Current);
        database.execute(sql);
        let run = Run::new(arguments(&database)).envs(ENV).database(database.url());
        let finished = if json { run.json() } else { run.env("AI_PROVIDER_SEED_LOG_LEVEL", "error") }.run();
        let mask = |text: &str| {
            text.replace(&place, "db.coder.svc:5432")
                .replace(&format!("database {} ", database.name()), "database coder ")
        };
        let json = if json { serde_json::to_string_pretty(&finished.json()).unwrap() } else { String::new() };
        assert!(!finished.everything().contains("golden"), "a secret is printed");
        let parts =
            [&finished.stdout, &finished.stderr, finished.termination.as_ref().unwrap(), &json].map(|t| mask(t));
        (finished.code, parts)
    };
    let (code, [stdout, stderr, termination, _]) = run(false);
    let (same, [.., json]) = run(true);
    assert_eq!(code, same);
    assert!(termination.len() <= 1024);
    let written = format!(
        "exit code {code}\n\n{stdout}\n---------- standard error\n{stderr}\n---------- termination message\n{termination}\n---------- json\n{json}\n"
    );
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, written);
    });
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn resolve() {
    let take = |side: &'static str, provider: &'static str| {
        move |database: &Database| {
            let id = conflict(database, provider);
            words(&format!("resolve --take={side} --conflict {id} --yes"))
        }
    };
    golden("resolve-environment", ROWS, take("environment", "openai"));
    golden("resolve-database", ROWS, take("database", "openai"));
    golden("resolve-dry-run", ROWS, |database| {
        let ids = ["claude", "openai"].map(|provider| conflict(database, provider));
        words(&format!("resolve --take=environment --conflict {} --conflict {} --dry-run", ids[0], ids[1]))
    });
    golden("resolve-moved", ROWS, |_| {
        words("resolve openai --take=environment --conflict abcdefghijklmnopqrstuvwxyz234567 --yes")
    });
    golden("resolve-type-refused", &ROWS.replace("'openai', 'openai'", "'azure', 'openai'"), |database| {
        words(&format!("resolve --take=environment --conflict {} --yes --compare-credentials=ignore", {
            let diff =
                Run::diff().json().arg("--compare-credentials=ignore").envs(ENV).database(database.url()).run().json();
            diff["conflicts"][1]["id"].as_str().unwrap().to_owned()
        }))
    });
    // Equal to the environment, so that the time of the change is not shown.
    let same =
        ROWS.replace("https://api.openai.com/v1", "https://api.openai.com/v2").replace("golden-old", "golden-new");
    golden("resolve-restore", &format!("{same}; update ai_providers set deleted = true"), |_| {
        words("resolve openai --restore --yes")
    });
    golden("resolve-nobody-to-ask", ROWS, |_| words("resolve --take=environment"));
}

#[test]
fn export() {
    let sql = format!("{ROWS}{AWS}");
    for format in ["env", "helm", "manifest"] {
        golden(&format!("export-{format}"), &sql, |_| words(&format!("export --format {format}")));
    }
}
