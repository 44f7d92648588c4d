//! Environments, files and manifests.

use super::MEMORY;
use crate::support::certificates::self_signed;
use crate::support::{Finished, Hostile, Run};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

fn offline() -> Run {
    Run::diff().json().arg("--offline").memory(MEMORY)
}

/// The environment of a file.
fn of_file(contents: &str) -> Finished {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), contents).unwrap();
    offline().arg("--env-file").arg(file.path()).run()
}

fn of_manifests(manifests: impl Into<String>) -> Finished {
    offline().args(["--from", "-"]).stdin(manifests).run()
}

fn deployment(container: &Value) -> Value {
    let pod = json!({"initContainers": [container], "containers": []});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coder"},
           "spec": {"selector": {}, "template": {"spec": pod}}})
}

#[track_caller]
fn too_large(finished: Finished, says: &str) {
    let finished = finished.expect(2);
    assert_eq!(finished.codes("problems"), ["environment_too_large"], "{finished}");
    let message = finished.json()["problems"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(says), "{message}");
}

/// 3 KB of a manifest name 2 TiB; they took 8 GiB.
#[test]
fn doublings_of_a_template_are_named_in_little_memory() {
    let mut env = vec![json!({"name": "V00", "value": "x".repeat(1000)})];
    env.extend((1..32).map(|n| {
        let half = format!("$(V{:02})", n - 1);
        json!({"name": format!("V{n:02}"), "value": half.repeat(2)})
    }));
    let container = json!({"name": "ai-provider-seed", "args": ["seed"], "env": env});
    let finished = of_manifests(deployment(&container).to_string());
    assert_eq!(finished.json()["problems"][0]["variables"][0], "V08", "{finished}");
    too_large(finished, "24 variables are too large, the largest would have over 1 TiB");
    // The same through an argument alone.
    let mut container = container;
    container["env"].as_array_mut().unwrap().truncate(8);
    container["args"] = json!(["seed", "$(V07)".repeat(1000)]);
    too_large(of_manifests(deployment(&container).to_string()), "it would have 128000000 bytes");
}

#[test]
fn references_without_an_end_take_no_time() {
    let env = json!([{"name": "A", "value": "$(".repeat(4 << 20)}]);
    let container = json!({"name": "ai-provider-seed", "args": ["seed"], "env": env});
    too_large(of_manifests(deployment(&container).to_string()), "8388608 bytes");
}

#[test]
fn env_file_of_any_kind_is_read_in_little_memory() {
    let mebibytes = 15 << 20;
    let own = "CODER_AIBRIDGE_PROVIDER_";
    let lines = |line: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for n in 0..16_000 {
            writeln!(text, "{}", line(n)).unwrap();
        }
        assert!(text.len() < 16 << 20);
        text
    };
    for (what, contents, code) in [
        ("commas", format!("{own}0_TYPE=openai\n{own}0_KEYS={}", ",".repeat(mebibytes)), 2),
        ("one key", format!("{own}0_TYPE=openai\n{own}0_KEY={}", "k".repeat(mebibytes)), 0),
        ("one name", format!("{own}0_{}=k", "K".repeat(mebibytes)), 2),
        ("gaps", lines(&|n| format!("{own}{}_TYPE=openai", n * 1_000_000_007)), 2),
        ("fields", lines(&|n| format!("{own}0_FIELD{n}=x")), 2),
        ("near fields", lines(&|n| format!("{own}0_BEDROCK_SMALL_FAST_MODE{n:05}=x")), 2),
        ("near names", lines(&|n| format!("CODER_AIBRIGE_PROVIDER_{n}_KEY=x")), 0),
        ("one name each", lines(&|n| format!("{own}{n}_TYPE=openai")), 2),
        (
            "providers",
            lines(&|n| {
                format!("{own}{}_{}", n / 2, if n % 2 == 0 { "TYPE=azure".to_owned() } else { format!("NAME=p{n}") })
            }),
            0,
        ),
        ("long names", lines(&|n| format!("{own}0_{n}{}=x", "N".repeat(450))), 2),
    ] {
        let finished = of_file(&contents);
        assert_eq!(finished.code, code, "{what}: {}", finished.stderr);
        assert!(finished.stdout.starts_with('{'), "{what}");
    }
    too_large(of_file(&"#".repeat((16 << 20) + 1)), "more than 16777216 bytes");
    too_large(of_file(&lines(&|n| format!("A{n}=1")).repeat(2)), "more than 16384 variables");
    // An endless file.
    too_large(offline().arg("--env-file").arg(Path::new("/dev/zero")).run(), "more than 16777216 bytes");
}

/// Each would take gigabytes or minutes if it were read without limits.
#[test]
#[cfg(feature = "controller")]
fn manifests_of_any_kind_are_read_in_little_memory() {
    let mebibytes = 15 << 20;
    let laughs = |scalar: &str| {
        let mut yaml = format!("a0: &a0 {scalar}\n");
        for n in 1..9 {
            let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
            writeln!(yaml, "a{n}: &a{n} [{aliases}]").unwrap();
        }
        yaml
    };
    let env = |text: &str, number: usize| format!("[{}]", vec![text; number].join(","));
    let of = |env: String| {
        let container = json!({"name": "ai-provider-seed", "args": ["seed"], "env": "ENV"});
        deployment(&container).to_string().replace("\"ENV\"", &env)
    };
    for (what, manifests) in [
        ("billion laughs", laughs("lol")),
        ("large laughs", laughs(&format!("\"{}\"", "x".repeat(1 << 20)))),
        ("repeated text", format!("a: &a \"{}\"\nb: [{}]", "x".repeat(8 << 20), vec!["*a"; 90].join(","))),
        ("deep YAML", format!("a: {}", "[".repeat(mebibytes))),
        ("deep JSON", format!("{{\"a\": {}", "[".repeat(mebibytes))),
        ("deep objects", "{\"a\":".repeat(mebibytes / 5)),
        ("empty lists", format!("{{\"a\": [{}[]]}}", "[],".repeat(mebibytes / 3))),
        ("empty lists of YAML", format!("a: [{}[]]", "[],".repeat(mebibytes / 3))),
        ("entries", of(env("{\"name\":\"a\"}", mebibytes / 13))),
        ("fewer entries", of(env("{\"name\":\"a\"}", 40_000))),
        (
            "documents",
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}\n".repeat(mebibytes / 70),
        ),
        ("markers", "---\n".repeat(mebibytes / 4)),
        ("no line", "x".repeat(mebibytes)),
        ("one text", format!("a: \"{}\"", "x".repeat(mebibytes))),
        ("too much", " ".repeat((16 << 20) + 1)),
        ("without end", "\0".repeat(mebibytes)),
    ] {
        let finished = of_manifests(manifests);
        let code = if what == "fewer entries" { 0 } else { 2 };
        assert_eq!(finished.code, code, "{what}: {}", &finished.stderr[..finished.stderr.len().min(2000)]);
        assert_eq!(finished.json()["problems"].as_array().map(Vec::len), Some(usize::from(code == 2)), "{what}");
    }
    // This used to compare every pair.
    let workloads: String =
        (0..60_000).map(|n| format!("{{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{{\"name\":\"d{n}\"}},\"spec\":{{\"selector\":{{}},\"template\":{{}}}}}}\n")).collect();
    let finished = of_manifests(workloads).expect(2);
    assert!(
        ["manifest_invalid", "container_not_found"].contains(&finished.codes("problems")[0].as_str()),
        "{finished}"
    );
}

/// `--env-file` with a directory has the same limits as with a file.
#[test]
fn env_directory_of_any_kind_is_read_in_little_memory() {
    let of = |files: &mut dyn Iterator<Item = (String, String)>| {
        let directory = tempfile::tempdir().unwrap();
        files.for_each(|(name, contents)| std::fs::write(directory.path().join(name), contents).unwrap());
        offline().arg("--env-file").arg(directory.path()).run()
    };
    let key = |n: usize| format!("CODER_AIBRIDGE_PROVIDER_{n}_TYPE");
    of(&mut [("CODER_AIBRIDGE_OPENAI_KEY".to_owned(), "k".repeat(15 << 20))].into_iter()).expect(0);
    too_large(of(&mut (0..2).map(|n| (key(n), "k".repeat(9 << 20)))), "more than 16777216 bytes");
    too_large(of(&mut (0..=16_384).map(|n| (key(n), "openai".to_owned()))), "more than 16384 variables");
}

/// Certificates and keys of any size and kind, each refused before anything is sent.
#[test]
fn pem_files_of_any_kind_are_read_in_little_memory() {
    let server = Hostile::with_tls(|caller| caller.log_in(&[]));
    let pair = self_signed(&["elsewhere.example"], true);
    let most = 4 << 20;
    let fill = |text: &str| text.repeat(most / text.len());
    let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
    for (what, contents, says) in [
        ("empty blocks", fill(empty), "none of the "),
        ("one CA again and again", fill(&pair.certificates), "is not by the CA in"),
        ("keys", fill(&pair.key), "holds a private key"),
        ("begins", fill("-----BEGIN "), "not a list of PEM"),
        ("no end", format!("-----BEGIN CERTIFICATE-----\n{}", fill("MIIB")), "it is too large"),
        ("dashes", fill("-"), "not a list of PEM"),
        ("text", fill("x"), "not a list of PEM"),
        ("more", "x".repeat(most + 1), "it is too large"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), contents).unwrap();
        for parameters in ["sslmode=verify-ca&sslrootcert=", "sslmode=require&sslkey=/dev/null&sslcert="] {
            let url = server.url().replace("sslmode=require", parameters) + file.path().to_str().unwrap();
            let run = Run::seed().json().database(url).arg("--wait=0").memory(MEMORY);
            let finished = run.env("CODER_AIBRIDGE_OPENAI_KEY", "sk-1").run();
            assert_eq!(finished.code, 4, "{what}: {finished}");
            assert_eq!(finished.codes("problems"), ["tls"], "{what}: {finished}");
            let is_root = parameters.contains("sslrootcert");
            assert!(!is_root || finished.stdout.contains(says), "{what}, {says}: {finished}");
        }
    }
}

#[test]
#[cfg(feature = "controller")]
fn kubeconfig_of_any_kind_is_read_in_little_memory() {
    let most = 4 << 20;
    let mut laughs = "a0: &a0 lol\n".to_owned();
    for n in 1..9 {
        writeln!(laughs, "a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", ")).unwrap();
    }
    let entry = "{name: a, cluster: {server: x}}";
    for (what, contents) in [
        ("billion laughs", laughs),
        ("repeated text", format!("a: &a \"{}\"\nb: [{}]", "x".repeat(most / 2), vec!["*a"; 1000].join(","))),
        ("deep", format!("clusters: {}", "[".repeat(most / 2))),
        ("clusters", format!("clusters: [{}]", vec![entry; most / 33].join(","))),
        ("documents", "---\n".repeat(most / 4)),
        ("text", "x".repeat(most)),
        ("more", "#".repeat(most + 1)),
        ("much more", "#".repeat(200 << 20)),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), contents).unwrap();
        let run = offline().args(["--from", "deployment/coder"]).env("KUBECONFIG", file.path());
        let finished = run.limit(Duration::from_secs(90)).run();
        assert_eq!(finished.code, 2, "{what}: {finished}");
        assert_eq!(finished.codes("problems"), ["kubeconfig_invalid"], "{what}: {finished}");
    }
}
