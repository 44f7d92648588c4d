//! Rules that come from Go, and values that must never cause a warning. Each fault has its row in tests/data/reports.md.

use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde::Deserialize;

use super::{go_url, key, reference, region, url};

/// One line of tests/data/go-urls.json: the result of `net/url.Parse` in Go 1.26.8.
#[derive(Deserialize)]
struct Fact {
    url: String,
    error: Option<String>,
    #[serde(default)]
    scheme: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    opaque: bool,
}

fn word(fault: go_url::Fault) -> &'static str {
    match fault {
        go_url::Fault::Control => "control",
        go_url::Fault::NoScheme => "no_scheme",
        go_url::Fault::Colon => "colon",
        go_url::Fault::Port => "port",
        go_url::Fault::HostCharacter(_) => "host_character",
        go_url::Fault::Brackets | go_url::Fault::Address => "address",
        go_url::Fault::UserInfo => "user_info",
        go_url::Fault::Escape(_) => "escape",
    }
}

#[test]
fn urls_are_read_as_go_reads_them() {
    let facts: Vec<Fact> = serde_json::from_str(include_str!("../../../tests/data/go-urls.json")).unwrap();
    assert!(facts.len() > 600);
    let mut wrong = Vec::new();
    for fact in &facts {
        let ours = match go_url::parse(&fact.url) {
            Err(fault) => (Some(word(fault).to_owned()), String::new(), String::new(), false),
            Ok(read) => {
                let host = percent_decode_str(read.host).decode_utf8_lossy().into_owned();
                (None, read.scheme.into_owned(), host, read.opaque && !read.path.is_empty())
            }
        };
        // JSON cannot contain a host that is not UTF-8.
        let host = if fact.host.contains('\u{fffd}') { ours.1.clone() } else { fact.host.clone() };
        let same_host = fact.host.contains('\u{fffd}') || ours.2 == host;
        if ours.0 != fact.error || ours.1 != fact.scheme || !same_host || ours.3 != fact.opaque {
            wrong.push(format!("{:?}: {ours:?}, Go: {:?} {} {}", fact.url, fact.error, fact.scheme, fact.host));
        }
        // A URL that Go refuses is a fault here too.
        assert!(fact.error.is_none() || url::fault(&fact.url).is_some(), "{:?}", fact.url);
    }
    assert_eq!(wrong, [""; 0]);
}

/// Every fault is described without the value, in printable characters.
#[test]
fn a_fault_shows_a_length_and_one_character() {
    for value in
        ["sk-CANARY\nCANARY", "\u{1b}[31mCANARY", "\"CANARY\"", "KEY=CANARY", "CANARY\u{202e}", "<CANARY>", "a;CANARY"]
    {
        let said = match key::bearer(value) {
            Some(key::Fault::Unusable(said) | key::Fault::Suspicious(said)) => said,
            None => panic!("{value:?}"),
        };
        assert!(!said.contains("CANARY") && said.chars().all(|c| (' '..='~').contains(&c) || c == '…'), "{said}");
        for said in [region::fault(value), url::fault(&format!("https://{value}"))].into_iter().flatten() {
            assert!(!said.contains("CANARY") && said.is_ascii(), "{said}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// The alphabets of all vendors together: base64, base64url, hexadecimal, JWT.
    #[test]
    fn generated_keys_are_not_suspicious(text in "[A-Za-z0-9+/=_.~-]{16,200}") {
        prop_assert_eq!(key::bearer(&text), None);
        prop_assert_eq!(key::access_key_secret(&text), None);
        prop_assert!(reference::find(&text).is_none());
    }

    #[test]
    fn generated_hosts_are_not_suspicious(
        host in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z][a-z0-9]{1,10}){0,3}", port in 1_u16..,
        path in "(/[A-Za-z0-9._~-]{1,12}){0,4}/?",
    ) {
        for text in [format!("https://{host}{path}"), format!("http://{host}:{port}{path}")] {
            prop_assert_eq!(url::fault(&text), None, "{}", text);
        }
    }

    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        let _ = (key::bearer(&text), key::access_key(&text), region::fault(&text), reference::find(&text).is_some());
        let said = [url::fault(&text), url::fault(&format!("https://{text}"))];
        prop_assert!(said.into_iter().flatten().all(|said| said.is_ascii()));
    }
}
