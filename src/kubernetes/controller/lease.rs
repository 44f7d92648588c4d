//! Elects the working controller: the holder of a Lease. A candidate takes it by `replace` with the resourceVersion that
//! it read, so that only one of two can win. The election only avoids duplicate work: every replica would report the
//! same, from the database.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::time::Instant;

use super::lease_age::{self, LeaseAge};
use crate::kubernetes::client::{ApiError, ApiErrorKind, call};

/// How long other candidates wait after the last renewal that they saw.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for this long stops, well before another candidate may begin.
pub const DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);

pub struct Election {
    api: Api<Lease>,
    namespace: String,
    name: String,
    me: String,
    /// The version of another holder's lease, and the time since when it is unchanged. The holder's clock does not
    /// matter.
    seen: Option<(String, Instant)>,
    /// The age of this controller's last renewal, which writes check.
    age: Arc<LeaseAge>,
}

/// The next step for the current lease.
#[derive(Debug, PartialEq)]
enum Step {
    /// Replace the lease with this one.
    Put(Box<Lease>),
    Wait,
}

impl Election {
    pub fn new(client: &Client, namespace: &str, name: &str, me: String, age: Arc<LeaseAge>) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        Election { api, namespace: namespace.to_owned(), name: name.to_owned(), me, seen: None, age }
    }

    /// Returns once this controller holds the lease.
    pub async fn win(&mut self) {
        let mut told = false;
        loop {
            match self.round().await {
                Ok(true) => return tracing::info!(identity = self.me, "holds the lease {}", self.name),
                Ok(false) if !told => {
                    told = true;
                    tracing::info!("another controller holds the lease {}; waiting", self.name);
                }
                Ok(false) => {}
                Err(error) => tracing::warn!("{error}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Renews; returns when it is lost.
    pub async fn keep(&mut self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < DEADLINE {
            tokio::time::sleep(PAUSE).await;
            let began = Instant::now();
            let left = DEADLINE.saturating_sub(renewed.elapsed());
            match tokio::time::timeout(left, self.round()).await {
                Ok(Ok(true)) => renewed = began,
                Ok(Ok(false)) => break,
                Ok(Err(error)) => tracing::warn!("{error}"),
                Err(_) => break,
            }
        }
        tracing::error!("the lease {} is lost; this controller stops", self.name);
    }

    /// Releases the lease, so that another candidate need not wait.
    pub async fn release(&mut self) {
        let Ok(mut lease) = self.get().await else { return };
        if !is_held_by(&lease, &self.me) {
            return;
        }
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
        }
        if let Err(error) = self.replace(&lease).await {
            tracing::warn!("{error}");
        }
    }

    /// Whether this controller holds the lease now.
    async fn round(&mut self) -> Result<bool, ApiError> {
        let began = lease_age::now();
        let current = self.get().await?;
        let lease = match step(&current, &self.me, &mut self.seen, Instant::now()) {
            Step::Wait => return Ok(false),
            Step::Put(lease) => lease,
        };
        match self.replace(&lease).await {
            Ok(()) => {
                self.age.renewed(began);
                Ok(true)
            }
            // Another replica was faster. A holder reads the lease again to verify.
            Err(error) if error.kind == ApiErrorKind::Conflict && !is_held_by(&current, &self.me) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The lease is not created here, since that permission could not be limited to one name.
    async fn get(&self) -> Result<Lease, ApiError> {
        let what = format!("get Lease {} in namespace {}", self.name, self.namespace);
        call(&what, self.api.get(&self.name)).await.map_err(|error| match error.kind {
            ApiErrorKind::NotFound => ApiError {
                call: format!("{what} (the chart creates it; without the chart, create an empty one)"),
                ..error
            },
            _ => error,
        })
    }

    async fn replace(&self, lease: &Lease) -> Result<(), ApiError> {
        let what = format!("update Lease {} in namespace {}", self.name, self.namespace);
        call(&what, self.api.replace(&self.name, &PostParams::default(), lease)).await.map(|_| ())
    }
}

fn is_held_by(lease: &Lease, who: &str) -> bool {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(who)
}

/// `me`: the candidate. A lease without a spec was never held.
fn step(lease: &Lease, me: &str, seen: &mut Option<(String, Instant)>, now: Instant) -> Step {
    let time = || Some(MicroTime(Timestamp::now()));
    let seconds = i32::try_from(DURATION.as_secs()).ok();
    let old = lease.spec.clone().unwrap_or_default();
    if is_held_by(lease, me) {
        let spec = LeaseSpec { renew_time: time(), lease_duration_seconds: seconds, ..old };
        return Step::Put(Box::new(Lease { spec: Some(spec), ..lease.clone() }));
    }
    let version = lease.metadata.resource_version.clone().unwrap_or_default();
    let since = match seen {
        Some((known, since)) if *known == version => *since,
        _ => seen.insert((version, now)).1,
    };
    let free = old.holder_identity.as_deref().is_none_or(str::is_empty);
    let duration = old.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
    if !free && now.duration_since(since) < Duration::from_secs(duration) {
        return Step::Wait;
    }
    let is_new = old.acquire_time.is_none() && free;
    let spec = LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: seconds,
        acquire_time: time(),
        renew_time: time(),
        lease_transitions: Some(if is_new { 0 } else { old.lease_transitions.unwrap_or(0).saturating_add(1) }),
        ..old
    };
    Step::Put(Box::new(Lease { spec: Some(spec), ..lease.clone() }))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn lease(holder: Option<&str>, version: &str) -> Lease {
        let spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() };
        Lease { metadata, spec: Some(spec) }
    }

    fn holder(step: Step) -> Option<String> {
        match step {
            Step::Put(lease) => lease.spec.unwrap().holder_identity,
            Step::Wait => None,
        }
    }

    #[test]
    fn lease_is_taken_only_after_its_duration_without_change() {
        let (mut seen, start) = (None, Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(step(&lease(Some("other"), "1"), "me", &mut seen, start), Step::Wait);
        assert_eq!(step(&lease(Some("other"), "1"), "me", &mut seen, at(14)), Step::Wait);
        // After a renewal the wait begins again.
        assert_eq!(step(&lease(Some("other"), "2"), "me", &mut seen, at(15)), Step::Wait);
        assert_eq!(step(&lease(Some("other"), "2"), "me", &mut seen, at(29)), Step::Wait);
        let taken = step(&lease(Some("other"), "2"), "me", &mut seen, at(30));
        let Step::Put(lease) = taken else { panic!("{taken:?}") };
        // Sends the read version, so that the API server refuses the write if another replica was faster.
        assert_eq!(lease.metadata.resource_version.as_deref(), Some("2"));
        assert_eq!(lease.spec.unwrap().lease_transitions, Some(1));
    }

    #[test]
    fn free_or_own_lease_is_taken_at_once() {
        let mut seen = None;
        let empty = Lease { spec: None, ..lease(None, "1") };
        for lease in [empty, lease(None, "1"), lease(Some(""), "1"), lease(Some("me"), "1")] {
            assert_eq!(holder(step(&lease, "me", &mut seen, Instant::now())).as_deref(), Some("me"));
        }
    }
}
