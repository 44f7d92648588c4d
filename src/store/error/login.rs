//! Class 28, and poolers' equivalents. The SQLSTATE makes it a failed login; only the message tells which method failed,
//! and it affects only the hint.

use tokio_postgres::error::DbError;

use super::kinds::authentication;
use super::message::outside_quotes;
use super::opening::{Channel, Opening};
use super::{Endpoint, Error, pooler};
use crate::provider::redact;

/// `opening`: the known facts of the attempt; `None` for an error on an open session (a pooler logs in late).
pub(super) fn failed(db: &DbError, endpoint: &Endpoint, opening: Option<&Opening<'_>>) -> Option<Error> {
    let state = db.code().code();
    let role = &endpoint.role;
    Some(match state {
        "28P01" => authentication(
            endpoint,
            format!("the password of role {role} was refused"),
            "check the password, or whether a rotation is in progress",
        ),
        _ if state.starts_with("28") => refused(db.message(), endpoint, opening),
        // PgBouncer uses this code for every error. In answer to a password it is about the login; the message may give a
        // better reason.
        "08P01" if opening.is_some_and(Opening::is_logging_in) => {
            let (cause, next) = match pooler::hint(db.message()) {
                Some((cause, next)) => (cause.to_owned(), next),
                None => (
                    format!("the pooler refused role {role} or its password"),
                    "check the password, and the role in the pooler's user list",
                ),
            };
            authentication(endpoint, cause, next)
        }
        _ => return None,
    })
}

fn refused(message: &str, endpoint: &Endpoint, opening: Option<&Opening<'_>>) -> Error {
    let Endpoint { database, role, .. } = endpoint;
    // The name of the file is the same in every language; the channel of the connection is known without the message.
    if message.contains("pg_hba.conf") {
        let (how, next) = match opening.map(|opening| opening.channel) {
            Some(Channel::Plain) => (
                " without TLS",
                "use sslmode=require (a hostssl line takes TLS only), or add a host entry to pg_hba.conf",
            ),
            Some(Channel::Tls) => (" with TLS", "add a host or hostssl entry to pg_hba.conf"),
            Some(Channel::Socket) => (" through the socket", "add a local entry to pg_hba.conf"),
            None => ("", "add an entry to pg_hba.conf"),
        };
        let cause = format!("pg_hba.conf does not let role {role} into database {database} from here{how}");
        return authentication(endpoint, cause, next);
    }
    let words = outside_quotes(message);
    let sentences = words.split(|c: char| !c.is_alphanumeric());
    let sentence: Vec<&str> = sentences.filter(|word| !word.is_empty()).collect();
    if let Some(method) = METHODS.iter().find(|method| method.is_named(&words, &sentence)) {
        let next = method.next.replace("ROLE", &redact::identifier(role));
        return authentication(endpoint, format!("{} refused role {role}", method.name), next);
    }
    // "certificate" in the languages of Postgres in which the word is distinctive.
    if ["certif", "zertifi", "сертиф", "証明書", "인증서", "证书"].iter().any(|stem| words.contains(stem))
    {
        let shown = opening.is_some_and(|opening| opening.has_certificate);
        return if shown {
            let next = "issue it for this role (its common name), or map the name in pg_ident.conf";
            authentication(endpoint, format!("the client certificate does not fit role {role}"), next)
        } else {
            let next = "give one in sslcert and sslkey that is signed by the server's ssl_ca_file and issued for the role \
                        (~/.postgresql/postgresql.crt is not read)";
            authentication(endpoint, "the server asks for a valid client certificate".to_owned(), next)
        };
    }
    let next = "check that the role exists and may log in";
    authentication(endpoint, format!("role {role} was refused"), next)
}

struct Method {
    /// Words of a message in lower case. A text with a space may be anywhere; a text without one must be a whole word.
    words: &'static [&'static str],
    name: &'static str,
    /// ROLE is replaced.
    next: &'static str,
}

impl Method {
    fn is_named(&self, text: &str, words: &[&str]) -> bool {
        self.words.iter().any(|word| if word.contains(' ') { text.contains(word) } else { words.contains(word) })
    }
}

const METHODS: &[Method] = &[
    Method {
        words: &["azure ad", "azure active directory", "entra", "access token", "aadsts"],
        name: "Microsoft Entra ID (Azure AD)",
        next: "give a fresh access token as password (--database-password-file is read again at each attempt), \
               and check that ROLE is an Entra principal of this server",
    },
    Method {
        words: &["cloud sql iam"],
        name: "Cloud SQL IAM",
        next: "give a fresh access token as password, and check that ROLE is an IAM user of this instance \
               (a service account without .gserviceaccount.com)",
    },
    Method {
        words: &["pam"],
        name: "PAM",
        next: "on Amazon RDS the IAM token is older than 15 minutes, or run: grant rds_iam to ROLE; \
               elsewhere look at the PAM service's log",
    },
    Method { words: &["ldap"], name: "LDAP", next: "check the password, and the LDAP server that pg_hba.conf names" },
    Method {
        words: &["radius"],
        name: "RADIUS",
        next: "check the password, and the RADIUS server that pg_hba.conf names",
    },
    Method {
        words: &["peer"],
        name: "peer authentication (the name of the operating system's user)",
        next: "run as that user, map it in pg_ident.conf, or use scram-sha-256 in pg_hba.conf",
    },
    Method {
        words: &["ident"],
        name: "ident authentication",
        next: "use scram-sha-256 in pg_hba.conf: an ident server does not know the user of a container",
    },
    Method {
        words: &["gssapi", "sspi", "kerberos"],
        name: "GSSAPI",
        next: "use scram-sha-256 in pg_hba.conf: Kerberos is not supported",
    },
    Method { words: &["oauth"], name: "OAuth", next: "use scram-sha-256 in pg_hba.conf: OAuth is not supported" },
    Method {
        words: &["bsd"],
        name: "BSD authentication",
        next: "check the password, and that ROLE is a user of the server's system",
    },
];
