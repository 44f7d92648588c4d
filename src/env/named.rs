//! The variables of an environment, sorted by their names. Each name is parsed once: a hundred providers have hundreds of
//! variables, and each rule about names needs only one of these lists.

use std::borrow::Cow;

use super::names::{Behind, FAMILIES, Name, behind};
use super::size::MAX_FILE_VARIABLES;
use super::variable::Variable;

/// Each list in the order of the environment.
#[derive(Default)]
pub struct Named<'a> {
    /// The variables of numbered providers, for each of `PREFIXES`.
    pub numbered: [Vec<Numbered<'a>>; 2],
    pub older: Vec<Older<'a>>,
    /// The variables that describe no provider to Coder.
    pub others: Vec<&'a Variable>,
}

/// A variable with one of `PREFIXES`.
pub struct Numbered<'a> {
    pub variable: &'a Variable,
    /// The name after the prefix, in upper case.
    pub rest: Cow<'a, str>,
    /// The number and its length in `rest`. `None`: `rest` does not begin with a number and `_`, or the number is negative or
    /// too large.
    number: Option<(u64, usize)>,
    /// The whole name is in capital letters.
    is_upper: bool,
}

impl<'a> Numbered<'a> {
    fn new(variable: &'a Variable, Behind { rest, is_upper }: Behind<'a>) -> Numbered<'a> {
        let number = rest.find('_').and_then(|length| {
            // Coder reads a signed number.
            let number = rest[..length].parse::<i64>().ok()?;
            Some((u64::try_from(number).ok()?, length))
        });
        Numbered { variable, rest, number, is_upper }
    }

    pub fn index(&self) -> Option<u64> {
        self.number.map(|(index, _)| index)
    }

    /// The name after the number and `_`; empty without a number.
    pub fn suffix(&self) -> &str {
        self.number.map_or("", |(_, length)| &self.rest[length + 1..])
    }

    /// Whether the name is written as this program would write it: in capital letters, and with a number such as 7, not 07.
    pub fn is_usual(&self) -> bool {
        self.is_upper && (self.rest.starts_with("0_") || !self.rest.starts_with(['0', '+', '-']))
    }
}

/// One of the older variables.
pub struct Older<'a> {
    /// The index of its family in `FAMILIES`.
    pub family: usize,
    pub name: &'static str,
    pub variable: &'a Variable,
}

impl<'a> Named<'a> {
    pub fn of(variables: &'a [Variable]) -> Named<'a> {
        let mut named = Named::default();
        for variable in variables {
            match Name::of(&variable.name) {
                Name::Numbered { prefix, behind } => {
                    let of_prefix = &mut named.numbered[prefix];
                    if of_prefix.is_empty() {
                        // Most variables of a large environment have the same prefix.
                        of_prefix.reserve(variables.len().min(MAX_FILE_VARIABLES));
                    }
                    of_prefix.push(Numbered::new(variable, behind));
                }
                Name::Older { family, name } => named.older.push(Older { family, name, variable }),
                Name::Other => named.others.push(variable),
            }
        }
        named
    }

    /// Whether any variable of this family does not belong to a numbered provider. Coder's own settings count too.
    pub fn has_family(&self, family: usize) -> bool {
        self.older.iter().any(|older| older.family == family)
            || self.others.iter().any(|variable| behind(FAMILIES[family], &variable.name).is_some())
    }
}
