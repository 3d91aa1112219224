//! Waiting is spin-then-block: this is the spin.
//!
//! Waking an idle core costs more than the whole round trip, so a receiver polls for a short
//! window after activity. Where both ends share a core, polling must give way. What giving way
//! costs tells which it is: next to nothing where nobody else wants the core, a few microseconds
//! where the peer ran meanwhile and has answered, and a time slice where somebody computes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Who gets the core back sooner had it for himself.
const ALONE: Duration = Duration::from_nanos(1500);
/// Who gets it back later shared it with somebody who computes.
const WITH_A_PEER: Duration = Duration::from_micros(50);
/// How many polls pass between two offers of the core: where nobody wants it, and at most.
const POLLS_ALONE: u32 = 16;
const MAX_POLLS: u32 = 1024;

/// How often those who poll offer their core. Learned by one, and taken over by the next.
#[derive(Debug)]
pub(crate) struct Pace(AtomicU32);

impl Pace {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(POLLS_ALONE))
    }

    // Relaxed, both: a number that is old or lost costs a poll or an offer.
    fn polls(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn learn(&self, polls: u32) {
        self.0.store(polls, Ordering::Relaxed);
    }
}

/// A window of polling.
pub(crate) struct Spin<'a> {
    pace: &'a Pace,
    window: Duration,
    until: Option<Instant>,
    polls: u32,
}

impl<'a> Spin<'a> {
    /// Makes a closed window; [`Spin::restart`] opens it.
    pub(crate) fn new(window: Duration, pace: &'a Pace) -> Self {
        Self { pace, window, until: None, polls: 0 }
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
        if self.polls >= self.pace.polls() {
            self.polls = 0;
            if self.offer_core() >= until {
                self.until = None;
                return false;
            }
        }
        true
    }

    /// As [`Spin::again`], where the peer has to run before another try can succeed.
    pub(crate) fn again_later(&mut self) -> bool {
        self.polls = MAX_POLLS;
        self.again()
    }

    /// Offers the core to others, and learns from how long they had it. Gives the time.
    fn offer_core(&self) -> Instant {
        let before = Instant::now();
        rustix::thread::sched_yield();
        let after = Instant::now();
        let away = after - before;
        self.pace.learn(if away < ALONE {
            POLLS_ALONE
        } else if away < WITH_A_PEER {
            1
        } else {
            (self.pace.polls() * 4).clamp(POLLS_ALONE, MAX_POLLS)
        });
        after
    }
}
