//! A separate database per test, copied from a template with Coder's tables.

use super::postgres::Server;
use serde_json::Value;
use std::sync::atomic::Ordering;

/// The tables in a new database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// No tables, as before Coder's first start.
    Empty,
    /// The first release with the tables: labels openai and anthropic, no icon column.
    Initial,
    /// All nine labels and the icon column.
    Current,
}

const INITIAL: &str = include_str!("../data/schema-initial.sql");
const CURRENT: &str = include_str!("../data/schema-current.sql");

/// A database from `Server::database` is dropped with all its content when this goes out of scope.
pub struct Database<'a> {
    server: &'a Server,
    name: String,
    ours: bool,
}

impl Server {
    /// A new database.
    pub fn database(&self, variant: Variant) -> Database<'_> {
        let template = self.template(variant);
        // As long as `coder`, because the program wraps its output, and the pages show that name.
        let name = format!("d{:04}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.attach("postgres").execute(&format!("create database {name} template {template}"));
        Database { server: self, name, ours: true }
    }

    /// An existing database, such as on a standby: `standby.attach(database.name())`.
    pub fn attach(&self, name: &str) -> Database<'_> {
        Database { server: self, name: name.into(), ours: false }
    }

    fn template(&self, variant: Variant) -> String {
        if variant == Variant::Empty {
            return "template0".into();
        }
        let name = format!("template_{variant:?}").to_lowercase();
        let mut made = self.templates.lock().unwrap();
        if made.insert(name.clone()) {
            self.attach("postgres").execute(&format!("create database {name} template template0"));
            self.attach(&name).create_tables(variant);
        }
        name
    }
}

impl Database<'_> {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As the superuser `postgres`, without TLS.
    pub fn url(&self) -> String {
        self.url_as("postgres", "postgres")
    }

    pub fn url_as(&self, user: &str, password: &str) -> String {
        self.url_at(self.server.port(), user, password)
    }

    /// Through another port of this machine: a proxy, PgBouncer, a second server.
    pub fn url_at(&self, port: u16, user: &str, password: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{}?sslmode=disable", self.name)
    }

    /// A connection of the helpers, to hold a lock or a transaction, or to listen.
    pub fn client(&self) -> ::postgres::Client {
        self.server.client(&self.name)
    }

    /// A session that holds the lock for seeding until it is dropped.
    pub fn lock(&self) -> ::postgres::Client {
        let mut holder = self.client();
        holder.batch_execute("begin; select pg_advisory_xact_lock(10)").expect("take the lock");
        holder
    }

    /// Runs one or more statements.
    pub fn execute(&self, sql: &str) {
        self.client().batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The one value of a query that returns JSON, such as `select count(*) from ai_providers`.
    pub fn json(&self, query: &str) -> Value {
        json(&mut self.client(), &format!("({query})"))
    }

    /// Creates the tables now, as Coder does at its start. With `Variant::Current` after `Variant::Initial`, use
    /// `upgrade`.
    pub fn create_tables(&self, variant: Variant) {
        if variant != Variant::Empty {
            self.execute(INITIAL);
        }
        if variant == Variant::Current {
            self.upgrade();
        }
    }

    /// From `Variant::Initial` to `Variant::Current`.
    pub fn upgrade(&self) {
        self.execute(CURRENT);
    }
}

/// The value of an SQL expression that is JSON.
pub fn json(client: &mut ::postgres::Client, expression: &str) -> Value {
    let rows =
        client.simple_query(&format!("select {expression}::text")).unwrap_or_else(|e| panic!("{expression}: {e:?}"));
    let row = rows.iter().find_map(|message| match message {
        ::postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    serde_json::from_str(row.expect("a query has a value")).expect("the value is JSON")
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // A failing test is about to be reported, or the test has stopped its server: nothing here may panic.
        if self.ours
            && let Ok(mut client) = self.server.config("postgres").connect(::postgres::NoTls)
        {
            let _ = client.batch_execute(&format!("drop database {} with (force)", self.name));
        }
    }
}
