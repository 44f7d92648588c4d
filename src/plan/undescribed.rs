//! Live rows that no variable describes: of an older environment (a provider that was renamed there, or taken out), or made in
//! Coder. A report names them; nothing is done about them.

use crate::problem::{Code, Problem};
use crate::provider::{DesiredProvider, check_name, redact};

/// How many are named: in the JSON document, and in the status. One more is read, to know that there are more.
pub const LISTED: usize = 64;
/// Characters that are read of a name. The CHECK of `ai_providers` has no limit; a longer name is not shown.
pub const NAME_READ: usize = 129;
/// How many the sentence names.
const IN_SENTENCE: usize = 5;

/// What may be shown of each name, and the warning.
pub fn judge(desired: &[DesiredProvider], names: &[String]) -> Option<(Vec<String>, Problem)> {
    // Where names come from a Secret, an older one is a value that this Secret held.
    let secret = desired.iter().any(|provider| provider.origins.name.source.is_secret());
    let shown = |name: &String| match check_name(name) {
        Ok(()) if !secret && name.len() < NAME_READ => name.clone(),
        _ => redact::length_only(name, None).text,
    };
    let listed: Vec<String> = names.iter().take(LISTED).map(shown).collect();
    let first = listed.first()?;
    let more =
        if names.len() > LISTED { format!("more than {LISTED} rows") } else { redact::count(names.len(), "row") };
    let some = listed.iter().take(IN_SENTENCE).map(String::as_str).collect::<Vec<_>>().join(", ");
    let rest = if names.len() > IN_SENTENCE { ", …" } else { "" };
    let next = match names {
        [_] => {
            "It stays as it is; describe it (ai-provider-seed export prints the variables), or delete it in Coder if it is \
             no longer used"
        }
        _ => {
            "They stay as they are; describe them (ai-provider-seed export prints the variables), or delete in Coder those \
             that are no longer used"
        }
    };
    let message = format!("{more} in the database that no variable describes: {some}{rest}. {next}");
    let problem = Problem::new(Code::UndescribedProvider, message);
    let is_name = names.len() == 1 && *first == names[0];
    let problem = if is_name { problem.provider(first) } else { problem };
    Some((listed, problem))
}
