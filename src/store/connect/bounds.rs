//! How much a server may send over one session.

use std::time::Duration;

#[cfg(feature = "controller")]
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What a server may send over one session, in bytes above TLS.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Until the session is ready.
    pub login: u64,
    /// In answer to all statements that are under way together, as those of one read are.
    pub answer: u64,
    /// One message, which must be held whole.
    pub message: u64,
    /// Parameters, notices and notifications: they come unasked.
    pub unasked: u64,
    /// How long what came unasked is remembered; without it, as long as the session lives.
    pub unasked_within: Option<Duration>,
}

impl Bounds {
    /// For a process with one session at a time.
    pub const ALONE: Bounds =
        Bounds { login: MIB, answer: 16 * MIB, message: 16 * MIB, unasked: MIB, unasked_within: None };

    /// For one of eight sessions at a time. The 16,384 provider variables of a workload describe no more than fits into this answer.
    pub const AMONG_OTHERS: Bounds = Bounds { answer: 4 * MIB, message: MIB, ..Bounds::ALONE };

    /// For a session that waits for notifications. All that it asks has an answer of one number.
    #[cfg(feature = "controller")]
    pub const LISTENER: Bounds = Bounds {
        login: 64 * KIB,
        answer: 64 * KIB,
        message: 64 * KIB,
        unasked: MIB,
        unasked_within: Some(Duration::from_secs(60)),
    };
}
