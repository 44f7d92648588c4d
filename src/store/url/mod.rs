//! The location of the database and the protocol options: a URL, a `key=value` list or the PG variables, read as Coder's
//! driver (lib/pq) reads them. No I/O here: named files are read when connecting.

mod assemble;
mod fields;
#[cfg(feature = "controller")]
mod fingerprint;
mod parameter_reader;
mod params;
mod parse_conninfo;
mod parse_url;
#[cfg(test)]
mod tests;

#[cfg(feature = "controller")]
pub use fingerprint::Route;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::options::RequireAuth;
use crate::problem::{Code, Problem};
use crate::provider::redact;

/// Looks up an environment variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// All connection options; no file has been read yet.
#[derive(Clone)]
pub struct ConnectOptions {
    pub(super) hosts: Vec<Host>,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: Option<SecretString>,
    /// `None`: no name is sent to the server.
    pub(super) application_name: Option<String>,
    pub(super) connect_timeout: Duration,
    pub(super) target: TargetSession,
    pub(super) ssl_mode: Option<SslMode>,
    pub(super) ssl_sni: bool,
    pub(super) ssl_direct: bool,
    pub(super) channel_binding: ChannelBinding,
    pub(super) root: Option<Pem>,
    pub(super) identity: Option<Identity>,
    /// As given, without parsing: some servers find a tenant there.
    pub(super) options: Option<String>,
    /// Run-time parameters of the start-up packet.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) require_auth: Option<RequireAuth>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub address: HostAddress,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAddress {
    /// A name or an address; `address`, if given, replaces the DNS look-up of the name.
    Tcp { name: String, address: Option<IpAddr> },
    /// The directory of a Unix socket.
    Socket(PathBuf),
}

impl Host {
    /// The expected name of the certificate; empty for a socket.
    pub fn name(&self) -> &str {
        match &self.address {
            HostAddress::Tcp { name, .. } => name,
            HostAddress::Socket(_) => "",
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            HostAddress::Tcp { name, .. } if name.contains(':') => write!(f, "[{}]:{}", redact::name(name), self.port),
            HostAddress::Tcp { name, .. } => write!(f, "{}:{}", redact::name(name), self.port),
            HostAddress::Socket(path) => write!(f, "{}/.s.PGSQL.{}", redact::name(&path.to_string_lossy()), self.port),
        }
    }
}

/// As written. The verification also depends on the root certificate: [`ConnectOptions::verification`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// The verification of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// No TLS at all.
    Plain,
    /// TLS if the server supports it, nothing verified.
    Opportunistic,
    /// TLS, nothing verified.
    Encrypted,
    /// Signed by a known CA.
    Chain,
    /// Signed by a known CA, for this host.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSession {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

/// The source of certificates or of a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    File(PathBuf),
    /// May be a private key: never shown.
    Bytes(Vec<u8>),
    /// The system's certificate store; only as root.
    System,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::File(path) => f.debug_tuple("File").field(path).finish(),
            Pem::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Pem::System => f.write_str("System"),
        }
    }
}

/// A client certificate, possibly with its chain, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub certificate: Pem,
    pub key: Pem,
}

/// Variables that people expect to work, each after the variable that is read instead.
const NOT_READ: [&str; 14] = [
    "CODER_PG_HOST",
    "CODER_PG_PASSWORD",
    "CODER_PG_USER",
    "CODER_PG_USERNAME",
    "CODER_PG_DATABASE",
    "CODER_PG_DBNAME",
    "CODER_PG_PORT",
    "CODER_PG_URL",
    "CODER_POSTGRES_URL",
    "CODER_POSTGRES_HOST",
    "CODER_POSTGRES_PASSWORD",
    "POSTGRES_HOST",
    "POSTGRES_URL",
    "POSTGRES_PASSWORD",
];

/// Every variable that may be looked up.
pub fn variables() -> impl Iterator<Item = &'static str> {
    params::VARIABLES.iter().chain(params::OTHER_VARIABLES).map(|(_, variable)| *variable).chain(["USER"])
}

impl ConnectOptions {
    /// Reads a URL or a `key=value` list. `origin` is its variable, option or file, for messages; `lookup` finds the PG
    /// variables for missing parts. All problems are reported together.
    pub fn parse(text: &str, origin: &str, lookup: Lookup<'_>) -> Result<Self, Vec<Problem>> {
        assemble::from_text(text.trim(), origin, lookup)
    }

    /// The PG variables alone; `PGHOST` (or `PGHOSTADDR`) must be set.
    pub fn from_variables(lookup: Lookup<'_>) -> Result<Self, Vec<Problem>> {
        if Self::has_variables(lookup) {
            return assemble::from_pairs(Vec::new(), None, lookup);
        }
        let message = "no database is named; set CODER_PG_CONNECTION_URL, or --database-url, --database-url-file, \
                       DATABASE_URL or PGHOST";
        let is_set = |name: &&str| lookup(name).is_some_and(|value| !value.is_empty());
        let problem = |message: String| Problem::new(Code::DatabaseUrlMissing, message);
        Err(vec![match NOT_READ.into_iter().find(is_set) {
            None => problem(message.to_owned()),
            Some(name) => problem(format!(
                "no database is named: {name} is read neither here nor by Coder; set PGHOST, PGUSER, PGPASSWORD and \
                 PGDATABASE, or CODER_PG_CONNECTION_URL"
            ))
            .variable(name),
        }])
    }

    /// Whether the PG variables name a server, so that they count as given.
    pub fn has_variables(lookup: Lookup<'_>) -> bool {
        ["PGHOST", "PGHOSTADDR"].iter().any(|name| lookup(name).is_some_and(|value| !value.is_empty()))
    }

    /// Replaces the password of the URL.
    pub fn set_password(&mut self, password: SecretString) {
        self.password = Some(password);
    }

    /// Replaces `sslrootcert`.
    pub fn set_root(&mut self, root: Pem) {
        self.root = Some(root);
    }

    /// Replaces `sslcert` and `sslkey`.
    pub fn set_identity(&mut self, identity: Identity) {
        self.identity = Some(identity);
    }

    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    /// Replaces PGREQUIREAUTH.
    pub fn set_require_auth(&mut self, require_auth: RequireAuth) {
        self.require_auth = Some(require_auth);
    }

    /// The names of all start-up parameters (`search_path`, …), for an error about one of them.
    pub fn parameter_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.parameters.iter().map(|(name, _)| name.clone()).collect();
        if let Some(options) = &self.options {
            let settings = parse_conninfo::settings(options).unwrap_or_default();
            names.extend(settings.into_iter().map(|(name, _)| name));
            names.push("options".to_owned());
        }
        names.retain(|name| redact::plain_identifier(name).is_some());
        names
    }

    /// `database coder at db.coder.svc:5432`, safe to show.
    pub fn describe(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        format!("database {} at {}", redact::database(&self.database), hosts.join(", "))
    }

    /// The verification of a server's certificate. As in libpq, a root certificate makes `require` verify the chain, and
    /// the system's store makes `verify-full` the default.
    pub fn verification(&self) -> Verification {
        match (self.ssl_mode, &self.root) {
            (Some(SslMode::Disable), _) => Verification::Plain,
            (Some(SslMode::Prefer), _) => Verification::Opportunistic,
            (Some(SslMode::VerifyCa), _) => Verification::Chain,
            (Some(SslMode::VerifyFull), _) | (None, Some(Pem::System)) => Verification::Full,
            (Some(SslMode::Require) | None, Some(_)) => Verification::Chain,
            (Some(SslMode::Require) | None, None) => Verification::Encrypted,
        }
    }

    /// Parameters that name a file or a socket of this machine, for a caller that must not open any.
    pub fn uses_files(&self) -> Vec<&'static str> {
        let is_file = |pem: &Pem| matches!(pem, Pem::File(_));
        let mut names = Vec::new();
        if self.hosts.iter().any(|host| matches!(host.address, HostAddress::Socket(_))) {
            names.push("host");
        }
        if self.root.as_ref().is_some_and(is_file) {
            names.push("sslrootcert");
        }
        if let Some(identity) = &self.identity {
            names.extend(is_file(&identity.certificate).then_some("sslcert"));
            names.extend(is_file(&identity.key).then_some("sslkey"));
        }
        names
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("hosts", &self.hosts)
            .field("database", &self.database)
            .field("user", &self.user)
            .field("password", &self.password)
            .field("application_name", &self.application_name)
            .field("connect_timeout", &self.connect_timeout)
            .field("target", &self.target)
            .field("ssl_mode", &self.ssl_mode)
            .field("root", &self.root)
            .field("identity", &self.identity)
            .field("parameters", &self.parameter_names())
            .finish_non_exhaustive()
    }
}
