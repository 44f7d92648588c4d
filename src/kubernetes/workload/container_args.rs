//! The options in the command and arguments of a container, parsed by the same code as in the container.

use clap::error::ErrorKind;
use k8s_openapi::api::core::v1::Container;

use super::container_env::{ContainerEnv, EnvValue};
use crate::env::size::{self, TooLarge};
use crate::kubernetes::crd::reason::{CheckStopped, Reason};
use crate::kubernetes::crd::spec::DEFAULT_CONTAINER;
use crate::options::usage::usage_message;
use crate::options::{Command, RawOptions};
use crate::problem::{Code, Problem};
use crate::provider::redact;

const PROGRAM: &str = "ai-provider-seed";
/// For a help text that is not printed.
const ANY_WIDTH: usize = 80;

/// The options as texts, and the problem of the arguments. A container that runs another program (for example Coder
/// itself) has options only in its variables.
pub fn texts(container: &Container, environment: &ContainerEnv) -> Result<(RawOptions, Option<Problem>), CheckStopped> {
    let own_command = container.command.iter().flatten().count() > 0;
    let words = match words(container, environment)? {
        Ok(words) => words,
        Err(problem) => return Ok((RawOptions::default(), Some(problem))),
    };
    let is_ours = container.name == DEFAULT_CONTAINER;
    let program = words.iter().position(|word| is_program(word));
    let arguments = match program {
        Some(at) => &words[at + 1..],
        None if own_command && is_ours => return Err(wrapped(container)),
        // The image's own command, with these arguments.
        None if !own_command && (is_ours || is_seed(words.first())) => &words[..],
        None => return Ok((RawOptions::default(), None)),
    };
    if arguments.is_empty() {
        // Neither the program nor its image has a default command.
        return Ok((RawOptions::default(), Some(invalid(&other_command("the container only prints help")))));
    }
    match RawOptions::read(std::iter::once(PROGRAM).chain(arguments.iter().map(String::as_str)), ANY_WIDTH) {
        Ok(raw) if raw.command == Command::Seed => Ok((raw, None)),
        Ok(raw) if raw.command == Command::Diff => {
            Ok((raw.of_seed(), Some(invalid(&other_command("the container runs diff, which writes nothing")))))
        }
        Ok(_) => {
            Ok((RawOptions::default(), Some(invalid(&other_command("the container runs a command other than seed")))))
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok((RawOptions::default(), Some(invalid(&other_command("the container only prints help")))))
        }
        Err(error) => Ok((RawOptions::default(), Some(invalid(&usage_message(&error, Some(Command::Seed)))))),
    }
}

/// A path to the program, but not a script that mentions it.
fn is_program(word: &str) -> bool {
    word.rsplit('/').next() == Some(PROGRAM) && !word.contains(char::is_whitespace)
}

fn is_seed(word: Option<&String>) -> bool {
    word.is_some_and(|word| word == "seed" || word == "diff")
}

/// The command line. The inner `Err`: no process could start with it.
fn words(container: &Container, environment: &ContainerEnv) -> Result<Result<Vec<String>, Problem>, CheckStopped> {
    let mut total = environment.total();
    let mut words = Vec::new();
    for (field, list) in [("command", &container.command), ("args", &container.args)] {
        for (at, word) in list.iter().flatten().enumerate() {
            let field = format!("{field}[{at}]");
            let word = match expand(word, &field, container, environment)? {
                Ok(word) => word,
                Err(bytes) => {
                    let mut too_large = TooLarge::default();
                    too_large.add(&field, bytes);
                    return Ok(Err(too_large.problem().unwrap_or_else(size::too_large_in_all)));
                }
            };
            if !total.add(word.len() + 1) {
                return Ok(Err(size::too_large_in_all()));
            }
            words.push(word);
        }
    }
    Ok(Ok(words))
}

/// The inner `Err`: the number of bytes that would be too many.
fn expand(
    word: &str,
    field: &str,
    container: &Container,
    environment: &ContainerEnv,
) -> Result<Result<String, usize>, CheckStopped> {
    let place = format!("{field} of container {}", redact::name(&container.name));
    match environment.expand(word) {
        EnvValue::Text(text, _) => Ok(Ok(text)),
        EnvValue::TooLarge(bytes) => Ok(Err(bytes)),
        EnvValue::NotUnicode(source) => {
            let message =
                format!("{place} contains a value of {source} that is not Unicode (UTF-8); set it again as text");
            Err(CheckStopped::new(Reason::InvalidEnvironment, message))
        }
        EnvValue::Elsewhere(why, _) => {
            let message = format!("{place}: {why}, which is not among the manifests; add it, or give the flag here");
            Err(CheckStopped::new(Reason::EnvironmentUnknown, message))
        }
        EnvValue::InPod(why) => {
            let message = format!("{place}: {why}, which is known only in the pod; write the option without it");
            Err(CheckStopped::new(Reason::EnvironmentUnknown, message))
        }
    }
}

fn wrapped(container: &Container) -> CheckStopped {
    let message = format!(
        "the command of container {} does not start {PROGRAM} itself, so its options are not known; \
         call the program directly, with options in args or in AI_PROVIDER_SEED_* variables",
        redact::name(&container.name)
    );
    CheckStopped::new(Reason::EnvironmentUnknown, message)
}

fn other_command(what: &str) -> String {
    format!("{what}; its args must be [seed, …]")
}

fn invalid(message: &str) -> Problem {
    Problem::new(Code::InvalidOption, message)
}

#[cfg(test)]
mod tests {
    use super::super::container_env::Pod;
    use super::super::objects::Objects;
    use super::*;

    fn container(name: &str, command: &[&str], args: &[&str]) -> Container {
        let list = |words: &[&str]| (!words.is_empty()).then(|| words.iter().map(ToString::to_string).collect());
        Container { name: name.to_owned(), command: list(command), args: list(args), ..Container::default() }
    }

    fn block_on(container: &Container) -> Result<Option<String>, String> {
        let pod = Pod { namespace: "coder", service_links: true };
        let environment = ContainerEnv::of(container, pod, &Objects::default()).unwrap();
        match texts(container, &environment) {
            Ok((raw, None)) => Ok(raw.text("block-on").map(str::to_owned)),
            Ok((_, Some(problem))) => Err(problem.message),
            Err(stop) => Err(stop.reason.to_string()),
        }
    }

    #[test]
    fn where_the_options_are() {
        let name = DEFAULT_CONTAINER;
        let seed = ["seed", "--block-on=none"];
        for container in [
            container(name, &[], &seed),
            container(name, &["ai-provider-seed"], &seed),
            container(name, &["/usr/bin/ai-provider-seed", "seed"], &["--block-on=none"]),
            container(name, &["/tini", "--", "/ai-provider-seed"], &seed),
            container("other", &[], &seed),
            container("other", &["/ai-provider-seed"], &seed),
        ] {
            assert_eq!(block_on(&container), Ok(Some("none".to_owned())), "{container:?}");
        }
        for container in [
            container("coder", &[], &[]),
            container("coder", &[], &["server", "--block-on=none"]),
            container("coder", &["sh", "-c", "exec /opt/ai-provider-seed seed --block-on=none"], &[]),
            container("coder", &["sh", "-c", "exec /opt/ai-provider-seed"], &["seed", "--block-on=none"]),
        ] {
            assert_eq!(block_on(&container), Ok(None), "{container:?}");
        }
    }

    #[test]
    fn arguments_too_large_to_start_with_are_named() {
        let name = DEFAULT_CONTAINER;
        let error = |container: Container| block_on(&container).unwrap_err();
        let long = "x".repeat(size::MAX_VARIABLE + 1);
        assert!(error(container(name, &[], &["seed", &long])).starts_with("it would have 131073 bytes"));
        let many = vec!["x"; size::MAX_ENVIRONMENT / 10 + 1];
        assert!(error(container(name, &[], &many)).contains("2097152 bytes in all"));
    }

    #[test]
    fn options_that_cannot_be_known_or_are_wrong() {
        let name = DEFAULT_CONTAINER;
        let error = |container: Container| block_on(&container).unwrap_err();
        assert_eq!(error(container(name, &["sh", "-c", "ai-provider-seed seed"], &[])), "EnvironmentUnknown");
        assert_eq!(error(container(name, &[], &["seed", "--wait=$(REDIS_SERVICE_PORT)"])), "EnvironmentUnknown");
        let message = error(container(name, &[], &["seed", "--blok-on=sk-secret"]));
        assert!(message.contains("did you mean --block-on?") && !message.contains("secret"), "{message}");
        assert!(error(container(name, &[], &["seed", "--help"])).contains("only prints help"));
        for (command, args) in [
            (&[][..], &[][..]),
            (&["ai-provider-seed"], &[]),
            (&[], &["diff"]),
            (&[], &["diff", "--watch"]),
            (&["/ai-provider-seed", "export"], &[]),
        ] {
            let message = error(container(name, command, args));
            assert!(message.ends_with("its args must be [seed, …]"), "{command:?} {args:?}: {message}");
        }
    }
}
