//! The controller with growing numbers of resources: the time until each has a status, the cost of a quiet interval, and
//! the growth of memory.

use std::path::Path;
use std::time::Instant;

use super::conditions::Conditions;
use super::objects::{INTERVAL, create_in_sync, requests, transactions};
use super::process::Process;
use super::{FIRST_STATUS, MIB};
use crate::page::Page;
use crate::plot::Plot;
use crate::support::{Cluster, Server, Variant};

pub fn measure(path: &Path, server: &Server, cluster: &Cluster, page: &mut Page, intervals: u32) {
    page.section(
        "Every 10 s",
        &format!(
            "Each resource has a separate Deployment; all have one database, one provider with two keys, and the shortest
interval, so that {intervals} quiet intervals take little time. Reads are those of one resource in one interval."
        ),
    );
    let (mut first, mut memory) = (Vec::new(), Vec::new());
    for number in [1, 10, 100, 1_000] {
        let database = server.database(Variant::Current);
        let namespace = cluster.namespace();
        let names = create_in_sync(&namespace, &database, number);
        let mut conditions = Conditions::of(&namespace);
        let started = Instant::now();
        let process = Process::start(path, &namespace, &[]);
        let seconds = conditions.wait(&names, "InSync", FIRST_STATUS).duration_since(started).as_secs_f64();
        // The next check of each resource is a quiet one.
        std::thread::sleep(INTERVAL + INTERVAL / 5);
        let rounds = if number == 1_000 { intervals } else { 2 };
        let before = (requests(&namespace), transactions(&database), process.memory());
        let quiet = Instant::now();
        std::thread::sleep(INTERVAL * rounds);
        let after = (requests(&namespace), transactions(&database), process.memory());
        let checks = f64::from(number) * quiet.elapsed().as_secs_f64() / INTERVAL.as_secs_f64();
        let (asked, reads) = (after.0 - before.0, (after.1 - before.1) as f64 / checks);
        let x = f64::from(number);
        first.push((x, seconds * 1000.0));
        memory.push((x, after.2 as f64 / MIB));
        page.resources(number, seconds, reads, asked.reads as f64 / checks, after.2);
        if number == 1_000 {
            page.size("1,000 resources: resident memory", after.2 * 1024, Some(30 << 20));
            page.count(&format!("the same: writes to the API server in {rounds} quiet intervals"), asked.writes, 0);
            page.most("the same: reads of the database for each resource and interval", reads, 1.1, "");
            let growth = after.2 as f64 / before.2 as f64;
            page.most(&format!("the same: memory after {rounds} quiet intervals ÷ before"), growth, 1.05, "");
        }
    }
    page.plot(
        Plot::new("From the start of the controller to a status for each resource", "resources", "ms")
            .line("first status", first),
        "docs/performance-resources-time.svg",
    );
    page.plot(
        Plot::new("Resident memory of the controller", "resources", "MiB").line("controller", memory),
        "docs/performance-resources-memory.svg",
    );
}
