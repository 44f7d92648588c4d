/// Why a text is not a provider name. The rule of Coder and of the CHECK of `ai_providers`: `^[a-z0-9]+(-[a-z0-9]+)*$`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// `bad` is at `position`, counted from 1 in characters.
    Character { bad: char, position: usize },
    /// A `-` at the start, at the end, or after another one.
    Hyphen { position: usize },
    /// Coder would accept it, but it is a key in the wrong variable, and a name is stored in clear and shown everywhere.
    Key,
}

/// From this length on, a text that begins with `sk-` and has many digits is a key, not a name.
const KEY_LENGTH: usize = 32;
const KEY_DIGITS: usize = 8;

pub fn check_name(name: &str) -> Result<(), NameError> {
    let mut after_hyphen = true;
    let mut last = 0;
    for (at, character) in name.chars().enumerate() {
        last = at + 1;
        match character {
            'a'..='z' | '0'..='9' => after_hyphen = false,
            '-' if after_hyphen => return Err(NameError::Hyphen { position: last }),
            '-' => after_hyphen = true,
            bad => return Err(NameError::Character { bad, position: last }),
        }
    }
    let digits = || name.bytes().filter(u8::is_ascii_digit).count();
    match name.starts_with("sk-") && name.len() >= KEY_LENGTH && digits() >= KEY_DIGITS {
        true => Err(NameError::Key),
        false if after_hyphen => Err(NameError::Hyphen { position: last.max(1) }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_accepted_as_in_coder() {
        for good in ["a", "0", "openai", "a-b", "gpt-4-1", "00-00"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        assert_eq!(check_name("sk-openai-of-the-second-team-in-berlin-1"), Ok(()));
        assert_eq!(check_name("sk-or-v1-0123456789abcdef0123456789abcdef"), Err(NameError::Key));
        assert_eq!(check_name("Bad_Name"), Err(NameError::Character { bad: 'B', position: 1 }));
        assert_eq!(check_name("my_openai"), Err(NameError::Character { bad: '_', position: 3 }));
        assert_eq!(check_name("openai\n"), Err(NameError::Character { bad: '\n', position: 7 }));
        assert_eq!(check_name("-a"), Err(NameError::Hyphen { position: 1 }));
        assert_eq!(check_name("a--b"), Err(NameError::Hyphen { position: 3 }));
        assert_eq!(check_name("a-"), Err(NameError::Hyphen { position: 2 }));
        assert_eq!(check_name(""), Err(NameError::Hyphen { position: 1 }));
    }
}
