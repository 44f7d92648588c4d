//! The names of live rows that no variable describes: a separate statement in the round trip of the rows, sent only on
//! request, since it reads the whole table.

use tokio_postgres::types::Type;

use super::rows::ReadRequest;
use crate::plan::undescribed::{LISTED, NAME_READ};
use crate::store::Error;
use crate::store::connect::{Parameter, Session};
use crate::store::failpoint::{Step, step};

/// In name order. The server limits the number of names and the length of each.
pub async fn read(session: &Session, request: &ReadRequest<'_>) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    if !request.undescribed {
        return Ok(names);
    }
    let sql = format!(
        "select left(name, {NAME_READ}) as name from ai_providers where not deleted and name <> all($1) order by 1 limit {}",
        LISTED + 1
    );
    let parameters: [Parameter<'_>; 1] = [(&request.names, Type::TEXT_ARRAY)];
    let answer = session.query(&sql, &parameters, |row| {
        names.push(row.try_get("name")?);
        Ok(())
    });
    step(Step::Undescribed, answer).await?;
    Ok(names)
}
