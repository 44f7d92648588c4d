//! The small roles of deploy/postgres/role.sql in a database without grants to PUBLIC.

use super::database::Database;
use super::postgres::CHECKS;
use std::sync::Mutex;

pub const ROLE_SQL: &str = include_str!("../../deploy/postgres/role.sql");
/// Their passwords are their names.
pub const SEED: &str = "ai_provider_seed";
pub const DIFF: &str = "ai_provider_diff";
pub const RESOLVE: &str = "ai_provider_resolve";

impl Database<'_> {
    /// Runs role.sql unchanged, as a superuser; before the tables exist, for those that the helpers will create.
    pub fn grant_roles(&self) {
        // PUBLIC has these two in a new database; without them every grant of the file counts.
        let nothing_for_all =
            format!("revoke all on database {} from public; revoke all on schema public from public", self.name());
        self.execute(&nothing_for_all);
        self.run_role_sql(&format!("set ai_provider_seed.owner = '{CHECKS}'"));
        self.let_roles_log_in();
    }

    pub fn run_role_sql(&self, settings: &str) {
        self.execute(&format!("{settings};\n{ROLE_SQL}"));
    }

    /// Roles belong to the server, so concurrent tests would change them concurrently, which Postgres refuses.
    fn let_roles_log_in(&self) {
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for role in [SEED, DIFF, RESOLVE] {
            let can = format!("select rolcanlogin from pg_roles where rolname = '{role}'");
            if self.json(&format!("select to_json(({can}))")) == false {
                self.execute(&format!("alter role {role} login password '{role}'"));
            }
        }
    }

    pub fn url_of(&self, role: &str) -> String {
        self.url_as(role, role)
    }
}
