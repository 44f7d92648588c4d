//! The manifests of deploy/ unchanged, without Helm.

use super::cluster::Place;
use crate::support::Variant;

#[test]
#[ignore = "needs a cluster: make e2e"]
fn example_manifests_run_on_a_cluster() {
    let place = Place::new("examples", Variant::Current);
    let controller = place.kubectl(["kustomize", "deploy/controller"]);
    place.apply_anew(&controller.replace("namespace: coder\n", &format!("namespace: {}\n", place.namespace)));
    place.kubectl(["rollout", "status", "deployment/ai-provider-seed", "--timeout=3m"]);

    let example = place.kubectl(["kustomize", "deploy/examples/init-container"]);
    let for_trying = "postgres://coder:trying@postgres:5432/coder?sslmode=disable";
    assert!(example.contains(for_trying));
    place.apply_anew(&example.replace(for_trying, &place.pods_url()));
    place.rollout();
    assert_eq!(place.base_urls(), ["openai https://api.openai.com/v1"]);
    place.kubectl(["wait", "--for=condition=Ready", "aps/coder", "--timeout=60s"]);
    place.kubectl(["annotate", "aps/coder", "aiproviders.dev/reconcile=1"]);
    place.kubectl(["wait", "--for=condition=InSync", "aps/coder", "--timeout=60s"]);
}
