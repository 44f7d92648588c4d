//! Random secrets, and every form in which one could leak.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// A piece of this length is a leak.
const WINDOW: usize = 12;

#[derive(Default)]
pub struct Secrets {
    secrets: Vec<Vec<u8>>,
}

impl Secrets {
    pub fn of(secrets: &[String]) -> Self {
        Secrets { secrets: secrets.iter().map(|secret| secret.clone().into_bytes()).collect() }
    }

    /// 24 letters and digits, of which no window of 12 occurs in any other text.
    pub fn token(&mut self) -> String {
        let secret: String = std::iter::repeat_with(fastrand::alphanumeric).take(23).collect::<String>() + "Q";
        self.secrets.push(secret.clone().into_bytes());
        secret
    }

    /// An encryption key: 32 random bytes as base64. Both forms are secret.
    pub fn encryption_key(&mut self) -> String {
        let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(32).collect();
        let text = STANDARD.encode(&bytes);
        self.secrets.extend([bytes, text.clone().into_bytes()]);
        text
    }

    #[track_caller]
    pub fn assert_absent(&self, text: &str, context: &str) {
        // JSON and this program's escapes do not change letters and digits, so the text is searched unchanged.
        for (number, secret) in self.secrets.iter().enumerate() {
            for form in forms(secret) {
                if let Some(found) = find(text.as_bytes(), &form) {
                    panic!("secret {number} is printed: {found}\n{context}");
                }
            }
        }
    }
}

/// Unchanged, in base64 at each of the three positions of a byte in a group, percent-encoded, and in hex. Letter case is
/// as written, except for hex and percent, which have two.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = |upper: bool| secret.iter().map(move |b| if upper { format!("{b:02X}") } else { format!("{b:02x}") });
    let mut forms = vec![secret.to_vec()];
    for shift in 0..3 {
        // Text before the secret changes the first group, text after it the last.
        let shifted = STANDARD_NO_PAD.encode([&vec![0; shift], secret].concat());
        let end = (shift + secret.len()) / 3 * 4;
        forms.push(shifted.as_bytes()[if shift == 0 { 0 } else { 4 }..end].to_vec());
    }
    for upper in [false, true] {
        forms.push(hex(upper).collect::<String>().into_bytes());
        forms.push(hex(upper).map(|byte| format!("%{byte}")).collect::<String>().into_bytes());
    }
    forms
}

/// A window of the form within the text.
fn find(text: &[u8], form: &[u8]) -> Option<String> {
    // Hex and percent need longer windows for the same certainty: twelve of their characters are six and four bytes.
    let known: std::collections::HashSet<&[u8]> = form.windows(WINDOW).collect();
    text.windows(WINDOW)
        .find(|window| known.contains(window))
        .map(|window| String::from_utf8_lossy(window).into_owned())
}

#[test]
fn search_finds_a_planted_secret() {
    let mut secrets = Secrets::default();
    let secret = secrets.token();
    let absent = |text: &str| std::panic::catch_unwind(|| secrets.assert_absent(text, "")).is_ok();
    assert!(absent("nothing of it"));
    assert!(absent(&secret[..11]));
    for text in [
        format!("x{secret}"),
        format!("…{}…", &secret[5..17]),
        STANDARD.encode(&secret),
        STANDARD.encode(format!("a{secret}b")),
        STANDARD.encode(format!("ab{secret}")),
        STANDARD.encode(format!("{{\"key\":\"{secret}\"}}")),
        secret.bytes().map(|b| format!("{b:02x}")).collect(),
        secret.bytes().map(|b| format!("%{b:02X}")).collect(),
    ] {
        assert!(!absent(&text), "{text}");
    }
}
