//! The built program can produce every problem and warning code; tests/repo/codes.rs checks that docs/codes.md explains
//! each.

use crate::support::{Database, Finished, Options, Run, Server, Variant};
use ai_provider_seed::testing::problem::Code;

enum How {
    /// These variables, without a database.
    Environment(&'static [(&'static str, &'static str)]),
    With(fn() -> Finished),
    /// Why it cannot be produced.
    Never(&'static str),
}

use How::{Environment, Never, With};

const TYPE: (&str, &str) = ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai");
const ANTHROPIC: (&str, &str) = ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "anthropic");
const BEDROCK: (&str, &str) = ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "bedrock");
const URL: (&str, &str) = ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://ai.example/v1");
const KEY: (&str, &str) = ("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-codes");
const REGION: (&str, &str) = ("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_REGION", "us-east-1");

const KEYS_VARIABLE: &str = "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS";
const ENCRYPTION_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const ENCRYPTED: &str = "insert into dbcrypt_keys (number, active_key_digest, test)
    values (1, '6a193b3', 'JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr')";
const ROW: &str =
    "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://ai.example/v1')";

const PADDED: &str = "insert into ai_provider_keys (provider_id, api_key) select id, ' padded ' from ai_providers";

/// Another command than seed, with the same provider in the environment.
fn command(arguments: &[&str], sql: &str) -> Finished {
    let database = Server::shared().database(Variant::Current);
    database.execute(sql);
    Run::new(arguments.iter().copied()).json().arg("--wait=0").envs([TYPE, URL, KEY]).database(database.url()).run()
}

fn provider() -> Run {
    Run::seed().arg("--wait=0").envs([TYPE, URL, KEY])
}

/// One provider in the environment, and Coder's newest tables changed by this SQL.
fn seed(sql: &str) -> (Run, Database<'static>) {
    let database = Server::shared().database(Variant::Current);
    database.execute(sql);
    (provider().database(database.url()), database)
}

fn run(sql: &str) -> Finished {
    let (run, _database) = seed(sql);
    run.json().run()
}

fn in_variant(variant: Variant, kind: &'static str) -> Finished {
    let database = Server::shared().database(variant);
    Run::seed().json().database(database.url()).envs([(TYPE.0, kind), URL, KEY]).run()
}

fn as_role(role: &str, command: &str, grants: &str) -> Finished {
    let database = Server::shared().database(Variant::Current);
    database.execute(&format!("create role {role} login password 'x'; {grants}"));
    let run = Run::new([command]).json().arg("--wait=0").envs([TYPE, URL, KEY]);
    let finished = run.database(database.url_as(role, "x")).run();
    database.execute(&format!("drop owned by {role}; drop role {role}"));
    finished
}

fn on_a_server(options: Options, change: fn(String) -> String) -> Finished {
    let server = Server::start(options);
    let database = server.database(Variant::Current);
    provider().json().database(change(database.url())).run()
}

/// Manifests on standard input, without a database.
fn from(manifests: &str) -> Finished {
    Run::diff().json().args(["--from=-", "--offline"]).stdin(manifests).run()
}

fn workload(name: &str, env: &str) -> String {
    let env = if env.is_empty() { "[]" } else { env };
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{selector: {{}}, template: {{spec: {{
           containers: [{{name: coder}}], initContainers: [{{name: ai-provider-seed, env: {env}}}]}}}}}}}}\n"
    )
}

/// How to produce each code. Exhaustive: a new code does not compile without a line here.
fn how(code: Code) -> How {
    match code {
        Code::MalformedVariable => Environment(&[("CODER_AIBRIDGE_PROVIDER_A_TYPE", "openai")]),
        Code::IndexGap => Environment(&[("CODER_AIBRIDGE_PROVIDER_1_TYPE", "openai")]),
        Code::TypeRequired => Environment(&[KEY]),
        Code::UnknownType => Environment(&[("CODER_AIBRIDGE_PROVIDER_0_TYPE", "opnai")]),
        Code::BedrockUnsupported => Environment(&[TYPE, REGION]),
        Code::BedrockRequired => Environment(&[BEDROCK]),
        Code::KeysUnsupported => Environment(&[BEDROCK, REGION, KEY]),
        Code::KeysWithBedrock => Environment(&[ANTHROPIC, REGION, KEY]),
        Code::TooManyKeys => Environment(&[TYPE, ("CODER_AIBRIDGE_PROVIDER_0_KEYS", "1,2,3,4,5,6")]),
        Code::EmptyKey => Environment(&[TYPE, ("CODER_AIBRIDGE_PROVIDER_0_KEY", "")]),
        Code::DuplicateKey => Environment(&[TYPE, ("CODER_AIBRIDGE_PROVIDER_0_KEYS", "a,a")]),
        Code::KeyUnusable => Environment(&[TYPE, URL, ("CODER_AIBRIDGE_PROVIDER_0_KEY", "one\ntwo")]),
        Code::KeySuspicious => Environment(&[TYPE, URL, ("CODER_AIBRIDGE_PROVIDER_0_KEY", "one;two")]),
        Code::RegionSuspicious => Environment(&[BEDROCK, ("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_REGION", "us_east_1")]),
        Code::UnexpandedReference => Environment(&[TYPE, URL, ("CODER_AIBRIDGE_PROVIDER_0_KEY", "$(KEY)")]),
        Code::DuplicateVariable => {
            Environment(&[TYPE, URL, KEY, ("coder_aibridge_provider_0_base_url", "https://b.example")])
        }
        Code::CredentialCountMismatch => Environment(&[BEDROCK, ("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_ACCESS_KEY", "a")]),
        Code::DuplicateName => Environment(&[TYPE, ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "openai")]),
        Code::InvalidField => Environment(&[TYPE, URL, KEY, ("CODER_AIBRIDGE_PROVIDER_0_ENABLED", "yes")]),
        Code::BedrockModelUnresolved => Environment(&[
            BEDROCK,
            REGION,
            (
                "CODER_AIBRIDGE_PROVIDER_0_BEDROCK_MODEL",
                "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefgh1234",
            ),
        ]),
        Code::BedrockRoleWithoutRegion => Environment(&[
            BEDROCK,
            ("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_ROLE_ARN", "arn:aws:iam::123456789012:role/coder"),
        ]),
        Code::ProviderDisabled => {
            With(|| command(&["diff"], &format!("{ROW}; update ai_providers set enabled = false")))
        }
        Code::BedrockRowOfOldType => With(|| {
            let database = Server::shared().database(Variant::Current);
            database.execute(
                r#"insert into ai_providers (type, name, base_url, settings) values ('anthropic', 'bedrock', '',
                   '{"_type":"bedrock","_version":1,"region":"us-east-1"}')"#,
            );
            Run::diff().json().envs([BEDROCK, REGION]).database(database.url()).run()
        }),
        Code::IconUnusual => Environment(&[TYPE, URL, KEY, ("CODER_AIBRIDGE_PROVIDER_0_ICON", "robot")]),
        Code::InvalidName => Environment(&[TYPE, ("CODER_AIBRIDGE_PROVIDER_0_NAME", "my_openai")]),
        Code::SingularAndPlural => Environment(&[TYPE, KEY, ("CODER_AIBRIDGE_PROVIDER_0_KEYS", "a")]),
        Code::MixedPrefixes => Environment(&[TYPE, ("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "azure")]),
        Code::LegacyKeyWithBedrock => {
            Environment(&[("CODER_AIBRIDGE_ANTHROPIC_KEY", "k"), ("CODER_AIBRIDGE_BEDROCK_REGION", "us-east-1")])
        }
        Code::LegacyNameConflict => Environment(&[TYPE, ("CODER_AIBRIDGE_OPENAI_KEY", "k")]),
        Code::NotUnicode => With(|| {
            use std::os::unix::ffi::OsStringExt;
            let value = std::ffi::OsString::from_vec(vec![0xff]);
            Run::diff().json().arg("--offline").envs([TYPE]).env(KEY.0, value).run()
        }),
        Code::TooFewProviders => With(|| provider().json().arg("--require-providers=2").run()),
        Code::EncryptionKeyInvalid => With(|| provider().json().env(KEYS_VARIABLE, "c2hvcnQ=").run()),
        Code::EnvFileInvalid => With(|| provider().json().arg("--env-file=/nowhere").run()),
        // An endless file.
        Code::EnvironmentTooLarge => With(|| provider().json().arg("--env-file=/dev/zero").run()),
        Code::InvalidOption => With(|| provider().json().arg("--lock-timeout=soon").run()),
        Code::DatabaseUrlInvalid => With(|| provider().json().database("postgres://u@host:port/db").run()),
        Code::DatabaseUrlMissing => With(|| provider().json().run()),
        Code::AuthenticationUnsupported => With(|| {
            let run = provider().json().database("postgres://u@host/db");
            run.env("CODER_PG_AUTH", "awsiamrds").run()
        }),
        // Nothing listens on port 9.
        Code::Unreachable => With(|| provider().json().database("postgres://u@127.0.0.1:9/db?sslmode=disable").run()),
        Code::AuthenticationFailed => {
            With(|| on_a_server(Options::new().scram(), |url| url.replace("postgres:postgres@", "postgres:wrong@")))
        }
        Code::Tls => With(|| {
            let (run, database) = seed("");
            run.json().database(database.url().replace("sslmode=disable", "sslmode=require")).run()
        }),
        Code::ReadOnly => {
            With(|| on_a_server(Options::new().setting("default_transaction_read_only", "on"), |url| url))
        }
        Code::SchemaMissing => With(|| run("drop table ai_provider_keys, ai_providers; create table shop (id int)")),
        Code::SchemaUnsupported => With(|| run("alter table ai_providers add column tenant text not null")),
        Code::PermissionDenied => With(|| as_role("codes_none", "seed", "")),
        Code::StoredSettingsUnreadable => {
            With(|| run(&format!("{ROW}; update ai_providers set settings = 'not json'")))
        }
        Code::UnknownEncryptionKey => With(|| {
            let (run, _database) = seed(ENCRYPTED);
            run.json().env(KEYS_VARIABLE, OTHER_KEY).run()
        }),
        Code::EncryptionKeyRequired => With(|| run(ENCRYPTED)),
        Code::EncryptionKeyRevoked => With(|| {
            let (run, _database) =
                seed("insert into dbcrypt_keys (number, revoked_key_digest, test) values (1, '6a193b3', '')");
            run.json().env(KEYS_VARIABLE, ENCRYPTION_KEY).run()
        }),
        Code::ServerError => With(|| {
            run("create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
                 create trigger refuse before insert on ai_providers for each row execute function refuse()")
        }),
        Code::CannotResolve => With(|| command(&["resolve", "opnai", "--restore", "--yes"], ROW)),
        Code::CannotExport => With(|| command(&["export"], &format!("{ROW}; {PADDED}"))),
        Code::ConflictMoved => With(|| {
            let other = "update ai_providers set base_url = 'https://other.example/'";
            let arguments = ["resolve", "--take=environment", "--conflict=abcdefghijklmnopqrstuvwxyz234567", "--yes"];
            command(&arguments, &format!("{ROW}; {other}"))
        }),
        Code::LockTimeout => With(|| {
            let (run, database) = seed("");
            let _holder = database.lock();
            run.json().arg("--lock-timeout=50ms").run()
        }),
        Code::WorkloadNotFound
        | Code::WorkloadAmbiguous
        | Code::ContainerNotFound
        | Code::ObjectNotFound
        | Code::ManifestInvalid
        | Code::KubeconfigInvalid
        | Code::ClusterUnreachable
        | Code::EnvironmentUnknown
        | Code::WorkloadAlsoSeeds
        | Code::NotInManifests
            if !cfg!(feature = "controller") =>
        {
            Never("this build has no --from")
        }
        Code::WorkloadNotFound => With(|| from("a: 1")),
        Code::WorkloadAmbiguous => With(|| from(&format!("{}\n---\n{}", workload("a", ""), workload("b", "")))),
        Code::ContainerNotFound => With(|| from(&workload("a", "").replace("ai-provider-seed", "other"))),
        Code::ObjectNotFound => With(|| {
            let env = "[{name: X, valueFrom: {secretKeyRef: {name: ai, key: x}}}]";
            from(&format!("{}\n---\n{{apiVersion: v1, kind: Secret, metadata: {{name: ai}}}}", workload("a", env)))
        }),
        Code::DestinationRefused => Never("stands in the controller's log alone; see tests/controller/hostile.rs"),
        Code::ObjectsTooMany => Never("needs an API server with objects; see tests/controller/hostile.rs"),
        Code::ManifestInvalid => With(|| from("a: [")),
        Code::KubeconfigInvalid => With(|| Run::diff().json().arg("--from=deploy/coder").run()),
        Code::ControllerSilent => Never("needs an API server and no controller; see tests/controller/laptop.rs"),
        Code::DecisionPending => Never("needs an API server and a decision; see tests/controller/laptop.rs"),
        Code::ClusterForbidden => Never("needs an API server that forbids; see tests/controller/from.rs"),
        // Nothing listens on port 9.
        Code::ClusterUnreachable => With(|| {
            let file = tempfile::NamedTempFile::new().unwrap();
            let config = "{apiVersion: v1, kind: Config, current-context: a,
                clusters: [{name: a, cluster: {server: 'https://127.0.0.1:9'}}], contexts: [{name: a, context: {cluster: a}}]}";
            std::fs::write(file.path(), config).unwrap();
            Run::diff().json().arg("--from=deploy/coder").env("KUBECONFIG", file.path()).run()
        }),
        Code::EnvironmentUnknown => With(|| {
            let env = "[{name: CODER_AIBRIDGE_OPENAI_KEY, value: sk-codes},
                {name: DATABASE_URL, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}]";
            Run::diff().json().arg("--from=-").stdin(workload("a", env)).run()
        }),
        Code::WorkloadAlsoSeeds => With(|| {
            let env = "[{name: CODER_AIBRIDGE_OPENAI_KEY, value: sk-codes}]";
            from(&workload("a", env).replace("{name: coder}", &format!("{{name: coder, env: {env}}}")))
        }),
        Code::NotInManifests => With(|| {
            let env = "[{name: CODER_AIBRIDGE_PROVIDER_0_TYPE, valueFrom: {secretKeyRef: {name: ai, key: x}}}]";
            from(&workload("a", env))
        }),
        Code::Internal => Never("a bug; who knows one repairs it"),
        Code::UnknownVariable => Environment(&[TYPE, KEY, URL, ("CODER_AIBRIDGE_PROVIDER_0_KEYZ", "a")]),
        Code::ProviderWithoutKeys => Environment(&[TYPE, URL]),
        Code::BaseUrlSuspicious => Environment(&[TYPE, KEY, ("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "ai.example")]),
        Code::NothingDesired => Environment(&[]),
        Code::UnsupportedByDatabase => With(|| in_variant(Variant::Initial, "azure")),
        Code::PreviouslyDeleted => With(|| run(&format!("{ROW}; update ai_providers set deleted = true"))),
        Code::BaseUrlIgnored => Environment(&[BEDROCK, REGION, URL]),
        Code::BedrockWithoutCredentials => {
            Environment(&[BEDROCK, ("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_BASE_URL", "https://b.example/")])
        }
        Code::BedrockWithoutModels => Environment(&[BEDROCK, REGION]),
        Code::UndescribedProvider => With(|| command(&["diff"], &ROW.replace("'openai', 'https", "'renamed', 'https"))),
        Code::SettingsNotUnderstood => {
            With(|| run(&format!(r#"{ROW}; update ai_providers set settings = '{{"_type":"later","_version":1}}'"#)))
        }
        Code::SchemaPending => With(|| in_variant(Variant::Empty, "openai")),
        Code::RotationPending => With(|| {
            let rotating = "insert into dbcrypt_keys (number, active_key_digest, test)
                values (1, '6a193b3', 'JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr'), (2, 'abcdef0', 'x');
                insert into ai_providers (type, name, base_url, settings) values ('bedrock', 'bedrock', '',
                '{\"_type\":\"bedrock\",\"_version\":1,\"region\":\"us-east-1\",\"model\":\"a\"}')";
            let (run, _database) = seed(rotating);
            let run = run.json().arg("--take-environment=all").env(KEYS_VARIABLE, ENCRYPTION_KEY).envs([
                ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "bedrock"),
                ("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_REGION", "us-east-1"),
                ("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_MODEL", "anthropic.claude-3"),
            ]);
            run.run()
        }),
        Code::EncryptionPending => With(|| {
            let (run, _database) = seed("");
            run.json().env(KEYS_VARIABLE, ENCRYPTION_KEY).run()
        }),
        Code::CannotInsert => With(|| {
            as_role(
                "codes_reader",
                "diff",
                "grant select on ai_providers, ai_provider_keys, dbcrypt_keys to codes_reader; grant insert on ai_providers to codes_reader",
            )
        }),
        Code::TlsFallback => With(|| {
            // The server has TLS but refuses every session with it.
            let pair = crate::support::certificates::self_signed(&["127.0.0.1"], true);
            let server = Options::new().tls(&pair.certificates, &pair.key).hba("hostnossl all all 127.0.0.1/32 trust");
            on_a_server(server, |url| url.replace("sslmode=disable", "sslmode=prefer"))
        }),
        Code::CredentialsNotCompared => With(|| {
            let key = "insert into ai_provider_keys (provider_id, api_key, api_key_key_id) select id, 'x', '6a193b3' from ai_providers";
            run(&format!("{ENCRYPTED}; {ROW}; {key}"))
        }),
        Code::NotInExport => {
            With(|| command(&["export"], &format!("{ROW}; update ai_providers set display_name = ' x'")))
        }
    }
}

#[test]
fn every_code_is_produced() {
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let finished = match how(*code) {
            Never(why) => {
                assert!(!why.is_empty());
                continue;
            }
            Environment(pairs) => Run::diff().json().arg("--offline").envs(pairs.iter().copied()).run(),
            With(run) => run(),
        };
        let problems = finished.codes("problems");
        let found = [&problems[..], &finished.codes("warnings")].concat();
        if !found.iter().any(|found| found == code.as_str()) {
            wrong.push(format!("{code}: {found:?}\n{finished}"));
        }
        // A problem ends the run with its code's outcome; a warning does not end it.
        if problems == [code.as_str()] && finished.code != i32::from(code.outcome().exit_code()) {
            wrong.push(format!("{code}: exit code {}", finished.code));
        }
        // The message contains the next step, not only the fact, and no control character.
        let json = finished.json();
        let all = ["problems", "warnings"].into_iter().flat_map(|list| json[list].as_array().unwrap().clone());
        for entry in all.filter(|entry| entry["code"] == code.as_str()) {
            let message = entry["message"].as_str().unwrap();
            if message.len() < 20 || message.chars().any(char::is_control) {
                wrong.push(format!("{code}: the message {message:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
