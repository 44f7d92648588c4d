//! A conflict in a rollout, from the pod that stops to the finished rollout.

use super::cluster::Place;
use super::shown;
use crate::support::{Variant, roles};
use serde_json::Value;

/// A new pod that stays in Init with the exit code 3: its name and the conflict's id.
fn stopped_rollout(place: &Place) -> (String, String) {
    place.install(&["--wait"]);
    let old = place.pods()[0]["metadata"]["name"].clone();
    place.database.execute("update ai_providers set base_url = 'https://api.openai.com/v2'");
    place.kubectl(["rollout", "restart", "deployment/coder"]);
    let stopped = place.stopped_with(3);
    // The running pod continues meanwhile.
    assert!(place.pods().iter().any(|pod| pod["metadata"]["name"] == old && pod["status"]["phase"] == "Running"));
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v2"], "nothing was written");
    let message = place.message_of(&stopped);
    let id = message.split("--conflict ").nth(1).and_then(|rest| rest.get(..32)).expect("the message names the id");
    (stopped, id.to_owned())
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn changed_row_blocks_the_rollout_until_it_is_settled() {
    let place = Place::new("conflict", Variant::Current);
    let (stopped, id) = stopped_rollout(&place);
    let described = place.kubectl(["describe", "pod", &stopped]);
    for expected in [
        "openai",
        "base_url",
        "https://api.openai.com/v1",
        "https://api.openai.com/v2",
        "CODER_AI_GATEWAY_PROVIDER_0_BASE_URL",
    ] {
        assert!(described.contains(expected), "{expected:?} is missing in\n{described}");
    }
    let hide = [(&stopped[..], "coder-6f54866fb-tqqkm"), (&id, shown::CONFLICT), (&place.namespace, "coder")];
    shown::compare("describe-pod.txt", &described, &shown::POD, &hide);
    // The pod reads the ConfigMap at its next try, without any action.
    place.provider(0, "openai", "https://api.openai.com/v2");
    place.rollout();
    assert!(place.pods().iter().any(|pod| pod["metadata"]["name"] == stopped), "it is the same pod");
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn job_that_takes_the_environment_unblocks_the_rollout() {
    let place = Place::new("resolve", Variant::Current);
    // The init container's role cannot change rows; the Job's role can.
    place.database.grant_roles();
    place.database_url("coder-db-url", &place.database.url_of(roles::SEED));
    place.database_url("coder-resolve-db-url", &place.database.url_of(roles::RESOLVE));
    let (stopped, id) = stopped_rollout(&place);

    let manifest = std::fs::read_to_string("deploy/coder/resolve-job.yaml").unwrap();
    let of = |id: &str| manifest.replace("--conflict=ed7lijh33v6xf3w7ma6zwigoyb5nccs7", &format!("--conflict={id}"));
    assert_ne!(of(&id), manifest);
    // With the id of another conflict, nothing happens.
    assert_eq!(place.run_job(&of("abcdefghijklmnopqrstuvwxyz234567")), "Failed");
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v2"]);
    assert_eq!(place.run_job(&of(&id)), "Complete");
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
    let audit = "select coalesce(json_agg(action order by time), '[]') from audit_logs where resource_type::text = 'ai_provider'";
    let audit = place.database.json(audit);
    assert!(audit.as_array().unwrap().contains(&Value::from("write")), "{audit}");

    place.rollout();
    assert!(place.pods().iter().any(|pod| pod["metadata"]["name"] == stopped), "it is the same pod");
}
