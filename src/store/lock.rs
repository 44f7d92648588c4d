//! The lock for seeding: one round trip begins the transaction, takes the lock and reads again.

use std::time::Duration;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connect::{Parameter, Session};
use super::error::Error;
use super::failpoint::{Step, step};
use super::snapshot::{ReadRequest, ReadScope, read_locked};
use super::transaction::{ALL_ROWS, TABLE_LOCK_TIMEOUT, rollback};
use crate::plan::Snapshot;
use crate::provider::redact;

/// Coder's `LockIDAIProvidersEnvSeed`: a seeder holds it, and newer releases of Coder wait for it before they read
/// providers.
const LOCK: u32 = 10;
/// Planning between two round trips takes only a few milliseconds, so a holder that is silent for longer is gone.
const IDLE: Duration = Duration::from_secs(5);
/// Longer than the lock timeout, so that waiting for the lock ends with the error about the lock.
const BEYOND_LOCK: Duration = Duration::from_secs(10);

/// A session that waits for a row holds the lock for which Coder waits before it reads providers.
const ROW_LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Begins the transaction, takes the lock and reads again, each statement with a snapshot from after the lock. `rows`:
/// also locked before they are read, since Coder's API does not take the lock. A new key needs a lock on its provider's
/// row, so no key can be added in between either.
pub async fn lock_and_read(
    session: &Session,
    request: &ReadRequest<'_>,
    scope: ReadScope,
    lock_timeout: Duration,
    rows: &[Uuid],
) -> Result<Snapshot, Error> {
    // Zero would mean no limit at all.
    let lock = lock_timeout.max(Duration::from_millis(1)).as_millis();
    let statement = (lock_timeout + BEYOND_LOCK).as_millis();
    let idle = IDLE.as_millis();
    let table = lock_timeout.min(TABLE_LOCK_TIMEOUT).as_millis().max(1);
    let first = if rows.is_empty() { table } else { table.min(ROW_LOCK_TIMEOUT.as_millis()) };
    // From version 14 on the server detects that a waiter has died, so that no dead waiter stays in the queue.
    let check = match session.server_version {
        Some(14..) => "set local client_connection_check_interval = '1s';",
        _ => "",
    };
    let locked = format!(
        "{ALL_ROWS}; set local lock_timeout = '{lock}ms'; set local statement_timeout = '{statement}ms'; \
         set local idle_in_transaction_session_timeout = '{idle}ms'; {check} select pg_advisory_xact_lock({LOCK}); \
         set local lock_timeout = '{first}ms'"
    );
    let rest = format!("set local lock_timeout = '{table}ms'");
    // The isolation level is explicit, since a database may have another default: under repeatable read the snapshot
    // would be from before the lock. Not "read write", which a standby refuses before it can be asked for its kind.
    let (begun, locked, rows_locked, snapshot) = tokio::join!(
        step(Step::Begin, session.execute("begin isolation level read committed")),
        step(Step::Lock, session.execute(&locked)),
        lock_rows(session, rows, &rest),
        read_locked(session, request, scope),
    );
    begun?;
    locked.map_err(Error::of_advisory_lock)?;
    rows_locked?;
    snapshot
}

async fn lock_rows(session: &Session, rows: &[Uuid], rest: &str) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = rows.iter().map(Uuid::to_string).collect();
    let sql = "select from ai_providers where id = any($1::uuid[]) order by id for update";
    let parameters: [Parameter<'_>; 1] = [(&ids, Type::TEXT_ARRAY)];
    let (locked, limited) = tokio::join!(
        step(Step::LockRows, session.query(sql, &parameters, |_| Ok(()))),
        step(Step::LockRest, session.execute(rest)),
    );
    locked?;
    limited
}

/// After a lock timeout: the holder, as far as this role may see it. Never another error.
pub async fn holder(session: &Session) -> Option<String> {
    let sql = format!(
        "select l.pid::text as pid, coalesce(a.application_name, '') as application, coalesce(a.usename::text, '') as role
           from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
          where l.locktype = 'advisory' and l.granted and l.classid = 0 and l.objid = {LOCK} and l.objsubid = 1
            and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
          limit 1"
    );
    rollback(session).await;
    let mut found = None;
    let holders = session.query(&sql, &[], |row| {
        found = Some((row.try_get("pid")?, row.try_get("application")?, row.try_get("role")?));
        Ok(())
    });
    step(Step::Holder, holders).await.ok()?;
    let (pid, application, role): (String, String, String) = found?;
    if pid.is_empty() {
        return Some("a prepared transaction, see pg_prepared_xacts".to_owned());
    }
    let mut holder = format!("backend {}", redact::name(&pid));
    for (column, value) in [("application", application), ("role", role)] {
        if !value.is_empty() {
            holder.push_str(&format!(", {column} {}", redact::name(&value)));
        }
    }
    Some(holder)
}
