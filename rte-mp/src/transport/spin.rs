//! Waiting is spin-then-block: this is the spin.
//!
//! Waking an idle core costs more than the whole round trip, so a receiver polls for a short
//! window after activity. Where others want the core, the peer perhaps, polling must give way.
//! What giving way costs tells which it is: next to nothing where nobody else wants the core, and
//! then it is offered seldom; else it is offered after every poll.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Who gets the core back sooner had it for himself.
const ALONE: Duration = Duration::from_nanos(1500);
/// How many polls pass between two offers of the core, where nobody wants it.
const POLLS_ALONE: u32 = 16;
/// How often a lane is looked at in one poll, where nobody wants the core: that costs next to
/// nothing.
const LOOKS_ALONE: u32 = 16;

/// How many polls pass between two offers of the core. Learned by one who polls, and taken over by
/// the next.
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

    /// Learns from how long the core was away when it was offered.
    fn learn(&self, away: Duration) {
        self.0.store(if away < ALONE { POLLS_ALONE } else { 1 }, Ordering::Relaxed);
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

    /// Tells whether others want the core.
    pub(crate) fn is_crowded(&self) -> bool {
        self.pace.polls() == 1
    }

    /// Says how often a lane is to be looked at in one poll: once where the window is closed, or where
    /// the other end waits for the core, since nothing changes before it gets it.
    pub(crate) fn looks(&self) -> u32 {
        if self.until.is_none() || self.is_crowded() { 1 } else { LOOKS_ALONE }
    }

    /// Says whether to poll once more (`true`) or to block.
    pub(crate) fn again(&mut self) -> bool {
        self.polls += 1;
        if self.polls < self.pace.polls() { self.until.is_some() } else { self.again_later() }
    }

    /// As [`Spin::again`], where the peer has to run before another try can succeed: offers the core
    /// to others first, and says whether the window is still open when it is back.
    pub(crate) fn again_later(&mut self) -> bool {
        let Some(until) = self.until else { return false };
        let before = Instant::now();
        rustix::thread::sched_yield();
        let after = Instant::now();
        self.pace.learn(after - before);
        self.polls = 0;
        if after >= until {
            self.until = None;
        }
        self.until.is_some()
    }
}
