//! Facts about an attempt to open a session that do not depend on the server's messages.

use super::Endpoint;
use crate::options::{AuthMethod, RequireAuth};

/// Facts about an attempt to open a session that do not depend on the server's messages.
#[derive(Clone, Copy)]
pub(in crate::store) struct Opening<'a> {
    pub endpoint: &'a Endpoint,
    /// The names that a message about TLS uses: of the server, and of the CAs that verify it.
    pub host: &'a str,
    pub roots: &'a str,
    pub channel: Channel,
    /// A client certificate is configured.
    pub has_certificate: bool,
    /// The run-time parameters that URL or variables request.
    pub parameters: &'a [String],
    /// The authentication method that the server requested.
    pub asked: Option<AuthMethod>,
    /// The server accepted the answer.
    pub accepted: bool,
    /// The server requested a method that `require_auth` does not allow, so it got no answer.
    pub refused: Option<AuthMethod>,
    pub require_auth: Option<&'a RequireAuth>,
}

impl Opening<'_> {
    /// Whether the server's current message is about the login.
    pub fn is_logging_in(&self) -> bool {
        self.asked.is_some() && !self.accepted
    }
}

/// The channel of the server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Channel {
    Socket,
    Plain,
    Tls,
}
