//! Several spellings of one variable in one environment: either letter case, `00` and `0`, both families of the older
//! variables. Also one spelling on several lines of an env file.

use super::indexed::is_list;
use super::named::{Named, Numbered, Older};
use super::names::is_of_provider;
use super::variable::Variable;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// One warning for each variable with more than one spelling, or on several lines of an env file. A credential of a
/// numbered provider in two spellings is not included: Coder reports it as a separate error. `sorted`: the numbered ones of
/// each prefix.
pub fn warnings(named: &Named, sorted: &[Vec<&Numbered>], variables: &[Variable]) -> Vec<Problem> {
    let numbered = sorted.iter().flat_map(|of_prefix| of_fields(of_prefix));
    // The newer family counts, and within a family the last one.
    let mut older: Vec<&Older> = named.older.iter().collect();
    older.sort_by_key(|older| (older.name, older.family));
    let older = older
        .chunk_by(|a, b| a.name == b.name)
        .filter_map(|spellings| warning(spellings.iter().map(|older| older.variable), None));
    let on_lines = variables.iter().filter(|variable| !variable.lines().is_empty() && is_of_provider(&variable.name));
    numbered.chain(older).chain(on_lines.filter_map(repeated)).collect()
}

fn of_fields(sorted: &[&Numbered]) -> Vec<Problem> {
    let mut sorted = sorted.to_vec();
    // Stable, and with numbers such as 7, not 07, it is sorted already.
    sorted.sort_by(|a, b| a.index().cmp(&b.index()).then_with(|| a.suffix().cmp(b.suffix())));
    let several = sorted.chunk_by(|a, b| a.index() == b.index() && a.suffix() == b.suffix());
    let several = several.filter(|spellings| spellings.len() > 1 && is_list(spellings[0].suffix()) == Some(false));
    several.filter_map(|spellings| warning(spellings.iter().map(|one| one.variable), spellings[0].index())).collect()
}

/// The most lines that a message lists.
const LISTED: usize = 5;

fn repeated(variable: &Variable) -> Option<Problem> {
    let (counts, others) = variable.lines().split_last()?;
    let mut shown: Vec<String> = others.iter().take(LISTED).map(ToString::to_string).collect();
    if others.len() > LISTED {
        shown.push(format!("{} more", others.len() - LISTED));
    }
    let (lines, them) = if others.len() == 1 { ("line", "it") } else { ("lines", "them") };
    let message = format!(
        "set on line {counts} of the env file, and to another value on {lines} {}; line {counts} counts: remove {them}",
        shown.join(", ")
    );
    Some(Problem::new(Code::DuplicateVariable, message).variable(redact::name(&variable.name)))
}

/// The spellings of one variable, of which the last one counts. An empty one is unset.
fn warning<'a>(spellings: impl Iterator<Item = &'a Variable>, index: Option<u64>) -> Option<Problem> {
    let spellings: Vec<&Variable> = spellings.filter(|variable| variable.value() != Some("")).collect();
    let (counts, [_, ..]) = spellings.split_last()? else { return None };
    let differ = spellings.iter().any(|variable| variable.value() != counts.value());
    let mut names: Vec<String> = Vec::new();
    for variable in &spellings {
        let name = redact::name(&variable.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // A repeated name with the same value is not a second spelling.
    if names.len() < 2 && !differ {
        return None;
    }
    let what = if names.len() < 2 { "set more than once" } else { "spellings of one variable" };
    let values = if differ { "with different values" } else { "with the same value" };
    let name = redact::name(&counts.name);
    let which = if names.len() < 2 { "the last one".to_owned() } else { name };
    let message = format!("{what}, {values}; Coder takes {which}: unset the others");
    let problem = Problem::new(Code::DuplicateVariable, message).variables(names);
    Some(Problem { index, ..problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::indexed::sorted;
    use crate::problem::Findings;
    use crate::provider::Source;

    fn all(variables: &[Variable]) -> Vec<Problem> {
        let named = Named::of(variables);
        let sorted = [0, 1].map(|prefix| sorted(prefix, &named, &mut Findings::default()));
        warnings(&named, &sorted, variables)
    }

    fn said(pairs: &[(&str, &str)]) -> Vec<String> {
        let variables: Vec<Variable> =
            pairs.iter().map(|(name, value)| Variable::new(*name, *value, Source::Process)).collect();
        all(&variables).into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn the_spelling_that_counts_is_named() {
        let takes = |pairs: &[(&str, &str)]| {
            let said = said(pairs);
            assert_eq!(said.len(), 1, "{pairs:?} {said:?}");
            let takes = said[0].split("Coder takes ").nth(1).unwrap_or_default();
            takes.split(':').next().unwrap_or_default().to_owned()
        };
        let a = "CODER_AIBRIDGE_PROVIDER_0_TYPE";
        assert_eq!(takes(&[(a, "x"), ("coder_aibridge_provider_0_type", "y")]), "coder_aibridge_provider_0_type");
        assert_eq!(takes(&[("coder_aibridge_provider_0_type", "y"), (a, "x")]), a);
        // Coder sorts by the text after the prefix: 00_ before 0_.
        assert_eq!(takes(&[(a, "x"), ("CODER_AIBRIDGE_PROVIDER_00_TYPE", "y")]), a);
        assert_eq!(takes(&[("CODER_AIBRIDGE_PROVIDER_+0_TYPE", "y"), (a, "x")]), a);
        let (older, newer) = ("CODER_AIBRIDGE_OPENAI_KEY", "CODER_AI_GATEWAY_OPENAI_KEY");
        assert_eq!(takes(&[(newer, "x"), (older, "y")]), newer);
        assert_eq!(takes(&[(older, "x"), ("coder_aibridge_openai_key", "y")]), "coder_aibridge_openai_key");
        assert_eq!(takes(&[(a, "x"), (a, "y")]), "the last one");
    }

    #[test]
    fn lines_of_an_env_file_are_named() {
        let on = |name: &str, lines: &[usize]| {
            let variable = Variable::new(name, "sk-last", Source::EnvFile).on_lines(lines.to_vec());
            let variables = [variable];
            all(&variables).into_iter().map(|warning| warning.message).collect::<Vec<_>>()
        };
        let key = "CODER_AIBRIDGE_PROVIDER_0_KEY";
        let said = "set on line 9 of the env file, and to another value on line 2; line 9 counts: remove it";
        assert_eq!(on(key, &[2, 9]), [said]);
        let many = on(key, &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(many[0].contains("on lines 1, 2, 3, 4, 5, 2 more; line 8 counts: remove them"), "{many:?}");
        assert_eq!((on(key, &[]), on("PATH", &[1, 2])), (Vec::new(), Vec::new()));
    }

    #[test]
    fn one_spelling_is_no_duplicate() {
        for pairs in [
            &[("CODER_AIBRIDGE_PROVIDER_0_TYPE", "x"), ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "x")][..],
            &[("CODER_AIBRIDGE_PROVIDER_0_TYPE", "x"), ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "x")],
            &[("CODER_AIBRIDGE_PROVIDER_0_TYPE", "x"), ("CODER_AIBRIDGE_PROVIDER_0_NAME", "x")],
            // Charts render an unset value as an empty one.
            &[("CODER_AIBRIDGE_OPENAI_KEY", "x"), ("CODER_AI_GATEWAY_OPENAI_KEY", "")],
            &[("CODER_AIBRIDGE_OPENAI_KEY", "x"), ("CODER_AIBRIDGE_OPENAI_BASE_URL", "x")],
            // This has a separate problem: singular_and_plural.
            &[("CODER_AIBRIDGE_PROVIDER_0_KEY", "x"), ("coder_aibridge_provider_0_key", "y")],
            &[("CODER_AIBRIDGE_PROVIDER_0_TYPE", "x"), ("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "x")],
            &[("PATH", "x"), ("path", "y")],
        ] {
            assert_eq!(said(pairs), [""; 0], "{pairs:?}");
        }
    }
}
