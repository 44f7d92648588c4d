//! hack/quickstart on an existing cluster: everything except the steps of docker and kind.

use std::process::{Command, Output};

use super::cluster::Place;
use super::shown;
use crate::support::Variant;

/// Runs one of its commands to its end.
fn try_quickstart(place: &Place, command: &str) -> Output {
    Command::new("hack/quickstart")
        .arg(command)
        .env("QUICKSTART_CLUSTER", "current")
        .env("QUICKSTART_NAMESPACE", &place.namespace)
        .env("QUICKSTART_DATABASE_URL", place.pods_url())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

/// The command's output.
fn quickstart(place: &Place, command: &str) -> String {
    let output = try_quickstart(place, command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{command}: {printed}{}", text(&output.stderr));
    printed
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn quickstart_shows_a_conflict_and_settles_it() {
    let place = Place::new("quickstart", Variant::Empty);
    // The definition of another test is not taken over.
    place.definition();

    // when the namespace belongs to another installation / then nothing in it is changed or removed
    let url = || place.json(&["get", "secret", "coder-db-url"])["metadata"]["resourceVersion"].clone();
    let before = url();
    for command in ["up", "conflict", "down"] {
        let refused = try_quickstart(&place, command);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && told.contains(&place.namespace), "{command}: {told}");
    }
    assert_eq!(url(), before);
    place.kubectl(["label", "namespace", &place.namespace, "aiproviders.dev/quickstart=true"]);

    // when it is up / then both sides agree, and the tables are its own
    let up = quickstart(&place, "up");
    assert!(up.contains("1/1") && up.contains("InSync"), "{up}");
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
    let serving = place.pods()[0]["metadata"]["name"].clone();
    // A second run changes nothing.
    quickstart(&place, "up");
    assert_eq!(place.pods()[0]["metadata"]["name"], serving);

    // when the row changes / then pod and resource show what the pages show, and the old pod continues
    let conflict = quickstart(&place, "conflict");
    let (pod, resource) = conflict.split_once(" describe aps coder\n").unwrap();
    let stopped = place.stopped_with(3);
    let id = place.json(&["get", "aps", "coder"])["status"]["conflicts"][0]["id"].as_str().unwrap().to_owned();
    let hide = [(&stopped[..], "coder-6f54866fb-tqqkm"), (&id[..], shown::CONFLICT), (&place.namespace[..], "coder")];
    shown::compare("describe-pod.txt", pod, &shown::POD, &hide);
    shown::compare("describe-aps-quickstart.txt", resource, &shown::RESOURCE, &hide);
    shown::compare("get-aps.txt", pod.rsplit_once("get aps").unwrap().1, &["NAME", "coder"], &hide);
    let is_serving =
        |pod: &serde_json::Value| pod["metadata"]["name"] == serving && pod["status"]["phase"] == "Running";
    assert!(place.pods().iter().any(is_serving));

    // when it is resolved / then the row has the environment's URL, and the same pod starts
    let resolved = quickstart(&place, "resolve");
    assert!(resolved.contains("InSync"), "{resolved}");
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
    assert!(place.pods().iter().any(|pod| pod["metadata"]["name"] == stopped && pod["status"]["phase"] == "Running"));

    // when it is taken down / then the namespace is empty
    quickstart(&place, "down");
    assert!(place.try_kubectl(["get", "deployment", "coder"]).is_err());
}
