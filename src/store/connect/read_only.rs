//! A primary that refuses writes because `default_transaction_read_only` is on for this session: only that default must
//! be changed, and neither another server nor more time would help.

use std::time::Duration;

use super::session::Session;
use crate::provider::redact;
use crate::store::error::Error;
use crate::store::failpoint::{Step, step};

/// The answer only makes an error clearer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The place that switched writing off, and how to undo it.
pub struct ReadOnlyDefault {
    pub cause: String,
    pub next: String,
}

impl Session {
    /// `None` for a standby, if nothing switched writing off, and if the server does not answer.
    pub async fn read_only_default(&self) -> Option<ReadOnlyDefault> {
        let query = "select pg_catalog.pg_is_in_recovery() as standby, setting, source
                       from pg_catalog.pg_settings where name = 'default_transaction_read_only'";
        let mut found = None;
        let answer = self.query(query, &[], |row| {
            let standby: bool = row.try_get("standby")?;
            let (setting, source): (&str, &str) = (row.try_get("setting")?, row.try_get("source")?);
            found = (!standby && setting == "on").then(|| source.to_owned());
            Ok(())
        });
        let answer: Result<Result<(), Error>, _> = tokio::time::timeout(TIMEOUT, step(Step::Probe, answer)).await;
        answer.ok()?.ok()?;
        Some(self.told(&found?))
    }

    fn told(&self, source: &str) -> ReadOnlyDefault {
        let (role, database) = (&self.endpoint.role, &self.endpoint.database);
        let (role_name, database_name) = (redact::identifier(role), redact::identifier(database));
        let (place, next) = match source {
            "user" => (format!("for role {role}"), format!("run: alter role {role_name} reset {NAME}")),
            "database" => {
                (format!("for database {database}"), format!("run: alter database {database_name} reset {NAME}"))
            }
            "database user" => (
                format!("for role {role} in database {database}"),
                format!("run: alter role {role_name} in database {database_name} reset {NAME}"),
            ),
            "global" => ("for all roles".to_owned(), format!("run: alter role all reset {NAME}")),
            "client" => ("in the URL or PGOPTIONS".to_owned(), "remove it there".to_owned()),
            _ => (
                "in the server's configuration".to_owned(),
                "turn it off there; a provider turns it on where the disk is full".to_owned(),
            ),
        };
        ReadOnlyDefault { cause: format!("{NAME} is on {place}"), next }
    }
}

const NAME: &str = "default_transaction_read_only";
