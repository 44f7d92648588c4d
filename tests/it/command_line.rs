//! What a mistyped command line is answered, through the built program, without a database and without a cluster.

use crate::support::{Finished, Run};

/// Without the breaks of lines.
fn said(finished: &Finished) -> String {
    finished.everything().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(finished: &Finished, part: &str) {
    assert!(said(finished).contains(part), "{part}: {finished}");
}

/// In forms of several vendors; each is unmistakable by its last four characters.
const KEYS: [&str; 5] = [
    "sk-ant-api03-q0W1e2R3t4Y5-uCan",
    "sk-proj_AAAABBBBuCan",
    "AKIAIOSFODNN7EXAuCan",
    "a1B2c3D4e5F6g7H8i9J0k1L2m3N4uCan",
    "gsk_0a1b2c3d4e5fuCan",
];

#[test]
fn key_where_a_path_or_name_belongs_is_not_shown() {
    let words: [&[&str]; 15] = [
        &["diff", "--offline", "--env-file"],
        &["seed", "--wait=0", "--env-file"],
        &["diff", "--wait=0", "--database-url-file"],
        &["diff", "--wait=0", "--database-url=postgres://127.0.0.1:1/x", "--database-password-file"],
        &["diff", "--wait=0", "--database-url"],
        &["export", "--wait=0", "--database-url=postgres://127.0.0.1:1/x", "--secrets-file"],
        &["diff", "--from=deployment/coder", "--kubeconfig"],
        &["status", "--kubeconfig"],
        &["status", "--context"],
        &["status", "--as"],
        &["status", "coder", "-n"],
        &["check"],
        &["decide", "coder", "--take=database", "--conflict"],
        &["controller", "--kubeconfig"],
        &["explain"],
    ];
    let kubeconfig = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        kubeconfig.path(),
        "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c}}],\n\
         clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]}",
    )
    .unwrap();
    let run = |words: &[&str]| {
        let run = Run::new(words.iter().copied()).env("CODER_AIBRIDGE_OPENAI_KEY", "k");
        run.env("KUBECONFIG", kubeconfig.path())
    };
    for key in KEYS {
        let unseen = |finished: &Finished| assert!(!finished.everything().contains("uCan"), "{finished}");
        for words in words {
            unseen(&run(&[words, &[key]].concat()).run());
            unseen(&run(&[words, &[&format!("./{key}/more")]].concat()).run());
        }
        for json in ["text", "json"] {
            let names =
                ["AI_PROVIDER_SEED_", "CODER_AIBRIDGE_PROVIDER_", "CODER_AIBRIDGE_PROVIDER_0_", "CODER_AIBRIGE_"];
            let run = names.iter().fold(run(&["diff", "--offline", "--output", json]), |run, name| {
                run.env(format!("{name}{key}"), "x").env(format!("{name}{key}_KEY"), "x")
            });
            let finished = run.run();
            unseen(&finished);
            says(&finished, "AI_PROVIDER_SEED_***");
        }
    }
    // A name or path in which there is none is told as it is.
    says(&run(&["diff", "--offline", "--env-file=/etc/coder/ai.env"]).run(), "/etc/coder/ai.env");
}

#[test]
fn block_on_lets_only_what_seeds_pass_with_a_usage_error() {
    let cases: [(&[&str], bool); 13] = [
        (&["seed", "--bogus"], true),
        (&["seed", "resolve"], true),
        // The container's command, one typing error away.
        (&["sede", "--audit=off"], true),
        (&["dif"], false),
        (&["diff", "--ofline"], false),
        (&["diff", "--offline", "--audit=x"], false),
        (&["diff", "--watch=1ms"], false),
        (&["diff", "--offline", "-n", "coder"], false),
        (&["expotr", "--from", "seed"], false),
        (&["rsolve", "seed"], false),
        (&["reconcile"], false),
        (&["--wait=0"], false),
        (&["statsu"], false),
    ];
    for (words, passes) in cases {
        for block_on in ["none", "all"] {
            let run = Run::new(words.iter().copied()).env("AI_PROVIDER_SEED_BLOCK_ON", block_on);
            let finished = run.run().expect(if passes && block_on == "none" { 0 } else { 2 });
            says(&finished, "(invalid_option)");
            let offered = finished.everything().contains("Start anyway");
            assert_eq!(offered, passes && block_on == "all", "{finished}");
        }
    }
    // What a start would come to is what `--block-on` is about, and not the command line of `diff`.
    let wrong =
        Run::diff().arg("--offline").env("AI_PROVIDER_SEED_AUDIT", "x").env("AI_PROVIDER_SEED_BLOCK_ON", "none");
    says(&wrong.run().expect(0), "does not stop the start");
}

#[test]
fn cluster_option_without_from_is_the_only_problem_told() {
    for words in [&["-n", "coder"][..], &["--context=mine"], &["-c", "coder", "--as=jane"]] {
        let finished = Run::diff().args(words.iter().copied()).run().expect(2);
        says(&finished, "this goes with --from alone");
        assert!(!finished.everything().contains("nothing_desired"), "{finished}");
        assert_eq!(finished.stdout.matches("(invalid_option)").count(), 1, "{finished}");
    }
}
