//! Determines the outcome of a commit whose answer was lost.

use std::time::Duration;

use super::retry::{ROUND_TRIP_TIMEOUT, within};
use crate::store::Error;
use crate::store::connect::Session;
use crate::store::update::{TransactionStatus, transaction_status};

/// The pause between two queries about a commit that is still in progress.
const STATUS_PAUSE: Duration = Duration::from_millis(200);

/// Waits until the transaction is over; the deadline of the run bounds the wait.
pub async fn took_effect(session: &Session, transaction: &str) -> Result<bool, Error> {
    loop {
        let status = transaction_status(session, transaction);
        match within(ROUND_TRIP_TIMEOUT, session, status).await? {
            TransactionStatus::InProgress => tokio::time::sleep(STATUS_PAUSE).await,
            status => return Ok(status == TransactionStatus::Committed),
        }
    }
}
