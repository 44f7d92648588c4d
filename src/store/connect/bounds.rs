//! Limits for the amount of data that a server may send over one session.

use std::time::Duration;

#[cfg(feature = "controller")]
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The limits for one session, in bytes above TLS.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Before the session is ready.
    pub login: u64,
    /// In answer to all statements in progress together, such as those of one read.
    pub answer: u64,
    /// For one message, which must be held whole.
    pub message: u64,
    /// For parameters, notices and notifications, which the server sends unasked.
    pub unasked: u64,
    /// The time after which unasked data no longer counts; without it, the life of the session.
    pub unasked_within: Option<Duration>,
}

impl Bounds {
    /// For a process with one session at a time.
    pub const ALONE: Bounds =
        Bounds { login: MIB, answer: 16 * MIB, message: 16 * MIB, unasked: MIB, unasked_within: None };

    /// For one of eight sessions at a time. Rows for the 16,384 provider variables of a workload fit into this answer.
    pub const AMONG_OTHERS: Bounds = Bounds { answer: 4 * MIB, message: MIB, ..Bounds::ALONE };

    /// For a session that waits for notifications. Each of its queries returns one number.
    #[cfg(feature = "controller")]
    pub const LISTENER: Bounds = Bounds {
        login: 64 * KIB,
        answer: 64 * KIB,
        message: 64 * KIB,
        unasked: MIB,
        unasked_within: Some(Duration::from_secs(60)),
    };
}
