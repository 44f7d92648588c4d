//! Who may decide: the chart's policy and its roles for users, on a real API server.

use crate::support::controller::seed;
use crate::support::helm;
use crate::support::kubernetes::{Output, ServiceAccount, eventually};
use crate::support::{Cluster, Namespace};
use serde_json::{Value, json};

const DECISION: &str = "aiproviders.dev/resolve=3f9a1c3f9a1c:environment";
/// The account of the chart's controller.
const CONTROLLER: &str = "the-controller";
const REFUSED: &str = "need the right to update aiproviderseeds/resolve";

pub struct Person<'n> {
    namespace: &'n Namespace<'n>,
    pub account: ServiceAccount,
}

impl Person<'_> {
    fn kubectl(&self, args: &[&str], stdin: &str) -> Output {
        let kubeconfig = self.account.kubeconfig.to_str().unwrap();
        self.namespace.kubectl_with(&[&["--kubeconfig", kubeconfig][..], args].concat(), stdin)
    }

    #[track_caller]
    fn may(&self, args: &[&str]) {
        self.kubectl(args, "").ok();
    }

    #[track_caller]
    fn may_not(&self, args: &[&str]) {
        refused(self.kubectl(args, ""));
    }

    fn create(&self, object: &Value) -> Output {
        self.kubectl(&["create", "-f", "-"], &object.to_string())
    }
}

#[track_caller]
fn refused(output: Output) {
    assert!(output.code != 0 && output.stderr.contains(REFUSED), "not refused by the policy: {output:?}");
}

/// An account with one of the chart's roles (which a cluster would aggregate into `view` and `edit`) and more rules.
pub fn person<'n>(namespace: &'n Namespace<'n>, name: &str, role: &str, rules: Value) -> Person<'n> {
    let account = namespace.account_with(name, &rules);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": format!("{name}-{role}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace.name()}],
    });
    namespace.apply(&binding.to_string());
    Person { namespace, account }
}

pub fn decide_rule(names: &[&str]) -> Value {
    let mut rule =
        json!({"apiGroups": ["aiproviders.dev"], "resources": ["aiproviderseeds/resolve"], "verbs": ["update"]});
    if !names.is_empty() {
        rule["resourceNames"] = json!(names);
    }
    rule
}

fn status_rule() -> Value {
    json!({"apiGroups": ["aiproviders.dev"], "resources": ["aiproviderseeds/status"], "verbs": ["get", "update", "patch"]})
}

/// The chart's policy for this namespace, in force, and the names of its roles.
pub fn install(namespace: &Namespace) -> (String, String) {
    let set = format!(
        "allowWrites=true,aggregatedRoles.edit=true,serviceAccount.name={CONTROLLER},watchNamespaces={{{}}}",
        namespace.name()
    );
    // The controller is installed in the watched namespace.
    let rendered = helm::template(&["--set", &set, "--namespace", namespace.name()]);
    let kinds = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ClusterRole"];
    let objects: Vec<Value> = helm::objects(&rendered)
        .into_iter()
        .filter(|object| kinds.iter().any(|kind| object["kind"] == *kind))
        .collect();
    assert_eq!(objects.len(), 4);
    objects.iter().for_each(|object| namespace.apply(&object.to_string()));
    let role = |to: &str| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{to}");
        let role = objects.iter().find(|object| object["metadata"]["labels"][&label] == "true");
        role.unwrap_or_else(|| panic!("no role for {to}"))["metadata"]["name"].as_str().unwrap().to_owned()
    };
    (role("view"), role("edit"))
}

fn patch(spec: Value) -> String {
    json!({"spec": spec}).to_string()
}

fn coder(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = seed("coder", json!({"workloadRef": {"name": "coder"}}));
    change(&mut object);
    object
}

fn stored(namespace: &Namespace) -> Value {
    serde_json::from_str(&namespace.kubectl(&["get", "aps", "coder", "-o", "json"]).ok()).unwrap()
}

#[test]
fn only_the_right_to_resolve_makes_the_controller_write() {
    let Some(cluster) = Cluster::shared() else { return };
    if helm::is_missing() {
        return;
    }
    let namespace = cluster.namespace();
    let (view, edit) = install(&namespace);
    let viewer = person(&namespace, "viewer", &view, json!([]));
    let editor = person(&namespace, "editor", &edit, json!([status_rule()]));
    namespace.apply(
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "editor-view"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": view},
            "subjects": [{"kind": "ServiceAccount", "name": "editor", "namespace": namespace.name()},
                         {"kind": "ServiceAccount", "name": "resolver", "namespace": namespace.name()},
                         {"kind": "ServiceAccount", "name": "status", "namespace": namespace.name()},
                         {"kind": "ServiceAccount", "name": "one", "namespace": namespace.name()}],
        })
        .to_string(),
    );
    let resolver = person(&namespace, "resolver", &edit, json!([decide_rule(&[])]));
    let of_one = person(&namespace, "one", &edit, json!([decide_rule(&["coder"])]));
    let resolver_status = person(&namespace, "status", &edit, json!([decide_rule(&[]), status_rule()]));
    let controller = person(&namespace, CONTROLLER, &view, json!([status_rule()]));
    eventually("the policy is in force", || {
        let seeds = coder(|object| object["spec"]["mode"] = json!("Seed"));
        let output = editor.kubectl(&["create", "--dry-run=server", "-f", "-"], &seeds.to_string());
        output.stderr.contains(REFUSED).then_some(())
    });

    // when an editor creates a resource / then all may see it, and it may not request writes
    editor.create(&coder(|_| {})).ok();
    viewer.may(&["get", "aps", "coder"]);
    assert_ne!(viewer.kubectl(&["label", "aps/coder", "a=b"], "").code, 0);
    editor.may(&["annotate", "aps/coder", "aiproviders.dev/reconcile=1"]);
    editor.may(&["patch", "aps", "coder", "--type=merge", "-p", &patch(json!({"interval": "1h"}))]);
    editor.may_not(&["annotate", "aps/coder", DECISION]);
    let to_seed = patch(json!({"mode": "Seed"}));
    let to_observe = patch(json!({"mode": "Observe"}));
    editor.may_not(&["patch", "aps", "coder", "--type=merge", "-p", &to_seed]);
    let decided = |object: &mut Value| {
        let (key, value) = DECISION.split_once('=').unwrap();
        object["metadata"]["annotations"] = json!({key: value});
    };
    let generated = |object: &mut Value| object["metadata"] = json!({"generateName": "coder-"});
    refused(editor.create(&coder(|object| {
        generated(object);
        object["spec"]["mode"] = json!("Seed");
    })));
    refused(editor.create(&coder(|object| {
        generated(object);
        decided(object);
    })));
    let mut whole = stored(&namespace);
    decided(&mut whole);
    refused(editor.kubectl(&["replace", "-f", "-"], &whole.to_string()));
    let applied = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    refused(editor.kubectl(&applied, &coder(decided).to_string()));

    // when it includes a status / then the status is not stored
    whole["spec"]["mode"] = json!("Seed");
    whole["status"] = json!({"observedGeneration": 1});
    let path = format!("/apis/aiproviders.dev/v1alpha1/namespaces/{}/aiproviderseeds/coder/status", namespace.name());
    editor.kubectl(&["replace", "--raw", &path, "-f", "-"], &whole.to_string()).ok();
    let after = stored(&namespace);
    assert_eq!(after["status"]["observedGeneration"], 1);
    assert_eq!(after["spec"]["mode"], "Observe");
    assert!(after["metadata"]["annotations"]["aiproviders.dev/resolve"].is_null(), "{after}");

    // when a user with permission to write the status changes the agreements / then that is refused, and other changes
    // are not
    let agreed = json!({"status": {"agreements": [
        {"name": "openai", "id": "1", "hash": "h", "time": "2026-11-20T09:12:00Z"},
    ]}});
    let none = json!({"status": {"agreements": null}}).to_string();
    let subresource = ["patch", "aps", "coder", "--subresource=status", "--type=merge", "-p"];
    let with = |patch: &str| editor.kubectl(&[&subresource[..], &[patch]].concat(), "");
    refused(with(&agreed.to_string()));
    // The same apply as the controller's.
    let mut applied_status = coder(|_| {});
    applied_status.as_object_mut().unwrap().remove("spec");
    applied_status["status"] = agreed["status"].clone();
    let apply = ["apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-"];
    refused(editor.kubectl(&apply, &applied_status.to_string()));
    resolver_status.may(&[&subresource[..], &[&agreed.to_string()]].concat());
    with(&json!({"status": {"observedGeneration": 2}}).to_string()).ok();
    refused(with(&none));
    refused(with(&json!({"status": null}).to_string()));
    assert_eq!(stored(&namespace)["status"]["agreements"][0]["hash"], "h");
    // The account of the chart's controller has no such permission, and needs none.
    controller.may(&[&subresource[..], &[&none]].concat());
    assert!(stored(&namespace)["status"]["agreements"].is_null());

    // when a user with permission to resolve has decided / then others may withdraw the decision, but change nothing
    // beside it
    resolver.may(&["annotate", "aps/coder", DECISION]);
    editor.may(&["label", "aps/coder", "a=b"]);
    editor.may(&["annotate", "--overwrite", "aps/coder", "aiproviders.dev/reconcile=2"]);
    editor.may_not(&["annotate", "--overwrite", "aps/coder", "aiproviders.dev/resolve=000000000000:environment"]);
    editor.may_not(&["patch", "aps", "coder", "--type=merge", "-p", &patch(json!({"workloadRef": {"name": "mine"}}))]);
    editor.may_not(&[
        "patch",
        "aps",
        "coder",
        "--type=merge",
        "-p",
        &patch(json!({"database": {"urlSecretRef": {"name": "a", "key": "b"}}})),
    ]);
    editor.may_not(&["patch", "aps", "coder", "--type=merge", "-p", &patch(json!({"interval": null}))]);
    let copy = coder(|object| {
        decided(object);
        object["metadata"]["name"] = json!("copy");
    });
    refused(editor.create(&copy));
    editor.may(&["annotate", "aps/coder", "aiproviders.dev/resolve-"]);

    // when the mode is Seed / then others may change it back to Observe, but change nothing beside it
    resolver.may(&["patch", "aps", "coder", "--type=merge", "-p", &to_seed]);
    editor.may(&["label", "--overwrite", "aps/coder", "a=c"]);
    editor.may_not(&["patch", "aps", "coder", "--type=merge", "-p", &patch(json!({"workloadRef": {"name": "mine"}}))]);
    resolver.may(&["annotate", "aps/coder", DECISION]);
    editor.may_not(&[
        "patch",
        "aps",
        "coder",
        "--type=merge",
        "-p",
        &patch(json!({"mode": "Observe", "interval": "2h"})),
    ]);
    editor.may(&["patch", "aps", "coder", "--type=merge", "-p", &to_observe]);
    editor.may(&["annotate", "aps/coder", "aiproviders.dev/resolve-"]);
    assert_eq!(stored(&namespace)["spec"]["mode"], "Observe");

    // when the permission is granted for one resource by name / then it holds only for that resource
    of_one.may(&["annotate", "aps/coder", DECISION]);
    refused(of_one.create(&copy));
    refused(of_one.create(&coder(|object| {
        generated(object);
        decided(object);
    })));
}
