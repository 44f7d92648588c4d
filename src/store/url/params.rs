//! The parameters, and the treatment of each.

/// More than the Postgres settings that a session could need.
pub(super) const MAX_PARAMETERS: usize = 128;

/// A parameter's name and the variable that sets it if the URL does not.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("dbname", "PGDATABASE"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslsni", "PGSSLSNI"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("require_auth", "PGREQUIREAUTH"),
];

/// The same for parameters that are not read by name; [`rule`] has the treatment of each.
pub(super) const OTHER_VARIABLES: &[(&str, &str)] = &[
    ("client_encoding", "PGCLIENTENCODING"),
    ("geqo", "PGGEQO"),
    ("gssencmode", "PGGSSENCMODE"),
    ("requirepeer", "PGREQUIREPEER"),
    ("requiressl", "PGREQUIRESSL"),
    ("service", "PGSERVICE"),
    ("servicefile", "PGSERVICEFILE"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("timezone", "PGTZ"),
];

pub(super) fn variable(name: &str) -> Option<&'static str> {
    let rows = VARIABLES.iter().chain(OTHER_VARIABLES);
    rows.into_iter().find(|(parameter, _)| *parameter == name).map(|(_, variable)| *variable)
}

/// The treatment of a parameter that is neither one of [`VARIABLES`] nor read by name.
pub(super) enum Rule {
    /// It has no effect here.
    Ignored,
    /// Ignoring it would be unsafe or surprising; the text is the next step.
    Refused(&'static str),
    /// A run-time parameter of the server.
    Parameter,
}

pub(super) fn rule(name: &str, value: &str) -> Rule {
    match name {
        "binary_parameters"
        | "datestyle"
        | "disable_prepared_binary_result"
        | "extra_float_digits"
        | "fallback_application_name"
        | "gssdelegation"
        | "gsslib"
        | "keepalives"
        | "keepalives_count"
        | "keepalives_idle"
        | "keepalives_interval"
        | "krbspn"
        | "krbsrvname"
        | "load_balance_hosts"
        | "max_protocol_version"
        | "min_protocol_version"
        | "passfile"
        | "sslcertmode"
        | "sslcompression"
        | "sslkeylogfile"
        | "sslpassword"
        | "tcp_user_timeout" => Rule::Ignored,
        "client_encoding" if is_utf8(value) => Rule::Ignored,
        "client_encoding" => Rule::Refused("only UTF8 is possible; remove it"),
        "gssencmode" if value != "require" => Rule::Ignored,
        "gssencmode" => Rule::Refused("GSSAPI is not supported; use TLS (sslmode)"),
        "requiressl" if value != "1" => Rule::Ignored,
        "requiressl" => Rule::Refused("use sslmode=require"),
        "sslcrl" | "sslcrldir" => Rule::Refused("revocation lists are not supported; remove it, or verify elsewhere"),
        "ssl_min_protocol_version" if matches!(value, "TLSv1" | "TLSv1.0" | "TLSv1.1" | "TLSv1.2") => Rule::Ignored,
        "ssl_max_protocol_version" if value == "TLSv1.3" => Rule::Ignored,
        "ssl_min_protocol_version" | "ssl_max_protocol_version" => {
            Rule::Refused("TLS 1.2 and 1.3 are always both possible; remove it, or restrict the server")
        }
        "requirepeer" => Rule::Refused("it is not supported; remove it, or use sslmode=verify-full"),
        "replication" => Rule::Refused("a replication connection cannot read tables; remove it"),
        "service" | "servicefile" => {
            Rule::Refused("service files are not read, by Coder neither; write host, user and dbname instead")
        }
        _ if name.starts_with("oauth_") || name.starts_with("scram_") => {
            Rule::Refused("this way to authenticate is not supported; use a password or a client certificate")
        }
        _ => Rule::Parameter,
    }
}

/// Values that may contain an `@` that was not percent-encoded; elsewhere it is a sign of a split password.
pub(super) fn may_hold_at(name: &str) -> bool {
    matches!(
        name,
        "user" | "password" | "dbname" | "database" | "options" | "application_name" | "fallback_application_name"
    )
}

/// Known in lower case only; lib/pq would pass another case to the server.
pub(super) fn is_known(name: &str) -> bool {
    VARIABLES.iter().any(|(known, _)| *known == name)
        || matches!(name, "database" | "sslinline")
        || !matches!(rule(name, ""), Rule::Parameter)
}

fn is_utf8(value: &str) -> bool {
    let letters: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(letters.to_ascii_lowercase().as_str(), "utf8" | "unicode" | "auto")
}
