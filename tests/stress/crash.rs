//! P1, P3: the program crashes before and after every step, and leaves all or nothing. The list of steps comes from the
//! program itself: a statement without a step fails the first test, a step that no run reaches fails the second.

use super::common::{Env, Image, ONE_THERE, URL, providers, reset, seed, settle};
use super::point::Point;
use crate::support::resolution;
use crate::support::{Database, Options, Run, Server, Variant};
use ai_provider_seed::testing::store::failpoint::Step;
use std::collections::BTreeSet;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const ENCRYPTED: &str = "insert into dbcrypt_keys (number, active_key_digest, test)
    values (1, '6a193b3', 'JAr/OTfEYiZmArZ/9yZpmeM/KSVCy6eJRZ1/qgKXqonr') on conflict do nothing";

/// Environments and states that take different paths through the code.
fn ways() -> Vec<(&'static str, &'static str, Env, &'static str)> {
    let azure = |mut env: Env| {
        env[0].1 = "azure".into();
        env
    };
    let mut encrypted = providers(2, URL);
    encrypted.push(("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS".into(), KEY.into()));
    vec![
        ("nothing is there", "", providers(2, URL), ""),
        ("one is there", ONE_THERE, providers(3, URL), ""),
        ("a type that the database may not know", "", azure(providers(2, URL)), ""),
        ("parameters in the URL", "", providers(1, URL), "&search_path=public"),
        ("encrypted", ENCRYPTED, encrypted, ""),
    ]
}

fn run(database: &Database, env: &Env, parameters: &str) -> Run {
    seed(&format!("{}{parameters}", database.url()), env)
}

#[test]
fn every_statement_is_a_step_and_every_step_is_reached() {
    let server = Server::start(Options::new().setting("log_statement", "all").setting("log_line_prefix", "[%a] "));
    let statements = || {
        let ours = |line: &&str| {
            line.starts_with("[ai-provider-seed] LOG:  statement: ")
                || line.starts_with("[ai-provider-seed] LOG:  execute ")
        };
        server.log().lines().filter(ours).count()
    };
    let mut met = BTreeSet::new();
    // A statement that cannot be parsed, or that follows a failed one, is not logged.
    let mut check = |run: Run, code: i32, failing: usize| {
        let point = Point::new();
        let before = statements();
        let finished = point.traced(run).run().expect(code);
        let steps = point.steps();
        assert_eq!(statements() - before + failing, steps.len(), "{steps:?}\n{finished}");
        met.extend(steps.iter().map(|step| step.split(' ').next().unwrap().to_owned()));
    };
    for (_, prepare, env, parameters) in ways() {
        let database = server.database(Variant::Current);
        database.execute(prepare);
        check(run(&database, &env, parameters), 0, 0);
        check(run(&database, &env, parameters), 0, 0);
    }
    let database = server.database(Variant::Current);
    let _holder = database.lock();
    check(run(&database, &providers(1, URL), "").arg("--lock-timeout=100ms"), 6, 3);
    check(run(&server.database(Variant::Empty), &providers(1, URL), ""), 0, 1);
    let database = server.database(Variant::Current);
    database.execute(&resolution::openai(resolution::OLD_URL, &["old"]));
    let take = resolution::take(&database, &resolution::current_id(&database));
    check(take, 0, 0);
    let database = server.database(Variant::Current);
    database.execute(&resolution::openai(resolution::OLD_URL, &["old"]));
    check(take_environment(&database), 0, 0);
    check(run(&database, &providers(1, URL), "").arg("--undescribed=warn"), 0, 0);
    // A server of version 14 or newer reports itself whether it is a standby; tests/it/resolve_races.rs tests the query
    // for an unanswered commit.
    met.extend([Step::Probe, Step::TransactionStatus].map(|step| format!("{step:?}")));
    let all: BTreeSet<String> = Step::ALL.iter().map(|step| format!("{step:?}")).collect();
    assert_eq!(met, all);
}

#[test]
fn crash_around_every_step_leaves_all_or_nothing() {
    let server = Server::shared();
    for (way, prepare, env, parameters) in ways() {
        let database = server.database(Variant::Current);
        reset(&database, prepare);
        let before = Image::of(&database);
        let point = Point::new();
        point.traced(run(&database, &env, parameters)).run().expect(0);
        let steps = point.steps();
        let after = Image::of(&database);
        assert!(before != after && steps.iter().any(|step| step == "Commit 1"), "{way}: {steps:?}");
        // A run with nothing to do has fewer steps; the same holds for them.
        let commit = steps.iter().position(|step| step == "Commit 1").unwrap();
        for (at, step) in steps.iter().enumerate() {
            for edge in ["before", "after"] {
                reset(&database, prepare);
                let crashed = Point::new().abort(edge, step, run(&database, &env, parameters)).run();
                assert_eq!(crashed.code, -1, "{way}: no crash {edge} {step}: {crashed}");
                settle(&database);
                let committed = at > commit || (at == commit && edge == "after");
                let expected = if committed { &after } else { &before };
                assert_eq!(&Image::of(&database), expected, "{way}: {edge} {step}");
                // One more run completes the work of the first, and reports truly whether it did.
                let finished = run(&database, &env, parameters).run().expect(0);
                assert_eq!(finished.json()["written"], !committed, "{way}: {edge} {step}: {finished}");
                assert_eq!(Image::of(&database), after, "{way}: {edge} {step}");
            }
        }
    }
}

/// The only command that changes rows: the one row with its keys and audit rows, or nothing.
#[test]
fn crash_around_every_resolve_step_leaves_all_or_nothing() {
    let database = Server::shared().database(Variant::Current);
    let state = || {
        let rows = crate::support::Snapshot::of(&database);
        let provider = rows.live("openai").expect("a live row").clone();
        (provider["base_url"].clone(), rows.keys_of(&provider["id"]), rows.audit.len())
    };
    let prepare = || reset(&database, &resolution::openai(resolution::OLD_URL, &["old"]));
    prepare();
    let (before, id) = (state(), resolution::current_id(&database));
    let take = || resolution::take(&database, &id);
    let point = Point::new();
    point.traced(take()).run().expect(0);
    let (after, steps) = (state(), point.steps());
    assert_ne!(before, after);
    let commit = steps.iter().position(|step| step == "CommitChange 1").unwrap();
    for (at, step) in steps.iter().enumerate() {
        for edge in ["before", "after"] {
            prepare();
            let crashed = Point::new().abort(edge, step, take()).run();
            assert_eq!(crashed.code, -1, "no crash {edge} {step}: {crashed}");
            settle(&database);
            let committed = at > commit || (at == commit && edge == "after");
            assert_eq!(&state(), if committed { &after } else { &before }, "{edge} {step}");
            if !committed {
                take().run().expect(0);
            }
            assert_eq!(state(), after, "{edge} {step}");
        }
    }
}

/// A missing row beside one that changes.
fn take_environment(database: &Database) -> Run {
    let run = resolution::run("seed", database).arg("--take-environment=all");
    let run =
        run.env("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic").env("CODER_AIBRIDGE_PROVIDER_1_KEY", "sk-canary-a");
    run.env("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", "https://a.example/")
}

#[test]
fn crash_around_every_take_step_leaves_all_or_nothing() {
    let database = Server::shared().database(Variant::Current);
    let state = || {
        let rows = crate::support::Snapshot::of(&database);
        let provider = rows.live("openai").expect("a live row").clone();
        let inserted = rows.live("anthropic").map(|row| rows.keys_of(&row["id"]));
        (provider["base_url"].clone(), rows.keys_of(&provider["id"]), inserted, rows.audit.len())
    };
    let prepare = || reset(&database, &resolution::openai(resolution::OLD_URL, &["old"]));
    prepare();
    let before = state();
    let point = Point::new();
    point.traced(take_environment(&database)).run().expect(0);
    let (after, steps) = (state(), point.steps());
    assert!(before.2.is_none() && after.2.is_some() && before.0 != after.0);
    let commit = steps.iter().position(|step| step == "CommitChange 1").expect("it commits a change");
    for (at, step) in steps.iter().enumerate() {
        for edge in ["before", "after"] {
            prepare();
            let crashed = Point::new().abort(edge, step, take_environment(&database)).run();
            assert_eq!(crashed.code, -1, "no crash {edge} {step}: {crashed}");
            settle(&database);
            let committed = at > commit || (at == commit && edge == "after");
            assert_eq!(&state(), if committed { &after } else { &before }, "{edge} {step}");
            let again = take_environment(&database).run().expect(0);
            assert_eq!(again.json()["written"], !committed, "{edge} {step}");
            assert_eq!(state(), after, "{edge} {step}");
        }
    }
}

/// A bug in the program: exit code 70 with any `--block-on`, only the place in the message, and nothing half-written.
#[test]
fn panic_names_its_place_and_writes_nothing() {
    let database = Server::shared().database(Variant::Current);
    let env = providers(2, URL);
    let before = Image::of(&database);
    for step in ["Rows 1", "Insert 1"] {
        let run = run(&database, &env, "").arg("--block-on=none");
        let finished = Point::new().panic("after", step, run).run().expect(70);
        assert!(finished.stderr.contains("internal error at src/store/failpoint.rs:"), "{finished}");
        assert!(!format!("{}{}", finished.stderr, finished.stdout).contains("canary"), "{finished}");
        settle(&database);
        assert_eq!(Image::of(&database), before, "{step}");
    }
}
