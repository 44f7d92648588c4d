//! `key=value` lists and the PG variables.

use super::*;

#[test]
fn lists_are_read_as_in_lib_pq() {
    let rows = [
        ("host=h user=u password=p dbname=d", "u p h:5432 d"),
        ("host = h  user = u\tdbname=\n d", "u - h:5432 d"),
        ("host=h user=u password='p w' dbname=d", "u p w h:5432 d"),
        (r"host=h user=u password='it\'s \\ it' dbname=d", r"u it's \ it h:5432 d"),
        (r"host=h user=u password=a\ b dbname=d", "u a b h:5432 d"),
        ("host=h user=u password=p=q@/#?%41 dbname=d", "u p=q@/#?%41 h:5432 d"),
        ("host=h user=a user=u dbname=d", "u - h:5432 d"),
        ("host=h user=u dbname=d password=", "u - h:5432 d"),
        ("host=h1,h2 port=5433 user=u", "u - h1:5433,h2:5433 u"),
        ("host=h1,h2 port=1,2 user=u", "u - h1:1,h2:2 u"),
        ("host=h1,h2 port=1, user=u", "u - h1:1,h2:5432 u"),
        ("host=/var/run/postgresql user=u dbname=d", "u - /var/run/postgresql/.s.PGSQL.5432 d"),
        ("host=/run,h2 port=1,2 user=u dbname=d", "u - /run/.s.PGSQL.1,h2:2 d"),
        ("host=::1 user=u dbname=d", "u - [::1]:5432 d"),
        ("user=u dbname=d", "u - localhost:5432 d"),
        ("host=h user=u dbname=d search_path=a,b", "u - h:5432 d search_path=a,b"),
        ("host=h user=u options='-c a.b=\\\\ c'", r"u - h:5432 u (-c a.b=\ c)"),
    ];
    for (text, expected) in rows {
        assert_eq!(read(text, &no_variables), expected, "{text}");
    }
}

#[test]
fn text_hosts_and_parameters_have_bounds() {
    let hosts = |number: usize| vec!["h"; number].join(",");
    let many = |number: usize| (0..number).map(|n| format!("a.b{n}=1")).collect::<Vec<_>>();
    for (within, beyond, says) in [
        (format!("host={} user=u", hosts(8)), format!("host={} user=u", hosts(9)), "9 hosts; at most 8"),
        (format!("postgres://u@{}/d", hosts(8)), format!("postgres://u@{}/d", hosts(30_000)), "30000 hosts; at most 8"),
        (
            format!("host=h user=u {}", many(126).join(" ")),
            format!("host=h user=u {}", many(5000).join(" ")),
            "more than 128 parameters",
        ),
        (
            format!("postgres://u@h/d?{}", many(100).join("&")),
            format!("postgres://u@h/d?{}", many(5000).join("&")),
            "more than 128 parameters",
        ),
        (
            format!("postgres://u:{}@h/d", "p".repeat((64 << 10) - 17)),
            format!("postgres://u:{}@h/d", "p".repeat(64 << 10)),
            "more than 65536 bytes",
        ),
    ] {
        assert!(ConnectOptions::parse(&within, "X", &no_variables).is_ok(), "{says}");
        let problems = ConnectOptions::parse(&beyond, "X", &no_variables).unwrap_err();
        assert!(problems.len() == 1 && problems[0].message.contains(says), "{problems:?}");
    }
}

#[test]
fn broken_lists_say_why() {
    let rows = [
        ("host=h user", "neither a URL nor"),
        ("host=h user=u password='p", "not closed"),
        ("host=h user=u password=p\\", "backslash"),
        ("host=h user=u password=a\0b", "NUL"),
        ("host=@abstract user=u", "not valid in a host name"),
    ];
    for (text, expected) in rows {
        let answer = read(text, &no_variables);
        assert!(answer.starts_with("! ") && answer.contains(expected), "{text}: {answer}");
    }
}

#[test]
fn variables_fill_missing_parts() {
    let all = [
        ("PGHOST", "vh"),
        ("PGPORT", "7"),
        ("PGUSER", "vu"),
        ("PGPASSWORD", "vp"),
        ("PGDATABASE", "vd"),
        ("PGOPTIONS", "-c search_path=vs"),
        ("USER", "os"),
    ];
    let rows = [
        ("postgres://u:p@h:5/d", "u p h:5 d (-c search_path=vs)"),
        ("postgres://h/d", "vu vp h:7 d (-c search_path=vs)"),
        ("postgres:///", "vu vp vh:7 vd (-c search_path=vs)"),
        ("postgres://u@h1,h2", "u vp h1:7,h2:7 vd (-c search_path=vs)"),
        ("host=h", "vu vp h:7 vd (-c search_path=vs)"),
    ];
    for (text, expected) in rows {
        assert_eq!(read(text, &variables(&all)), expected, "{text}");
    }
    assert_eq!(read("postgres://h", &variables(&[("USER", "os"), ("PGUSER", "")])), "os - h:5432 os");
}

#[test]
fn variables_alone_need_a_host() {
    let given = [("PGHOST", "h"), ("PGUSER", "u"), ("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "/ca")];
    let options = ConnectOptions::from_variables(&variables(&given)).unwrap();
    assert_eq!(show_all(&options), "u - h:5432 u");
    assert_eq!(options.verification(), Verification::Full);
    assert_eq!(options.uses_files(), ["sslrootcert"]);
    for missing in [&[("PGUSER", "u")][..], &[("PGHOST", ""), ("PGUSER", "u")]] {
        let problems = ConnectOptions::from_variables(&variables(missing)).unwrap_err();
        assert_eq!(problems[0].code, Code::DatabaseUrlMissing);
    }
}

#[test]
fn problem_names_its_variable() {
    let given =
        [("PGHOST", "h"), ("PGUSER", "u"), ("PGSSLMODE", "allow"), ("PGPORT", "x"), ("PGCONNECT_TIMEOUT", "1s")];
    let problems = ConnectOptions::from_variables(&variables(&given)).unwrap_err();
    let named: Vec<&str> = problems.iter().flat_map(|problem| &problem.variables).map(String::as_str).collect();
    assert_eq!(named, ["PGPORT", "PGSSLMODE", "PGCONNECT_TIMEOUT"]);
    let problems = ConnectOptions::parse("postgres://u@h:1/d?sslmode=x", "CODER_PG_CONNECTION_URL", &variables(&given));
    let named: Vec<String> = problems.unwrap_err().into_iter().flat_map(|problem| problem.variables).collect();
    assert_eq!(named, ["CODER_PG_CONNECTION_URL", "PGCONNECT_TIMEOUT"]);
}
