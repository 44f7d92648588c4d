//! How long conditions stay InSync after their database goes down.

use std::path::Path;
use std::time::{Duration, Instant};

use super::FIRST_STATUS;
use super::conditions::Conditions;
use super::objects::{INTERVAL, create_in_sync};
use super::process::Process;
use crate::page::Page;
use crate::support::{Cluster, Mode, Options, Server, Variant};

const NUMBER: u32 = 200;
const LIMIT: Duration = Duration::from_secs(120);

pub fn measure(path: &Path, cluster: &Cluster, page: &mut Page) {
    page.section(
        "A database that is down",
        "200 resources of one database, checked every 10 s. The database crashes and stays down; an interval is up to a tenth longer.",
    );
    let (server, namespace) = (Server::start(Options::new()), cluster.namespace());
    let database = server.database(Variant::Current);
    let names = create_in_sync(&namespace, &database, NUMBER);
    let mut conditions = Conditions::of(&namespace);
    let _process = Process::start(path, &namespace, &[]);
    conditions.wait(&names, "InSync", FIRST_STATUS);
    std::thread::sleep(INTERVAL);
    server.stop(Mode::Immediate);
    let crashed = Instant::now();
    let two = 2 * INTERVAL.mul_f64(1.1);
    std::thread::sleep(two.saturating_sub(crashed.elapsed()));
    let still = names.len() - conditions.others(&names, "InSync");
    page.count("200 resources: still InSync after 2 intervals", still as u64, 0);
    let last = conditions.wait(&names, "DatabaseUnreachable", LIMIT);
    page.plain_time("the same: until the last reports that its database is unreachable", last.duration_since(crashed));
}
