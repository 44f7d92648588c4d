//! The test support itself: the API server is real, accounts have no permissions by themselves, and nothing is left
//! behind.

use crate::support::kubernetes::{eventually, tools};
use crate::support::{Cluster, block_on};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use std::time::Duration;

#[test]
fn account_has_only_the_rights_bound_to_it() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let account = namespace.service_account("reader");
    let maps: Api<ConfigMap> = Api::default_namespaced(account.client.clone());
    let refused = |result: kube::Result<()>| match result {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(block_on(maps.list(&Default::default())).map(drop)), 403);
    namespace.apply(&format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: reader}},\n\
          rules: [{{apiGroups: [''], resources: [configmaps], verbs: [list]}}]}}\n---\n\
         {{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: reader}},\n\
          roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}},\n\
          subjects: [{{kind: ServiceAccount, name: reader, namespace: {}}}]}}",
        namespace.name()
    ));
    eventually("the binding is in force", || block_on(maps.list(&Default::default())).ok());
    assert_eq!(refused(block_on(maps.create(&PostParams::default(), &ConfigMap::default())).map(drop)), 403);
    // The same for another program.
    let kubeconfig = account.kubeconfig.to_str().unwrap();
    let who = namespace.kubectl(&[
        "--kubeconfig",
        kubeconfig,
        "auth",
        "whoami",
        "-o",
        "jsonpath={.status.userInfo.username}",
    ]);
    assert_eq!(who.ok(), format!("system:serviceaccount:{}:reader", namespace.name()));
}

#[test]
fn stored_objects_survive_an_api_server_crash() {
    let Some(cluster) = Cluster::start() else { return };
    let namespace = cluster.namespace();
    assert_eq!(namespace.kubectl(&["get", "aps"]).code, 1);
    cluster.install_definition();
    namespace.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: kept}, data: {a: b}}");
    cluster.stop_apiserver();
    let maps: Api<ConfigMap> = namespace.api();
    assert!(block_on(maps.get("kept")).is_err());
    cluster.start_apiserver();
    assert_eq!(block_on(maps.get("kept")).unwrap().data.unwrap()["a"], "b");
}

/// Not a test by itself: the process that the next one kills.
#[test]
#[ignore = "run by the next test, which kills it"]
fn helper_process_with_a_cluster() {
    let Some(file) = std::env::var_os("TELL_WHERE_THE_CLUSTER_IS") else { return };
    let cluster = Cluster::start().unwrap();
    std::fs::write(file, format!("{} {}", cluster.port(), cluster.kubeconfig().display())).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn cluster_ends_with_a_killed_test_process() {
    if tools::directory().is_none() {
        crate::support::skip(tools::MISSING);
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut process = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "support_kubernetes::helper_process_with_a_cluster"])
        .env("TELL_WHERE_THE_CLUSTER_IS", file.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let told = eventually("the other process tells its port", || {
        let told = std::fs::read_to_string(file.path()).unwrap();
        told.split_once(' ').map(|(port, kubeconfig)| (port.to_owned(), std::path::PathBuf::from(kubeconfig)))
    });
    let connect = || std::net::TcpStream::connect(format!("127.0.0.1:{}", told.0));
    assert!(connect().is_ok() && told.1.exists());
    process.kill().unwrap();
    process.wait().unwrap();
    eventually("kube-apiserver ends", || connect().is_err().then_some(()));
    eventually("its files are gone", || (!told.1.parent().unwrap().exists()).then_some(()));
}
