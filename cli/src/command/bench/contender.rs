//! Somebody who is asked and sent messages, and how that is timed.

use std::time::Duration;

use crate::status::Failure;

/// One that takes part.
pub(super) trait Contender {
    /// Says who it is.
    fn identity(&self) -> &Identity;

    /// Sends a message there and back, and gives the time that it took.
    ///
    /// # Errors
    /// It did not answer in time, or is gone.
    fn round_trip(&mut self) -> Result<Duration, Failure>;

    /// Sends `count` messages, and gives the time until all were received; nothing if it does not count
    /// them.
    ///
    /// # Errors
    /// As [`Contender::round_trip`].
    fn one_way(&mut self, count: u64) -> Option<Result<Duration, Failure>>;
}

/// Who takes part, as it is shown and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// One of the words that JSON.md lists.
    pub(super) kind: &'static str,
    /// The process that is asked, as far as it is known.
    pub(super) pid: Option<u32>,
    /// Its role in the group that is asked, if it is one of a running group.
    pub(super) role: Option<&'static str>,
}
