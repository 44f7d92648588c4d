use secrecy::ExposeSecret;

use super::*;

mod lists;
mod properties;

fn no_variables(_: &str) -> Option<String> {
    None
}

fn variables<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

/// `user password host:port,… database name=value …`; a missing password is `-`. A failure is `!` and the messages.
fn read(text: &str, lookup: Lookup<'_>) -> String {
    match ConnectOptions::parse(text, "DATABASE_URL", lookup) {
        Ok(options) => show_all(&options),
        Err(problems) => {
            let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
            format!("! {}", messages.join(" | "))
        }
    }
}

fn show_all(options: &ConnectOptions) -> String {
    let hosts: Vec<String> = options.hosts.iter().map(Host::to_string).collect();
    let password = options.password.as_ref().map_or("-", |password| password.expose_secret());
    let mut text = format!("{} {password} {} {}", options.user, hosts.join(","), options.database);
    if let Some(options) = &options.options {
        text.push_str(&format!(" ({options})"));
    }
    for (name, value) in &options.parameters {
        text.push_str(&format!(" {name}={value}"));
    }
    text
}

/// For each row, the result of Go 1.26 and lib/pq 1.10.9, after Coder's repair, was checked for the same text; rows that
/// differ say why.
#[test]
fn urls_are_read_as_in_coder() {
    let rows = [
        ("postgres://u:p@h:5433/d", "u p h:5433 d"),
        ("postgresql://u:p@h/d", "u p h:5432 d"),
        ("  postgres://u:p@h/d\n", "u p h:5432 d"),
        ("postgres://u:p@h", "u p h:5432 u"),
        ("postgres://u:p@h/", "u p h:5432 u"),
        ("postgres://u@h/d", "u - h:5432 d"),
        ("postgres://u:@h/d", "u - h:5432 d"),
        ("postgres://u:p@/d", "u p localhost:5432 d"),
        ("postgres://u:p@h:/d", "u p h:5432 d"),
        ("postgres://u:p@h/a/b", "u p h:5432 a/b"),
        ("postgres://u:p@h/d#frag", "u p h:5432 d"),
        ("postgres://u:p@my_db-1.ns.svc.cluster.local:5432/d", "u p my_db-1.ns.svc.cluster.local:5432 d"),
        ("postgres://u:p@10.0.0.1/d", "u p 10.0.0.1:5432 d"),
        // Percent and plus.
        ("postgres://u%40x:p%2Fq@h/d%20e", "u@x p/q h:5432 d e"),
        ("postgres://u+x:p+w@h/e+f", "u+x p+w h:5432 e+f"),
        ("postgres://u:p%41x@h/d", "u pAx h:5432 d"),
        ("postgres://u:p@h/d?search_path=a+b%2Bc", "u p h:5432 d search_path=a b+c"),
        // A password that was not escaped. Go alone reads these …
        ("postgres://u:p@ss@h/d", "u p@ss h:5432 d"),
        ("postgres://u:p@@h/d", "u p@ h:5432 d"),
        ("postgres://u:p:w@h/d", "u p:w h:5432 d"),
        ("postgres://u:pa$$!*'()@h/d", "u pa$$!*'() h:5432 d"),
        // … and Coder repairs these.
        ("postgres://u:p/ss@h/d", "u p/ss h:5432 d"),
        ("postgres://u:p#ss@h/d", "u p#ss h:5432 d"),
        ("postgres://u:p?ss@h/d", "u p?ss h:5432 d"),
        ("postgres://u:p ss@h/d", "u p ss h:5432 d"),
        ("postgres://u:pä@h/d", "u pä h:5432 d"),
        ("postgres://u:p[x]@h/d", "u p[x] h:5432 d"),
        ("postgres://u:p\"x@h/d", "u p\"x h:5432 d"),
        ("postgres://u:p\\x@h/d", "u p\\x h:5432 d"),
        ("postgres://u:p^x|y`z{}<>@h/d", "u p^x|y`z{}<> h:5432 d"),
        ("postgres://u:p/@h/d", "u p/ h:5432 d"),
        ("postgres://u:p//x@h/d", "u p//x h:5432 d"),
        ("postgres://u:p/a#b?c@h/d?sslmode=disable", "u p/a#b?c h:5432 d"),
        ("postgres://u:p%/x@h/d", "u p%/x h:5432 d"),
        ("postgres://u:p%41/x@h/d", "u p%41/x h:5432 d"),
        ("postgres://u:p:w/x@h/d", "u p:w/x h:5432 d"),
        ("postgres://u:p/x@y@h/d", "u p/x@y h:5432 d"),
        ("postgres://u:12,34/x@h/d", "u 12,34/x h:5432 d"),
        // Several hosts. Older drivers of Coder read the list as one name; these rows follow newer lib/pq, and libpq.
        ("postgres://u:p@h1:5432,h2:5433/d", "u p h1:5432,h2:5433 d"),
        ("postgres://u:p@h1,h2:5433/d", "u p h1:5433,h2:5433 d"),
        ("postgres://u:p@h1:5433,h2/d", "u p h1:5433,h2:5432 d"),
        ("postgres://u:p%2Fq@h1:5433,h2/d", "u p/q h1:5433,h2:5432 d"),
        ("postgres://u:p@h1,h2/d?port=1,2", "u p h1:1,h2:2 d"),
        ("postgres://u:p@h1,h2/d?port=7", "u p h1:7,h2:7 d"),
        ("postgres://u:p@h1,/d", "u p h1:5432,localhost:5432 d"),
        ("postgres://u:p@[::1]:5433/d", "u p [::1]:5433 d"),
        // lib/pq keeps the brackets and cannot connect.
        ("postgres://u:p@[::1]/d", "u p [::1]:5432 d"),
        ("postgres://u:p@[fe80::1%25eth0]:1/d", "u p [fe80::1%eth0]:1 d"),
        // Go refuses these two; libpq does not.
        ("postgres://u:p@[::1]:1,[::2]:2/d", "u p [::1]:1,[::2]:2 d"),
        ("postgres://u:p@%2Fvar%2Frun%2Fpostgresql/d", "u p /var/run/postgresql/.s.PGSQL.5432 d"),
        ("postgres://u:p@/d?host=/var/run", "u p /var/run/.s.PGSQL.5432 d"),
        // The query replaces the earlier part.
        ("postgres://h/d?user=u&password=p", "u p h:5432 d"),
        ("postgres://a:b@c:1/d?user=u&password=p&host=h&port=2&dbname=e", "u p h:2 e"),
        ("postgres://u:p@h/d?database=e", "u p h:5432 e"),
        ("postgres://u:p@h/d?password=q@r", "u q@r h:5432 d"),
        ("postgres://u:p@h/d?sslmode=", "u p h:5432 d"),
        ("postgres://u:p@h/d?search_path=a&search_path=b", "u p h:5432 d search_path=a"),
        ("postgres://u:p@h/d?hostaddr=10.0.0.1", "u p h:5432 d"),
        ("postgres://u:p@/d?hostaddr=10.0.0.1", "u p 10.0.0.1:5432 d"),
    ];
    for (text, expected) in rows {
        assert_eq!(read(text, &no_variables), expected, "{text}");
    }
}

/// Refused URLs, and a word of the reason.
#[test]
fn urls_that_are_refused_say_why() {
    let rows = [
        ("", "is empty"),
        (" \n", "is empty"),
        ("postgres://h/d", "no user is named"),
        ("postgres://:p@h/d", "no user is named"),
        ("postgres://", "no user is named"),
        ("mysql://u:p@h/d", "mysql:// is not a scheme of Postgres"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg:// is not"),
        ("POSTGRES://u:p@h/d", "POSTGRES:// is not"),
        ("jdbc:postgresql://h/d", "JDBC"),
        ("\"postgres://u:p@h/d\"", "quotation mark"),
        ("db.coder.svc:5432", "neither a URL nor"),
        // Coder refuses these too.
        ("postgres://u:p%ss@h/d", "write %25"),
        ("postgres://u:p%@h/d", "write %25"),
        ("postgres://us er:p@h/d", "percent-encoded"),
        ("postgres://us er@h/d", "percent-encoded"),
        ("postgres://u:p[/x@h/d", "not a host name"),
        ("postgres://u:p@h:abc/d", "expected a port after"),
        ("postgres://u:p@h:99999/d", "from 1 to 65535"),
        ("postgres://u:p@h:0/d", "from 1 to 65535"),
        ("postgres://u:p@a b/d", "not valid in a host name"),
        ("postgres://u:p@a:b:1/d", "not a host name"),
        ("postgres://u:p@h\n/d", "control character"),
        ("postgres://u:%00@h/d", "control character"),
        ("postgres://u:%ff@h/d", "UTF-8"),
        // Coder takes a part of the password for the host, here and in the next rows.
        ("postgres://u:1/x@h/d", "part of the password was taken for the host"),
        ("postgres://u:1#x@h/d", "part of the password was taken for the host"),
        ("postgres://u:1?x@h/d", "part of the password was taken for the host"),
        ("postgres://u:1?x=y@h/d", "part of the password was taken for the host"),
        ("postgres://u:/@h/d", "part of the password was taken for the host"),
        ("postgres://u:p@x/y@h/d", "part of the password was taken for the host"),
        ("postgres://u:p@x#y@h/d", "part of the password was taken for the host"),
        ("postgres://u:p@x?y@h/d", "part of the password was taken for the host"),
        // Coder drops the parameter silently.
        ("postgres://u:p@h/d?sslmode=verify-full;x=y", "separate parameters with &"),
        ("postgres://u:p@h/d?sslmode=%zz", "write %25"),
        ("postgres://u:p@h/d?port=1,2", "2 ports for 1 hosts"),
        ("postgres://u:p@h1,h2/d?port=1,2,3", "3 ports for 2 hosts"),
        ("postgres://u:p@h1,h2/d?hostaddr=1.2.3.4", "1 addresses for 2 hosts"),
        ("postgres://u:p@h/d?hostaddr=h", "not an IP address"),
        ("postgres://u:p@h/d?host=a%20b", "not valid in a host name"),
        ("postgres://u:p@h/d?sslmode=allow", "by Coder neither; use require, or prefer"),
        ("postgres://u:p@h/d?sslmode=verify_full", "disable, prefer, require, verify-ca, verify-full"),
        ("postgres://u:p@h/d?target_session_attrs=rw", "read-write"),
        ("postgres://u:p@h/d?connect_timeout=5s", "whole number of seconds"),
        ("postgres://u:p@h/d?sslrootcert=system&sslmode=require", "needs sslmode=verify-full"),
        ("postgres://u:p@h/d?sslcert=/c", "without sslkey"),
        ("postgres://u:p@h/d?sslkey=/k", "without sslcert"),
        ("postgres://u:p@h/d?sslnegotiation=direct&sslmode=prefer", "needs TLS"),
        ("postgres://u:p@h/d?client_encoding=latin1", "only UTF8"),
        ("postgres://u:p@h/d?sslcrl=/x", "revocation"),
        ("postgres://u:p@h/d?requirepeer=x", "requirepeer"),
        ("postgres://u:p@h/d?gssencmode=require", "GSSAPI"),
        ("postgres://u:p@h/d?replication=true", "replication"),
        ("postgres://u:p@h/d?service=x", "service files"),
        ("postgres://u:p@h/d?scram_client_key=x", "not supported"),
        ("postgres://u:p@h/d?SSLMODE=disable", "SSLMODE must be written in lower case"),
        ("postgres://u:p@h/d?a%20b=c", "a parameter has a name"),
        ("postgres://u:p@h/d?options=-c%20client_encoding%3Dlatin1", "only UTF8"),
        ("postgres://u:p@h/d?require_auth=md5", "use --require-auth or PGREQUIREAUTH"),
    ];
    for (text, expected) in rows {
        let answer = read(text, &no_variables);
        assert!(answer.starts_with("! ") && answer.contains(expected), "{text}: {answer}");
    }
}

#[test]
fn all_problems_of_a_url_are_reported_together() {
    let text = "postgres://u:p@h:99999/d?sslmode=allow&connect_timeout=x&sslcert=/c&sslcrl=/r";
    let problems = ConnectOptions::parse(text, "--database-url", &no_variables).unwrap_err();
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert!(problems.iter().all(|problem| problem.code == Code::DatabaseUrlInvalid));
    assert!(problems.iter().all(|problem| problem.variables == ["--database-url"]));
}

#[test]
fn parameters_that_change_nothing_are_ignored() {
    let text = "postgres://u:p@h/d?keepalives=1&tcp_user_timeout=5&gssencmode=prefer&krbsrvname=x&sslcompression=0\
                &fallback_application_name=x&binary_parameters=yes&client_encoding=UTF8&datestyle=ISO,%20MDY\
                &extra_float_digits=2&passfile=/x&load_balance_hosts=random&sslpassword=x&ssl_min_protocol_version=TLSv1.2";
    assert_eq!(read(text, &no_variables), "u p h:5432 d");
}

#[test]
fn everything_else_is_a_setting_of_the_server() {
    let text = "postgres://u:p@h/d?options=-c%20statement_timeout%3D5s%20--lock-timeout%3D1s%20-cwork_mem%3D1MB\
                &role=seeder&search_path=coder,public&TimeZone=UTC";
    let expected = "u p h:5432 d (-c statement_timeout=5s --lock-timeout=1s -cwork_mem=1MB) role=seeder \
                    search_path=coder,public TimeZone=UTC";
    assert_eq!(read(text, &no_variables), expected);
    let names = ConnectOptions::parse(text, "X", &no_variables).unwrap().parameter_names();
    assert_eq!(names, ["role", "search_path", "TimeZone", "statement_timeout", "lock_timeout", "work_mem", "options"]);
    // Neon's option, and options that the server will refuse by name.
    for options in ["endpoint=ep-x-1", "-e"] {
        let text = format!("host=h user=u options='{options}'");
        let options = ConnectOptions::parse(&text, "X", &no_variables).unwrap();
        assert_eq!(options.parameter_names(), ["options"]);
    }
}

#[test]
fn variables_of_lib_pq_count_or_are_refused() {
    let all = [("PGTZ", "UTC"), ("PGGEQO", "off"), ("PGCLIENTENCODING", "UTF8"), ("PGGSSENCMODE", "prefer")];
    assert_eq!(read("postgres://u:p@h/d", &variables(&all)), "u p h:5432 d geqo=off timezone=UTC");
    assert_eq!(read("postgres://u:p@h/d?timezone=CET", &variables(&all)), "u p h:5432 d geqo=off timezone=CET");
    for (name, value, expected) in [
        ("PGSERVICE", "coder", "service files are not read"),
        ("PGSERVICEFILE", "/x", "service files are not read"),
        ("PGREQUIRESSL", "1", "use sslmode=require"),
        ("PGSSLCRL", "/x", "revocation lists"),
        ("PGSSLCRLDIR", "/x", "revocation lists"),
        ("PGREQUIREPEER", "postgres", "sslmode=verify-full"),
        ("PGGSSENCMODE", "require", "GSSAPI"),
        ("PGSSLMINPROTOCOLVERSION", "TLSv1.3", "restrict the server"),
        ("PGCLIENTENCODING", "LATIN1", "only UTF8"),
        ("PGREQUIREAUTH", "scram", "unknown method; use a list of password, md5"),
    ] {
        let problems = ConnectOptions::parse("postgres://u:p@h/d", "X", &variables(&[(name, value)])).unwrap_err();
        assert_eq!(problems[0].variables, [name]);
        assert!(problems[0].message.contains(expected), "{name}: {}", problems[0].message);
    }
}

#[test]
fn tls_parameters_are_read_as_in_lib_pq() {
    let rows = [
        ("", Verification::Encrypted),
        ("sslmode=disable", Verification::Plain),
        ("sslmode=prefer", Verification::Opportunistic),
        ("sslmode=prefer&sslrootcert=/ca", Verification::Opportunistic),
        ("sslmode=require", Verification::Encrypted),
        ("sslmode=require&sslrootcert=/ca", Verification::Chain),
        ("sslrootcert=/ca", Verification::Chain),
        ("sslmode=verify-ca", Verification::Chain),
        ("sslmode=verify-full", Verification::Full),
        ("sslrootcert=system", Verification::Full),
        ("sslmode=verify-full&sslrootcert=system", Verification::Full),
    ];
    for (query, expected) in rows {
        let options = ConnectOptions::parse(&format!("postgres://u@h/d?{query}"), "X", &no_variables).unwrap();
        assert_eq!(options.verification(), expected, "{query}");
    }
    // A given bundle replaces the file.
    let mut options = ConnectOptions::parse("postgres://u@h/d?sslmode=require", "X", &no_variables).unwrap();
    options.set_root(Pem::Bytes(b"x".to_vec()));
    assert_eq!(options.verification(), Verification::Chain);
}

#[test]
fn parameters_with_files_and_sockets_are_named() {
    let text = "postgres://u@/d?host=/run&sslrootcert=/ca&sslcert=/c&sslkey=/k";
    let mut options = ConnectOptions::parse(text, "X", &no_variables).unwrap();
    assert_eq!(options.uses_files(), ["host", "sslrootcert", "sslcert", "sslkey"]);
    options.set_root(Pem::Bytes(Vec::new()));
    options.set_identity(Identity { certificate: Pem::Bytes(Vec::new()), key: Pem::Bytes(Vec::new()) });
    assert_eq!(options.uses_files(), ["host"]);
    let inline = "host=h user=u sslinline=true sslcert=c sslkey=k sslrootcert=r";
    assert!(ConnectOptions::parse(inline, "X", &no_variables).unwrap().uses_files().is_empty());
}

#[test]
fn times_and_names_have_defaults() {
    let options =
        |query: &str| ConnectOptions::parse(&format!("postgres://u@h/d?{query}"), "X", &no_variables).unwrap();
    assert_eq!(options("").connect_timeout, Duration::from_secs(10));
    assert_eq!(options("connect_timeout=0").connect_timeout, Duration::from_secs(10));
    assert_eq!(options("connect_timeout=-1").connect_timeout, Duration::from_secs(10));
    assert_eq!(options("connect_timeout=3").connect_timeout, Duration::from_secs(3));
    let name = |query: &str| options(query).application_name;
    assert_eq!(name("").as_deref(), Some("ai-provider-seed"));
    assert_eq!(name("application_name=x").as_deref(), Some("x"));
    // A name set by this program would override it.
    assert_eq!(name("options=-c%20application_name%3Dx"), None);
    assert_eq!(name("options=-c%20application_name%3Dx&application_name=y").as_deref(), Some("y"));
    assert_eq!(options("").target, TargetSession::Any);
    assert_eq!(options("target_session_attrs=prefer-standby").target, TargetSession::PreferStandby);
    assert_eq!(options("").describe(), "database d at h:5432");
}

#[test]
fn a_letter_of_another_script_is_shown_escaped() {
    // Each of the three contains a Cyrillic letter that looks like a Latin one.
    let text = "user=se\u{435}der host=/run/d\u{430}ta dbname=c\u{43e}der";
    let options = ConnectOptions::parse(text, "X", &no_variables).unwrap();
    assert_eq!(options.describe(), "database c\\u{43e}der at /run/d\\u{430}ta/.s.PGSQL.5432");
    let endpoint = crate::store::error::Endpoint::new(&options, &options.hosts()[0]);
    assert_eq!(endpoint.role, "se\\u{435}der");
    assert!(endpoint.to_string().is_ascii() && endpoint.database.is_ascii());
}
