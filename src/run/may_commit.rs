//! A caller's check right before a commit: under the lock, when the write is known.

use crate::problem::{Code, Problem};

/// `Default`: always allowed.
#[derive(Clone, Copy, Default)]
pub struct MayCommit<'a>(Option<&'a (dyn Fn() -> bool + Send + Sync)>);

impl<'a> MayCommit<'a> {
    #[cfg(feature = "controller")]
    pub fn if_true(says: &'a (dyn Fn() -> bool + Send + Sync)) -> Self {
        MayCommit(Some(says))
    }

    pub fn says_yes(self) -> bool {
        self.0.is_none_or(|says| says())
    }
}

pub fn too_late() -> Problem {
    let message = "the lock came too late: what the write rests on was read more than 5 s before, or the lease was not renewed; \
                   nothing was written, and the next check decides again";
    Problem::new(Code::LockTimeout, message)
}
