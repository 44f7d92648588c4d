//! The help of each command beside its options: headings, examples, exit codes.

use super::definitions::Command;
use crate::problem::Outcome;

/// The heading of an option. An option without one is listed under `Options`.
pub fn heading(option: &str, command: Command) -> Option<&'static str> {
    Some(match option {
        "wait" if matches!(command, Command::Check | Command::Decide) => "Cluster",
        "take" | "conflict" | "restore" | "dry-run" | "yes" => "Decision",
        "format" | "secrets-file" | "show-secrets" => "Export",
        "database-url"
        | "database-url-file"
        | "database-password-file"
        | "require-auth"
        | "wait"
        | "lock-timeout"
        | "if-schema-missing" => "Database",
        "compare-credentials"
        | "compare-settings"
        | "undescribed"
        | "strict"
        | "require-providers"
        | "env-file"
        | "offline" => "Comparison",
        "take-environment" | "block-on" | "audit" => "Start",
        "from" | "container" | "context" | "kubeconfig" | "as" | "as-group" | "all-namespaces" | "namespace" => {
            "Cluster"
        }
        "watch" | "output" | "termination-log" | "log-format" | "log-level" => "Output",
        "leader-elect" | "lease-name" | "allow-writes" | "concurrency" | "listen" => "Process",
        "database-hosts" | "allow-local" | "watch-database" | "listeners-per-host" => "Databases",
        _ => return None,
    })
}

/// A command line without the program's name, and its purpose.
type Example = (&'static str, &'static str);

pub fn examples(command: Command) -> &'static [Example] {
    match command {
        Command::Seed => &[
            ("seed", "in the init container: options are variables, AI_PROVIDER_SEED_WAIT=5m"),
            ("seed --block-on=none", "always start; problems are in the log"),
        ],
        Command::Diff => {
            if cfg!(feature = "controller") {
                &[
                    ("diff", "this environment and the database of CODER_PG_CONNECTION_URL"),
                    ("diff --offline --env-file providers.env", "check the variables alone, for example in CI"),
                    ("diff -n coder --from deployment/coder --watch", "as the pod would see it, again every 5 s"),
                    ("diff --from - < rendered.yaml", "of manifests: helm template … | ai-provider-seed diff --from -"),
                ]
            } else {
                &[
                    ("diff", "this environment and the database of CODER_PG_CONNECTION_URL"),
                    ("diff --offline --env-file providers.env", "check the variables alone, for example in CI"),
                ]
            }
        }
        Command::Resolve => {
            if cfg!(feature = "controller") {
                &[
                    ("resolve openai --take environment --conflict ID", "write what the environment says; asks first"),
                    ("resolve openai --take database", "how to change the environment instead"),
                    ("resolve openai --restore", "bring a deleted provider back"),
                    ("resolve --take database -n coder --from deployment/coder", "with the environment of the pod"),
                ]
            } else {
                &[
                    ("resolve openai --take environment --conflict ID", "write what the environment says; asks first"),
                    ("resolve openai --take database", "how to change the environment instead"),
                    ("resolve openai --restore", "bring a deleted provider back"),
                ]
            }
        }
        Command::Export => &[
            ("export --secrets-file secrets.env", "variables on standard output, keys in a file of their own"),
            ("export openai --format helm", "one provider, as values of Coder's chart"),
            ("export --format terraform", "blocks that import the providers into Terraform"),
        ],
        Command::Decide => &[
            (
                "decide coder --conflict ID --take environment -n coder",
                "the controller writes what the environment says",
            ),
            ("decide coder --conflict ID --take environment --wait 5m", "of a controller that is slow to answer"),
        ],
        Command::Status => &[
            ("status -n coder", "all of a namespace, and what to do for those that are not ready"),
            ("status -A --output json", "of the whole cluster, for a program"),
        ],
        Command::Check => &[("check coder -n coder", "after a change that the controller has not noticed yet")],
        Command::Controller => &[("controller --leader-elect", "with two replicas; the chart sets it")],
        Command::Crd => &[("crd | kubectl apply --server-side -f -", "install or upgrade the definition")],
        Command::Explain => &[("explain conflict", "an outcome"), ("explain --list", "all words")],
        Command::Completion => &[
            ("completion bash > ai-provider-seed.bash", "source it, or put it into /etc/bash_completion.d"),
            ("completion zsh > _ai-provider-seed", "put it into a folder of fpath"),
        ],
        Command::Probe => &[("probe http://localhost:8080/readyz", "of a controller on this machine")],
        Command::Man => &[("man | man -l -", "read the page of the program"), ("man diff | man -l -", "of a command")],
        Command::Version => &[("version", "name, version, commit, features")],
    }
}

/// The outcomes that the command can have.
pub fn outcomes(command: Command) -> &'static [Outcome] {
    use Outcome::{Changes, Conflict, Internal, Invalid, Locked, Ok, OutputFailed, Unavailable, Unusable};
    match command {
        Command::Seed => &[Ok, Invalid, Conflict, Unavailable, Unusable, Locked, Internal],
        Command::Diff => &[Ok, Changes, Invalid, Conflict, Unavailable, Unusable, Internal],
        Command::Resolve => &[Ok, Invalid, Conflict, Unavailable, Unusable, Locked, Internal, OutputFailed],
        Command::Export => &[Ok, Invalid, Unavailable, Unusable, Internal, OutputFailed],
        Command::Decide => &[Ok, Invalid, Conflict, Unavailable, Unusable, Locked, Internal, OutputFailed],
        Command::Status | Command::Check => &[Ok, Invalid, Conflict, Unavailable, Unusable, Internal, OutputFailed],
        Command::Controller => &[Ok, Invalid, Unavailable, Internal],
        Command::Probe => &[Ok, Invalid, Unavailable, Internal],
        Command::Crd | Command::Explain | Command::Completion | Command::Man | Command::Version => {
            &[Ok, Invalid, Internal, OutputFailed]
        }
    }
}

fn meaning(command: Command, outcome: Outcome) -> &'static str {
    match (outcome, command) {
        (Outcome::Ok, Command::Diff) => "nothing to do",
        (Outcome::Ok, Command::Controller) => "ended by a signal",
        (Outcome::Ok, Command::Seed) => "nothing to do, or done; or --block-on lets the start through",
        (Outcome::Ok, Command::Probe) => "the page answered 200",
        (Outcome::Ok, Command::Decide) => "the controller carried it out, or had nothing to write",
        (Outcome::Ok, Command::Status | Command::Check) => "all are ready: the next start would go ahead",
        (Outcome::Ok, _) => "nothing to do, or done",
        (Outcome::Changes, _) => "a seed would insert, or update under --take-environment",
        (Outcome::Invalid, Command::Seed | Command::Diff | Command::Resolve) => {
            "the arguments or the environment are wrong"
        }
        (Outcome::Invalid, Command::Status | Command::Check) => {
            "the arguments are wrong, or an environment is, or an object is missing"
        }
        (Outcome::Invalid, _) => "the arguments are wrong",
        (Outcome::Conflict, Command::Resolve) => "the decision no longer matches, or was not confirmed",
        (Outcome::Conflict, Command::Decide) => "there is no such conflict now",
        (Outcome::Conflict, Command::Status | Command::Check) => "a conflict stops the next start",
        (Outcome::Conflict, _) => "environment and database disagree; nothing was written",
        (Outcome::Unavailable, Command::Controller) => "the Lease was lost",
        (Outcome::Unavailable, Command::Probe) => "the page does not answer 200",
        (Outcome::Unavailable, Command::Decide | Command::Check) => {
            "no answer of API server, controller or database within --wait"
        }
        (Outcome::Unavailable, Command::Status) => "API server or database did not answer, or nothing was checked yet",
        (Outcome::Unavailable, _) => "no usable connection within --wait",
        (Outcome::Unusable, Command::Decide) => "the controller may not or cannot write it",
        (Outcome::Unusable, _) => "connected, but this cannot be read or carried out there",
        (Outcome::Locked, Command::Decide) => "another seeder held the lock until --wait was over",
        (Outcome::Locked, _) => "another seeder held the lock longer than --lock-timeout",
        (Outcome::OutputFailed, _) => "the result could not be written",
        (Outcome::Internal, _) => "a bug: please report it",
    }
}

/// The text after the options in a command's help.
pub fn after(command: Command) -> String {
    let examples = examples(command);
    let mut out = String::from("Examples:\n");
    for (line, what) in examples {
        out.push_str(&format!("  ai-provider-seed {line}\n      {what}\n"));
    }
    out.push_str("\nExit codes:\n");
    for outcome in outcomes(command) {
        let word = outcome.as_str();
        out.push_str(&format!("  {:>2}  {word}: {}\n", outcome.exit_code(), meaning(command, *outcome)));
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::args::RawOptions;
    use crate::options::definitions::OPTIONS;

    #[test]
    fn options_of_long_helps_all_have_a_heading() {
        for row in OPTIONS.iter().filter(|row| !row.takes.is_positional() && row.name != "list") {
            assert!(heading(row.name, row.commands[0]).is_some(), "{}", row.name);
        }
    }

    /// Without the parts that the shell handles.
    #[test]
    fn examples_are_command_lines_that_are_accepted() {
        for (line, _) in Command::ALL.iter().flat_map(|command| examples(*command)) {
            let words = line.split(' ').take_while(|word| !matches!(*word, "|" | "<" | ">"));
            assert!(RawOptions::read(["ai-provider-seed"].into_iter().chain(words), 80).is_ok(), "{line}");
        }
    }
}
