//! Steps before a check: the first status, the turn, and the pause between requested checks.

use super::*;
use crate::store::pool::Claim;

#[tokio::test]
async fn progressing_is_written_before_the_queue() {
    let server = Arc::new(Server::default());
    let context = context(&server);
    // All four places that a namespace may have.
    let claim = || Claim { tenant: "team".to_owned(), ..Claim::default() };
    let all = [context.work.take(claim()).await, context.work.take(claim()).await];
    let checking = tokio::spawn(settle(guarded(&minimal()), Arc::clone(&context)));
    let waits = || context.metrics.text().contains("ai_provider_seed_checks{state=\"waiting\"} 1");
    for _ in 0..100_000 {
        if waits() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(waits());
    assert_eq!(server.told(), ["status Progressing"]);
    drop(all);
    checking.await.unwrap().unwrap();
    assert_eq!(server.told(), [&format!("GET {DEPLOYMENT}"), "status WorkloadNotFound", "event WorkloadNotFound"]);
}

#[tokio::test]
async fn reconcile_annotations_are_one_a_second_a_resource() {
    let server = Arc::new(Server::default());
    let context = context(&server);
    let resource = |name: &str| ("team".to_owned(), name.to_owned());
    let asked = |name: &str| context.next_asked(&resource(name), Duration::from_secs(1));
    let times: Vec<Instant> = (0..10).map(|_| asked("often")).collect();
    assert!(times.windows(2).all(|pair| pair[1] >= pair[0] + Duration::from_secs(1)), "{times:?}");
    assert!(asked("other") <= Instant::now(), "another resource does not wait");

    // A check that is requested too early waits; one that is not requested does not.
    for _ in 0..2 {
        context.next_asked(&resource("coder"), Duration::from_secs(3600));
    }
    let mut early = minimal();
    early["metadata"]["annotations"] = json!({"aiproviders.dev/reconcile": "now"});
    let waits = settle(guarded(&early), Arc::clone(&context));
    tokio::select! {
        biased;
        _ = waits => panic!("it was not the time"),
        checked = settle(guarded(&minimal()), Arc::clone(&context)) => drop(checked.unwrap()),
    }
    let reads = server.told().iter().filter(|call| **call == format!("GET {DEPLOYMENT}")).count();
    assert_eq!(reads, 1);
}
