//! The controller, the definition and `diff --from` beside a real API server and a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // helpers outside #[test] functions

#[path = "../support/mod.rs"]
mod support;

mod agreement;
mod api_server;
mod carry;
mod carry_conflict;
mod carry_cut;
mod carry_races;
mod carry_role;
mod certificates;
mod chart_cluster;
mod crd;
mod external_id;
mod faults;
mod freshness;
mod from;
mod from_agreement;
mod from_manifests;
mod from_resolve;
mod from_watch;
mod hostile;
mod hostile_servers;
mod inputs;
mod isolated;
mod laptop;
mod laptop_decisions;
mod lease;
mod lifecycle;
mod listener_limits;
mod listening;
mod lost_listeners;
mod metrics;
mod outage;
mod own_announcements;
mod pool;
mod rbac;
mod resolve;
mod resolve_races;
mod scope;
mod seeds;
mod settling;
mod support_kubernetes;
mod tls;
mod watch_memory;
mod who_changed;
mod who_decides;
