//! A start with one provider and JSON output, whose two secrets must not be printed: for tests of options and of waiting.

use crate::support::{Database, Finished, Run, Server, Variant};
use serde_json::Value;

pub const KEY: &str = "sk-Zq7vXw2LkPm4Rt8s";
pub const PASSWORD: &str = "pw-Jh5dNc9BxQf3";

pub fn base() -> Run {
    Run::seed()
        .env("AI_PROVIDER_SEED_OUTPUT", "json")
        .env("AI_PROVIDER_SEED_WAIT", "0")
        .env("CODER_AIBRIDGE_OPENAI_KEY", KEY)
}

pub fn database() -> Database<'static> {
    Server::shared().database(Variant::Current)
}

/// Runs it and checks that no secret is printed.
pub fn go(run: &Run, code: i32) -> Finished {
    let finished = run.run().expect(code);
    let everything = finished.everything();
    for secret in [KEY, PASSWORD] {
        assert!(!everything.contains(&secret[..12]), "a secret was printed\n{finished}");
    }
    finished
}

pub fn only_problem(finished: &Finished, code: &str) -> Value {
    assert_eq!(finished.codes("problems"), [code], "{finished}");
    finished.json()["problems"][0].clone()
}
