//! P1, P2: up to 200 processes, released at one moment, leave the same as one of them.

use super::common::{Env, Image, OTHER, URL, nothing_locked, providers, reset, seed, times, written};
use super::gate::Gate;
use crate::support::{Database, Finished, Options, PgBouncer, Run, Server, Started, Variant};
use std::time::Duration;

/// All use the same environment, or two alternate.
fn race(database: &Database, upstream: u16, number: usize, environments: &[Env]) -> Vec<Finished> {
    let gate = Gate::new(upstream, number);
    // Checking a password takes time, and a pooler in between checks them one after another.
    let url = database.url_at(gate.port(), "postgres", "postgres") + "&connect_timeout=90";
    let run = |n: usize| {
        let run = seed(&url, &environments[n % environments.len()]);
        run.arg("--wait=100s").arg("--lock-timeout=100s").limit(Duration::from_secs(230))
    };
    let started: Vec<Started> = (0..number).map(|n| Run::start(&run(n))).collect();
    let finished: Vec<Finished> = started.into_iter().map(Started::wait).collect();
    assert!(gate.opened(), "they were not all there at once");
    finished
}

fn same(server: &Server, upstream: u16, number: usize, rounds: usize) {
    let env = [providers(3, URL)];
    let after = Image::after(server, "", &env[0]);
    let database = server.database(Variant::Current);
    for _ in 0..rounds {
        reset(&database, "");
        let finished = race(&database, upstream, number, &env);
        nothing_locked(&database);
        assert_eq!(Image::of(&database), after);
        assert_eq!(written(&finished), 1, "exactly one says that it wrote");
        for run in &finished {
            assert_eq!(run.code, 0, "{run}");
            let made = run.json()["written"] == true;
            assert_eq!(run.json()["providers"][2]["state"], if made { "created" } else { "in_sync" }, "{run}");
        }
    }
}

fn two(server: &Server, upstream: u16, number: usize, rounds: usize) {
    // They agree on nothing, and the second has one provider more.
    let environments = [providers(3, URL), providers(4, OTHER)];
    let images = [0, 1].map(|which| Image::after(server, "", &environments[which]));
    let database = server.database(Variant::Current);
    for _ in 0..rounds {
        reset(&database, "");
        let finished = race(&database, upstream, number, &environments);
        nothing_locked(&database);
        let image = Image::of(&database);
        let winner = images.iter().position(|one| *one == image).expect("one of both, whole");
        assert_eq!(written(&finished), 1);
        for (n, run) in finished.iter().enumerate() {
            let (code, outcome) = if n % 2 == winner { (0, "ok") } else { (3, "conflict") };
            assert_eq!((run.code, run.json()["outcome"].as_str()), (code, Some(outcome)), "{run}");
        }
    }
}

fn crowded() -> Server {
    Server::start(Options::new().setting("max_connections", "300"))
}

#[test]
fn seeds_of_one_environment_equal_one_seed() {
    let server = crowded();
    for (number, rounds) in [(2, times(100, 5)), (10, times(40, 2)), (50, times(8, 1)), (200, times(4, 0))] {
        same(&server, server.port(), number, rounds);
    }
}

#[test]
fn seeds_of_two_environments_have_one_winner() {
    let server = crowded();
    for (number, rounds) in [(2, times(100, 5)), (10, times(40, 2)), (50, times(8, 1)), (200, times(4, 0))] {
        two(&server, server.port(), number, rounds);
    }
}

#[test]
fn seeds_together_work_through_pgbouncer() {
    let server = crowded();
    let Some(bouncer) = PgBouncer::start(&server, &[("postgres", "postgres")]) else { return };
    for (number, rounds) in [(10, times(20, 1)), (50, times(4, 1)), (190, times(2, 0))] {
        same(&server, bouncer.port(), number, rounds);
        two(&server, bouncer.port(), number, rounds);
    }
}
