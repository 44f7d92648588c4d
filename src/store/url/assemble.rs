//! Turns pairs of names and values into [`ConnectOptions`].

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;

use super::parameter_reader::ParameterReader;
use super::params::MAX_PARAMETERS;
use super::{ConnectOptions, Lookup, SslMode, fields, parse_conninfo, parse_url};
use crate::env::{characters, reference};
use crate::problem::{Code, Problem};

/// The limit for reading a file with a URL.
const MAX_TEXT: usize = 64 << 10;

type Pairs = Vec<(String, String)>;

/// An unreplaced reference explains any other fault of the text.
pub(super) fn from_text(text: &str, origin: &str, lookup: Lookup<'_>) -> Result<ConnectOptions, Vec<Problem>> {
    read_text(text, origin, lookup).map_err(|problems| match reference::find(text) {
        Some(found) => {
            let message = format!("{} was not replaced by a value: {}", found.form, found.advice);
            vec![Problem::new(Code::UnexpandedReference, message).variable(origin)]
        }
        None => problems,
    })
}

/// Invisible or extra text that was pasted with the URL.
fn pasted(text: &str) -> Option<String> {
    let is_odd = |c: char| characters::is_invisible(c) && !c.is_ascii();
    if let Some(spot) = characters::spot(text, is_odd) {
        return Some(format!("{spot}; remove it"));
    }
    if BASE64.decode(text.trim_end_matches('=')).is_ok_and(|decoded| decoded.starts_with(b"postgres")) {
        return Some("it is base64 of a URL: it was encoded once too often; write the URL itself".to_owned());
    }
    let (name, rest) = text.split_once('=')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let url = rest.trim_start_matches(['"', '\'', ' ']);
    (is_name && parse_url::has_scheme(url))
        .then(|| "a name and \"=\" are in front of the URL; write the URL alone".to_owned())
}

fn read_text(text: &str, origin: &str, lookup: Lookup<'_>) -> Result<ConnectOptions, Vec<Problem>> {
    let problem = |code, message: String| vec![Problem::new(code, message).variable(origin)];
    if text.is_empty() {
        let message = "it is empty; write postgres://user:password@host:5432/database";
        return Err(problem(Code::DatabaseUrlMissing, message.to_owned()));
    }
    if text.len() > MAX_TEXT {
        let message = format!("it has more than {MAX_TEXT} bytes; write postgres://user:password@host:5432/database");
        return Err(problem(Code::DatabaseUrlInvalid, message));
    }
    if let Some(message) = pasted(text) {
        return Err(problem(Code::DatabaseUrlInvalid, message));
    }
    // A foreign URL is reported before a `=` in its parameters makes it look like a list.
    let head = text.split(['=', ' ']).next().unwrap_or_default();
    let other_url = text.starts_with(['"', '\'']) || head.contains("://");
    let pairs = if parse_url::has_scheme(text) {
        parse_url::parse(text).map(from_url).map_err(|fault| url_fault(fault).to_owned())
    } else if other_url {
        Err(list_fault(parse_conninfo::Fault::NoEquals, text))
    } else {
        parse_conninfo::parse(text).map_err(|fault| list_fault(fault, text))
    };
    let pairs = pairs.map_err(|message| problem(Code::DatabaseUrlInvalid, message))?;
    if pairs.len() > MAX_PARAMETERS {
        let message = format!("it has more than {MAX_PARAMETERS} parameters; remove those that it does not need");
        return Err(problem(Code::DatabaseUrlInvalid, message));
    }
    from_pairs(pairs, Some(origin), lookup)
}

/// The URL as pairs; a query parameter replaces the earlier part.
fn from_url(parts: parse_url::Parts) -> Pairs {
    let (hosts, ports): (Vec<String>, Vec<String>) = parts.hosts.into_iter().unzip();
    // A port after the last host only applies to all hosts, as in lib/pq; any other empty port means the default, as in
    // libpq.
    let ports = match ports.iter().position(|port| !port.is_empty()) {
        None => String::new(),
        Some(first) if first + 1 == ports.len() => ports.concat(),
        Some(_) => ports.join(","),
    };
    let mut pairs: Pairs = vec![
        ("user".into(), parts.user.unwrap_or_default()),
        ("password".into(), parts.password.unwrap_or_default()),
        ("host".into(), hosts.join(",")),
        ("port".into(), ports),
        ("dbname".into(), parts.database),
    ];
    // Too many parameters are refused by their number.
    for (name, value) in parts.query.into_iter().filter(|(_, value)| !value.is_empty()).take(MAX_PARAMETERS + 1) {
        pairs.retain(|(known, _)| *known != name);
        pairs.push((name, value));
    }
    pairs
}

fn url_fault(fault: parse_url::Fault) -> &'static str {
    use parse_url::Fault;
    match fault {
        Fault::Control => "the URL has a control character in it (a line break?); remove it, or percent-encode it",
        Fault::UserInfo => "user name or password has a character that must be percent-encoded, such as a space as %20",
        Fault::Port => "expected a port after the host's colon; if a password has / ? # @ : in it, percent-encode them",
        Fault::Host => {
            "the host is not a host name, nor an IPv6 address in brackets; write postgres://user:password@host:5432/database"
        }
        Fault::Escape => "a % is not followed by two hexadecimal digits; write %25 where a % is meant",
        Fault::NotUtf8 => "a percent-encoded part is not UTF-8; encode it as UTF-8",
        Fault::Semicolon => "the query has a ; in it; separate parameters with &, and write %3B where a ; is meant",
        Fault::StrayAt => {
            "there is an @ after the host, so a part of the password was taken for the host; \
             percent-encode / ? # @ of the password as %2F %3F %23 %40"
        }
    }
}

fn list_fault(fault: parse_conninfo::Fault, text: &str) -> String {
    let example = "write postgres://user:password@host:5432/database";
    if text.starts_with(['"', '\'']) {
        return format!("it begins with a quotation mark; remove the quotation marks around it, and {example}");
    }
    if text.starts_with("jdbc:") {
        return format!("it is a JDBC URL, which Coder does not read either; {example}");
    }
    if let Some((scheme, _)) = text.split_once("://") {
        let plain = scheme.len() <= 20 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let named = if plain { format!("{scheme}:// is") } else { "it begins with".to_owned() };
        let wrong = if plain { "not a scheme of Postgres" } else { "something else than postgres://" };
        return format!("{named} {wrong}; {example}");
    }
    match fault {
        parse_conninfo::Fault::NoEquals => format!("it is neither a URL nor a list of key=value; {example}"),
        parse_conninfo::Fault::Quote => {
            "a quotation mark is not closed; close it, and write \\' where ' is meant".to_owned()
        }
        parse_conninfo::Fault::Backslash => "it ends with a backslash; write \\\\ where \\ is meant".to_owned(),
        parse_conninfo::Fault::Nul => "it has a NUL character in it; remove it".to_owned(),
    }
}

pub(super) fn from_pairs(
    pairs: Pairs,
    origin: Option<&str>,
    lookup: Lookup<'_>,
) -> Result<ConnectOptions, Vec<Problem>> {
    let mut reader = ParameterReader { pairs, origin, lookup, problems: Vec::new() };
    let hosts = fields::hosts(&mut reader);
    // lib/pq sends `database` after `dbname`, so `database` wins.
    let database = reader.text("database");
    let database = reader.text("dbname").filter(|_| database.is_none()).or(database);
    let user = reader.text("user").or_else(|| lookup("USER").filter(|user| !user.is_empty()));
    if user.is_none() {
        reader.refuse_all(
            "no user is named; write postgres://user:password@host:5432/database, or set PGUSER".to_owned(),
        );
    }
    let user = user.unwrap_or_default();
    let password = reader.text("password").map(Into::into);
    let ssl_mode = fields::ssl_mode(&mut reader);
    let (root, identity) = fields::certificates(&mut reader, ssl_mode);
    let ssl_direct = reader.choice("sslnegotiation", &[("postgres", false), ("direct", true)]).unwrap_or(false);
    if ssl_direct && matches!(ssl_mode, Some(SslMode::Disable | SslMode::Prefer)) {
        reader.refuse_all("sslnegotiation=direct needs TLS; use sslmode=require, verify-ca or verify-full".to_owned());
    }
    // As in libpq, any value that does not start with 1 turns it off.
    let ssl_sni = reader.text("sslsni").is_none_or(|value| value.starts_with('1'));
    let (connect_timeout, target) = (fields::connect_timeout(&mut reader), fields::target(&mut reader));
    let channel_binding = fields::channel_binding(&mut reader);
    // The last step: it takes the remaining pairs.
    let startup = fields::startup(&mut reader);
    let options = ConnectOptions {
        database: database.unwrap_or_else(|| user.clone()),
        hosts,
        user,
        password,
        application_name: startup.application_name,
        connect_timeout,
        target,
        ssl_mode,
        ssl_sni,
        ssl_direct,
        channel_binding,
        root,
        identity,
        options: startup.options,
        parameters: startup.parameters,
        require_auth: startup.require_auth,
    };
    if reader.problems.is_empty() { Ok(options) } else { Err(reader.problems) }
}
