//! The arguments of `status`, `check` and `decide`: the resources, and for the latter two the time for their controller.

use std::time::Duration;

use super::args::RawOptions;
use super::cluster::ApiServer;
use super::definitions::Command;
use super::from::namespace;
use super::reader::OptionReader;
use super::resolve::{Action, sides, single_id};
use super::seed::OutputFormat;
use super::words::{duration, is_subdomain, unknown_word, word};
use crate::env::Variable;
use crate::problem::{Code, Problem};

/// A controller does not answer faster than this.
const SHORTEST: Duration = Duration::from_secs(1);

pub struct ResourceOptions {
    pub server: ApiServer,
    /// `None`: the namespace of the context.
    pub namespace: Option<String>,
    pub all_namespaces: bool,
    /// `check` and `decide` have one, unless there is a problem.
    pub name: Option<String>,
    /// The time to wait for the controller.
    pub wait: Duration,
    pub output: OutputFormat,
}

/// A decision about one conflict.
pub struct DecideRequest {
    pub action: Action,
    pub id: String,
}

pub fn parse(raw: &RawOptions, variables: &[Variable], problems: &mut Vec<Problem>) -> ResourceOptions {
    let mut reader = OptionReader::new(raw, variables);
    let mut options = read(&mut reader);
    problems.append(&mut reader.problems);
    let mut problem = |option: &str, message: &str| {
        problems.push(Problem::new(Code::InvalidOption, message).variable(option));
    };
    match raw.texts("name") {
        [] if raw.command == Command::Status => {}
        [] => problem("NAME", "name the AIProviderSeed; ai-provider-seed status lists them"),
        [text] => match resource_name(text) {
            Ok(name) => options.name = Some(name),
            Err(message) => problem("NAME", &message),
        },
        _ => problem("NAME", "one name is expected: NAME or aps/NAME"),
    }
    if options.all_namespaces && options.name.is_some() {
        problem("--all-namespaces", "a name is that of one namespace; give --namespace, or leave the name out");
    }
    options
}

/// `coder`, or with its type as in kubectl: `aps/coder`.
fn resource_name(text: &str) -> Result<String, String> {
    const TYPES: [&str; 5] = [
        "aps",
        "aiproviderseed",
        "aiproviderseeds",
        "aiproviderseeds.aiproviders.dev",
        "aiproviderseeds.v1alpha1.aiproviders.dev",
    ];
    let name = match text.split_once('/') {
        None => text,
        Some((kind, name)) if TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind)) => name,
        Some((kind, _)) => {
            let what = unknown_word(kind, &TYPES[..3]);
            return Err(format!(
                "the type before the slash is not AIProviderSeed: {what}; write aps/NAME, or NAME alone"
            ));
        }
    };
    if is_subdomain(name) {
        return Ok(name.to_owned());
    }
    Err("not a valid Kubernetes name; ai-provider-seed status lists those that there are".to_owned())
}

pub(super) fn read(reader: &mut OptionReader) -> ResourceOptions {
    let formats = OutputFormat::words(reader.command());
    // As in kubectl it overrides a namespace, which the environment may set for other commands.
    let all_namespaces = reader.is_flag_given("all-namespaces");
    ResourceOptions {
        server: ApiServer::read(reader),
        namespace: if all_namespaces { None } else { namespace(reader) },
        all_namespaces,
        name: None,
        wait: reader.read("wait", |text| match duration(text)? {
            wait if wait < SHORTEST => Err("at least 1s: its controller has to answer".to_owned()),
            wait => Ok(wait),
        }),
        output: reader.read("output", |text| {
            word(text, formats).map_err(|message| format!("{message}; kubectl get aps has others, such as -o yaml"))
        }),
    }
}

/// The decision; if there is a problem, its content is arbitrary.
pub fn parse_decision(raw: &RawOptions, problems: &mut Vec<Problem>) -> DecideRequest {
    let mut problem = |option: &str, message: &str| {
        problems.push(Problem::new(Code::InvalidOption, message).variable(option));
    };
    let action = match raw.text("take").map(|take| word(take, &sides())) {
        Some(Ok(action)) => action,
        Some(Err(message)) => {
            problem("--take", &message);
            Action::TakeDatabase
        }
        None => {
            problem("--take", "say which side is right: environment or database");
            Action::TakeDatabase
        }
    };
    let id = raw.text("conflict").unwrap_or_default().trim().to_owned();
    if !raw.is_given("conflict") {
        problem("--conflict", "name the conflict that you saw; ai-provider-seed status NAME shows its id");
    } else if let Some(message) = single_id(&id) {
        problem("--conflict", &message);
    }
    DecideRequest { action, id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Source;

    fn parsed(command: Command, texts: &[(&'static str, &str)]) -> (ResourceOptions, Vec<String>) {
        let mut problems = Vec::new();
        let options = parse(&RawOptions::of(command, texts), &[], &mut problems);
        (options, problems.into_iter().map(|problem| problem.variables.join(" ")).collect())
    }

    #[test]
    fn resource_is_named_once_unless_all_are_asked_for() {
        let (options, problems) = parsed(Command::Check, &[("name", "coder"), ("wait", "5s"), ("namespace", "a")]);
        assert_eq!((options.name.as_deref(), options.wait, problems.len()), (Some("coder"), Duration::from_secs(5), 0));
        let (options, problems) = parsed(Command::Status, &[]);
        assert_eq!((options.name, problems.len()), (None, 0));
        let (options, problems) = parsed(Command::Decide, &[("name", "coder")]);
        assert_eq!((options.wait, problems.len()), (Duration::from_secs(60), 0));
        assert_eq!(parsed(Command::Decide, &[]).1, ["NAME"]);
        assert_eq!(parsed(Command::Status, &[("name", "sk-Canary")]).1, ["NAME"]);
        assert_eq!(parsed(Command::Status, &[("name", "a"), ("name", "b")]).1, ["NAME"]);
        assert_eq!(parsed(Command::Status, &[("all-namespaces", "true"), ("name", "a")]).1, ["--all-namespaces"]);
        assert_eq!(parsed(Command::Status, &[("output", "github")]).1, ["--output"]);
        assert_eq!(parsed(Command::Check, &[("name", "a"), ("wait", "0")]).1, ["--wait"]);
    }

    #[test]
    fn all_namespaces_win_over_the_one_that_is_given() {
        let of = |texts: &[(&'static str, &str)], variable: &str| {
            let variables = [Variable::new("AI_PROVIDER_SEED_NAMESPACE", variable, Source::Process)];
            let mut problems = Vec::new();
            let options = parse(&RawOptions::of(Command::Status, texts), &variables, &mut problems);
            (options.namespace, options.all_namespaces, problems.len())
        };
        assert_eq!(of(&[("all-namespaces", "true"), ("namespace", "a")], "b"), (None, true, 0));
        // As the controller does.
        assert_eq!(of(&[("all-namespaces", "true")], "b,c"), (None, true, 0));
        assert_eq!(of(&[("namespace", "a")], "b"), (Some("a".to_owned()), false, 0));
        assert_eq!(of(&[], "b"), (Some("b".to_owned()), false, 0));
    }

    #[test]
    fn resource_is_named_with_or_without_its_type() {
        for text in ["coder", "aps/coder", "APS/coder", "AIProviderSeed/coder", "aiproviderseeds.aiproviders.dev/coder"]
        {
            assert_eq!(resource_name(text), Ok("coder".to_owned()), "{text}");
        }
        let wrong = |text: &str| resource_name(text).unwrap_err();
        assert!(wrong("asp/coder").contains("unknown value \"asp\"; did you mean \"aps\"?"));
        assert!(wrong("deployment/coder").contains("the type before the slash is not AIProviderSeed"));
        assert!(!wrong("sk-ant-1/coder").contains("sk-ant"));
        for text in ["aps/", "aps/a/b", "/coder", "aps/Coder"] {
            assert!(resource_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn decision_needs_a_side_and_a_whole_id() {
        let decision = |texts: &[(&'static str, &str)]| {
            let mut problems = Vec::new();
            let request = parse_decision(&RawOptions::of(Command::Decide, texts), &mut problems);
            (request, problems.into_iter().map(|problem| problem.variables.join(" ")).collect::<Vec<_>>())
        };
        let id = "ed7lijh33v6xf3w7ma6zwigoyb5nccs7";
        let (request, problems) = decision(&[("take", "environment"), ("conflict", id)]);
        assert_eq!((request.action, request.id.as_str(), problems.len()), (Action::TakeEnvironment, id, 0));
        assert_eq!(decision(&[]).1, ["--take", "--conflict"]);
        assert_eq!(decision(&[("take", "envronment"), ("conflict", &id[..31])]).1, ["--take", "--conflict"]);
        assert_eq!(decision(&[("take", "database"), ("conflict", &id.to_uppercase())]).1, ["--conflict"]);
    }
}
