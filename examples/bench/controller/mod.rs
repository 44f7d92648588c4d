//! The cost of the controller and the freshness of its conditions: the released program with a real API server and a real
//! Postgres. The parts are independent.

mod carrying;
mod conditions;
mod growth;
mod listening;
mod memory;
mod objects;
mod outage;
mod process;
mod quiet;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::page::Page;
use crate::support::{Cluster, Server};

const MIB: f64 = 1024.0;
/// The providers of each workload, if their number does not matter.
const PROVIDER: u32 = 1;
/// A limit that is far away: anything slower is broken.
const FIRST_STATUS: Duration = Duration::from_secs(300);

/// The parts, which can be measured separately.
pub const PARTS: [&str; 6] = ["growth", "listening", "carrying", "quiet", "outage", "memory"];

pub fn measure(path: &Path, server: &Server, page: &mut Page, is_wanted: impl Fn(&str) -> bool, trial: bool) {
    let Some(cluster) = Cluster::shared() else { return page.note("There was no kube-apiserver for the controller.") };
    if is_wanted("growth") {
        growth::measure(path, server, cluster, page, if trial { 2 } else { 20 });
    }
    if is_wanted("carrying") {
        carrying::measure(path, server, cluster, page, if trial { 20 } else { 200 });
    }
    if is_wanted("listening") {
        listening::measure(path, server, cluster, page, if trial { 10 } else { 100 });
    }
    // While those 2,000 resources wait for their next check, other parts are measured.
    let quiet = is_wanted("quiet").then(|| quiet::begin(path, server, cluster));
    if is_wanted("outage") {
        outage::measure(path, cluster, page);
    }
    if is_wanted("memory") {
        memory::measure(path, cluster, page);
    }
    if let Some(quiet) = quiet {
        quiet.finish(page);
    }
}

/// A Secret with this text under the key `value`.
fn secret_of(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"value": value}})
}
