//! Properties that must hold for any bytes. Each target panics if one does not.

use ai_provider_seed::testing::env::{Environment, Variable, parse_dotenv};
use ai_provider_seed::testing::problem::Problem;
use ai_provider_seed::testing::provider::BedrockSettings;
use ai_provider_seed::testing::store::dbcrypt::Keyring;
use ai_provider_seed::testing::store::url::ConnectOptions;
use secrecy::{ExposeSecret, SecretString};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

pub struct Target {
    pub name: &'static str,
    pub check: fn(&[u8]),
    /// Words with a meaning for the code; cargo-fuzz finds its own.
    #[allow(dead_code, reason = "only the tests make inputs of them")]
    pub words: &'static [&'static str],
}

pub const TARGETS: [Target; 5] = [
    Target {
        name: "environment",
        check: environment,
        words: &[
            "CODER_AIBRIDGE_PROVIDER_",
            "CODER_AI_GATEWAY_PROVIDER_",
            "CODER_AIBRIDGE_OPENAI_KEY=",
            "CODER_AIBRIGE_",
            "0_",
            "1_",
            "00_",
            "-1_",
            "+0_",
            "TYPE=",
            "NAME=",
            "KEY=",
            "KEYS=",
            "BASE_URL=",
            "BEDROCK_REGION=",
            "BEDROCK_ACCESS_KEYS=",
            "FEDERATION_RULE_ID=",
            "openai",
            "anthropic",
            "bedrock",
            "copilot",
            "azure",
            "https://",
            "us-east-1",
            ",",
            "\0",
            "=",
            "18446744073709551616",
            "\u{202e}",
        ],
    },
    Target {
        name: "url",
        check: url,
        words: &[
            "postgres://",
            "postgresql://",
            "user",
            ":",
            "@",
            "/",
            "?",
            "&",
            "%2F",
            "%",
            "[::1]",
            "host=",
            "port=",
            "password=",
            "'",
            "\\",
            "sslmode=verify-full",
            "sslrootcert=system",
            "connect_timeout=",
            "target_session_attrs=",
            "search_path=",
            "options=",
            ",",
            " ",
            "65536",
            "/tmp",
        ],
    },
    Target {
        name: "dotenv",
        check: dotenv,
        words: &[
            "export ",
            "A=",
            "=",
            "'",
            "\"",
            "\\",
            "$",
            "${A}",
            "#",
            "\n",
            "\r\n",
            "\u{feff}",
            "\u{f0000}",
            " ",
            "\0",
            "\\n",
        ],
    },
    Target {
        name: "settings",
        check: settings,
        words: &[
            "{",
            "}",
            "\"_type\":\"bedrock\"",
            "\"_version\":1",
            "\"_version\":1.0",
            "\"region\":",
            "\"access_key\":",
            "\"access_key_secret\":",
            "\"model\":",
            "null",
            "[",
            "]",
            ",",
            "\"",
            "\\u0000",
            "1e999",
            "{\"a\":",
            "\"_type\":null",
        ],
    },
    Target {
        name: "dbcrypt",
        check: dbcrypt,
        words: &["=", ",", "\n", "AAAA", "+", "/", "-", "_", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="],
    },
];

/// Runs the target of this name, for the programs of cargo-fuzz.
#[allow(dead_code, reason = "the tests take the targets themselves")]
pub fn check(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.check)(bytes);
}

fn environment(bytes: &[u8]) {
    let variables: Vec<Variable> = bytes
        .split(|byte| *byte == 0)
        .map(|line| {
            let at = line.iter().position(|byte| *byte == b'=').unwrap_or(line.len());
            let value = line.get(at + 1..).unwrap_or_default();
            Variable::from_os(OsString::from_vec(line[..at].to_vec()), OsString::from_vec(value.to_vec()))
        })
        .collect();
    let read = || {
        let mut environment = Environment::read(&variables);
        environment.warn_of_undecided();
        environment
    };
    let (environment, mut again) = (read(), read());
    printable(&environment.findings.problems);
    printable(&environment.findings.warnings);
    let records = |environment: &Environment| -> Vec<(String, String)> {
        environment.providers.iter().map(|provider| (provider.name.clone(), provider.canonical().hash())).collect()
    };
    assert_eq!(records(&environment), records(&again), "the same input, the same records");
    for a in &environment.providers {
        for b in &environment.providers {
            let (a, b) = (a.canonical(), b.canonical());
            assert_eq!(a == b, a.hash() == b.hash(), "equal hashes for equal records only");
        }
        if environment.findings.problems.is_empty() {
            assert!(ai_provider_seed::testing::provider::check_name(&a.name).is_ok() && a.keys.len() <= 5);
        }
    }
    again.strict();
    again.require(2, "X");
    printable(&again.findings.problems);
}

fn printable(problems: &[Problem]) {
    for problem in problems {
        for text in problem.variables.iter().chain([&problem.message]) {
            let bad = |c: char| {
                c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!text.contains(bad), "not for a terminal: {text:?}");
            assert!(text.len() < 4096, "{} bytes in one message", text.len());
        }
    }
}

fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let nothing = |_: &str| None;
    match ConnectOptions::parse(&text, "X", &nothing) {
        Ok(options) => {
            assert!(!options.hosts().is_empty());
            assert!(!options.describe().contains(char::is_control), "{:?}", options.describe());
            let again = ConnectOptions::parse(&text, "X", &nothing).expect("it was read before");
            assert_eq!(format!("{options:?}"), format!("{again:?}"));
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            printable(&problems);
        }
    }
    let everything = |_: &str| Some(text.to_string());
    if let Err(problems) = ConnectOptions::from_variables(&everything) {
        printable(&problems);
    }
}

fn dotenv(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(variables) = parse_dotenv(&text) else { return };
    for variable in &variables {
        let value = variable.value().expect("it was text");
        assert!(!value.contains('\0') && !variable.name.contains('\0'));
        // In single quotes every character is literal, except that a backslash before the last quote hides it.
        let hides = value.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        if !hides && !value.contains(['\'', '\n', '\r']) {
            let again = parse_dotenv(&format!("{}='{value}'\n", variable.name)).expect("a quoted value is read");
            assert_eq!(again.iter().map(Variable::value).collect::<Vec<_>>(), [Some(value)], "{}", variable.name);
        }
    }
}

fn settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(Some(settings)) = BedrockSettings::decode(Some(&text)) else { return };
    if settings.are_too_large() {
        return;
    }
    let encoded = settings.encode();
    let again = BedrockSettings::decode(Some(encoded.expose_secret())).expect("our own text").expect("is settings");
    assert_eq!(again.encode().expose_secret(), encoded.expose_secret(), "one form for one meaning");
    assert_eq!((again.region == settings.region, again.model == settings.model), (true, true));
}

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn dbcrypt(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(problems) = Keyring::parse(&text) {
        printable(&problems);
    }
    let keyring = Keyring::parse(KEY).expect("a key");
    let digest = keyring.first_digest().expect("of the key").to_owned();
    // Only a value that was sealed with the key opens; the corpus contains one.
    if let Some(plain) = keyring.decrypt(&digest, &text) {
        let sealed = keyring.encrypt(&digest, &plain).expect("seal");
        assert_ne!(sealed, text, "each time with another nonce");
        assert_eq!(keyring.decrypt(&digest, &sealed).expect("open").expose_secret(), plain.expose_secret());
    }
    let plain = SecretString::from(text.to_string());
    let mut sealed = keyring.encrypt(&digest, &plain).expect("seal").into_bytes();
    let at = bytes.len() * 7 % sealed.len();
    sealed[at] = if sealed[at] == b'A' { b'B' } else { b'A' };
    let damaged = String::from_utf8(sealed).expect("base64");
    assert!(keyring.decrypt(&digest, &damaged).is_none(), "a damaged value was opened");
}
