//! The arguments of `status`, `check` and `decide`: the resources, and for the latter two the time for their controller.

use std::time::Duration;

use super::args::RawOptions;
use super::cluster::ApiServer;
use super::definitions::Command;
use super::from::namespace;
use super::reader::OptionReader;
use super::resolve::{Action, sides, single_id};
use super::seed::OutputFormat;
use super::words::{duration, is_subdomain, word};
use crate::env::Variable;
use crate::problem::{Code, Problem};

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
        [name] if is_subdomain(name) => options.name = Some(name.clone()),
        [_] => problem("NAME", "not a valid Kubernetes name; ai-provider-seed status lists those that there are"),
        _ => problem("NAME", "one name is expected"),
    }
    options.all_namespaces = raw.is_given("all-namespaces");
    if options.all_namespaces && (options.name.is_some() || options.namespace.is_some()) {
        problem("--all-namespaces", "a name or a namespace says where to look already; keep one of the two");
    }
    options
}

pub(super) fn read(reader: &mut OptionReader) -> ResourceOptions {
    let formats = OutputFormat::words(reader.command());
    ResourceOptions {
        server: ApiServer::read(reader),
        namespace: namespace(reader),
        all_namespaces: false,
        name: None,
        wait: reader.read("wait", duration),
        output: reader.read("output", |text| word(text, formats)),
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
        assert_eq!(parsed(Command::Status, &[("all-namespaces", "true"), ("namespace", "a")]).1, ["--all-namespaces"]);
        assert_eq!(parsed(Command::Status, &[("output", "github")]).1, ["--output"]);
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
