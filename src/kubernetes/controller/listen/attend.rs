//! The task of one listener: announcements start checks; a closed, silent or deaf session ends the task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Listeners;
use super::burst::Burst;
use super::database::{Database, Orders};
use super::metrics::Open;
use crate::store::listen::Listener;

/// The pause between two liveness queries when no check proves the session.
const PING: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process ends, another listener has replaced it, or the database is no longer in use.
    Dismissed,
    Lost,
}

pub struct Attending {
    pub listeners: Arc<Listeners>,
    pub database: Arc<Database>,
    pub orders: Orders,
    pub stopped: watch::Receiver<bool>,
    pub _counted: Open,
}

impl Attending {
    /// Runs until the listener ends, and frees its place.
    pub async fn run(mut self, mut listener: Listener) -> End {
        let end = self.attend(&mut listener).await;
        if end == End::Dismissed {
            listener.close().await;
        }
        end
    }

    async fn attend(&mut self, listener: &mut Listener) -> End {
        let Attending { listeners, database, orders, stopped, .. } = self;
        let mut burst = Burst::default();
        let (mut announced, mut by_us) = (0, 0);
        let mut ping = Instant::now() + PING;
        let mut ending = stopped.clone();
        loop {
            let expected = *orders.expected.borrow_and_update();
            let proven = listener.heard.borrow().proven;
            let overdue = expected.filter(|expected| proven < expected.number).map(|expected| expected.by);
            tokio::select! {
                () = turned(stopped) => return End::Dismissed,
                changed = orders.expected.changed() => {
                    if changed.is_err() {
                        return End::Dismissed;
                    }
                }
                changed = listener.heard.changed() => {
                    if changed.is_err() {
                        return End::Lost;
                    }
                    let heard = *listener.heard.borrow_and_update();
                    // They prove that announcements arrive; the writer has already started the checks.
                    let ours = heard.announced_by_us - std::mem::replace(&mut by_us, heard.announced_by_us);
                    if ours > 0 {
                        database.state().hears(ours);
                    }
                    let news = heard.announced - std::mem::replace(&mut announced, heard.announced);
                    if news > 0 {
                        listeners.metrics.announced(news);
                        database.state().hears(news);
                        if burst.announced(Instant::now()) {
                            listeners.recheck(database, usize::MAX);
                        }
                    }
                }
                () = at(burst.next()) => {
                    if burst.is_due(Instant::now()) {
                        listeners.recheck(database, usize::MAX);
                    }
                }
                () = at(overdue) => {
                    tracing::debug!("a proof did not arrive");
                    return End::Lost;
                }
                () = sleep_until(ping) => {
                    ping = Instant::now() + PING;
                    tokio::select! {
                        () = turned(&mut ending) => return End::Dismissed,
                        answers = listener.answers() => if !answers {
                            return End::Lost;
                        }
                    }
                }
            }
        }
    }
}

/// Waits until the value is true.
async fn turned(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Without a time, this never completes.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
