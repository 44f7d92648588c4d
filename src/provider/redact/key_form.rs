//! Finds text with the form of a credential anywhere: in a path, in the name of a variable or of an object.

use std::borrow::Cow;

/// Beginnings of providers' keys and tokens, and the least number of characters after them.
const BEGINNINGS: [(&str, usize); 20] = [
    ("sk-", 1),
    ("sk_", 1),
    ("rk_", 8),
    ("gsk_", 8),
    ("xai-", 8),
    ("pplx-", 8),
    ("nvapi-", 8),
    ("vck_", 8),
    ("hf_", 8),
    ("bedrock-api-key-", 4),
    ("ABSK", 16),
    ("AKIA", 12),
    ("ASIA", 12),
    ("AIza", 16),
    ("ghp_", 8),
    ("gho_", 8),
    ("ghs_", 8),
    ("github_pat_", 8),
    ("glpat-", 8),
    ("eyJ", 12),
];
/// The first letters of [`BEGINNINGS`], a bit each. Few words have one of them, and only those are compared any further.
const FIRST: u128 = {
    let (mut first, mut at) = (0, 0);
    while at < BEGINNINGS.len() {
        first |= 1 << BEGINNINGS[at].0.as_bytes()[0];
        at += 1;
    }
    first
};
/// A run of this length with letters of both cases and digits is not a word.
const RANDOM: usize = 24;
/// Hexadecimal digits of a key; an id in ordinary text has its digits in groups.
const HEXADECIMAL: usize = 32;
/// Characters of an AWS secret access key, whose alphabet includes the slash.
const AWS_SECRET: usize = 40;
/// The place of a key.
const MASK: &str = "***";

/// The text with `***` in place of anything that has the form of a key.
pub fn masked(text: &str) -> Cow<'_, str> {
    let of_aws = |b: u8| b.is_ascii_alphanumeric() || b"/+".contains(&b);
    if text.len() == AWS_SECRET && text.bytes().all(of_aws) && !text.starts_with('/') && is_mixed(text) {
        return Cow::Borrowed(MASK);
    }
    let Some(first) = first_key(text) else { return Cow::Borrowed(text) };
    let (mut shown, mut rest, mut next) = (String::new(), text, Some(first));
    while let Some((start, end)) = next {
        shown.extend([&rest[..start], MASK]);
        rest = &rest[end..];
        next = first_key(rest);
    }
    Cow::Owned(shown + rest)
}

/// The first and last byte of the first key. A key ends where no character of a key follows: after a slash a path
/// continues.
fn first_key(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let end_of = |at: usize| at + bytes[at..].iter().take_while(|b| is_of_key(**b)).count();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        if run == 0 {
            at += 1;
            continue;
        }
        let begins = |(beginning, more): &(&str, usize)| {
            beginning.as_bytes()[0] == bytes[at]
                && bytes[at..].starts_with(beginning.as_bytes())
                && end_of(at) - at >= beginning.len() + more
        };
        let may_begin = FIRST >> bytes[at] & 1 == 1;
        if (may_begin && BEGINNINGS.iter().any(begins)) || is_random(&text[at..at + run]) {
            return Some((at, end_of(at)));
        }
        at += run;
    }
    None
}

fn is_of_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.+=".contains(&byte)
}

fn is_random(run: &str) -> bool {
    (run.len() >= RANDOM && is_mixed(run)) || (run.len() >= HEXADECIMAL && is_hexadecimal(run))
}

fn is_mixed(text: &str) -> bool {
    let has = |of: fn(&u8) -> bool| text.bytes().any(|b| of(&b));
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
}

fn is_hexadecimal(run: &str) -> bool {
    run.bytes().all(|b| b.is_ascii_hexdigit()) && run.bytes().any(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_in_the_form_of_a_key_is_masked() {
        let random = "a1B2c3D4e5F6g7H8i9J0k1L2";
        for (text, shown) in [
            ("sk-ant-api03-abc_DEF", "***"),
            ("sk-1", "***"),
            ("AI_PROVIDER_SEED_sk-ant-x", "AI_PROVIDER_SEED_***"),
            ("/etc/keys/sk-proj-x1.env/more", "/etc/keys/***/more"),
            ("--env-file sk-a --kubeconfig sk-b", "--env-file *** --kubeconfig ***"),
            ("AKIAIOSFODNN7EXAMPLE", "***"),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "***"),
            ("X_eyJhbGciOiJIUzI1NiJ9.e30.x", "X_***"),
            ("ghp_0123456789", "***"),
            ("0123456789abcdef0123456789abcdef", "***"),
            ("./0123456789abcdef0123456789abcdef", "./***"),
        ] {
            assert_eq!(masked(text), shown);
        }
        assert_eq!(masked(&format!("CODER_AIBRIDGE_{random}")), "CODER_AIBRIDGE_***");
        assert_eq!(masked(&format!("ä/{random}ö")), "ä/***ö");
        assert_eq!(masked(&"sk-a/".repeat(1 << 20)), "***/".repeat(1 << 20));
    }

    #[test]
    fn ordinary_names_and_paths_stay_as_they_are() {
        for text in [
            "",
            "CODER_AIBRIDGE_PROVIDER_12_BEDROCK_SMALL_FAST_MODEL",
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "/home/jane/Projects/Coder2/providers.env",
            "task-queue/disk-2/risk-3",
            "ai-provider-seed-7d9f8b6c5d-x2x4z",
            "ed7lijh33v6xf3w7ma6zwigoyb5nccs7",
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "arn:aws:eks:eu-central-1:123456789012:cluster/Production",
            "gke_my-project_europe-west1_cluster-1",
            "/nix/store/b6gvzjyb2pg0kjfwrjmg1vfhh54ad73z-env",
            "/tmp/.tmpQ7xYz1/kubeconfig",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
