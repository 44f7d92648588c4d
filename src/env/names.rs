//! The names of the variables, and corrections of mistyped names.

use std::borrow::Cow;

use super::suggest::nearest;
use super::synonyms;

pub const PREFIXES: [&str; 2] = ["CODER_AIBRIDGE_PROVIDER_", "CODER_AI_GATEWAY_PROVIDER_"];
/// The common beginnings of the indexed and the older variables, in the order in which Coder reads them.
pub const FAMILIES: [&str; 2] = ["CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"];
/// The word that turns a family into a prefix.
const NUMBERED: &str = "PROVIDER_";
/// The older single-provider variables, without their family.
pub const LEGACY: [&str; 10] = [
    "OPENAI_BASE_URL",
    "OPENAI_KEY",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_KEY",
    "BEDROCK_BASE_URL",
    "BEDROCK_REGION",
    "BEDROCK_ACCESS_KEY",
    "BEDROCK_ACCESS_KEY_SECRET",
    "BEDROCK_MODEL",
    "BEDROCK_SMALL_FAST_MODEL",
];

/// Go's `strings.ToUpper`, letter by letter.
pub fn upper(name: &str) -> String {
    name.chars()
        .map(|c| {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => single,
                _ => c,
            }
        })
        .collect()
}

/// The rest of a name after a prefix.
pub struct Behind<'a> {
    /// In upper case.
    pub rest: Cow<'a, str>,
    /// The whole name is in capital letters.
    pub is_upper: bool,
}

/// `None`: the name does not begin with this prefix, in either letter case.
#[inline(always)]
pub fn behind<'a>(prefix: &str, name: &'a str) -> Option<Behind<'a>> {
    if !name.is_ascii() {
        let rest = upper(name).strip_prefix(prefix)?.to_owned();
        return Some(Behind { rest: Cow::Owned(rest), is_upper: false });
    }
    let (head, rest) = name.split_at_checked(prefix.len())?;
    // Most names are in capital letters, and two equal texts are compared faster than two that may differ in their letters.
    let is_same = head == prefix;
    if !is_same && !head.eq_ignore_ascii_case(prefix) {
        return None;
    }
    if rest.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Some(Behind { rest: Cow::Owned(rest.to_ascii_uppercase()), is_upper: false });
    }
    Some(Behind { rest: Cow::Borrowed(rest), is_upper: is_same })
}

/// The meaning of a variable's name to Coder.
pub enum Name<'a> {
    /// A field of a numbered provider: the index of its prefix in [`PREFIXES`], and the rest of its name.
    Numbered {
        prefix: usize,
        behind: Behind<'a>,
    },
    /// One of [`LEGACY`], and the index of its family in [`FAMILIES`].
    Older {
        family: usize,
        name: &'static str,
    },
    Other,
}

impl Name<'_> {
    pub fn of(name: &str) -> Name<'_> {
        // Compared with a constant each, which takes a tenth of the instructions of a comparison with any text.
        let of_second = || Some((1, behind(FAMILIES[1], name)?));
        let found = behind(FAMILIES[0], name).map(|behind| (0, behind)).or_else(of_second);
        let Some((family, Behind { rest, is_upper })) = found else { return Name::Other };
        // A prefix is the family and this word.
        let numbered = match &rest {
            Cow::Borrowed(rest) => rest.strip_prefix(NUMBERED).map(Cow::Borrowed),
            Cow::Owned(rest) => rest.strip_prefix(NUMBERED).map(|rest| Cow::Owned(rest.to_owned())),
        };
        if let Some(rest) = numbered {
            return Name::Numbered { prefix: family, behind: Behind { rest, is_upper } };
        }
        let older = LEGACY.into_iter().find(|older| *older == rest);
        older.map_or(Name::Other, |name| Name::Older { family, name })
    }
}

/// Whether Coder reads a provider from it.
pub fn is_of_provider(name: &str) -> bool {
    !matches!(Name::of(name), Name::Other)
}

/// Whether it is one of the older single-provider variables.
pub fn is_legacy(variable: &str) -> bool {
    !variable.to_ascii_uppercase().contains("_PROVIDER_")
}

/// The name that was probably meant by an unrecognized variable. `CODER_AIBRIDGE_ENABLED` and the like are Coder's own
/// and get no suggestion.
pub fn near_miss(name: &str) -> Option<String> {
    if name.len() > 256 || is_of_provider(name) {
        return None;
    }
    let name = upper(name);
    let (family, rest) = match split_family(&name) {
        Family::Exact(family, rest) => (family, rest),
        Family::Near(family, rest) => return Some(format!("{family}{}", repair(rest).unwrap_or(rest.to_owned()))),
        Family::Other => return None,
    };
    repair(rest).map(|rest| format!("{family}{rest}"))
}

/// `CODER_AIBRIDGE_AZURE_KEY`, for a vendor without older variables: the prefix, the type and the field of the intended
/// numbered provider.
pub fn other_vendor(name: &str) -> Option<(&'static str, &'static str, &'static str)> {
    if name.len() > 256 {
        return None;
    }
    let of_family = FAMILIES.iter().zip(PREFIXES).find_map(|(family, prefix)| Some((prefix, behind(family, name)?)));
    let (prefix, behind) = of_family?;
    synonyms::other_vendor(&behind.rest).map(|(kind, field)| (prefix, kind, field))
}

enum Family<'a> {
    Exact(&'static str, &'a str),
    Near(&'static str, &'a str),
    Other,
}

fn split_family(name: &str) -> Family<'_> {
    for family in FAMILIES {
        if let Some(rest) = name.strip_prefix(family) {
            return Family::Exact(family, rest);
        }
        // AIBRIDGE_PROVIDER_0_KEY: the first word is missing.
        if let Some(rest) = family.strip_prefix("CODER_").and_then(|short| name.strip_prefix(short)) {
            return if repair(rest).is_some() || is_provider(rest) {
                Family::Near(family, rest)
            } else {
                Family::Other
            };
        }
    }
    // CODER_AIBRIGE_…, CODER_AI_BRIDGE_…, CODER_AIGATEWAY_…: two or three words that nearly match a family.
    for (at, _) in name.match_indices('_').skip(1).take(2) {
        let (head, rest) = name.split_at(at + 1);
        if let Some(family) = nearest(head, FAMILIES).filter(|_| !rest.is_empty()) {
            return Family::Near(family, rest);
        }
    }
    Family::Other
}

fn is_provider(rest: &str) -> bool {
    rest.starts_with(NUMBERED)
}

/// Repairs the name after the family: PROVIDER mistyped or missing before a number, or a mistyped legacy variable.
fn repair(rest: &str) -> Option<String> {
    if LEGACY.contains(&rest) {
        return Some(rest.to_owned());
    }
    let starts_with_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('_');
    if starts_with_number(rest) {
        return Some(format!("PROVIDER_{rest}"));
    }
    // PROVIDERS_0_KEY, PROVDER_0_KEY, PROVIDER0_KEY
    let word_end = rest.find(|c: char| c == '_' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (word, tail) = rest.split_at(word_end);
    let number = tail.strip_prefix('_').unwrap_or(tail);
    if starts_with_number(number) && nearest(word, ["PROVIDER"]).is_some() {
        return Some(format!("PROVIDER_{number}"));
    }
    synonyms::older(rest).or_else(|| nearest(rest, LEGACY).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_miss_is_found() {
        for (name, meant) in [
            ("CODER_AIBRIGE_PROVIDER_0_KEY", "CODER_AIBRIDGE_PROVIDER_0_KEY"),
            ("CODER_AI_BRIDGE_PROVIDER_0_KEY", "CODER_AIBRIDGE_PROVIDER_0_KEY"),
            ("CODER_AIGATEWAY_PROVIDER_3_TYPE", "CODER_AI_GATEWAY_PROVIDER_3_TYPE"),
            ("CODER_AI_GATWAY_PROVIDER_3_TYPE", "CODER_AI_GATEWAY_PROVIDER_3_TYPE"),
            ("CODER_AIBRIDGE_PROVIDERS_0_KEY", "CODER_AIBRIDGE_PROVIDER_0_KEY"),
            ("CODER_AIBRIDGE_PROVDER_0_KEY", "CODER_AIBRIDGE_PROVIDER_0_KEY"),
            ("CODER_AIBRIDGE_PROVIDER0_KEY", "CODER_AIBRIDGE_PROVIDER_0_KEY"),
            ("CODER_AIBRIDGE_0_KEY", "CODER_AIBRIDGE_PROVIDER_0_KEY"),
            ("AIBRIDGE_PROVIDER_0_KEY", "CODER_AIBRIDGE_PROVIDER_0_KEY"),
            ("AIBRIDGE_PROVIDER_X_KEY", "CODER_AIBRIDGE_PROVIDER_X_KEY"),
            ("AIBRIDGE_OPENAI_KEY", "CODER_AIBRIDGE_OPENAI_KEY"),
            ("CODER_AIBRIDGE_OPENAI_KEYS", "CODER_AIBRIDGE_OPENAI_KEY"),
            ("CODER_AIBRIGE_OPENAI_KEY", "CODER_AIBRIDGE_OPENAI_KEY"),
            ("CODER_AIBRIDGE_OPENAI_BASEURL", "CODER_AIBRIDGE_OPENAI_BASE_URL"),
            ("coder_aibridge_openai_keys", "CODER_AIBRIDGE_OPENAI_KEY"),
            ("CODER_AI_GATEWAY_BEDROCK_SMALL_FASTMODEL", "CODER_AI_GATEWAY_BEDROCK_SMALL_FAST_MODEL"),
        ] {
            assert_eq!(near_miss(name).as_deref(), Some(meant), "{name}");
        }
    }

    #[test]
    fn provider_variable_names_are_those_of_coder() {
        for name in [
            "CODER_AIBRIDGE_PROVIDER_0_TYPE",
            "coder_ai_gateway_provider_0_type",
            // Go's upper case of this letter is an ordinary I.
            "CODER_A\u{131}BRIDGE_PROVIDER_0_TYPE",
            "CODER_AIBRIDGE_OPENAI_KEY",
            "coder_aibridge_openai_key",
            "CODER_AI_GATEWAY_BEDROCK_REGION",
        ] {
            assert!(is_of_provider(name), "{name}");
        }
        for name in
            ["CODER_AIBRIDGE_ENABLED", "OPENAI_KEY", "coder_aibridge_openai_keys", "XCODER_AIBRIDGE_OPENAI_KEY", ""]
        {
            assert!(!is_of_provider(name), "{name}");
        }
    }

    #[test]
    fn a_prefix_is_its_family_and_a_word() {
        for (family, prefix) in FAMILIES.iter().zip(PREFIXES) {
            assert_eq!(prefix.strip_prefix(family), Some(NUMBERED));
        }
    }

    #[test]
    fn known_and_foreign_names_are_not_near_misses() {
        for name in [
            "CODER_AIBRIDGE_OPENAI_KEY",
            "coder_ai_gateway_OPENAI_KEY",
            "CODER_AI_GATEWAY_BEDROCK_REGION",
            "coder_aibridge_provider_0_type",
            "CODER_AIBRIDGE_PROVIDER_0_TYPO",
            "CODER_AIBRIDGE_ENABLED",
            "CODER_AI_GATEWAY_ENABLED",
            "CODER_AIBRIDGE_RETENTION",
            "CODER_AIBRIDGE_PROXY_ENABLED",
            "CODER_AIBRIDGE_INJECT_CODER_MCP_TOOLS",
            "CODER_AIBRIDGE_MAX_CONCURRENCY",
            "CODER_AIBRIDGE_PROVDER_KEY",
            "CODER_AIBRIDGE_SESSION_0_KEY",
            "AIBRIDGE_ENABLED",
            "CODER_AGENT_URL",
            "CODER_PG_CONNECTION_URL",
            "OPENAI_KEY",
            "PATH",
            "",
            "_",
            "CODER_AIBRIGE_",
        ] {
            assert_eq!(near_miss(name), None, "{name}");
        }
        // A longer name is not a typing error.
        let long = |length: usize| format!("{:K<length$}", "CODER_AIBRIGE_PROVIDER_0_");
        assert!(near_miss(&long(256)).is_some() && near_miss(&long(257)).is_none() && near_miss(&long(300)).is_none());
    }
}
