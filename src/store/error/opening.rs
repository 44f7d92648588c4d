//! What we know ourselves of an attempt to open a session: nothing in it is the server's word.

use super::Endpoint;
use crate::options::{AuthMethod, RequireAuth};

/// What we know ourselves of an attempt to open a session.
#[derive(Clone, Copy)]
pub(in crate::store) struct Opening<'a> {
    pub endpoint: &'a Endpoint,
    /// The names that a message about TLS uses: of the server, and of the CAs that it is verified against.
    pub host: &'a str,
    pub roots: &'a str,
    pub channel: Channel,
    /// We have a client certificate to show.
    pub has_certificate: bool,
    /// The run-time parameters that URL or variables ask for.
    pub parameters: &'a [String],
    /// How the server asked who we are.
    pub asked: Option<AuthMethod>,
    /// It took the answer.
    pub accepted: bool,
    /// It asked in a way that `require_auth` does not allow, so it got no answer.
    pub refused: Option<AuthMethod>,
    pub require_auth: Option<&'a RequireAuth>,
}

impl Opening<'_> {
    /// What the server says now is about the login.
    pub fn is_logging_in(&self) -> bool {
        self.asked.is_some() && !self.accepted
    }
}

/// How the server's answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Channel {
    Socket,
    Plain,
    Tls,
}
