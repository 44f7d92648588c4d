//! Messages of poolers. Poolers use one SQLSTATE for every error and do not translate messages, so the text is the only
//! hint at the cause; code, exit code and retry do not depend on it.

use super::message::outside_quotes;

/// Words of a message in lower case, the cause and the next step.
const HINTS: &[(&str, &str, &str)] = &[
    (
        "ssl required",
        "the pooler takes connections with TLS only",
        "use sslmode=require (client_tls_sslmode of PgBouncer asks for it)",
    ),
    (
        "no more connections allowed",
        "the pooler has no free connection slot",
        "close idle clients, or raise max_client_conn of PgBouncer",
    ),
    (
        "max client",
        "the pooler has no free connection slot",
        "close idle clients, or raise the pooler's limit of client connections",
    ),
    (
        "max clients reached",
        "the pooler has no free connection slot",
        "close idle clients, or raise the pooler's limit of client connections",
    ),
    (
        "no such database",
        "the pooler does not know this database",
        "add it to the pooler, or correct the name in the URL",
    ),
    (
        "bouncer config error",
        "the pooler's configuration is wrong",
        "look at PgBouncer's log: a user or database of it is incomplete",
    ),
    (
        "query_wait_timeout",
        "the pooler had no free server connection in time (query_wait_timeout)",
        "see who holds the server connections, or raise pool_size; check that Postgres runs behind the pooler",
    ),
    (
        "client_login_timeout",
        "the pooler cannot reach its server (client_login_timeout)",
        "check that Postgres runs behind the pooler",
    ),
    (
        "server login failed",
        "the pooler cannot log in to its server",
        "check the role and password that the pooler uses for Postgres",
    ),
    ("cannot connect", "the pooler cannot reach its server", "check that Postgres runs behind the pooler"),
    ("allserversdown", "the pooler has no server that answers", "check that Postgres runs behind the pooler"),
    ("is disabled", "the pooler has disabled this database", "enable it in the pooler"),
    (
        "tenant or user not found",
        "the pooler does not know this user",
        "for Supabase write the user as postgres.<project-ref>, and check the region in the pooler's host name",
    ),
    (
        "endpoint id is not specified",
        "the pooler needs the endpoint's id",
        "for Neon keep sslsni on, or add options=endpoint%3D<endpoint-id> to the URL",
    ),
];

pub(super) fn hint(message: &str) -> Option<(&'static str, &'static str)> {
    let words = outside_quotes(message);
    HINTS.iter().find(|(needle, ..)| words.contains(needle)).map(|(_, cause, next)| (*cause, *next))
}
