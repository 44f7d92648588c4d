//! The answer to a mistyped command line, from the built program, without a database or a cluster.

use crate::support::{Finished, Run};

/// Without line breaks.
fn said(finished: &Finished) -> String {
    finished.everything().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(finished: &Finished, part: &str) {
    assert!(said(finished).contains(part), "{part}: {finished}");
}

/// Keys in the forms of several vendors; the last four characters of each are unmistakable.
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
    // A name or path without a key is shown unchanged.
    says(&run(&["diff", "--offline", "--env-file=/etc/coder/ai.env"]).run(), "/etc/coder/ai.env");
}

#[test]
fn block_on_lets_a_usage_error_pass_only_for_seed() {
    let cases: [(&[&str], bool); 14] = [
        (&["seed", "--bogus"], true),
        (&["seed", "resolve"], true),
        // The container's command with one typing error.
        (&["sede", "--audit=off"], true),
        (&["dif"], false),
        (&["diff", "--ofline"], false),
        (&["diff", "--offline", "--audit=x"], false),
        (&["diff", "--watch=1ms"], false),
        (&["diff", "--from=deployment/coder", "--audit=x", "--block-on=none"], false),
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
    // `--block-on` is about the result of a start, not about the command line of `diff`.
    let wrong =
        Run::diff().arg("--offline").env("AI_PROVIDER_SEED_AUDIT", "x").env("AI_PROVIDER_SEED_BLOCK_ON", "none");
    says(&wrong.run().expect(0), "does not stop the start");
}

#[test]
fn cluster_option_without_from_is_the_only_problem() {
    for words in [&["-n", "coder"][..], &["--context=mine"], &["-c", "coder", "--as=jane"]] {
        let finished = Run::diff().args(words.iter().copied()).run().expect(2);
        says(&finished, "this goes with --from alone");
        assert!(!finished.everything().contains("nothing_desired"), "{finished}");
        assert_eq!(finished.stdout.matches("(invalid_option)").count(), 1, "{finished}");
    }
}

#[cfg(feature = "controller")]
mod of_a_cluster {
    use super::*;

    /// The missing kubeconfig is reported only for a valid command line.
    fn run(words: &[&str]) -> Run {
        Run::new(words.iter().copied()).arg("--kubeconfig=/nonexistent/kubeconfig")
    }

    #[test]
    fn output_letter_and_type_of_kubectl_are_understood() {
        for words in [
            &["status", "-o", "json"][..],
            &["status", "-ojson", "aps/coder"],
            &["check", "-o=text", "aiproviderseed/coder"],
            &["status", "-A", "-n", "coder"],
            &["status", "-A", "-n", ""],
        ] {
            says(&run(words).run().expect(2), "(kubeconfig_invalid)");
        }
        let of_controller = run(&["status", "-A"]).env("AI_PROVIDER_SEED_NAMESPACE", "a,b");
        says(&of_controller.run().expect(2), "(kubeconfig_invalid)");
    }

    #[test]
    fn word_of_kubectl_gets_the_right_one_suggested() {
        for (words, said) in [
            (
                &["status", "-o", "wide"][..],
                "one of text, json is expected; kubectl get aps has others, such as -o yaml",
            ),
            (&["decide", "coder", "-o", "json"], "-o (--output) is an option of status, check, not of decide"),
            (&["diff", "-ojson"], "unknown option -o; write --output"),
            (
                &["seed", "-n", "coder"],
                "-n (--namespace) is an option of diff, resolve, status, check, decide, not of seed",
            ),
            (&["-n", "coder", "status"], "-n (--namespace) comes after the command (status)"),
            (&["status", "deployment/coder"], "the type before the slash is not AIProviderSeed"),
            (&["status", "aps", "coder"], "one name is expected: NAME or aps/NAME"),
            (&["status", "-A", "coder"], "a name is that of one namespace; give --namespace, or leave the name out"),
            (&["status", "-n", ""], "--namespace: is empty; leave the option out, or give a value"),
            (&["check", "coder", "--wait", "0"], "--wait: at least 1s: its controller has to answer"),
            (&["check"], "name the AIProviderSeed; ai-provider-seed status lists them"),
        ] {
            let finished = Run::new(words.iter().copied()).run().expect(2);
            says(&finished, said);
        }
        for (command, form) in
            [("check", "<NAME>"), ("decide", "<NAME>"), ("status", "[NAME]"), ("completion", "<SHELL>")]
        {
            let help = Run::new([command, "--help"]).run().expect(0).stdout;
            assert!(help.contains(&format!("{form}\n\nArguments:\n  {form}  ")), "{help}");
        }
    }

    fn kubeconfig(server: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, users: [{{name: u, user: {{token: sk-canary}}}}],\n\
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}, {{name: lost, context: {{cluster: gone, user: u}}}}],\n\
             clusters: [{{name: c, cluster: {{server: '{server}'}}}}]}}"
        );
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn unreachable_api_server_has_its_address_and_the_reason() {
        for (server, said) in [
            (
                "https://me:sk-canary@127.0.0.1:1/sk-canary",
                "the API server https://127.0.0.1:1 cannot be reached: connection refused; check that",
            ),
            (
                "http://no-such-host.invalid:6443",
                "the API server http://no-such-host.invalid:6443 cannot be reached: its name cannot be resolved",
            ),
        ] {
            let file = kubeconfig(server);
            for words in [&["status"][..], &["check", "coder"], &["diff", "--from=deployment/coder"]] {
                let finished = Run::new(words.iter().copied()).arg("--kubeconfig").arg(file.path()).run().expect(4);
                says(&finished, said);
                says(&finished, &format!("--kubeconfig {}", file.path().display()));
                assert!(!finished.everything().contains("canary"), "{finished}");
            }
        }
    }

    #[test]
    fn proxy_that_cannot_be_reached_is_named_without_its_user() {
        let file = kubeconfig("https://api.example.com:6443");
        let status = Run::new(["status"]).arg("--kubeconfig").arg(file.path());
        let finished = status.env("HTTPS_PROXY", "http://me:sk-canary@127.0.0.1:1").run().expect(4);
        says(
            &finished,
            "the API server https://api.example.com:6443 (through the proxy http://127.0.0.1:1) cannot be reached",
        );
        assert!(!finished.everything().contains("canary"), "{finished}");
    }

    #[test]
    fn unusable_kubeconfig_is_told_with_the_file_and_what_it_lacks() {
        let file = kubeconfig("https://127.0.0.1:1");
        let with = |list: &str, words: &[&str]| Run::new(words.iter().copied()).env("KUBECONFIG", list).run().expect(2);
        let path = file.path().display();
        let lost = with(&path.to_string(), &["status", "--context=lost"]);
        says(&lost, "the context lost is of the cluster gone, which the kubeconfig does not have; it has c");
        let broken = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(broken.path(), "clusters: 7").unwrap();
        let broken = broken.path().display();
        says(&with(&format!("{path}:{broken}"), &["status"]), &format!("{broken} is not a usable kubeconfig"));
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().display();
        says(&with(&format!("{folder}:{path}"), &["status"]), &format!("{folder} cannot be read: it is a folder"));
        says(&with("/nonexistent/kubeconfig", &["status"]), "no Kubernetes API server configured");
        says(&with("/dev/null", &["status"]), "no Kubernetes API server configured");
    }
}
