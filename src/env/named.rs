//! The variables of an environment, sorted by their names. Each name is parsed once: a hundred providers have hundreds of
//! variables, and each rule about names needs only one of these lists.

use std::borrow::Cow;

use super::names::{FAMILIES, Name, behind};
use super::variable::Variable;

/// Each list in the order of the environment.
#[derive(Default)]
pub struct Named<'a> {
    /// The variables of numbered providers, for each of `PREFIXES`, with the rest of the name in upper case.
    pub numbered: [Vec<(Cow<'a, str>, &'a Variable)>; 2],
    pub older: Vec<Older<'a>>,
    /// The variables that describe no provider to Coder.
    pub others: Vec<&'a Variable>,
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
                Name::Numbered { prefix, rest } => named.numbered[prefix].push((rest, variable)),
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
