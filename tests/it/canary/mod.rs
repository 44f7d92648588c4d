//! P6: no secret byte in any output. Distinct random secrets in every place where a secret belongs or is put by mistake,
//! driven through every outcome; then searched for whole, in pieces, and encoded.

mod search;

use crate::support::{Database, Finished, Options, Run, Server, Variant};
use search::Secrets;
use std::os::unix::ffi::OsStringExt;

const KEYS_VARIABLE: &str = "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS";

/// Formats a run as text or JSON, with everything logged.
fn loud(run: Run, json: bool) -> Run {
    let format = if json { "json" } else { "text" };
    run.env("AI_PROVIDER_SEED_LOG_LEVEL", "trace")
        .env("AI_PROVIDER_SEED_LOG_FORMAT", format)
        .env("AI_PROVIDER_SEED_OUTPUT", format)
        .env("RUST_BACKTRACE", "full")
}

/// Runs it in both formats; the exit code must be the expected one, and no part of a secret may be visible.
#[track_caller]
fn check(secrets: &Secrets, code: i32, run: impl Fn() -> Run) -> Finished {
    let mut last = None;
    for json in [true, false] {
        let finished = loud(run(), json).run().expect(code);
        secrets.assert_absent(&finished.everything(), &finished.to_string());
        last = Some(finished);
    }
    last.unwrap()
}

/// Three providers with secrets in every place for secrets; some URLs contain secrets too.
fn environment(secrets: &mut Secrets) -> Vec<(String, String)> {
    let s = |secrets: &mut Secrets| secrets.token();
    let keys = format!("{},{}", s(secrets), s(secrets));
    let url = format!("https://user:{}@ai.example/v1?token={}&x=1#{}", s(secrets), s(secrets), s(secrets));
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: String| pairs.push((format!("CODER_AIBRIDGE_PROVIDER_{name}"), value));
    put("0_TYPE", "openai".into());
    put("0_BASE_URL", url);
    put("0_KEYS", keys);
    put("1_TYPE", "anthropic".into());
    put("1_BASE_URL", "https://api.anthropic.com/".into());
    put("1_KEY", s(secrets));
    put("2_TYPE", "bedrock".into());
    put("2_BEDROCK_REGION", "us-east-1".into());
    put("2_BEDROCK_BASE_URL", format!("https://{}@bedrock.example/", s(secrets)));
    put("2_BEDROCK_ACCESS_KEY", s(secrets));
    put("2_BEDROCK_ACCESS_KEY_SECRET", s(secrets));
    put("2_BEDROCK_MODEL", s(secrets));
    pairs
}

fn seed(database: &Database, env: &[(String, String)]) -> Run {
    Run::seed().database(database.url()).arg("--wait=0").envs(env.iter().cloned())
}

#[test]
fn no_secret_in_ok_and_conflict_output_or_audit_log() {
    let mut secrets = Secrets::default();
    let env = environment(&mut secrets);
    let database = Server::shared().database(Variant::Current);
    let run = || seed(&database, &env);
    check(&secrets, 0, run);
    let empty = Server::shared().database(Variant::Current);
    check(&secrets, 1, || Run::diff().database(empty.url()).envs(env.clone()));
    // Auditors can read everything in the audit log.
    let audit = database.json("select json_agg(a) from audit_logs a").to_string();
    assert!(audit.contains("ai.example"), "{audit}");
    secrets.assert_absent(&audit, &audit);

    // Other secrets in the database, in every field that contains one.
    let (url, key, access, model) = (secrets.token(), secrets.token(), secrets.token(), secrets.token());
    database.execute(&format!(
        r#"update ai_providers set base_url = 'https://u:{url}@db.example/?k={url}' where name = 'openai';
           update ai_provider_keys set api_key = '{key}' || api_key;
           update ai_providers set settings = '{{"_type":"bedrock","_version":1,"access_key":"{access}","region":"{model}","model":"{model}"}}'
            where name = 'bedrock'"#
    ));
    for compare in ["ignore", "warn", "fail"] {
        check(&secrets, 3, || run().arg("--compare-credentials").arg(compare));
        check(&secrets, 0, || run().arg("--compare-credentials").arg(compare).arg("--block-on=none"));
    }
    // Values that cannot be parsed.
    database.execute(&format!("update ai_providers set settings = '{access}', base_url = '{access}'"));
    check(&secrets, 5, run);
    // Settings of a later Coder are left unchanged; the base URL still differs.
    database.execute(&format!("update ai_providers set settings = '{{\"_type\":\"{access}\"}}'"));
    check(&secrets, 3, run);
    // A row that the server refuses: the detail of its error contains the row.
    database.execute(
        "delete from ai_providers; alter table ai_provider_keys add constraint short check (length(api_key) < 5)",
    );
    check(&secrets, 5, run);
    database.execute("alter table ai_provider_keys drop constraint short; alter table ai_providers add constraint none check (base_url = 'x')");
    check(&secrets, 5, run);
}

#[test]
fn no_encryption_key_or_plaintext_in_output() {
    let mut secrets = Secrets::default();
    let env = environment(&mut secrets);
    let (given, other) = (secrets.encryption_key(), secrets.encryption_key());
    let database = Server::shared().database(Variant::Current);
    let run = |keys: &str| seed(&database, &env).env(KEYS_VARIABLE, keys);
    // Pending, wrong length, no base64, not the one in use, revoked.
    check(&secrets, 0, || run(&given));
    let (short, plain) = (secrets.token(), secrets.token());
    check(&secrets, 2, || run(&format!("{given},{short},{plain}%")));
    database.execute("insert into dbcrypt_keys (number, active_key_digest, test) values (1, 'abcdef0', 'AAAA')");
    check(&secrets, 5, || run(&other));
    check(&secrets, 5, || seed(&database, &env));
    // Stored values that no key opens.
    let blob = secrets.token();
    database.execute(&format!(
        "insert into ai_providers (type, name, base_url, settings, settings_key_id) values ('bedrock', 'bedrock', '', '{blob}', 'abcdef0');
         insert into ai_provider_keys (provider_id, api_key, api_key_key_id) select id, '{blob}', 'abcdef0' from ai_providers"
    ));
    check(&secrets, 5, || run(&given));
}

#[test]
fn no_secret_of_the_connection_in_output() {
    let mut secrets = Secrets::default();
    let env = environment(&mut secrets);
    let server = Server::start(Options::new().scram());
    let database = server.database(Variant::Current);
    let (password, port) = (secrets.token(), server.port());
    let with = |url: String| Run::seed().arg("--wait=0").envs(env.clone()).database(url);
    check(&secrets, 4, || with(format!("postgres://postgres:{password}@127.0.0.1:{port}/x?sslmode=disable")));
    check(&secrets, 4, || with(format!("postgres://postgres:{password}@127.0.0.1:9/x?sslmode=disable")));
    check(&secrets, 4, || with(format!("postgres://postgres:{password}@127.0.0.1:{port}/x?sslmode=require")));
    check(&secrets, 4, || with(format!("postgres://postgres:a/{password}@127.0.0.1:9/x?sslmode=disable")));
    // Faults in the URL, with the secret in each part of it.
    for url in [
        format!("postgres://postgres:{password}@127.0.0.1:port/x"),
        format!("postgres://{password}:port/x"),
        format!("postgres://u:p@host:{password}/x"),
        format!("postgres://u:p@host/x?sslmode={password}"),
        format!("postgres://u:p@host/x?{password}"),
        format!("postgres://u:p@host/x?connect_timeout={password}"),
        format!("host=h password={password} user"),
        format!("host=h password='{password}"),
        format!("postgres//u:{password}@host/x"),
        password.clone(),
        format!("mysql://u:{password}@host/x"),
        format!("postgres://u:%zz{password}@host/x"),
    ] {
        for run in [with(url.clone()), Run::seed().envs(env.clone()).arg("--wait=0").arg("--database-url").arg(&url)] {
            let finished = loud(run, false).run();
            assert_ne!(finished.code, 0, "{finished}");
            secrets.assert_absent(&finished.everything(), &format!("{url}\n{finished}"));
        }
    }
    let pg = |run: Run| {
        run.env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", "postgres")
            .env("PGSSLMODE", "disable")
    };
    check(&secrets, 4, || pg(Run::seed().arg("--wait=0").envs(env.clone())).env("PGPASSWORD", &password));
    // Files.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &password).unwrap();
    let path = file.path().to_str().unwrap();
    let url = || database.url().replace("postgres:postgres@", "postgres:wrong@");
    check(&secrets, 4, || with(url()).arg("--database-password-file").arg(path));
    check(&secrets, 2, || Run::seed().envs(env.clone()).arg("--database-url-file").arg(path));
    check(&secrets, 2, || Run::seed().envs(env.clone()).database(url()).arg("--env-file").arg(path));
}

/// A key in NAME, TYPE, BASE_URL, BEDROCK_REGION; and in option names, option values and positional arguments.
#[test]
fn no_misplaced_secret_in_output() {
    let mut secrets = Secrets::default();
    let database = Server::shared().database(Variant::Current);
    let base = [("CODER_AIBRIDGE_PROVIDER_0_TYPE", "anthropic".to_owned())];
    for suffix in ["TYPE", "NAME", "BASE_URL", "BEDROCK_REGION", "BEDROCK_BASE_URL", "KEYZ", "ORGANIZATION_ID"] {
        // Letters and digits, and the form of keys; in upper case, so that it is not a valid name.
        for secret in [secrets.token(), format!("sk-{}=/+", secrets.token()), format!("https://{}:x@", secrets.token())]
        {
            for strict in ["true", "false"] {
                let name = format!("CODER_AIBRIDGE_PROVIDER_0_{suffix}");
                let run = Run::seed().database(database.url()).arg("--wait=0").arg(format!("--strict={strict}"));
                let run = run.envs(base.clone()).env(name, &secret);
                for json in [true, false] {
                    let finished = loud(run.clone(), json).run();
                    secrets.assert_absent(&finished.everything(), &finished.to_string());
                }
                database.execute("delete from ai_providers");
            }
        }
    }
    let options = [
        "database-url-file",
        "database-password-file",
        "wait",
        "lock-timeout",
        "compare-credentials",
        "block-on",
        "strict",
        "require-providers",
        "if-schema-missing",
        "audit",
        "output",
        "log-format",
        "log-level",
        "offline",
    ];
    for option in options {
        let secret = secrets.token();
        // A path is a name and is shown; text in its place is not known to be a secret.
        if option.ends_with("-file") {
            continue;
        }
        let variable = format!("AI_PROVIDER_SEED_{}", option.to_uppercase().replace('-', "_"));
        let commands = if option == "offline" { &["diff"][..] } else { &["seed", "diff"] };
        for command in commands {
            check(&secrets, 2, || Run::new([command]).arg(format!("--{option}={secret}")).envs(base.clone()));
            let finished = Run::new([command]).env(&variable, &secret).envs(base.clone()).run().expect(2);
            secrets.assert_absent(&finished.everything(), &finished.to_string());
        }
    }
    let secret = secrets.token();
    let letters: String = std::iter::repeat_with(fastrand::lowercase).take(24).collect();
    for arguments in [
        vec![secret.clone()],
        vec![format!("--{secret}")],
        vec!["seed".into(), secret.clone()],
        vec!["seed".into(), format!("--{secret}")],
        vec!["seed".into(), format!("--{}", secret.to_lowercase())],
        // In the form of an option's name.
        vec!["seed".into(), format!("--{letters}")],
        vec!["seed".into(), format!("--{letters}={secret}")],
        vec!["seed".into(), format!("-{secret}")],
        vec!["seed".into(), "--wait".into(), "1".into(), "--wait".into(), secret.clone()],
        vec!["seed".into(), format!("--waitt={secret}")],
        vec!["seed".into(), "--".into(), secret.clone()],
        vec!["crd".into(), secret.clone()],
        vec!["controller".into(), format!("--listen={secret}")],
        vec!["--help".into(), secret.clone()],
    ] {
        let finished =
            loud(Run::new(arguments.clone()).envs(base.clone()), false).limit(std::time::Duration::from_secs(10)).run();
        let lower = Secrets::of(&[secret.clone(), secret.to_lowercase(), letters.clone()]);
        lower.assert_absent(&finished.everything(), &format!("{arguments:?}\n{finished}"));
    }
    let not_unicode = std::ffi::OsString::from_vec([b"--database-url=", secret.as_bytes(), b"\xff"].concat());
    check(&secrets, 2, || Run::seed().arg(not_unicode.clone()));
    let value = std::ffi::OsString::from_vec([secret.as_bytes(), b"\xff"].concat());
    check(&secrets, 2, || {
        Run::seed().env("CODER_AIBRIDGE_PROVIDER_0_KEY", value.clone()).env(KEYS_VARIABLE, value.clone())
    });
}

#[test]
fn no_secret_of_an_env_file_line_in_output() {
    let mut secrets = Secrets::default();
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: Vec<Vec<u8>> = {
        let s = secrets.token();
        let line = |text: String| text.into_bytes();
        vec![
            line(s.clone()),
            line(format!("CODER_AIBRIDGE_OPENAI_KEY={s} b")),
            line(format!("A='{s}")),
            line(format!("A=\"{s}\nB=1")),
            line(format!("CODER_AIBRIGE_{s}=x y")),
            line(format!("export {s}")),
            line(format!("A={s}\0")),
            line(format!("CODER_AIBRIDGE_PROVIDER_0_TYPE={s}")),
            line(format!("CODER_AIBRIDGE_PROVIDER_0_KEY=${{{s}}} x")),
            [b"A=", s.as_bytes(), b"\xff\n"].concat(),
        ]
    };
    for line in lines {
        std::fs::write(file.path(), &line).unwrap();
        let shown = String::from_utf8_lossy(&line).into_owned();
        for json in [true, false] {
            let finished = loud(Run::seed().arg("--env-file").arg(file.path()), json).run();
            secrets.assert_absent(&finished.everything(), &format!("{shown}\n{finished}"));
            // A NUL in an unused variable is also refused: Postgres could not store it.
            assert_eq!(finished.code, 2, "{shown}: {finished}");
        }
    }
}

#[test]
fn no_secret_while_waiting_or_in_the_command_line() {
    let mut secrets = Secrets::default();
    let env = environment(&mut secrets);
    let database = Server::shared().database(Variant::Current);
    let password = secrets.token();
    let _holder = database.lock();
    let url = database.url_as("postgres", &password);
    let run = loud(Run::seed().database(url).envs(env).arg("--lock-timeout=2s"), true);
    let mut started = run.start();
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(!started.ended());
    let line = std::fs::read(format!("/proc/{}/cmdline", started.id())).unwrap();
    let line = String::from_utf8_lossy(&line).into_owned();
    secrets.assert_absent(&line, &line);
    // The server's information about this session, for any permitted reader.
    let activity = database
        .json("select json_agg(a) from pg_stat_activity a where application_name = 'ai-provider-seed'")
        .to_string();
    secrets.assert_absent(&activity, &activity);
    let finished = started.wait().expect(6);
    secrets.assert_absent(&finished.everything(), &finished.to_string());
}
