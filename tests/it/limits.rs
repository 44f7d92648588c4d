//! Inputs that no process environment can hold, through `--env-file`: the kernel refuses one variable over 128 KiB and a
//! total over about 2 MiB. Also the allowed forms of a dotenv file.

use crate::support::{Database, Finished, Run, Server, Snapshot, Variant};
use std::time::Duration;

struct File(tempfile::NamedTempFile);

impl File {
    fn new(contents: impl AsRef<[u8]>) -> File {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), contents).unwrap();
        File(file)
    }

    fn run(&self, command: &str, database: &Database) -> Run {
        Run::new([command]).json().arg("--env-file").arg(self.0.path()).database(database.url())
    }

    /// Reads only the environment.
    fn read(&self) -> Finished {
        Run::diff().json().arg("--offline").arg("--env-file").arg(self.0.path()).run()
    }
}

#[test]
fn value_too_long_for_an_environment_is_read_from_a_file() {
    let database = Server::shared().database(Variant::Current);
    let long = "k".repeat(1 << 20);
    // The kernel refuses it before the program starts.
    let refused = std::process::Command::new("true").env("A", &long).status();
    assert!(refused.is_err(), "E2BIG");
    let file = File::new(format!("CODER_AIBRIDGE_PROVIDER_0_TYPE=openai\nCODER_AIBRIDGE_PROVIDER_0_KEY={long}\n"));
    file.run("seed", &database).run().expect(0);
    let rows = Snapshot::of(&database);
    assert_eq!(rows.keys_of(&rows.providers[0]["id"]), [long]);
    let again = file.run("seed", &database).run().expect(0);
    assert_eq!(again.json()["written"], false);
}

/// 2,000 providers with 5 keys each, together over 2 MiB: seeded in one run, read back equal, and a difference is found.
#[test]
fn two_thousand_providers_are_seeded() {
    let database = Server::shared().database(Variant::Current);
    let mut lines = String::new();
    for n in 0..2000 {
        let keys: Vec<String> = (0..5).map(|k| format!("sk-{n}-{k}-{}", "x".repeat(200))).collect();
        let name = format!("CODER_AIBRIDGE_PROVIDER_{n}_");
        lines += &format!(
            "{name}TYPE=openai\n{name}NAME=p{n}\n{name}BASE_URL=https://ai.example/{n}\n{name}KEYS={}\n",
            keys.join(",")
        );
    }
    assert!(lines.len() > 2 << 20);
    let file = File::new(&lines);
    let seeded = file.run("seed", &database).run().expect(0);
    assert!(seeded.elapsed < Duration::from_secs(50), "{:?}", seeded.elapsed);
    let counts = database.json(
        "select json_build_array((select count(*) from ai_providers), (select count(*) from ai_provider_keys), (select count(*) from audit_logs))",
    );
    assert_eq!(counts, serde_json::json!([2000, 10000, 12000]));
    // In the order of the environment, for any number.
    let order = "select json_agg(api_key order by k.created_at, k.id) from ai_provider_keys k join ai_providers p on p.id = provider_id
                  where p.name = 'p1999'";
    let keys: Vec<String> = serde_json::from_value(database.json(order)).unwrap();
    assert!(keys.iter().enumerate().all(|(at, key)| key.starts_with(&format!("sk-1999-{at}-"))), "{keys:?}");

    let again = file.run("seed", &database).arg("--compare-credentials=fail").run().expect(0);
    assert_eq!((&again.json()["written"], again.json()["providers"].as_array().unwrap().len()), (&false.into(), 2000));
    database.execute("update ai_providers set base_url = base_url || '/changed'");
    let conflicts = file.run("seed", &database).run().expect(3);
    assert_eq!(conflicts.json()["conflicts"].as_array().unwrap().len(), 2000);
    let message = conflicts.termination.clone().unwrap();
    assert!(
        message.len() <= 1024 && message.starts_with("conflict: ") && message.contains("and 1992 more"),
        "{message}"
    );
}

#[test]
fn dotenv_syntax_is_read() {
    let text = [
        "\u{feff}# a comment, behind a byte order mark",
        "export CODER_AIBRIDGE_PROVIDER_0_TYPE=openai",
        "",
        "CODER_AIBRIDGE_PROVIDER_0_NAME = 'quoted' # and a comment",
        "CODER_AIBRIDGE_PROVIDER_0_BASE_URL=\"https://ai.example/v1\"",
        "CODER_AIBRIDGE_PROVIDER_0_KEYS='a$HOME,b${HOME}',",
        "CODER_AIBRIDGE_PROVIDER_0_KEYS=$one,t#wo,\"th ree\"",
        "  coder_aibridge_provider_0_base_url=https://ai.example/last",
        "CODER_AIBRIDGE_OPENAI_KEY=",
    ];
    for line_break in ["\n", "\r\n"] {
        let database = Server::shared().database(Variant::Current);
        let file = File::new(text.join(line_break));
        // In the process this would be another provider; with a file only the file counts.
        let finished = file.run("seed", &database).env("CODER_AIBRIDGE_ANTHROPIC_KEY", "k").run().expect(0);
        let rows = Snapshot::of(&database);
        assert_eq!(rows.providers.len(), 1, "{finished}");
        assert_eq!(
            (&rows.providers[0]["name"], &rows.providers[0]["base_url"]),
            (&"quoted".into(), &"https://ai.example/last".into())
        );
        assert_eq!(rows.keys_of(&rows.providers[0]["id"]), ["$one", "t#wo", "th ree"]);
        // A key with a space, and two lines of one name in another letter case.
        let codes = finished.codes("warnings");
        assert!(
            codes.iter().all(|code| ["key_suspicious", "duplicate_variable"].contains(&code.as_str())),
            "{finished}"
        );
        assert!(codes.contains(&"key_suspicious".into()) && codes.contains(&"duplicate_variable".into()), "{finished}");
    }
}

#[test]
fn unreadable_env_file_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none");
    let finished = Run::diff().json().arg("--offline").arg("--env-file").arg(&path).run().expect(2);
    let problem = &finished.json()["problems"][0];
    assert_eq!(problem["variables"][0], path.to_str().unwrap());
    assert!(problem["message"].as_str().unwrap().contains("no such file"), "{finished}");
    // The missing provider is not the problem.
    assert_eq!(finished.codes("problems"), ["env_file_invalid"]);
    for (contents, says) in [
        (&b"A=1\nsecret-line\n"[..], "line 2 "),
        (b"A=1\n\n# x\nCODER_AIBRIDGE_OPENAI_KEY=secret line\n", "line 4 "),
        (b"A=1\nB='secret-line\n", "line 2 "),
        (b"=secret-line", "line 1 "),
        (b"1A=secret-line", "line 1 "),
        (b"A=1\r\nB secret-line\r\n", "line 2 "),
        (b"A=1\nB=secret-line\xff\n", "line 2 "),
        (b"A=1\nB=secret\0line\n", "B"),
    ] {
        let file = File::new(contents);
        let finished = file.read().expect(2);
        let message = finished.json()["problems"][0]["message"].as_str().unwrap().to_owned();
        assert_eq!(finished.codes("problems"), ["env_file_invalid"], "{finished}");
        assert!(message.contains(says), "{message}");
        assert!(!finished.everything().contains("secret"), "{finished}");
    }
}

#[test]
fn empty_env_file_warns_that_nothing_is_desired() {
    for contents in ["", "\n\n", "# nothing\n", "PATH=/bin\n", "\u{feff}"] {
        let file = File::new(contents);
        assert_eq!(file.read().expect(0).codes("warnings"), ["nothing_desired"]);
        Run::diff().arg("--strict").arg("--offline").arg("--env-file").arg(file.0.path()).run().expect(2);
    }
}

/// Long values in the process itself, just below the kernel's limit.
#[test]
fn longest_environment_value_is_read() {
    let database = Server::shared().database(Variant::Current);
    let long = "k".repeat(128 * 1024 - 64);
    let run = Run::seed().json().database(database.url()).env("CODER_AIBRIDGE_OPENAI_KEY", &long);
    let finished = run.run().expect(0);
    assert!(!finished.everything().contains("kkkkkkkk"));
    assert_eq!(Snapshot::of(&database).keys[0]["api_key"], long);
}
