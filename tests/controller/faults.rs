//! An API server with faults: endless 429 answers, no permission to publish Events, frozen, slow; and a clock that jumps.
//! The controller stays live, reports the fault, claims nothing that it did not observe, and recovers by itself.

use crate::support::clock::Clock;
use crate::support::controller::{Controller, check_now, conditions, deployment, get, notes, reason, seed};
use crate::support::kubernetes::{ServiceAccount, eventually};
use crate::support::{Cluster, Database, Namespace, Proxy, Run, Server, Variant, block_on};
use ai_provider_seed::testing::kubernetes::crd::rbac;
use ai_provider_seed::testing::kubernetes::crd::spec::AIProviderSeed;
use ai_provider_seed::testing::kubernetes::crd::status::AIProviderSeedStatus;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::Api;
use serde_json::json;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const URL: &str = "https://api.openai.com/v1";
const SAME: &str = "update ai_providers set base_url = 'https://api.openai.com/v1', updated_at = now()";
const OTHER: &str = "update ai_providers set base_url = 'https://other.example/', updated_at = now()";

/// A workload in sync with its database, and the resource that watches it.
fn in_sync(namespace: &Namespace) -> Database<'static> {
    let database = Server::shared().database(Variant::Current);
    let provider = |suffix: &str| format!("CODER_AIBRIDGE_PROVIDER_0_{suffix}");
    let providers = [(provider("TYPE"), "openai"), (provider("BASE_URL"), URL), (provider("KEY"), "sk-1")];
    Run::seed().database(database.url()).envs(providers.clone()).run().expect(0);
    let mut env = vec![json!({"name": "CODER_PG_CONNECTION_URL", "value": database.url()})];
    env.extend(providers.iter().map(|(name, value)| json!({"name": name, "value": value})));
    namespace.apply(&deployment("coder", &json!(env), &[]).to_string());
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "coder"}, "interval": "10s"})).to_string());
    database
}

/// An account with the permissions of the chart's role, except `without`.
fn account(namespace: &Namespace, without: &str) -> ServiceAccount {
    let kept = |rule: &PolicyRule| rule.resources.iter().flatten().all(|resource| resource != without);
    let rules: Vec<PolicyRule> = rbac::rules().into_iter().filter(kept).collect();
    namespace.account_with("controller", &json!(rules))
}

/// Makes the API server answer 429 to the account, by its own priority and fairness: the account's level has no seats, so
/// one request at a time is admitted, and that one waits for a webhook that never answers.
struct Crowd<'c> {
    namespace: &'c Namespace<'c>,
    over: Arc<AtomicBool>,
    _webhook: TcpListener,
}

impl<'c> Crowd<'c> {
    fn start(namespace: &'c Namespace<'c>, account: &ServiceAccount) -> Crowd<'c> {
        let webhook = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("https://127.0.0.1:{}/", webhook.local_addr().unwrap().port());
        let flow = "flowcontrol.apiserver.k8s.io/v1";
        let limited = json!({"nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
                             "limitResponse": {"type": "Reject"}});
        let subject =
            json!({"kind": "ServiceAccount", "serviceAccount": {"name": "controller", "namespace": namespace.name()}});
        let all =
            json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true});
        for object in [
            json!({"apiVersion": flow, "kind": "PriorityLevelConfiguration", "metadata": {"name": "no-seat"},
                   "spec": {"type": "Limited", "limited": limited}}),
            json!({"apiVersion": flow, "kind": "FlowSchema", "metadata": {"name": "crowd"}, "spec": {
                "priorityLevelConfiguration": {"name": "no-seat"}, "matchingPrecedence": 2,
                "rules": [{"subjects": [subject], "resourceRules": [all]}]}}),
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                   "metadata": {"name": "never"}, "webhooks": [{
                "name": "never.aiproviders.dev", "clientConfig": {"url": url}, "timeoutSeconds": 30,
                "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["events"]}]}]}),
        ] {
            namespace.apply(&object.to_string());
        }
        let over = Arc::<AtomicBool>::default();
        for _ in 0..2 {
            let (over, events) = (over.clone(), Api::<Event>::namespaced(account.client.clone(), namespace.name()));
            let event: Event = serde_json::from_value(json!({
                "apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "x"}, "action": "Wait",
                "eventTime": "2026-01-01T00:00:00.000000Z", "reason": "Wait", "type": "Normal",
                "reportingComponent": "aiproviders.dev/test", "reportingInstance": "test",
                "involvedObject": {"kind": "Deployment", "name": "coder", "namespace": namespace.name()},
            }))
            .unwrap();
            std::thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    // The admitted request waits for the webhook, the other one for the admitted request.
                    let answer = block_on(events.create(&Default::default(), &event));
                    let waits = matches!(&answer, Err(kube::Error::Api(status)) if [429, 500].contains(&status.code));
                    assert!(waits || over.load(Ordering::SeqCst), "{answer:?}");
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
        let seeds: Api<AIProviderSeed> = Api::namespaced(account.client.clone(), namespace.name());
        eventually("requests are refused", || {
            let answer = block_on(seeds.list(&Default::default()));
            matches!(answer, Err(kube::Error::Api(status)) if status.code == 429).then_some(())
        });
        Crowd { namespace, over, _webhook: webhook }
    }

    fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        for object in ["validatingwebhookconfiguration/never", "flowschema/crowd", "prioritylevelconfiguration/no-seat"]
        {
            self.namespace.kubectl(&["delete", object]).ok();
        }
    }
}

fn errors(controller: &Controller, class: &str) -> f64 {
    controller.metric(&format!("ai_provider_seed_api_errors_total{{class=\"{class}\"}}"))
}

/// It is alive, and its last status is unchanged: it observed nothing since, so it reports nothing.
fn keeps_its_last_word(controller: &mut Controller, namespace: &Namespace, word: &[&str]) {
    assert!(controller.is_running() && controller.get("/livez").unwrap().0 == 200);
    assert_eq!(conditions(&get(namespace, "coder").status.unwrap()), word);
}

const IN_SYNC: [&str; 2] = ["Ready=True InSync", "InSync=True InSync"];

#[test]
fn endless_429_never_leads_to_in_sync() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.install_definition();
    let namespace = cluster.namespace();
    let database = in_sync(&namespace);
    let account = account(&namespace, "");
    let mut controller = Controller::start_as(&account.kubeconfig, &[]);
    controller.wait_ready();
    reason(&namespace, "coder", "InSync");
    let crowd = Crowd::start(&namespace, &account);
    database.execute(OTHER);
    let few = eventually("requests of the controller are refused", || {
        Some(errors(&controller, "too_many_requests")).filter(|refused| *refused >= 1.0)
    });
    keeps_its_last_word(&mut controller, &namespace, &IN_SYNC);
    // A controller that starts now sees nothing and is not ready.
    let late = Controller::start_as(&account.kubeconfig, &[]);
    let why =
        eventually("it says why", || late.get("/readyz").filter(|(code, why)| *code == 503 && why.contains("429")));
    assert!(why.1.contains("the API server is throttling requests"), "{}", why.1);
    // It retries, but with pauses.
    std::thread::sleep(Duration::from_secs(5));
    let refused = errors(&controller, "too_many_requests");
    assert!(refused < few + 25.0, "{few}, and 5 s later {refused}");

    crowd.end();
    reason(&namespace, "coder", "Conflict");
    late.wait_ready();
    late.stop().expect(0);
    let finished = controller.stop().expect(0);
    assert!(finished.stderr.contains("throttling requests (429)"), "{finished}");
}

#[test]
fn forbidden_events_leave_conditions_working() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let database = in_sync(&namespace);
    let controller = Controller::start_as(&account(&namespace, "events").kubeconfig, &[]);
    controller.wait_ready();
    reason(&namespace, "coder", "InSync");
    database.execute(OTHER);
    reason(&namespace, "coder", "Conflict");
    eventually("its Event was refused", || (errors(&controller, "forbidden") >= 1.0).then_some(()));
    assert_eq!(controller.get("/readyz").unwrap().0, 200);
    // The next check neither tries again nor changes its report.
    let said = get(&namespace, "coder").status.unwrap().conditions;
    check_now(&namespace, "coder");
    assert_eq!(get(&namespace, "coder").status.unwrap().conditions, said);
    assert_eq!(notes(&namespace), Vec::<String>::new());
    let finished = controller.stop().expect(0);
    assert!(finished.stderr.contains("forbids it (403)"), "{finished}");
}

#[test]
fn frozen_api_server_is_abandoned_and_reconnected() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.install_definition();
    let namespace = cluster.namespace();
    let database = in_sync(&namespace);
    let mut controller = Controller::start(&namespace);
    reason(&namespace, "coder", "InSync");
    cluster.freeze_apiserver();
    database.execute(OTHER);
    eventually("a call is given up", || (errors(&controller, "timed_out") >= 1.0).then_some(()));
    assert!(controller.is_running() && controller.get("/livez").unwrap().0 == 200);
    cluster.thaw_apiserver();
    reason(&namespace, "coder", "Conflict");
    eventually("its Event", || (notes(&namespace).len() == 1).then_some(()));
    let finished = controller.stop().expect(0);
    assert!(finished.stderr.contains("no answer in time"), "{finished}");
}

#[test]
fn slow_api_server_and_cut_watch_lose_no_change() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.namespace();
    let database = in_sync(&namespace);
    // A second for each request and answer.
    let proxy = Proxy::new().delay(Duration::from_millis(500)).start(cluster.port());
    let controller = Controller::start_as(&namespace.kubeconfig_through(proxy.port()), &[]);
    controller.wait_ready();
    reason(&namespace, "coder", "InSync");
    proxy.cut();
    database.execute(OTHER);
    reason(&namespace, "coder", "Conflict");
    // The watch works again: a change of the resource is seen.
    namespace.apply(&seed("coder", json!({"workloadRef": {"name": "absent"}, "interval": "1h"})).to_string());
    reason(&namespace, "coder", "WorkloadNotFound");
    assert!(proxy.connections() >= 2, "{}", proxy.connections());
    controller.stop().expect(0);
}

/// Two days ahead, then two days back. Reported times follow the clock; everything else continues undisturbed, and the
/// controller that waits for the Lease does not take it.
#[test]
fn clock_jump_does_not_disturb_the_controller() {
    let (Some(cluster), Some(clock)) = (Cluster::shared(), Clock::new()) else { return };
    let namespace = cluster.namespace();
    let database = in_sync(&namespace);
    let elect = ["--leader-elect"];
    let mut controller = Controller::start_with(namespace.kubeconfig(), &elect, |run| clock.seen_by(run));
    controller.wait_ready();
    let transition = |status: AIProviderSeedStatus| status.conditions[0].last_transition_time.0.as_second();
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let start = transition(reason(&namespace, "coder", "InSync"));
    assert!((start - now()).abs() < 3600);
    let waiting = Controller::start_as(namespace.kubeconfig(), &elect);
    waiting.wait_ready();
    let path = "jsonpath={.spec.holderIdentity} {.spec.leaseTransitions}";
    let holder = || namespace.kubectl(&["get", "lease", "ai-provider-seed", "-o", path]).ok();
    let before = holder();

    let changes = [("+2d", OTHER, "Conflict"), ("-2d", SAME, "InSync"), ("+0", OTHER, "Conflict")];
    for (offset, change, expected) in changes {
        clock.jump(offset);
        database.execute(change);
        let at = transition(reason(&namespace, "coder", expected));
        let days = (at - now() + 43_200).div_euclid(86_400);
        assert_eq!(days, offset.trim_end_matches('d').parse::<i64>().unwrap(), "the clock was not the one that jumped");
        assert!(controller.is_running(), "{offset}");
        assert_eq!(["/livez", "/readyz"].map(|path| controller.get(path).unwrap().0), [200, 200], "{offset}");
    }
    // Longer than the duration of a Lease.
    std::thread::sleep(Duration::from_secs(20));
    check_now(&namespace, "coder");
    assert_eq!(holder(), before);
    assert_eq!(controller.metric("ai_provider_seed_api_errors_total"), 0.0);
    waiting.stop().expect(0);
    controller.stop().expect(0);
}
