//! The init container in Coder's Deployment, and the Jobs beside it.

use super::cluster::{Place, host, own_server, until};
use crate::support::{Mode, Variant};

#[test]
#[ignore = "needs a cluster: make e2e"]
fn main_container_starts_after_the_seed() {
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
fn job_completes_a_first_install_without_a_restart() {
    let place = Place::new("install", Variant::Empty);
    std::thread::scope(|scope| {
        let install = scope.spawn(|| place.install(&[]));
        // The init container lets Coder start although there is no table yet…
        until(120, "Coder to run on an empty database", || {
            place.pods().into_iter().find(|pod| pod["status"]["phase"] == "Running")
        });
        // …and Coder creates the tables.
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
fn init_container_waits_for_the_database() {
    let server = Box::leak(Box::new(own_server(&host())));
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
fn emergency_override_lets_a_pod_start() {
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
fn any_user_with_group_0_can_run_the_image() {
    let place = Place::new("user", Variant::Current);
    let user =
        ["runAsUser=1000680000", "runAsGroup=0"].map(|set| format!("coder.initContainers[0].securityContext.{set}"));
    place.install(&["--wait", "--no-hooks", "--set", &user[0], "--set", &user[1]]);
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
    // That user can also write the termination message.
    place.database.execute("update ai_providers set base_url = 'https://other.example/'");
    place.kubectl(["rollout", "restart", "deployment/coder"]);
    let stopped = place.stopped_with(3);
    assert!(place.kubectl(["describe", "pod", &stopped]).contains("https://other.example/"));
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn two_replicas_starting_at_once_seed_once() {
    let place = Place::new("replicas", Variant::Current);
    place.install(&["--wait", "--no-hooks", "--set", "coder.replicaCount=2"]);
    let seeded_once = |providers: &[&str]| {
        assert_eq!(place.base_urls(), providers);
        assert_eq!(place.database.json("select count(*) from ai_provider_keys"), providers.len());
        let pods = place.pods();
        assert_eq!(pods.len(), 2);
        assert!(pods.iter().all(|pod| pod["status"]["initContainerStatuses"][0]["restartCount"] == 0));
    };
    seeded_once(&["openai https://api.openai.com/v1"]);
    // Then a rollout that starts both new pods at once, with one more provider.
    let both = r#"{"spec": {"strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}}}"#;
    place.kubectl(["patch", "deployment", "coder", "--patch", both]);
    place.provider(1, "anthropic", "https://api.anthropic.com/");
    place.kubectl(["rollout", "restart", "deployment/coder"]);
    place.rollout();
    until(60, "the old pods to be gone", || (place.pods().len() == 2).then_some(()));
    seeded_once(&["anthropic https://api.anthropic.com/", "openai https://api.openai.com/v1"]);
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn job_predicts_the_next_pod_start() {
    let place = Place::new("diff", Variant::Current);
    let manifest = std::fs::read_to_string("deploy/coder/diff-job.yaml").unwrap();
    assert_eq!(place.run_job(&manifest), "Failed", "exit code 1 says that a seed would insert");
    let log = place.kubectl(["logs", "-l", "app.kubernetes.io/component=diff", "--tail=-1"]);
    assert!(log.contains("openai"), "{log}");
    assert!(place.base_urls().is_empty(), "read only");
}
