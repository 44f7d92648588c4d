//! Arbitrary bytes for every reader of external input: the corpus, and inputs made from it. See fuzz/README.md.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use targets::{TARGETS, Target};

/// For all targets together.
const EXECUTIONS: usize = 100_000;

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = corpus(target);
    assert!(corpus.len() >= 5, "a corpus of {}", corpus.len());
    for input in &corpus {
        execute(target, input, 0);
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let executions = number("FUZZ").unwrap_or(EXECUTIONS as u64) / TARGETS.len() as u64;
    // The same inputs each time, unless FUZZ_SEED is set.
    let seed = number("FUZZ_SEED").unwrap_or(executions);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..executions {
        execute(target, &made(&corpus, target, &mut random), seed);
    }
}

fn execute(target: &Target, input: &[u8], seed: u64) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.check)(input))) {
        eprintln!("{}: FUZZ_SEED={seed}, input {:?}", target.name, String::from_utf8_lossy(input));
        eprintln!("as bytes: {input:?}");
        std::panic::resume_unwind(panic);
    }
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name);
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// One input of the corpus, or the halves of two, changed a few times.
fn made(corpus: &[Vec<u8>], target: &Target, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = random.choice(corpus).unwrap().clone();
    if random.u8(..4) == 0 {
        let other = random.choice(corpus).unwrap();
        bytes.truncate(random.usize(..=bytes.len()));
        bytes.extend_from_slice(&other[random.usize(..=other.len())..]);
    }
    for _ in 0..random.usize(1..8) {
        let at = random.usize(..=bytes.len());
        let end = random.usize(at..=bytes.len().min(at + 32));
        match random.u8(..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            1 if at < bytes.len() => bytes[at] = random.u8(..),
            2 => _ = bytes.drain(at..end),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => bytes.truncate(at),
            _ => {
                let word = random.choice(target.words).unwrap();
                bytes.splice(at..at, word.bytes());
            }
        }
    }
    bytes
}

#[test]
fn environment_reader_holds_for_any_bytes() {
    fuzz("environment");
}

#[test]
fn url_reader_holds_for_any_bytes() {
    fuzz("url");
}

#[test]
fn dotenv_reader_holds_for_any_bytes() {
    fuzz("dotenv");
}

#[test]
fn settings_reader_holds_for_any_bytes() {
    fuzz("settings");
}

#[test]
fn dbcrypt_reader_holds_for_any_bytes() {
    fuzz("dbcrypt");
}
