//! Eight servers at once, each of which sends what no Postgres would, and one that is well: the whole controller stays within the
//! memory of P12, and looks at the healthy one as ever.

use crate::hostile::{MEMORY, create, start, variable};
use crate::support::controller::{Controller, deployment, get, seed};
use crate::support::hostile::{COLUMNS, error, message, provider};
use crate::support::{Caller, Cluster, Hostile, Namespace, Run, Server, Variant};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};
use std::io;
use std::time::{Duration, Instant};

type Act = fn(&mut Caller) -> io::Result<()>;

/// Providers that each workload describes: `p0` and so on.
const PROVIDERS: u64 = 60;

fn env(url: &str) -> Value {
    let mut env = vec![variable("CODER_PG_CONNECTION_URL", url)];
    for n in 0..PROVIDERS {
        let name = |field: &str| format!("CODER_AIBRIDGE_PROVIDER_{n}_{field}");
        env.push(variable(&name("TYPE"), "openai"));
        env.push(variable(&name("NAME"), &format!("p{n}")));
        env.push(variable(&name("BASE_URL"), "https://ai.example/v1"));
        env.push(variable(&name("KEY"), "sk-of-the-environment"));
    }
    json!(env)
}

fn workload(namespace: &Namespace, name: &str, url: &str) {
    create::<Deployment>(namespace, deployment(name, &env(url), &[]));
    namespace.apply(&seed(name, json!({"workloadRef": {"name": name}, "interval": "10s"})).to_string());
}

/// Up to the rows of the first read.
fn rows(caller: &mut Caller) -> io::Result<()> {
    caller.log_in(&[])?;
    caller.until_query(0)?;
    caller.begin_rows()
}

/// Says nothing more; what was sent stays where it is.
fn silence() -> io::Result<()> {
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

/// Rows of these, as many as `bytes` allow, and then silence.
fn hold(caller: &mut Caller, bytes: usize, row: impl Fn(u64) -> Vec<u8>) -> io::Result<()> {
    rows(caller)?;
    let mut sent = 0;
    for n in 0.. {
        let row = row(n);
        sent += row.len().max(128);
        if sent > bytes {
            break;
        }
        caller.send(&row)?;
    }
    silence()
}

/// The controller beside these servers: each of their resources is refused for its reason, the healthy one is looked at.
fn beside(acts: &[(&str, Act, &str)]) {
    let Some(cluster) = Cluster::shared() else { return };
    let (hostile, healthy) = (cluster.namespace(), cluster.namespace());
    let database = Server::shared().database(Variant::Current);
    workload(&healthy, "fine", &database.url());
    let servers: Vec<Hostile> = acts.iter().map(|(_, act, _)| Hostile::start(*act)).collect();
    for ((name, ..), server) in acts.iter().zip(&servers) {
        workload(&hostile, name, &server.url());
    }
    let namespaces = [&hostile, &healthy].map(|namespace| format!("--namespace={}", namespace.name()));
    let mut controller = start(&hostile, &[&namespaces[0], &namespaces[1]]);
    patiently(&mut controller, &healthy, "fine", "WouldSeed");
    let finished = Run::seed().database(database.url()).envs(pairs(&env(""))).run();
    assert_eq!(finished.code, 0, "{finished}");
    patiently(&mut controller, &healthy, "fine", "InSync");
    for (name, _, expected) in acts {
        patiently(&mut controller, &hostile, name, expected);
    }
    // In the midst of it.
    database.execute("update ai_providers set base_url = 'https://other.example/v1' where name = 'p7'");
    patiently(&mut controller, &healthy, "fine", "Conflict");
    let peak = controller.peak_memory();
    controller.stop().expect(0);
    assert!(peak < MEMORY << 10, "{peak} KiB");
}

/// Waits for a reason for as long as eight checks that use all of their time may delay it, three times over.
#[track_caller]
fn patiently(controller: &mut Controller, namespace: &Namespace, name: &str, reason: &str) {
    let deadline = Instant::now() + Duration::from_secs(150);
    loop {
        let conditions = get(namespace, name).status.unwrap_or_default().conditions;
        if conditions.iter().any(|condition| condition.type_ == "Ready" && condition.reason == reason) {
            return;
        }
        assert!(controller.is_running(), "the controller is gone, while {name} has {conditions:#?}");
        assert!(Instant::now() < deadline, "{name} is not {reason}, but {conditions:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The variables of a container's environment but for the URL.
fn pairs(env: &Value) -> Vec<(String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    let all = env.as_array().unwrap().iter().map(|entry| (text(entry, "name"), text(entry, "value")));
    all.filter(|(name, _)| name.starts_with("CODER_AIBRIDGE")).collect()
}

#[test]
fn eight_flooding_servers_at_once_do_not_disturb_others() {
    let others: Act = |caller| {
        rows(caller)?;
        caller.endless(|n| provider(&format!("other{n}"), n, false, Some(&[b'x'; 500]), None))
    };
    let keys: Act = |caller| {
        rows(caller)?;
        caller.endless(|n| provider("p0", n, false, None, Some(&[b'k'; 500])))
    };
    let large: Act = |caller| {
        rows(caller)?;
        caller.large(b'D', &u16::try_from(COLUMNS.len()).unwrap().to_be_bytes(), 2_000_000_000)
    };
    let notices: Act = |caller| {
        caller.log_in(&[])?;
        caller.endless(|n| error(b'N', &format!("notice {n}")))
    };
    let parameters: Act = |caller| {
        caller.send(&message(b'R', &[0; 4]))?;
        caller.endless(|n| message(b'S', format!("p{n}\0\0").as_bytes()))
    };
    let refusal: Act = |caller| caller.large(b'E', b"SERROR\0MX", 200 << 20);
    let silent: Act = |_| silence();
    let slow: Act = |caller| {
        rows(caller)?;
        caller.drip(&error(b'N', "slow"))
    };
    beside(&[
        ("others", others, "DatabaseUnusable"),
        ("keys", keys, "DatabaseUnusable"),
        ("large", large, "DatabaseUnusable"),
        ("notices", notices, "DatabaseUnusable"),
        ("parameters", parameters, "DatabaseUnreachable"),
        ("refusal", refusal, "DatabaseUnreachable"),
        ("silent", silent, "DatabaseUnreachable"),
        ("slow", slow, "DatabaseUnreachable"),
    ]);
}

/// As much as is taken, of what is kept, and then silence: all of them hold it at the same time.
#[test]
fn eight_servers_at_their_bounds_fit_into_memory() {
    let keys: Act = |caller| hold(caller, KEPT, |n| provider("p0", n, false, None, Some(b"k")));
    let large_keys: Act = |caller| hold(caller, KEPT, |n| provider("p0", n, false, None, Some(&[b'k'; 100_000])));
    let largest: Act = |caller| hold(caller, KEPT, |n| provider("p0", n, false, None, Some(&vec![b'k'; MESSAGE])));
    let settings: Act = |caller| {
        let text = "x".repeat(29);
        let models = vec![format!("\"{text}\""); 1800].join(",");
        let settings = format!("{{\"_type\":\"bedrock\",\"_version\":1,\"a\":[{models}]}}");
        hold(caller, KEPT, |n| provider(&format!("p{}", n % PROVIDERS), n, false, Some(settings.as_bytes()), None))
    };
    beside(&[
        ("keys1", keys, "DatabaseUnreachable"),
        ("keys2", keys, "DatabaseUnreachable"),
        ("large1", large_keys, "DatabaseUnreachable"),
        ("large2", large_keys, "DatabaseUnreachable"),
        ("largest1", largest, "DatabaseUnreachable"),
        ("largest2", largest, "DatabaseUnreachable"),
        ("settings1", settings, "DatabaseUnreachable"),
        ("settings2", settings, "DatabaseUnreachable"),
    ]);
}

/// A little less than what ends a session of the controller.
const KEPT: usize = (4 << 20) - (64 << 10);
const MESSAGE: usize = (1 << 20) - (4 << 10);
