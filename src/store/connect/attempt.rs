//! One try over the hosts of a URL: addresses in turn, TLS, login, and the suitability of the server.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::{ChannelBinding as Binding, SslMode as Mode, SslNegotiation};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::destinations::Destinations;
use super::login::{Login, Progress, WatchAbove};
use super::meter::{BelowMeter, Meter};
use super::session::{Of, READ_ONLY};
use super::transport::{self, Address, Transport};
use super::{Bounds, Connector, Hearing, Session, SessionIntent, Writers};
use crate::problem::{Code, Problem};
use crate::store::error::{Channel, Endpoint, Error, Opening, Retry};
use crate::store::tls;
use crate::store::url::{ChannelBinding, ConnectOptions, Host, HostAddress, TargetSession, Verification};

/// One try over the hosts: the current options with their TLS configuration.
pub(super) struct Attempt<'a> {
    options: &'a ConnectOptions,
    destinations: &'a Destinations,
    tls: Option<MakeRustlsConnect>,
    bounds: Bounds,
    hearing: Option<&'a Hearing>,
    writers: Option<&'a Writers>,
}

/// The destination of one attempt, and its name in messages.
#[derive(Clone, Copy)]
struct Destination<'a> {
    host: &'a Host,
    endpoint: &'a Endpoint,
    address: &'a Address,
    /// The time at which the address counts as silent.
    dialed_by: Instant,
}

impl<'a> Attempt<'a> {
    pub fn new(options: &'a ConnectOptions, connector: &'a Connector) -> Result<Self, Error> {
        // A socket uses no TLS, so the TLS files need not exist.
        let needed = options.hosts().iter().any(|host| matches!(host.address, HostAddress::Tcp { .. }));
        let tls =
            if needed { tls::client_config(options, &connector.system)?.map(MakeRustlsConnect::new) } else { None };
        Ok(Attempt {
            options,
            destinations: &connector.destinations,
            tls,
            bounds: connector.bounds,
            hearing: connector.hearing.as_ref(),
            writers: connector.writers.as_ref(),
        })
    }

    pub async fn over_hosts(
        &self,
        deadline: Instant,
        target: TargetSession,
        intent: SessionIntent,
    ) -> Result<Session, Error> {
        let mut failures = Vec::new();
        let mut left = u32::try_from(self.options.hosts().len()).unwrap_or(u32::MAX);
        for host in self.options.hosts() {
            let now = Instant::now();
            // Every host gets its share of the time, so that a host that drops packets does not use up all of it.
            let share = deadline.saturating_duration_since(now) / left.max(1);
            let limit = self.options.connect_timeout.min(share);
            left -= 1;
            let endpoint = Endpoint::new(self.options, host);
            let result = match timeout_at(now + limit, self.host(host, &endpoint, limit, target, intent)).await {
                Ok(result) => result,
                Err(_) => Err(Error::no_answer(&endpoint)),
            };
            match result {
                Ok(session) => return Ok(session),
                Err(error) => failures.push(self.told(endpoint, error)),
            }
        }
        Err(Error::of_hosts(failures))
    }

    /// If URLs come from others, their owners learn only whether a Postgres answers: more would let them map the network.
    fn told(&self, endpoint: Endpoint, error: Error) -> (Endpoint, Error) {
        let spoke = match error.code {
            Code::Unreachable | Code::DestinationRefused => error.sqlstate.is_some(),
            // After a direct TLS handshake, without any Postgres message before it, any program may be there.
            Code::Tls => !self.options.ssl_direct,
            _ => true,
        };
        if spoke || !self.destinations.is_restricted() {
            return (endpoint, error);
        }
        tracing::warn!(code = error.code.as_str(), "{error}");
        let told = Error::no_postgres(&endpoint);
        (endpoint, told)
    }

    async fn host(
        &self,
        host: &Host,
        endpoint: &Endpoint,
        limit: Duration,
        target: TargetSession,
        intent: SessionIntent,
    ) -> Result<Session, Error> {
        let mut session = self.open(host, endpoint, limit).await?;
        session.find_out(target, intent, self.options.hosts().len()).await?;
        match session.unfit(target, intent) {
            None => Ok(session),
            Some(cause) => {
                let default = if cause == READ_ONLY { session.read_only_default().await } else { None };
                session.close().await;
                let (retry, cause, next) = match default {
                    Some(default) => (Retry::No, default.cause, default.next),
                    None => (Retry::Wait, cause.to_owned(), OTHER_SERVER.to_owned()),
                };
                let summary = format!("{endpoint} is not a suitable server: {cause}");
                Err(Error::new(Code::ReadOnly, retry, summary, cause, next))
            }
        }
    }

    /// Tries the addresses of the host in turn, each with its share of the time, since the first may not answer.
    async fn open(&self, host: &Host, endpoint: &Endpoint, limit: Duration) -> Result<Session, Error> {
        let deadline = Instant::now() + limit;
        let addresses = transport::resolve(host, endpoint, self.destinations).await?;
        let mut failure = Error::no_answer(endpoint);
        for (at, address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(now) / left;
            match self.at_address(Destination { host, endpoint, address, dialed_by: now + share }).await {
                Ok(session) => return Ok(session),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// With `prefer`, a failed TLS handshake leads to a second attempt without TLS, as in libpq.
    async fn at_address(&self, to: Destination<'_>) -> Result<Session, Error> {
        let tls = match (&to.host.address, &self.tls) {
            (HostAddress::Tcp { .. }, Some(tls)) => tls,
            _ => return self.plain(to).await,
        };
        if self.options.verification() != Verification::Opportunistic {
            return self.encrypted(Mode::Require, tls, to).await;
        }
        match self.encrypted(Mode::Prefer, tls, to).await {
            Err(error) if error.code == Code::Tls || error.sqlstate.as_deref() == Some("28000") => {
                match self.plain(to).await {
                    Ok(mut session) => {
                        session.warnings.push(fallback(&error));
                        Ok(session)
                    }
                    Err(_) => Err(error),
                }
            }
            result => result,
        }
    }

    async fn plain(&self, to: Destination<'_>) -> Result<Session, Error> {
        self.finish(Mode::Disable, NoTls, to).await
    }

    async fn encrypted(&self, mode: Mode, tls: &MakeRustlsConnect, to: Destination<'_>) -> Result<Session, Error> {
        let Ok(tls) = MakeTlsConnect::<Transport>::make_tls_connect(&mut tls.clone(), to.host.name());
        self.finish(mode, tls, to).await
    }

    fn config(&self, mode: Mode) -> Config {
        let options = self.options;
        let mut config = Config::new();
        config
            .user(options.user())
            .dbname(options.database())
            .ssl_mode(mode)
            .ssl_negotiation(if options.ssl_direct { SslNegotiation::Direct } else { SslNegotiation::Postgres })
            .channel_binding(match options.channel_binding {
                ChannelBinding::Disable => Binding::Disable,
                ChannelBinding::Prefer => Binding::Prefer,
                ChannelBinding::Require => Binding::Require,
            });
        if let Some(name) = &options.application_name {
            config.application_name(name);
        }
        if let Some(text) = &options.options {
            config.options(text);
        }
        if let Some(password) = &options.password {
            config.password(password.expose_secret());
        }
        config
    }

    /// Translates an error of opening a session.
    fn failed(&self, error: &tokio_postgres::Error, host: &Host, endpoint: &Endpoint, progress: Progress) -> Error {
        let channel = match host.address {
            HostAddress::Socket(_) => Channel::Socket,
            HostAddress::Tcp { .. } if progress.tls => Channel::Tls,
            HostAddress::Tcp { .. } => Channel::Plain,
        };
        let opening = Opening {
            endpoint,
            host: host.name(),
            roots: &tls::roots_name(self.options),
            channel,
            has_certificate: self.options.identity.is_some(),
            parameters: &self.options.parameter_names(),
            asked: progress.asked,
            accepted: progress.accepted,
            refused: progress.refused,
            require_auth: self.options.require_auth.as_ref(),
        };
        Error::connecting(error, &opening)
    }

    async fn finish<T>(&self, mode: Mode, tls: T, to: Destination<'_>) -> Result<Session, Error>
    where
        T: TlsConnect<Transport, Future: Send, Stream: Send> + Send + 'static,
        T::Stream: 'static,
    {
        let Destination { host, endpoint, address, dialed_by } = to;
        let dialed = timeout_at(dialed_by, transport::dial(address)).await.map_err(|_| Error::no_answer(endpoint))?;
        let stream = dialed.map_err(|error| Error::dialing(&error, endpoint))?;
        let meter = Meter::new(self.bounds, mode != Mode::Disable && !self.options.ssl_direct);
        let login = Login::new(&self.options.parameters, self.options.require_auth.as_ref());
        let (stream, tls) = (login.around(meter.around(stream)), WatchAbove(BelowMeter(tls)));
        let opened = self.config(mode).connect_raw(stream, tls).await;
        let (client, connection) = opened.map_err(|error| match meter.excess() {
            Some(excess) => excess.error(&self.bounds, endpoint),
            None => self.failed(&error, host, endpoint, login.progress()),
        })?;
        let backend = login.progress().backend;
        if let (Some(writers), Some(backend)) = (self.writers, backend) {
            writers.add(backend);
        }
        let of = Of {
            endpoint: endpoint.clone(),
            host: host.clone(),
            bounds: self.bounds,
            meter,
            backend,
            hearing: self.hearing.cloned(),
        };
        Ok(Session::new(client, connection, of))
    }
}

const OTHER_SERVER: &str = "name all servers of the cluster in the URL, or connect to the right one";

/// The server supports TLS, but the session continues without: the operator of `sslmode=prefer` should know.
fn fallback(error: &Error) -> Problem {
    let message = format!(
        "sslmode=prefer went on without TLS, so that API keys cross the network in clear; with TLS it failed: {error}. \
         Use sslmode=require, or disable where the way is safe"
    );
    Problem::new(Code::TlsFallback, message)
}

impl Error {
    /// A host that opened no session within its time.
    fn no_answer(endpoint: &Endpoint) -> Self {
        let cause = Error::NO_ANSWER.to_owned();
        let next = "check that the server runs and that host, port and network policies are right";
        Error::new(Code::Unreachable, Retry::Wait, format!("cannot reach {endpoint}: {cause}"), cause, next)
    }

    /// Replaces the cause at a host that did not speak the Postgres protocol.
    fn no_postgres(endpoint: &Endpoint) -> Self {
        let cause = "no Postgres answers there".to_owned();
        let next = "check host, port, TLS and network policies; the controller's log has the cause";
        Error::new(Code::Unreachable, Retry::Wait, format!("cannot reach {endpoint}: {cause}"), cause, next)
    }

    /// Every address of the host is refused as a destination.
    pub(super) fn destination_refused(endpoint: &Endpoint) -> Self {
        let cause = "it leads to this machine or its link, or is not one of --database-hosts".to_owned();
        let next = "name another host, or ask the operator of the controller to allow it";
        let summary = format!("{endpoint} is not connected to: {cause}");
        Error::new(Code::DestinationRefused, Retry::Wait, summary, cause, next)
    }

    /// For several hosts: the cause of each, and the most informative code.
    fn of_hosts(mut failures: Vec<(Endpoint, Error)>) -> Self {
        if failures.len() == 1
            && let Some((_, error)) = failures.pop()
        {
            return error;
        }
        let order = [Code::Unreachable, Code::AuthenticationFailed, Code::ReadOnly];
        let rank = |error: &Error| order.iter().position(|code| *code == error.code).unwrap_or(order.len());
        let causes: Vec<String> =
            failures.iter().map(|(endpoint, error)| format!("{}: {}", endpoint.host, error.cause())).collect();
        let database = failures.first().map_or_else(String::new, |(endpoint, _)| endpoint.database.clone());
        let Some((_, main)) = failures.into_iter().min_by_key(|(_, error)| (error.retry == Retry::No, rank(error)))
        else {
            return Error::new(Code::Internal, Retry::No, "no host to connect to".to_owned(), String::new(), "");
        };
        let summary = format!("no host of database {} can be used: {}", database, causes.join("; "));
        main.summed_up(summary)
    }
}
