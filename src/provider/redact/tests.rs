use proptest::prelude::*;

use super::*;
use crate::provider::Source;

#[test]
fn redacted_url_keeps_its_harmless_parts() {
    for (value, shown) in [
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/"),
        ("HTTPS://Api.OpenAI.com:443/V1", "HTTPS://Api.OpenAI.com:443/V1"),
        ("http://user:secret@host/v1", "http://***@host/v1"),
        ("http://sec@ret:p@host", "http://***@host"),
        ("https://host/v1?api-version=2024&key=secret", "https://host/v1?api-version=***&key=***"),
        ("https://host/?secret", "https://host/?***"),
        ("https://host/v1#secret", "https://host/v1#***"),
        ("https://host/v1?", "https://host/v1?"),
        ("https://ai.example/models/claude@2025", "https://ai.example/models/claude@2025"),
        ("https://ai.example:8443/v1", "https://ai.example:8443/v1"),
        ("https://xn--e1afmkfd.example/я", "https://xn--e1afmkfd.example/\\u{44f}"),
    ] {
        let redacted = base_url(value, None);
        assert_eq!(redacted.text, shown);
        assert_eq!(redacted.exact, value == shown, "{value}");
    }
}

#[test]
fn invalid_url_is_shown_as_a_length() {
    for value in [
        "sk-secret-in-the-wrong-place",
        "//host/secret",
        "https:///user:secret@host",
        "https:\\\\user:secret@host",
        "https://user:pa/ss@host/",
        "https://user:12/secret@host/",
        "https://user.name:12/secret@host/",
        "https://user/secret@host/",
        "https://user:pass@wo/rd@host/",
        "https://token#more@host/",
        "https://token?more@host/",
        "ftp://user:secret@host",
        "https://host/a b",
        "https://",
        "https://host\u{1b}[31m",
        "javascript://host/secret",
    ] {
        let redacted = base_url(value, None);
        assert_eq!(redacted.text, format!("{} characters, not shown", value.chars().count()), "{value}");
        assert!(!redacted.exact, "{value}");
    }
    assert_eq!(base_url("", None), Redacted { text: String::new(), exact: true });
    assert_eq!(kind("sk-1", None).text, "4 characters, not shown");
    assert_eq!(kind("azure", None).exact(), Some("azure"));
}

#[test]
fn regions() {
    for value in ["us-east-1", "us-gov-west-1", "eusc-de-east-1", "ap-southeast-5", "us-iso-east-1"] {
        assert_eq!(region(value, None).exact(), Some(value));
    }
    for value in ["us-east", "US-EAST-1", "us_east_1", "AKIA1234", "us-east-123", "x-y-1", "wjalr-xutnfemi-k7mdeng-1x"]
    {
        assert_eq!(region(value, None).text, format!("{} characters, not shown", value.len()));
    }
}

#[test]
fn a_value_from_a_secret_is_not_shown() {
    let origin = Origin::set("X", Source::secret("coder-ai", "url"));
    assert_eq!(base_url("https://host/", Some(&origin)).text, "13 characters, not shown");
    assert_eq!(region("us-east-1", Some(&origin)).text, "9 characters, not shown");
    assert_eq!(kind("openai", Some(&origin)).text, "6 characters, not shown");
    assert!(!kind("openai", Some(&origin)).exact);
}

#[test]
fn identifiers_are_quoted_where_sql_needs_it() {
    for (text, shown) in [
        ("coder_2", "coder_2"),
        ("2coder", "\"2coder\""),
        ("Coder", "\"Coder\""),
        ("co-der", "\"co-der\""),
        ("me@example.com", "\"me@example.com\""),
        ("a\"b", "\"a\"\"b\""),
        ("", "\"\""),
    ] {
        assert_eq!(identifier(text), shown);
    }
}

#[test]
fn only_a_value_that_is_shown_whole_is_exact() {
    let long = format!("https://host.example/{}", "a".repeat(1100));
    for value in [
        long.as_str(),
        "https://host.example/\u{202e}gpj",
        "https://host.example/\u{430}",
        "https://user:secret@host.example/",
        "https://host.example/?key=secret",
        "sk-secret",
    ] {
        assert_eq!(base_url(value, None).exact(), None, "{value}");
    }
    assert_eq!(base_url(&long[..1000], None).exact(), Some(&long[..1000]));
    assert_eq!(serde_json::to_string(&region("us-east-1", None)).unwrap(), "\"us-east-1\"");
}

#[test]
fn texts_are_cut_by_characters() {
    for (text, limit, shown) in [("äöü", 3, "äöü"), ("äöüß", 3, "äö…"), ("abc", 3, "abc"), ("abcd", 3, "ab…")]
    {
        assert_eq!(truncate_chars(text, limit), shown);
    }
    // Printable characters stay beside escaped ones.
    assert_eq!(escape("it's \\ \"x\"\n"), "it's \\ \"x\"\\n");
}

#[test]
fn names_are_escaped_and_cut() {
    assert_eq!(name("A\u{202e}B\u{1b}[0m\n"), "A\\u{202e}B\\u{1b}[0m\\n");
    assert_eq!(name(&"é".repeat(500)).chars().count(), NAME_LIMIT);
    assert_eq!(ordinal(1), "1st");
    for (number, shown) in [(2, "2nd"), (3, "3rd"), (11, "11th"), (13, "13th"), (22, "22nd"), (111, "111th")] {
        assert_eq!(ordinal(number), shown);
    }
    assert_eq!(ordinal(12), "12th");
    assert_eq!(ordinal(23), "23rd");
}

proptest! {
    #[test]
    fn nothing_but_printable_ascii_is_shown(value in any::<String>()) {
        let shown = base_url(&value, None).text;
        prop_assert!(shown.chars().all(|c| matches!(c, ' '..='~' | '…')));
    }

    #[test]
    fn user_info_query_values_and_fragment_are_not_shown(
        user in "[a-z]{0,3}", secret in "CANARY[A-Za-z0-9+/=@:#?&.-]{0,12}", tail in "[a-z/]{0,6}", place in 0..4,
    ) {
        let value = match place {
            0 => format!("https://{user}:{secret}@host.example/{tail}"),
            1 => format!("https://{}@host.example/{tail}", secret.replace('/', "")),
            2 => format!("https://host.example/{tail}?k={}", secret.replace(['&', '#'], "")),
            _ => format!("https://host.example/{tail}#{secret}"),
        };
        let shown = base_url(&value, None).text;
        prop_assert!(!shown.contains("CANARY"), "{}", shown);
    }
}
