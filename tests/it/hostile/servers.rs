//! Servers that send what no Postgres would, or far more of it than requested. Each attempt stays within the memory
//! limit, ends by its deadline, and describes the server's fault.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::MEMORY;
use crate::support::hostile::{CATALOG, COLUMNS, ENCRYPTION, SERVER_KIND, TEXT, error, message, provider, ready, row};
use crate::support::{Caller, Finished, Hostile, Run, Server, Variant};

/// One attempt, with limits for any result.
fn attempt(command: &str, url: &str) -> Finished {
    let finished = run(command, url).run();
    assert!(!finished.everything().contains("sk-of-the"), "{finished}");
    finished
}

fn run(command: &str, url: &str) -> Run {
    let run = Run::new([command]).json().database(url).arg("--wait=0").limit(Duration::from_secs(90)).memory(MEMORY);
    match command {
        "export" => run,
        _ => run
            .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "openai")
            .env("CODER_AIBRIDGE_PROVIDER_0_NAME", "p")
            .env("CODER_AIBRIDGE_PROVIDER_0_BASE_URL", "https://ai.example/v1")
            .env("CODER_AIBRIDGE_PROVIDER_0_KEY", "sk-of-the-environment"),
    }
}

/// In plain text and within TLS: the exit code of the run, and its description of the server.
#[track_caller]
fn ends(act: impl Fn(&mut Caller) -> io::Result<()> + Copy + Send + Sync + 'static, code: i32, words: &str) {
    for server in [Hostile::start(act), Hostile::with_tls(act)] {
        let finished = attempt("seed", &server.url());
        assert_eq!(finished.code, code, "{finished}");
        let place = format!("database coder at 127.0.0.1:{}", server.port);
        let said = finished.json()["problems"].to_string();
        assert!(said.contains(words) && said.contains(&place), "{words}\n{finished}");
        let termination = finished.termination.as_deref().unwrap_or_default();
        assert!(termination.contains(words), "{words}\n{finished}");
    }
}

/// After a login, in answer to the first read.
#[track_caller]
fn read_ends(act: impl Fn(&mut Caller) -> io::Result<()> + Copy + Send + Sync + 'static, code: i32, words: &str) {
    let act = move |caller: &mut Caller| {
        caller.log_in(&[])?;
        caller.until_query(0)?;
        act(caller)
    };
    ends(act, code, words);
}

/// The program reads columns by name: a test server with an outdated shape would be refused for that, and its flood would
/// test nothing. So the shapes are compared with a real server's answers to all of the program's statements.
#[test]
fn rows_of_the_tests_have_the_columns_of_postgres() {
    let statements = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&statements);
    let server = Hostile::start(move |caller| {
        caller.log_in(&[])?;
        caller.statements(|text| _ = seen.lock().unwrap().insert(text))
    });
    for (command, url) in [
        ("seed", server.url() + "&target_session_attrs=read-write"),
        ("seed", server.url()),
        ("diff", server.url()),
        ("export", server.url()),
    ] {
        attempt(command, &url);
    }
    let database = Server::shared().database(Variant::Current);
    let mut client = database.client();
    let mut known: BTreeMap<&str, BTreeSet<(&str, u32)>> = BTreeMap::new();
    for text in statements.lock().unwrap().iter() {
        let statement = client.prepare(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let (list, columns) = match text {
            _ if text.contains("pg_attribute") => ("catalog", CATALOG),
            _ if text.contains("pg_is_in_recovery") => ("kind of server", SERVER_KIND),
            _ if text.contains("dbcrypt_keys") => ("encryption", ENCRYPTION),
            _ => ("providers", COLUMNS),
        };
        for column in statement.columns() {
            let described = (column.name(), column.type_().oid());
            let found = columns.iter().find(|column| **column == described);
            known.entry(list).or_default().insert(*found.unwrap_or_else(|| panic!("{described:?} of {text}")));
        }
    }
    for (list, columns) in
        [("catalog", CATALOG), ("kind of server", SERVER_KIND), ("encryption", ENCRYPTION), ("providers", COLUMNS)]
    {
        assert_eq!(known.remove(list).unwrap_or_default(), columns.iter().copied().collect(), "{list}");
    }
}

/// Without an attack the same rows are read.
#[test]
fn rows_of_the_tests_are_read_as_those_of_postgres() {
    let server = Hostile::start(|caller| {
        caller.log_in(&[])?;
        caller.until_query(0)?;
        caller.begin_rows()?;
        caller.send(&provider("p", 1, false, None, Some(b"sk-of-the-environment")))?;
        caller.end_rows()?;
        caller.go_on()
    });
    let finished = attempt("seed", &server.url()).expect(0);
    assert_eq!(finished.json()["providers"][0]["state"], "in_sync", "{finished}");
}

const LOGIN: &str = "it sends more than 1 MiB before the session is ready; check that this is Coder's database";
const ANSWER: &str = "it sent more than 16 MiB in answer to one read; find the large values in ai_providers";
const UNASKED: &str = "it sent more than 1 MiB of notices and parameters that nothing asked for";
const OTHER_TYPE: &str = "a column has another type than expected";

#[test]
fn flood_before_the_session_is_ready_ends_the_attempt() {
    let notices = |caller: &mut Caller| caller.endless(|n| error(b'N', &format!("notice {n}")));
    ends(notices, 4, "the answer is not from a Postgres server");
    let authenticated = move |caller: &mut Caller| {
        caller.send(&message(b'R', &[0; 4]))?;
        notices(caller)
    };
    ends(authenticated, 4, LOGIN);
    let parameters = |caller: &mut Caller| {
        caller.send(&message(b'R', &[0; 4]))?;
        caller.endless(|n| message(b'S', format!("p{n}\0\0").as_bytes()))
    };
    ends(parameters, 4, LOGIN);
    ends(|caller| caller.large(b'E', b"SERROR\0MX", 200 << 20), 4, LOGIN);
    ends(|caller| caller.large(b'R', &[0; 4], 2_000_000_000), 4, LOGIN);
}

#[test]
fn rows_without_end_end_the_attempt() {
    // Rows of a usual size: a test program needs seconds to read as many of the smallest size.
    const FILL: &[u8] = &[b'k'; 500];
    let begun = |rows: fn(u64) -> Vec<u8>| {
        move |caller: &mut Caller| {
            caller.begin_rows()?;
            caller.endless(rows)
        }
    };
    read_ends(begun(|n| provider(&format!("other{n}"), n, false, Some(FILL), None)), 5, ANSWER);
    read_ends(begun(|n| provider("p", n, true, Some(FILL), None)), 5, ANSWER);
    read_ends(begun(|n| provider("p", n, false, Some(FILL), None)), 5, ANSWER);
    read_ends(begun(|n| provider("p", n, false, None, Some(FILL))), 5, ANSWER);
    let empty = |caller: &mut Caller| {
        caller.describe(&[])?;
        caller.endless(|_| row(&[]))
    };
    // Requested columns are missing.
    read_ends(empty, 5, OTHER_TYPE);
}

#[test]
fn message_too_large_is_refused_before_it_is_held() {
    let large = |size: usize| {
        move |caller: &mut Caller| {
            caller.begin_rows()?;
            caller.large(b'D', &[0, 15], size)
        }
    };
    read_ends(large(2_000_000_000), 5, ANSWER);
    read_ends(large(150 << 20), 5, ANSWER);
    read_ends(|caller| caller.large(b'E', b"SERROR\0C42501\0MX", 200 << 20), 5, ANSWER);
}

#[test]
fn notices_and_parameters_without_end_end_the_session() {
    let notifications = |n: u64| message(b'A', format!("\0\0\0\x01ai_providers_changed\0{n}\0").as_bytes());
    read_ends(|caller| caller.endless(|n| error(b'N', &format!("notice {n}"))), 5, UNASKED);
    read_ends(|caller| caller.endless(|n| message(b'S', format!("p{n}\0\0").as_bytes())), 5, UNASKED);
    read_ends(move |caller| caller.endless(notifications), 5, UNASKED);
    read_ends(|caller| caller.large(b'S', b"p\0", 150 << 20), 5, UNASKED);
}

#[test]
fn errors_without_end_are_one_error() {
    read_ends(|caller| caller.endless(|n| error(b'E', &format!("error {n}"))), 5, "XX000");
}

#[test]
fn null_and_foreign_columns_are_an_unsupported_schema() {
    let nulls = |caller: &mut Caller| {
        caller.begin_rows()?;
        caller.send(&row(&vec![None; COLUMNS.len()]))?;
        caller.end_rows()?;
        caller.go_on()
    };
    read_ends(nulls, 5, OTHER_TYPE);
    // A row in which only the name is right.
    let name = |caller: &mut Caller| {
        caller.begin_rows()?;
        let mut columns = vec![None; COLUMNS.len()];
        columns[0] = Some(&b"p"[..]);
        caller.send(&row(&columns))?;
        caller.end_rows()?;
        caller.go_on()
    };
    read_ends(name, 5, OTHER_TYPE);
    let many = |oid: u32| {
        move |caller: &mut Caller| {
            caller.describe(&vec![("c", oid); 65_535])?;
            caller.send(&row(&vec![None; 65_535]))?;
            caller.endless(|n| provider("p", n, false, None, None))
        }
    };
    read_ends(many(TEXT), 5, OTHER_TYPE);
    // The driver would look up each of these types, and the types within them.
    read_ends(many(99_999), 5, OTHER_TYPE);
}

const MANY: u64 = 60;

/// The allowed maximum of each kind is accepted and fits.
#[test]
fn largest_answers_fit_into_memory() {
    let settings = |caller: &mut Caller| {
        caller.begin_rows()?;
        caller.send(&provider("p", 1, false, Some(&vec![b'x'; 15 << 20]), Some(b"k")))?;
        caller.end_rows()?;
        caller.go_on()
    };
    let key = |caller: &mut Caller| {
        caller.begin_rows()?;
        caller.send(&provider("p", 1, false, None, Some(&vec![b'k'; 15 << 20])))?;
        caller.end_rows()?;
        caller.go_on()
    };
    let keys = |caller: &mut Caller| {
        caller.begin_rows()?;
        let rows: Vec<u8> = (0..20_000).flat_map(|n| provider("p", n, false, None, Some(b"k"))).collect();
        caller.send(&rows)?;
        caller.end_rows()?;
        caller.go_on()
    };
    // As a value, each would take sixteen times its text.
    let many_settings = |caller: &mut Caller| {
        caller.begin_rows()?;
        let lists = format!("{{\"_type\":\"bedrock\",\"_version\":1,\"a\":[[]{}]}}", ",[]".repeat(80_000));
        let name = |n: u64| if n == 0 { "p".to_owned() } else { format!("p{n}") };
        let rows: Vec<u8> =
            (0..MANY).flat_map(|n| provider(&name(n), n, false, Some(lists.as_bytes()), None)).collect();
        caller.send(&rows)?;
        caller.end_rows()?;
        caller.go_on()
    };
    let refused = |caller: &mut Caller| {
        caller.send(&[error(b'E', &"x".repeat(15 << 20)), ready()].concat())?;
        caller.go_on()
    };
    type Act = fn(&mut Caller) -> io::Result<()>;
    for (act, providers, code, said) in [
        (settings as Act, 1, 5, "stored_settings_unreadable"),
        (key, 1, 0, "credentials_differ"),
        (keys, 1, 0, "credentials_differ"),
        (many_settings, MANY, 5, "stored_settings_unreadable"),
        (refused, 1, 5, "server_error"),
    ] {
        let server = Hostile::start(move |caller| {
            caller.log_in(&[])?;
            caller.until_query(0)?;
            act(caller)
        });
        let others = (1..providers).flat_map(|n| {
            let name = format!("CODER_AIBRIDGE_PROVIDER_{n}_");
            [(name.clone() + "TYPE", "openai".to_owned()), (name + "NAME", format!("p{n}"))]
        });
        let finished = run("seed", &server.url()).envs(others).run();
        assert_eq!(finished.code, code, "{finished}");
        assert!(finished.stdout.contains(said), "{said}: {finished}");
        assert!(!finished.everything().contains("MiB in answer"), "{finished}");
    }
}

/// Every read of every run has the same limit.
#[test]
fn every_read_of_every_command_is_bounded() {
    type Rows = fn(&mut Caller) -> io::Result<()>;
    let flood = |number: usize, rows: Rows| {
        Hostile::start(move |caller| {
            caller.log_in(&[])?;
            caller.until_query(number)?;
            rows(caller)
        })
    };
    let providers: Rows = |caller| {
        caller.begin_rows()?;
        caller.endless(|n| provider("p", n, true, Some(&[b'x'; 500]), None))
    };
    let columns: Rows = |caller| {
        caller.describe(CATALOG)?;
        caller.endless(|n| {
            let name = format!("c{n}{}", "x".repeat(200));
            row(&[Some(b"column"), Some(b"ai_providers"), Some(name.as_bytes()), Some(&[1]), Some(&[1])])
        })
    };
    let encryption: Rows = |caller| {
        caller.describe(ENCRYPTION)?;
        caller.endless(|n| row(&[Some(format!("{n}{}", "d".repeat(200)).as_bytes()), None, Some(b"test")]))
    };
    // The first read of the rows; then, with or without the lock, the rows again and the schema.
    for (command, number, rows) in [
        ("seed", 0, providers),
        ("seed", 1, providers),
        ("seed", 2, columns),
        ("seed", 3, encryption),
        ("diff", 0, providers),
        ("diff", 1, providers),
        ("diff", 2, columns),
        ("export", 0, providers),
    ] {
        let finished = attempt(command, &flood(number, rows).url());
        assert_eq!(finished.code, 5, "{command} {number}: {finished}");
        assert!(finished.everything().contains(ANSWER), "{command} {number}: {finished}");
    }
    // The kind of the server, if it matters.
    let kinds: Rows = |caller| {
        caller.describe(SERVER_KIND)?;
        caller.endless(|_| row(&[Some(&[0]), Some(&[0])]))
    };
    let finished = attempt("seed", &(flood(0, kinds).url() + "&target_session_attrs=read-write"));
    assert!(finished.everything().contains(ANSWER), "{finished}");
}

#[test]
fn one_byte_a_second_ends_by_the_deadline() {
    let before = Hostile::start(|caller| caller.drip(&error(b'N', "slow")));
    let after = Hostile::start(|caller| {
        caller.log_in(&[])?;
        caller.until_query(0)?;
        caller.drip(&error(b'N', "slow"))
    });
    std::thread::scope(|scope| {
        for server in [&before, &after] {
            scope.spawn(|| {
                let finished = attempt("seed", &server.url());
                assert_eq!(finished.code, 4, "{finished}");
                assert!(finished.everything().contains("no answer in time"), "{finished}");
            });
        }
    });
}
