//! The metrics of listeners.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::MOST;

#[derive(Clone, Default)]
pub struct ListenerMetrics {
    open: Gauge,
    announcements: Counter,
}

/// The listener is counted until this is dropped.
pub struct Open(Gauge);

impl ListenerMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = ListenerMetrics::default();
        registry.register("listeners", "Sessions that wait for Coder's announcements", metrics.open.clone());
        let limit = Gauge::<i64>::default();
        limit.set(i64::from(MOST));
        registry.register("listeners_limit", "How many there may be", limit);
        registry.register("announcements", "Changes that Coder announced", metrics.announcements.clone());
        metrics
    }

    pub fn opened(&self) -> Open {
        self.open.inc();
        Open(self.open.clone())
    }

    pub fn announced(&self, number: u64) {
        self.announcements.inc_by(number);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
