//! Live rows that no variable describes: from an older environment (a provider that was renamed or removed there), or
//! made in Coder. A report names them; they are not changed.

use crate::problem::{Code, Problem};
use crate::provider::{DesiredProvider, check_name, redact};

/// The most names in the JSON document and in the status. One more is read to detect that there are more.
pub const LISTED: usize = 64;
/// The characters that are read of a name. The CHECK of `ai_providers` has no limit; a longer name is not shown.
pub const NAME_READ: usize = 129;
/// The most names in the sentence.
const IN_SENTENCE: usize = 5;

/// The redacted names, and the warning.
pub fn judge(desired: &[DesiredProvider], names: &[String]) -> Option<(Vec<String>, Problem)> {
    // If names come from a Secret, an undescribed name may be an earlier value of this Secret.
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
