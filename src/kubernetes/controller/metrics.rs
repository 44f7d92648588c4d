//! The metrics for Prometheus. Labels come from closed lists only; series with `namespace` and `name`, which grow with
//! the number of resources, are removed with their resource.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::prometheus_text::{self, encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::index::Key;
use super::listen::ListenerMetrics;
use super::process_metrics::ProcessCollector;
use crate::kubernetes::client::{ApiError, ApiErrorKind};
use crate::kubernetes::crd::reason::Reason;
use crate::kubernetes::status::write_result::WriteReason;
use crate::problem::Code;

pub use prometheus_text::CONTENT_TYPE;

type Labels<const N: usize> = [(&'static str, &'static str); N];
type ResourceLabels = [(&'static str, String); 2];
type ReadyLabels = [(&'static str, String); 3];

/// What happened to an Event.
#[derive(Clone, Copy, Debug)]
pub enum EventResult {
    Published,
    Failed,
    /// There were too many Events.
    Suppressed,
}

impl EventResult {
    fn as_str(self) -> &'static str {
        match self {
            EventResult::Published => "published",
            EventResult::Failed => "failed",
            EventResult::Suppressed => "suppressed",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum CheckState {
    /// The check waits for one of `--concurrency` places.
    Waiting,
    Running,
}

impl CheckState {
    fn as_str(self) -> &'static str {
        match self {
            CheckState::Waiting => "waiting",
            CheckState::Running => "running",
        }
    }
}

/// Counted until this is dropped.
pub struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pub struct Metrics {
    registry: Registry,
    reconciles: Family<Labels<1>, Counter>,
    duration: Histogram,
    conflicts: Family<ResourceLabels, Gauge>,
    last_check: Family<ResourceLabels, Gauge>,
    ready: Family<ReadyLabels, Gauge>,
    in_sync: Family<ResourceLabels, Gauge>,
    /// The reason in the labels of `ready`, so that the next one replaces it.
    reasons: Mutex<HashMap<Key, &'static str>>,
    leader: Gauge,
    checks: Family<Labels<1>, Gauge>,
    database_errors: Family<Labels<1>, Counter>,
    api_errors: Family<Labels<1>, Counter>,
    events: Family<Labels<1>, Counter>,
    status_writes: Family<Labels<1>, Counter>,
    writes: Family<Labels<1>, Counter>,
    pub listeners: ListenerMetrics,
}

impl Metrics {
    pub fn new() -> Self {
        let mut root = Registry::default();
        root.register_collector(Box::new(ProcessCollector));
        let registry = root.sub_registry_with_prefix("ai_provider_seed");
        let (reconciles, database_errors) = (Family::default(), Family::default());
        let (api_errors, events, status_writes) = (Family::default(), Family::default(), Family::default());
        let duration = Histogram::new([0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]);
        let (conflicts, last_check) = (Family::default(), Family::default());
        registry.register("reconciles", "Checks by the reason of the condition Ready", reconciles.clone());
        registry.register("reconcile_duration_seconds", "How long a check took", duration.clone());
        registry.register("conflicts", "Fields on which environment and database disagree", conflicts.clone());
        let help = "When environment and database were last compared";
        registry.register("last_check_timestamp_seconds", help, last_check.clone());
        let (ready, in_sync) = (Family::default(), Family::default());
        let help = "Condition Ready: 1 is True, 0 is False; none while it is Unknown";
        registry.register("ready", help, ready.clone());
        let help = "Condition InSync: 1 is True, 0 is False; none while it is Unknown";
        registry.register("in_sync", help, in_sync.clone());
        let (leader, checks) = (Gauge::default(), Family::default());
        registry.register("leader", "1 if this controller works, 0 if it waits for the lease", leader.clone());
        registry.register("checks", "Checks that run, and that wait for others", checks.clone());
        registry.register("database_errors", "Failed reads of a database, by class", database_errors.clone());
        registry.register("api_errors", "Failed calls to the API server, by class", api_errors.clone());
        registry.register("events", "Events by whether they were published", events.clone());
        registry.register("status_writes", "Writes of a status by whether they succeeded", status_writes.clone());
        let writes = Family::default();
        registry.register("database_writes", "Requested writes to a database, by result", writes.clone());
        let listeners = ListenerMetrics::register(registry);
        registry.register("build", "This build", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Metrics {
            registry: root,
            reconciles,
            duration,
            conflicts,
            last_check,
            ready,
            in_sync,
            reasons: Mutex::default(),
            leader,
            checks,
            database_errors,
            api_errors,
            events,
            status_writes,
            writes,
            listeners,
        }
    }

    pub fn reconciled(&self, reason: Reason, took: Duration) {
        self.reconciles.get_or_create(&[("reason", reason.as_str())]).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// The check failed because of the API server.
    pub fn failed(&self, error: &ApiError, took: Duration) {
        self.reconciles.get_or_create(&[("reason", "Error")]).inc();
        self.duration.observe(took.as_secs_f64());
        self.api_error(error.kind);
    }

    pub fn api_error(&self, kind: ApiErrorKind) {
        self.api_errors.get_or_create(&[("class", kind.as_str())]).inc();
    }

    pub fn database_error(&self, code: Code) {
        self.database_errors.get_or_create(&[("class", code.as_str())]).inc();
    }

    pub fn event(&self, result: EventResult) {
        self.events.get_or_create(&[("result", result.as_str())]).inc();
    }

    pub fn status_write(&self, written: bool) {
        self.status_writes.get_or_create(&[("result", if written { "written" } else { "failed" })]).inc();
    }

    /// Counts only requested writes: a decision, or missing rows in mode Seed.
    pub fn write(&self, word: WriteReason) {
        self.writes.get_or_create(&[("result", word.as_str())]).inc();
    }

    pub fn conflicts(&self, resource: &Key, number: usize) {
        let gauge = self.conflicts.get_or_create(&labels(resource));
        gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// `now`: the time of a check that has just ended. Otherwise `before` counts, unless a later time is known.
    pub fn checked(&self, resource: &Key, now: Option<i64>, before: i64) {
        let gauge = self.last_check.get_or_create(&labels(resource));
        gauge.set(now.unwrap_or_else(|| gauge.get().max(before)));
    }

    /// It is suspended.
    pub fn not_checked(&self, resource: &Key) {
        self.last_check.remove(&labels(resource));
    }

    /// The values of the conditions Ready and InSync, and their reason.
    pub fn verdict(&self, resource: &Key, reason: Reason, blocked: bool) {
        let (ready, in_sync) = reason.ready_and_in_sync(blocked);
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = reasons.remove(resource).filter(|before| *before != reason.as_str() || ready == "Unknown")
        {
            self.ready.remove(&ready_labels(resource, before));
        }
        if let Some(value) = truth(ready) {
            self.ready.get_or_create(&ready_labels(resource, reason.as_str())).set(value);
            reasons.insert(resource.clone(), reason.as_str());
        }
        match truth(in_sync) {
            Some(value) => {
                self.in_sync.get_or_create(&labels(resource)).set(value);
            }
            None => {
                self.in_sync.remove(&labels(resource));
            }
        }
    }

    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Counts the check until the returned value is dropped.
    pub fn check(&self, state: CheckState) -> Counted {
        let gauge = self.checks.get_or_create(&[("state", state.as_str())]).clone();
        gauge.inc();
        Counted(gauge)
    }

    pub fn remove(&self, resource: &Key) {
        let reason = self.reasons.lock().unwrap_or_else(PoisonError::into_inner).remove(resource);
        if let Some(reason) = reason {
            self.ready.remove(&ready_labels(resource, reason));
        }
        self.in_sync.remove(&labels(resource));
        self.conflicts.remove(&labels(resource));
        self.not_checked(resource);
    }

    /// In the text format 0.0.4 (`CONTENT_TYPE`), which every scraper reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

fn ready_labels((namespace, name): &Key, reason: &str) -> ReadyLabels {
    [("namespace", namespace.clone()), ("name", name.clone()), ("reason", reason.to_owned())]
}

/// The value for a condition's status.
fn truth(status: &str) -> Option<i64> {
    match status {
        "True" => Some(1),
        "False" => Some(0),
        _ => None,
    }
}

fn labels((namespace, name): &Key) -> ResourceLabels {
    [("namespace", namespace.clone()), ("name", name.clone())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_has_one_series_for_each_resource() {
        let metrics = Metrics::new();
        let key = ("ns".to_owned(), "name".to_owned());
        let series = || {
            let text = metrics.text();
            let own = text.lines().filter(|line| line.contains("namespace=\"ns\""));
            let short =
                |line: &str| line.replace("ai_provider_seed_", "").replace("namespace=\"ns\",name=\"name\"", "");
            own.map(short).collect::<Vec<_>>()
        };
        metrics.verdict(&key, Reason::InSync, false);
        assert_eq!(series(), ["ready{,reason=\"InSync\"} 1", "in_sync{} 1"]);
        metrics.verdict(&key, Reason::Conflict, true);
        assert_eq!(series(), ["ready{,reason=\"Conflict\"} 0", "in_sync{} 0"]);
        metrics.verdict(&key, Reason::Conflict, false);
        assert_eq!(series(), ["ready{,reason=\"Conflict\"} 1", "in_sync{} 0"]);
        metrics.verdict(&key, Reason::DatabaseUnreachable, false);
        assert_eq!(series(), ["ready{,reason=\"DatabaseUnreachable\"} 0"]);
        metrics.verdict(&key, Reason::Suspended, false);
        assert_eq!(series(), [""; 0]);
        metrics.verdict(&key, Reason::WouldSeed, false);
        metrics.remove(&key);
        assert_eq!(series(), [""; 0]);
    }

    #[test]
    fn waiting_and_running_checks_are_counted_while_they_last() {
        let metrics = Metrics::new();
        let waiting = metrics.check(CheckState::Waiting);
        let running = [metrics.check(CheckState::Running), metrics.check(CheckState::Running)];
        let has = |line: &str| metrics.text().lines().any(|own| own == line);
        assert!(has("ai_provider_seed_checks{state=\"waiting\"} 1"));
        assert!(has("ai_provider_seed_checks{state=\"running\"} 2"));
        drop((waiting, running));
        assert!(has("ai_provider_seed_checks{state=\"waiting\"} 0"));
        assert!(has("ai_provider_seed_checks{state=\"running\"} 0"));
    }

    #[test]
    fn the_page_has_each_metric_and_no_other() {
        let metrics = Metrics::new();
        // A metric without a sample is not printed.
        let key = ("ns".to_owned(), "name".to_owned());
        metrics.reconciled(Reason::InSync, Duration::ZERO);
        metrics.conflicts(&key, 0);
        metrics.checked(&key, Some(0), 0);
        metrics.verdict(&key, Reason::InSync, false);
        let _running = metrics.check(CheckState::Running);
        metrics.database_error(Code::Tls);
        metrics.api_error(ApiErrorKind::Other);
        metrics.event(EventResult::Published);
        metrics.status_write(true);
        metrics.write(WriteReason::Resolved);
        let text = metrics.text();
        let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let mut have: Vec<&str> = kinds.map(|(name, _)| name).collect();
        let page = include_str!("../../../docs/metrics.md");
        let mut told: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
        have.sort();
        told.sort_unstable();
        assert_eq!(have, told);
        let unknown = ApiErrorKind::ALL.iter().find(|kind| !page.contains(&format!("`{}`", kind.as_str())));
        assert_eq!(unknown.map(|kind| kind.as_str()), None);
    }
}
