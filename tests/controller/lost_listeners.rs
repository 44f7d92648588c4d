//! Listeners whose session ends, or is open but deaf.

use crate::listening::{
    ANNOUNCE, HOURLY, LISTENING, OTHER, SAME, in_sync, listens, server, watch_of, watches, watching,
};
use crate::support::controller::{Controller, check_now, get, reason};
use crate::support::deaf_proxy::DeafProxy;
use crate::support::kubernetes::eventually;
use crate::support::{Cluster, Variant};
use std::time::Duration;

#[test]
fn killed_listener_comes_back_and_misses_nothing() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, server) = (cluster.namespace(), server());
    let database = server.database(Variant::Current);
    let controller = watching(&namespace, &database);
    assert_eq!(watch_of(&get(&namespace, "coder").status.unwrap()), Some(LISTENING));
    let kill = || {
        server.attach("postgres").json(&format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{}' and query like 'listen%'",
            database.name()
        ))
    };
    // when it is killed, and a change is announced while there is no listener / then the change is seen
    assert_eq!(kill(), 1);
    database.execute(OTHER);
    database.execute(ANNOUNCE);
    reason(&namespace, "coder", "Conflict");
    watches(&namespace, "coder", LISTENING);
    database.execute(SAME);
    database.execute(ANNOUNCE);
    reason(&namespace, "coder", "InSync");

    // when it is killed repeatedly / then its pauses grow
    let before = listens(&server, &database);
    for _ in 0..100 {
        kill();
        std::thread::sleep(Duration::from_millis(100));
    }
    let after = listens(&server, &database) - before;
    assert!((1..=4).contains(&after), "{after} listeners in ten seconds");
    watches(&namespace, "coder", LISTENING);
    controller.stop().expect(0);
}

/// Its server answers, so that only its own proof shows the difference.
#[test]
fn deaf_listener_is_ended_and_opened_again() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, server) = (cluster.namespace(), server());
    let database = server.database(Variant::Current);
    let proxy = DeafProxy::start(server.port());
    let url = database.url_at(proxy.port(), "postgres", "postgres");
    in_sync(&namespace, "coder", &database, &url, HOURLY);
    let controller = Controller::start(&namespace);
    assert_eq!(watch_of(&reason(&namespace, "coder", "InSync")), Some(LISTENING));
    // when a check proves it / then it stays the same one after the time of the proof
    check_now(&namespace, "coder");
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(listens(&server, &database), 1);

    // when a check's notification does not arrive / then the listener ends, and another one replaces it
    proxy.set_deaf(true);
    check_now(&namespace, "coder");
    eventually("another one listens", || (listens(&server, &database) >= 2).then_some(()));
    assert!(proxy.kept() >= 1);

    // when notifications arrive again / then the new listener receives a change
    proxy.set_deaf(false);
    watches(&namespace, "coder", LISTENING);
    database.execute(OTHER);
    database.execute(ANNOUNCE);
    reason(&namespace, "coder", "Conflict");
    controller.stop().expect(0);
}
