//! Waiting is spin-then-block: this is the spin.
//!
//! Waking an idle core costs more than the whole round trip, so a receiver polls for a short
//! window after activity. Where both ends share a core, polling must give way, so every few polls
//! the core is offered to whoever else wants it.

use std::time::{Duration, Instant};

/// How many polls pass between two offers of the core.
const POLLS_PER_YIELD: u32 = 4;

/// A window of polling.
pub(crate) struct Spin {
    window: Duration,
    until: Option<Instant>,
    polls: u32,
}

impl Spin {
    /// Makes a closed window; [`Spin::restart`] opens it.
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, until: None, polls: 0 }
    }

    /// Opens the window anew, since something happened. A window of zero stays closed.
    pub(crate) fn restart(&mut self) {
        self.until = (!self.window.is_zero()).then(|| Instant::now() + self.window);
        self.polls = 0;
    }

    /// Says whether to poll once more (`true`) or to block.
    pub(crate) fn again(&mut self) -> bool {
        let Some(until) = self.until else { return false };
        self.polls += 1;
        if self.polls.is_multiple_of(POLLS_PER_YIELD) {
            rustix::thread::sched_yield();
            if Instant::now() >= until {
                self.until = None;
                return false;
            }
        }
        true
    }
}
