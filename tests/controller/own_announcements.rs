//! A controller also receives its own announcements. They prove that its listener works, but start no check: the writing
//! resource is read after its write anyway, and the other resources of the database are checked once.

use super::carry::{rotate, workload};
use super::listening::{LISTENING, server, watch_of};
use crate::support::controller::{Controller, get, reason};
use crate::support::kubernetes::eventually;
use crate::support::resolution::URL;
use crate::support::{Cluster, Run, Variant};
use std::time::Duration;

#[test]
fn own_announcement_starts_no_check_of_its_writer() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, server) = (cluster.namespace(), server());
    let database = server.database(Variant::Current);
    let seed = Run::seed().database(database.url()).env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai");
    let seed = seed.env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", URL);
    seed.env("CODER_AIBRIDGE_PROVIDER_0_KEYS", "sk-canary-old").run().expect(0);
    workload(&namespace, "coder", &database, "sk-canary-old");
    workload(&namespace, "other", &database, "sk-canary-new");
    let controller = Controller::writing(&namespace);
    reason(&namespace, "coder", "InSync");
    // It has never agreed with the row.
    reason(&namespace, "other", "WouldUpdate");

    rotate(&namespace, "coder", "sk-canary-new");
    reason(&namespace, "other", "InSync");
    eventually("the status of the writer", || {
        let status = get(&namespace, "coder").status?;
        status.conditions.iter().any(|it| it.type_ == "Seeded" && it.reason == "Seeded").then_some(())
    });
    // An announcement that counted would start its check at once.
    std::thread::sleep(Duration::from_secs(3));
    // The writer reads its own write, and the other resource reads once.
    let log = server.log();
    let (_, after) = log.rsplit_once("pg_notify('ai_providers_changed'").expect("the write announces");
    assert_eq!(after.matches("begin read only").count(), 2, "{after}");
    assert_eq!(controller.metric("ai_provider_seed_announcements_total "), 0.0);
    for name in ["coder", "other"] {
        assert_eq!(watch_of(&get(&namespace, name).status.expect("a status")), Some(LISTENING), "{name}");
    }
    controller.stop().expect(0);
}
