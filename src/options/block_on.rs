//! `--block-on`: the outcomes that stop the start.

use super::words::unknown_word;
use crate::problem::Outcome;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOn(Vec<Outcome>);

impl BlockOn {
    pub(super) const OUTCOMES: [Outcome; 5] =
        [Outcome::Invalid, Outcome::Conflict, Outcome::Unavailable, Outcome::Unusable, Outcome::Locked];

    pub fn all() -> Self {
        BlockOn(Self::OUTCOMES.to_vec())
    }

    #[cfg(feature = "controller")]
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        BlockOn(outcomes.into_iter().collect())
    }

    /// A bug always stops the start: no option lets its outcome pass.
    pub fn blocks(&self, outcome: Outcome) -> bool {
        outcome == Outcome::Internal || self.0.contains(&outcome)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        match words[..] {
            ["all"] => return Ok(Self::all()),
            ["none"] => return Ok(BlockOn(Vec::new())),
            _ => {}
        }
        if words.is_empty() {
            return Err("an empty list; write none to let every outcome pass".to_owned());
        }
        let names = Self::OUTCOMES.map(Outcome::as_str);
        let outcome = |word: &&str| {
            let found = Self::OUTCOMES.into_iter().find(|outcome| outcome.as_str() == *word);
            found.ok_or_else(|| match *word {
                "all" | "none" => format!("\"{word}\" cannot be combined with other values"),
                word => unknown_word(word, &[&names[..], &["all", "none"]].concat()),
            })
        };
        words.iter().map(outcome).collect::<Result<_, _>>().map(BlockOn)
    }
}
