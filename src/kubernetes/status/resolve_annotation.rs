//! The operator's decision in the annotation `aiproviders.dev/resolve`: a function of texts. A decision names the
//! conflict that the operator saw, whose id identifies both sides, so that it has no effect a second time.

use sha2::{Digest, Sha256};

use super::observation::DatabaseView;
use super::write_result::{WriteReason, WriteResult};
use crate::kubernetes::crd::spec::RESOLVE_ANNOTATION;
use crate::kubernetes::crd::status::{AIProviderSeedStatus, ProviderState};
use crate::options::resolve::{ID_FORM, is_id};
use crate::provider::{hex, redact};

/// The most current conflicts that a refusal names.
const NAMED: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    TakeEnvironment { id: String },
    TakeDatabase { id: String },
    Malformed,
}

impl Decision {
    pub fn parse(text: &str) -> Decision {
        match text.trim().split_once(':') {
            Some((id, "environment")) if is_id(id) => Decision::TakeEnvironment { id: id.to_owned() },
            Some((id, "database")) if is_id(id) => Decision::TakeDatabase { id: id.to_owned() },
            _ => Decision::Malformed,
        }
    }
}

/// The form in which the status stores a value. An invalid value may be any text, and is not repeated.
pub fn token(text: &str) -> String {
    match Decision::parse(text) {
        Decision::Malformed => format!("malformed-{}", &hex(&Sha256::digest(text))[..12]),
        _ => text.trim().to_owned(),
    }
}

/// The refusal of a decision that cannot be carried out with any content of the database.
pub fn refusal(decision: &Decision, allow_writes: bool) -> Option<WriteResult> {
    let message = match decision {
        Decision::Malformed => format!(
            "the value of {RESOLVE_ANNOTATION} is not a valid decision; use <id>:environment with the whole id of \
             status.conflicts[].id ({ID_FORM}), such as ed7lijh33v6xf3w7ma6zwigoyb5nccs7:environment"
        ),
        Decision::TakeDatabase { id } => format!(
            "the database stays as it is, so there is nothing to write; ai-provider-seed resolve --take database \
             --conflict {id} prints what to set in the environment"
        ),
        Decision::TakeEnvironment { id } if !allow_writes => format!(
            "this controller runs without --allow-writes and never writes to a database; set allowWrites in its chart, \
             or run ai-provider-seed resolve --take environment --conflict {id}"
        ),
        Decision::TakeEnvironment { .. } => return None,
    };
    Some(WriteResult::new(WriteReason::ResolveRefused, message))
}

/// The status remembers this value as handled.
pub fn is_handled(status: Option<&AIProviderSeedStatus>, token: &str) -> bool {
    status.and_then(|status| status.last_handled_resolve.as_deref()) == Some(token)
}

pub fn is_current(id: &str, seen: &DatabaseView) -> bool {
    seen.conflicts().iter().any(|conflict| conflict.status.id == id)
}

/// The conflict of a completed decision has recurred.
pub fn conflict_recurred(id: &str) -> WriteResult {
    let message = format!(
        "conflict {id} recurred after it was resolved; to decide again, remove the annotation (kubectl annotate … \
         {RESOLVE_ANNOTATION}-), then set it again"
    );
    WriteResult::new(WriteReason::ResolveWaiting, message)
}

/// The provider of a current conflict, or of one in the status. `None`: the id is unknown.
pub fn provider_of<'a>(id: &str, before: Option<&'a AIProviderSeedStatus>, seen: &'a DatabaseView) -> Option<&'a str> {
    let now = seen.conflicts().iter().map(|conflict| &conflict.status);
    let earlier = before.into_iter().flat_map(|before| &before.conflicts);
    now.chain(earlier).find(|conflict| conflict.id == id).map(|conflict| conflict.provider.as_str())
}

/// Whether both sides of the conflict's provider are equal. `false` for a conflict that was never seen.
pub fn agrees(provider: Option<&str>, seen: &DatabaseView) -> bool {
    let (Some(provider), DatabaseView::Found { providers, .. }) = (provider, seen) else { return false };
    providers.iter().any(|it| it.name == provider && it.state == ProviderState::InSync)
}

/// The named conflict does not exist: it is settled, other conflicts exist, or it was never seen. `provider`: the result
/// of [`provider_of`].
pub fn conflict_not_found(id: &str, provider: Option<&str>, seen: &DatabaseView) -> WriteResult {
    if agrees(provider, seen) {
        let message = format!("conflict {id} is already resolved: both sides agree, so nothing had to be written");
        return WriteResult::new(WriteReason::Resolved, message);
    }
    let mut current: Vec<(&str, &str)> = Vec::new();
    for conflict in seen.conflicts() {
        let pair = (conflict.status.id.as_str(), conflict.status.provider.as_str());
        if !current.contains(&pair) {
            current.push(pair);
        }
    }
    let head = format!("conflict {id} was not found, so nothing was written");
    let message = match &current[..] {
        [] => format!("{head}; there is no conflict"),
        [(now, provider)] => {
            format!(
                "{head}; the current one is {now} ({provider}): check it, and use its id if the environment is still right"
            )
        }
        several => {
            let more = several.len().saturating_sub(NAMED);
            let named: Vec<String> =
                several.iter().take(NAMED).map(|(now, provider)| format!("{now} ({provider})")).collect();
            let more = if more == 0 { String::new() } else { format!(" and {}", redact::count(more, "other")) };
            format!(
                "{head}; the current ones are {}{more}: check them, and use the id of the intended one",
                named.join(", ")
            )
        }
    };
    WriteResult::new(WriteReason::ResolveRefused, message)
}

#[cfg(test)]
mod tests {
    use super::super::observation::ObservedConflict;
    use super::*;
    use crate::kubernetes::crd::status::{ConflictStatus, ProviderStatus};

    fn seen(ids: &[(&str, &str)]) -> DatabaseView {
        let conflict = |(id, provider): &(&str, &str)| {
            let [id, provider] = [id, provider].map(ToString::to_string);
            let status = ConflictStatus { id, provider, ..ConflictStatus::default() };
            ObservedConflict { status, sentence: String::new() }
        };
        DatabaseView::Found {
            providers: Vec::new(),
            conflicts: ids.iter().map(conflict).collect(),
            records: Vec::new(),
        }
    }

    #[test]
    fn annotation_value_is_read() {
        let id = || "ed7lijh33v6xf3w7ma6zwigoyb5nccs7".to_owned();
        assert_eq!(
            Decision::parse("ed7lijh33v6xf3w7ma6zwigoyb5nccs7:environment"),
            Decision::TakeEnvironment { id: id() }
        );
        assert_eq!(
            Decision::parse(" ed7lijh33v6xf3w7ma6zwigoyb5nccs7:database\n"),
            Decision::TakeDatabase { id: id() }
        );
        for text in [
            "",
            "ed7lijh33v6xf3w7ma6zwigoyb5nccs7",
            ":environment",
            "ed7lijh33v6xf3w7ma6zwigoyb5nccs:environment",
            "ED7LIJH33V6XF3W7MA6ZWIGOYB5NCCS7:environment",
            "ed7lijh33v6xf3w7ma6zwigoyb5nccs7:Environment",
            "ed7lijh33v6xf3w7ma6zwigoyb5nccs7:environment,q5ihxwd6f4d72e2abcdefgh234567abc:environment",
            "sk-canary:environment",
        ] {
            assert_eq!(Decision::parse(text), Decision::Malformed, "{text}");
            let message = refusal(&Decision::Malformed, true).unwrap().message;
            assert!(token(text).starts_with("malformed-") && !token(text).contains("canary"), "{}", token(text));
            assert!(
                message.contains("such as ed7lijh33v6xf3w7ma6zwigoyb5nccs7:environment") && !message.contains("canary"),
                "{message}"
            );
        }
        assert_ne!(token("a"), token("b"));
        assert_eq!(
            token("ed7lijh33v6xf3w7ma6zwigoyb5nccs7:environment "),
            "ed7lijh33v6xf3w7ma6zwigoyb5nccs7:environment"
        );
    }

    #[test]
    fn decision_that_may_not_write_is_refused() {
        let take = Decision::parse("ed7lijh33v6xf3w7ma6zwigoyb5nccs7:environment");
        assert_eq!(refusal(&take, true), None);
        let refused = refusal(&take, false).unwrap();
        assert!(refused.message.contains("without --allow-writes") && refused.message.contains("allowWrites"));
        for allowed in [true, false] {
            let refused = refusal(&Decision::parse("ed7lijh33v6xf3w7ma6zwigoyb5nccs7:database"), allowed).unwrap();
            assert!(
                refused.message.contains("resolve --take database --conflict ed7lijh33v6xf3w7ma6zwigoyb5nccs7"),
                "{}",
                refused.message
            );
        }
    }

    #[test]
    fn settled_conflict_is_not_a_refusal() {
        let id = "ed7lijh33v6xf3w7ma6zwigoyb5nccs7";
        let provider = |name: &str, state| ProviderStatus { name: name.to_owned(), state, ..ProviderStatus::default() };
        let seen = |b| DatabaseView::Found {
            providers: vec![provider("a", ProviderState::InSync), provider("b", b)],
            conflicts: Vec::new(),
            records: Vec::new(),
        };
        let conflict = ConflictStatus { id: id.to_owned(), provider: "a".to_owned(), ..ConflictStatus::default() };
        let known = AIProviderSeedStatus { conflicts: vec![conflict], ..AIProviderSeedStatus::default() };
        let provider = provider_of(id, Some(&known), &DatabaseView::Unread);
        assert_eq!(provider, Some("a"));
        // Another provider does not matter.
        assert_eq!(conflict_not_found(id, provider, &seen(ProviderState::Conflict)).reason, WriteReason::Resolved);
        assert_eq!(conflict_not_found(id, provider, &DatabaseView::Unread).reason, WriteReason::ResolveRefused);
    }

    #[test]
    fn conflict_that_never_was_is_not_called_resolved() {
        let id = "ed7lijh33v6xf3w7ma6zwigoyb5nccs7";
        let provider =
            ProviderStatus { name: "a".to_owned(), state: ProviderState::InSync, ..ProviderStatus::default() };
        let seen = DatabaseView::Found { providers: vec![provider], conflicts: Vec::new(), records: Vec::new() };
        let known = AIProviderSeedStatus {
            conflicts: vec![ConflictStatus {
                id: "another".to_owned(),
                provider: "a".to_owned(),
                ..ConflictStatus::default()
            }],
            ..AIProviderSeedStatus::default()
        };
        for before in [None, Some(&AIProviderSeedStatus::default()), Some(&known)] {
            let result = conflict_not_found(id, provider_of(id, before, &seen), &seen);
            let message = format!("conflict {id} was not found, so nothing was written; there is no conflict");
            assert_eq!((result.reason, result.message), (WriteReason::ResolveRefused, message));
        }
    }

    #[test]
    fn a_stale_id_is_refused_with_those_of_now() {
        let (one, id) = (seen(&[("a", "openai"), ("a", "openai")]), "ed7lijh33v6xf3w7ma6zwigoyb5nccs7");
        assert!(is_current("a", &one) && !is_current(id, &one) && !is_current("a", &DatabaseView::Unread));
        let head = "conflict ed7lijh33v6xf3w7ma6zwigoyb5nccs7 was not found, so nothing was written";
        assert_eq!(conflict_not_found(id, None, &seen(&[])).message, format!("{head}; there is no conflict"));
        let message = format!(
            "{head}; the current one is a (openai): check it, and use its id if the environment is still right"
        );
        assert_eq!(conflict_not_found(id, None, &one).message, message);
        let many: Vec<(String, String)> = (0..7).map(|n| (n.to_string(), format!("p{n}"))).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        let message = conflict_not_found(id, None, &seen(&many)).message;
        assert!(
            message.contains("the current ones are 0 (p0), 1 (p1), 2 (p2), 3 (p3), 4 (p4) and 2 others"),
            "{message}"
        );
    }
}
