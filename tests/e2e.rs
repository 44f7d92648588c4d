//! Real pods on a real cluster: `make e2e`, which builds the image and finds or starts a cluster. `cargo test` leaves these out.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers outside #[test] functions

#[path = "e2e/cluster.rs"]
mod cluster;
mod support;

use cluster::{Place, own_server, until};
use support::{Mode, Variant};

#[test]
#[ignore = "needs a cluster: make e2e"]
fn the_init_container_seeds_and_then_the_main_container_starts() {
    let place = Place::new("first", Variant::Current);
    place.install(&["--wait"]);
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
    let log = place.kubectl(["logs", "deployment/coder", "-c", "ai-provider-seed"]);
    assert!(log.contains("openai"), "{log}");
    let pod = &place.pods()[0];
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(pod["status"]["initContainerStatuses"][0]["restartCount"], 0);
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_changed_row_stops_the_rollout_and_settling_it_lets_it_finish() {
    let place = Place::new("conflict", Variant::Current);
    place.install(&["--wait"]);
    let old = place.pods()[0]["metadata"]["name"].clone();
    place.database.execute("update ai_providers set base_url = 'https://api.openai.com/v2'");
    place.kubectl(["rollout", "restart", "deployment/coder"]);
    let stopped = place.stopped_with(3);
    let description = place.kubectl(["describe", "pod", &stopped]);
    keep("describe-pod.txt", &description);
    for expected in [
        "openai",
        "base_url",
        "https://api.openai.com/v1",
        "https://api.openai.com/v2",
        "CODER_AIBRIDGE_PROVIDER_0_BASE_URL",
        "Exit Code:",
    ] {
        assert!(description.contains(expected), "{expected:?} is missing in\n{description}");
    }
    // The pod that runs goes on meanwhile.
    assert!(place.pods().iter().any(|pod| pod["metadata"]["name"] == old && pod["status"]["phase"] == "Running"));
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v2"], "nothing was written");
    place.providers("https://api.openai.com/v2");
    // The waiting pod reads the Secret at its next try; a new one does not wait for that.
    place.kubectl(["delete", "pod", &stopped]);
    place.rollout();
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_first_install_is_completed_by_the_job_without_a_restart() {
    let place = Place::new("install", Variant::Empty);
    std::thread::scope(|scope| {
        let install = scope.spawn(|| place.install(&[]));
        // The init container lets Coder start although there is no table yet…
        until(120, "Coder to run on an empty database", || {
            place.pods().into_iter().find(|pod| pod["status"]["phase"] == "Running")
        });
        // …and Coder makes them.
        place.database.create_tables(Variant::Current);
        install.join().unwrap();
    });
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
    let job = place.json(&["get", "job", "ai-provider-seed-first-install"]);
    assert_eq!(job["status"]["succeeded"], 1);
    let pods = place.pods();
    assert_eq!((pods.len(), &pods[0]["status"]["containerStatuses"][0]["restartCount"]), (1, &0.into()));
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_database_that_is_not_up_yet_is_waited_for() {
    let server = Box::leak(Box::new(own_server()));
    let place = Place::on(server, "late", Variant::Current);
    server.stop(Mode::Fast);
    place.install(&["--no-hooks"]);
    let waiting = || {
        place.pods().into_iter().find(|pod| !pod["status"]["initContainerStatuses"][0]["state"]["running"].is_null())
    };
    until(60, "an init container that waits", waiting);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(waiting().is_some());
    server.start_again();
    place.rollout();
    assert_eq!(place.pods()[0]["status"]["initContainerStatuses"][0]["restartCount"], 0, "it waited inside");
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn the_override_lets_a_pod_start_at_night() {
    let place = Place::new("override", Variant::Current);
    place.database.execute(
        "insert into ai_providers (type, name, base_url) values ('openai', 'openai', 'https://other.example/')",
    );
    place.install(&["--no-hooks"]);
    place.stopped_with(3);
    place.kubectl([
        "create",
        "configmap",
        "ai-provider-seed-override",
        "--from-literal=AI_PROVIDER_SEED_BLOCK_ON=none",
    ]);
    place.rollout();
    let pod = &place.pods()[0];
    assert_ne!(pod["status"]["initContainerStatuses"][0]["restartCount"], 0, "it is the same pod");
    assert_eq!(place.base_urls(), ["openai https://other.example/"], "nothing was written");
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn any_user_with_group_0_will_do() {
    let place = Place::new("user", Variant::Current);
    let user =
        ["runAsUser=1000680000", "runAsGroup=0"].map(|set| format!("coder.initContainers[0].securityContext.{set}"));
    place.install(&["--wait", "--no-hooks", "--set", &user[0], "--set", &user[1]]);
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
    // The termination message too can be written by that user.
    place.database.execute("update ai_providers set base_url = 'https://other.example/'");
    place.kubectl(["rollout", "restart", "deployment/coder"]);
    let stopped = place.stopped_with(3);
    assert!(place.kubectl(["describe", "pod", &stopped]).contains("https://other.example/"));
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn two_replicas_that_roll_at_once_seed_once() {
    let place = Place::new("replicas", Variant::Current);
    place.install(&["--wait", "--no-hooks", "--set", "coder.replicaCount=2"]);
    assert_eq!(place.pods().len(), 2);
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
    let count = place.database.client().query_one("select count(*) from ai_provider_keys", &[]).unwrap();
    assert_eq!(count.get::<_, i64>(0), 1);
    assert!(place.pods().iter().all(|pod| pod["status"]["initContainerStatuses"][0]["restartCount"] == 0));
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn the_job_says_from_inside_what_a_start_would_do() {
    let place = Place::new("diff", Variant::Current);
    let name = place.kubectl(["create", "-f", "deploy/coder/diff-job.yaml", "-o", "name"]);
    let ended = until(120, "the Job to end", || {
        let job = place.json(&["get", name.trim()]);
        let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().find(|c| c["type"] == "Failed" || c["type"] == "Complete").map(|c| c["type"].clone())
    });
    assert_eq!(ended, "Failed", "exit code 1 says that a seed would insert");
    let log = place.kubectl(["logs", "-l", "app.kubernetes.io/component=diff", "--tail=-1"]);
    assert!(log.contains("openai"), "{log}");
    assert!(place.base_urls().is_empty(), "read only");
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn the_controller_says_before_and_during_a_rollout_what_the_pod_says() {
    let place = Place::new("controller", Variant::Current);
    let said = place.helm([
        "install",
        "ai-provider-seed",
        "charts/ai-provider-seed",
        "--take-ownership",
        "--wait",
        "--timeout",
        "3m",
    ]);
    assert!(said.contains("kubectl describe aps coder -n seed-e2e-controller"), "{said}");
    // The kind is known now, so the values bring the resource along.
    place.install(&["--wait"]);
    place.kubectl(["wait", "--for=condition=Ready", "aps/coder", "--timeout=60s"]);
    // It was checked first when the pod had not seeded yet, maybe.
    let check =
        || place.kubectl(["annotate", "--overwrite", "aps/coder", &format!("aiproviders.dev/reconcile={}", now())]);
    check();
    place.kubectl(["wait", "--for=condition=InSync", "aps/coder", "--timeout=60s"]);

    place.database.execute("update ai_providers set base_url = 'https://api.openai.com/v2'");
    check();
    place.kubectl(["wait", "--for=condition=Ready=False", "aps/coder", "--timeout=60s"]);
    let described = until(60, "an Event", || {
        let text = place.kubectl(["describe", "aps", "coder"]);
        text.contains("ConflictDetected").then_some(text)
    });
    keep("describe-aps.txt", &described);
    keep("get-aps.txt", &place.kubectl(["get", "aps"]));

    // The pod that starts all the same is stopped, and its message tells of the same field, values and conflict.
    place.kubectl(["rollout", "restart", "deployment/coder"]);
    let stopped = place.stopped_with(3);
    let pod = place.json(&["get", "pod", &stopped]);
    let status = &pod["status"]["initContainerStatuses"][0];
    let message =
        ["state", "lastState"].iter().find_map(|state| status[state]["terminated"]["message"].as_str()).unwrap();
    let conflict = place.json(&["get", "aps", "coder"])["status"]["conflicts"][0].clone();
    for key in ["id", "provider", "field", "environment", "database", "variable"] {
        let value = conflict[key].as_str().unwrap_or_else(|| panic!("{key} in {conflict}"));
        assert!(message.contains(value), "{key}: {value} is missing in {message}");
        assert!(described.contains(value), "{key}: {value} is missing in {described}");
    }

    // Settled in the ConfigMap, which the controller watches: nobody has to ask it.
    place.providers("https://api.openai.com/v2");
    place.kubectl(["wait", "--for=condition=InSync", "aps/coder", "--timeout=90s"]);
    place.kubectl(["delete", "pod", &stopped]);
    place.rollout();
    until(60, "the Event that it is over", || {
        place.kubectl(["describe", "aps", "coder"]).contains("ConflictResolved").then_some(())
    });
    // Removed: the kind and the resource stay.
    place.helm(["uninstall", "ai-provider-seed", "--wait"]);
    assert_eq!(place.json(&["get", "aps", "coder"])["status"]["summary"]["inSync"], "1/1");
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn several_replicas_and_namespaces_under_one_release() {
    let place = Place::new("many", Variant::Current);
    let other = Place::new("many-other", Variant::Current);
    let namespaces = format!("watchNamespaces={{{},{}}}", place.namespace, other.namespace);
    // The definition may belong to another test's release.
    let more = [
        "--set",
        "crd.install=false",
        "--set",
        "leaderElection.enabled=true",
        "--set",
        "controller.replicas=2",
        "--set",
        &namespaces,
    ];
    place.definition();
    let install = ["install", "ai-provider-seed", "charts/ai-provider-seed", "--wait", "--timeout", "3m"];
    place.helm(install.iter().chain(&more));
    for place in [&place, &other] {
        place.install(&["--wait"]);
        place.kubectl(["annotate", "aps/coder", "aiproviders.dev/reconcile=1"]);
        place.kubectl(["wait", "--for=condition=InSync", "aps/coder", "--timeout=60s"]);
    }
    let lease = place.json(&["get", "lease", "ai-provider-seed"]);
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap().to_owned();
    assert!(!holder.is_empty());
}

fn now() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}

/// The texts that people see, for the README: in target/e2e, and with UPDATE_FILES in tests/e2e/shown.
fn keep(name: &str, text: &str) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = match std::env::var_os("UPDATE_FILES") {
        Some(_) => root.join("tests/e2e/shown"),
        None => root.join("target/e2e"),
    };
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(name), text).unwrap();
}
