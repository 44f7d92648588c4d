//! The databases of the examples in the pages, by the name in the comment above an example. Ids and times are fixed, so
//! that the program's output is the same in every run.

use crate::support::{Database, Run, Server, Variant};

/// A database, its URL, and a session that keeps a state in it.
pub struct Scene {
    _held: Option<postgres::Client>,
    database: Option<Database<'static>>,
    url: String,
}

const ROW: &str =
    "insert into ai_providers (id, type, name, base_url, updated_at, settings, settings_key_id, deleted) values
    ('7d1f4a52-9c3e-4b60-8f21-5ad0c6e9b713', ";
/// An operator set another endpoint in Coder.
const OPENAI: &str = "'openai', 'openai', 'https://llm.example.com/v1', '2026-11-20 09:12:00Z', null, null, false);";
const SAME: &str = "'openai', 'openai', 'https://api.openai.com/v1/', '2026-11-20 09:12:00Z', null, null, false);";
const KEY: &str =
    "insert into ai_provider_keys (provider_id, api_key) select id, 'sk-in-the-database' from ai_providers;";
const TWO_KEYS: &str = "insert into ai_provider_keys (provider_id, api_key) select id, unnest(array['sk-one', 'sk-two']) from ai_providers;";
/// A Bedrock provider, and a provider that no variable can describe.
const SEVERAL: &str = r#"insert into ai_providers (id, type, name, base_url, settings) values
    ('2b9e61c8-40d7-4f1a-9a35-c17e08d2b6f4', 'bedrock', 'claude-on-aws', '',
    '{"_type":"bedrock","_version":1,"access_key":"AKIAEXAMPLE","access_key_secret":"example","region":"eu-central-1"}');
    insert into ai_providers (id, type, name, base_url) values
    ('e64c0d1f-8a52-4b97-b3d8-9f20a7c5e183', 'copilot', 'copilot', 'https://copilot.example.com/');
    insert into ai_provider_keys (provider_id, api_key) select id, 'sk-three' from ai_providers where name = 'copilot';"#;
/// A key in use; the test value is `coder`, encrypted with the key of the example, whose digest is 6a193b3.
const ACTIVE: &str = "insert into dbcrypt_keys (number, active_key_digest, test)
    values (1, '6a193b3', 'JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr');";
/// The second key of a rotation in progress.
const OTHER_ACTIVE: &str = "insert into dbcrypt_keys (number, active_key_digest, test) values (2, 'c0ffee1', 'x');";
const AWS: &str = r#"'bedrock', 'claude-on-aws', '', '2026-11-20 09:12:00Z',
    '{"_type":"bedrock","_version":1,"access_key":"AKIAEXAMPLE","access_key_secret":"example","region":"eu-central-1"}', null, false);"#;
const REVOKED: &str = "insert into dbcrypt_keys (number, revoked_key_digest, revoked_at, test)
    values (1, '6a193b3', now(), 'JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr');
    insert into dbcrypt_keys (number, active_key_digest, test) values (2, 'c0ffee1', 'x');";
const SEALED_KEY: &str = "insert into ai_provider_keys (provider_id, api_key, api_key_key_id)
    select id, 'WNKdRi1v1kmlaip3PtpwoDIHsRNaKYQ1jvhN2MRxzUlC2tg=', '6a193b3' from ai_providers;";

impl Scene {
    pub fn of(name: &str) -> Scene {
        let row = |rest: &str| format!("{ROW}{rest}");
        let current = |sql: &str| Scene::new(Variant::Current, sql);
        match name {
            "" => Scene { _held: None, database: None, url: String::new() },
            "new" => current(""),
            "changed" => current(&format!("{}{TWO_KEYS}", row(OPENAI))),
            "several" => current(&format!("{}{TWO_KEYS}{SEVERAL}", row(OPENAI))),
            "in sync" => current(&format!("{}{KEY}", row(SAME))),
            "deleted" => current(&row("'openai', 'openai', '', '2026-11-20 09:12:00Z', null, null, true);")),
            "settings damaged" => {
                current(&row("'bedrock', 'claude-on-aws', '', '2026-11-20 09:12:00Z', '{}', null, false);"))
            }
            "encrypted key" => current(&format!("{ACTIVE}{}{SEALED_KEY}", row(SAME))),
            "encrypted" => current(ACTIVE),
            "rotating" => current(&format!("{ACTIVE}{OTHER_ACTIVE}{}", row(AWS))),
            "key revoked" => current(REVOKED),
            "first release" => Scene::new(Variant::Initial, ""),
            "empty" => Scene::new(Variant::Empty, ""),
            "foreign" => Scene::new(Variant::Empty, "create table invoices (id int)"),
            "newer column" => current("alter table ai_providers add column tenant text not null"),
            "raising trigger" => current(
                "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
                 create trigger refuse before insert on ai_providers for each row execute function refuse()",
            ),
            "read only" => current("").read_only(),
            "in sync, read only" => Scene::of("in sync").read_only(),
            "locked" => {
                let mut scene = current("");
                let holder = scene.database.as_ref().unwrap().lock();
                scene._held = Some(holder);
                scene
            }
            "reader" => {
                current("").with_role("docs_reader", "grant select on all tables in schema public to docs_reader")
            }
            "no login" => current("").with_role("docs_no_login", "alter role docs_no_login nologin"),
            "unreachable" => {
                Scene { url: "postgres://coder:x@127.0.0.1:1/coder?sslmode=disable".into(), ..Scene::of("") }
            }
            "no tls" => {
                let mut scene = current("");
                scene.url = scene.url.replace("sslmode=disable", "sslmode=require");
                scene
            }
            other => panic!("no database named {other} in tests/it/docs_examples/databases.rs"),
        }
    }

    fn new(variant: Variant, sql: &str) -> Scene {
        let database = Server::shared().database(variant);
        let url = database.url();
        let scene = Scene { _held: None, database: Some(database), url };
        scene.execute(sql);
        scene
    }

    fn execute(&self, sql: &str) {
        self.database.as_ref().unwrap().execute(sql);
    }

    /// Connects as a separate role instead of the superuser.
    fn with_role(mut self, role: &str, sql: &str) -> Scene {
        let create = format!(
            "if not exists (select from pg_roles where rolname = '{role}') then create role {role} login; end if"
        );
        self.execute(&format!("do $$ begin {create}; end $$; {sql}"));
        self.url = self.database.as_ref().unwrap().url_as(role, "x");
        self
    }

    fn read_only(self) -> Scene {
        let database = self.database.as_ref().unwrap().name();
        self.execute(&format!("alter database {database} set default_transaction_read_only = on"));
        self
    }

    pub fn connect(&self, run: Run) -> Run {
        if self.url.is_empty() { run } else { run.database(&self.url) }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Replaces the parts that differ between runs by those of the pages.
    pub fn masked(&self, output: &str) -> String {
        let Some(database) = &self.database else { return output.replace("127.0.0.1:1", "db.coder.svc:5432") };
        let output = output.replace(&format!("127.0.0.1:{}", Server::shared().port()), "db.coder.svc:5432");
        let output = output.replace(database.name(), "coder");
        let output = output
            .replace("docs_reader", "ai_provider_diff")
            .replace("docs_no_login", "coder")
            .replace("role checks", "role coder");
        match output.split_once("held by backend ") {
            Some((before, after)) => {
                format!("{before}held by backend 4711{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => output,
        }
    }
}
