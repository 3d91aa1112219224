//! What a member counts: messages by kind and direction, drops by reason, requests by outcome.
//!
//! Counters are relaxed atomics; a snapshot is not one instant's.

use std::sync::atomic::{AtomicU64, Ordering};

use rte_mp_proto::{DropReason, Kind, Outcome};

/// A snapshot of a member's counters, from its joining on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams sent, to each peer counted once.
    pub sent: ByKind,
    /// Datagrams received that keep all rules.
    pub received: ByKind,
    /// Datagrams dropped.
    pub dropped: ByReason,
    /// What became of each peer that a request of ours was for.
    pub requests: ByOutcome,
    /// Handlers and callbacks that panicked.
    pub panics: u64,
    /// Descriptors that were closed unseen, with the datagram that was dropped.
    pub closed_fds: u64,
}

impl Stats {
    /// How many counters there are.
    const COUNT: usize = 26;

    /// Lists the counters in the order in which they are sent to other members.
    fn counters(&mut self) -> [&mut u64; Self::COUNT] {
        let Self { sent, received, dropped, requests, panics, closed_fds } = self;
        [
            &mut sent.messages,
            &mut sent.requests,
            &mut sent.replies,
            &mut sent.ignores,
            &mut received.messages,
            &mut received.requests,
            &mut received.replies,
            &mut received.ignores,
            &mut dropped.length,
            &mut dropped.truncated,
            &mut dropped.malformed,
            &mut dropped.fd_count,
            &mut dropped.unbound,
            &mut dropped.foreign_user,
            &mut dropped.wrong_door,
            &mut dropped.stray_answer,
            &mut dropped.no_action,
            &mut dropped.undelivered,
            &mut requests.replied,
            &mut requests.ignored,
            &mut requests.timed_out,
            &mut requests.died,
            &mut requests.unsendable,
            &mut requests.abandoned,
            panics,
            closed_fds,
        ]
    }

    pub(crate) fn to_words(mut self) -> [u64; Self::COUNT] {
        self.counters().map(|counter| *counter)
    }

    /// Makes them of as many words as there are counters; `None` of any other number.
    pub(crate) fn from_words(words: impl Iterator<Item = u64>) -> Option<Self> {
        let mut stats = Self::default();
        let mut words = words.fuse();
        for counter in stats.counters() {
            *counter = words.next()?;
        }
        words.next().is_none().then_some(stats)
    }
}

/// A count for each kind of datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of `Kind`")]
pub struct ByKind {
    pub messages: u64,
    pub requests: u64,
    pub replies: u64,
    pub ignores: u64,
}

/// A count for each reason to drop a datagram; see [`DropReason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of `DropReason`")]
pub struct ByReason {
    pub length: u64,
    pub truncated: u64,
    pub malformed: u64,
    pub fd_count: u64,
    pub unbound: u64,
    pub foreign_user: u64,
    pub wrong_door: u64,
    pub stray_answer: u64,
    pub no_action: u64,
    pub undelivered: u64,
}

impl ByReason {
    /// Adds all reasons up.
    pub fn total(&self) -> u64 {
        self.length
            + self.truncated
            + self.malformed
            + self.fd_count
            + self.unbound
            + self.foreign_user
            + self.wrong_door
            + self.stray_answer
            + self.no_action
            + self.undelivered
    }
}

/// A count for each outcome of a request; see [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of `Outcome`")]
pub struct ByOutcome {
    pub replied: u64,
    pub ignored: u64,
    pub timed_out: u64,
    pub died: u64,
    pub unsendable: u64,
    pub abandoned: u64,
}

/// The live counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    sent: [AtomicU64; 4],
    received: [AtomicU64; 4],
    dropped: [AtomicU64; DropReason::ALL.len()],
    outcomes: [AtomicU64; 6],
    panics: AtomicU64,
    closed_fds: AtomicU64,
}

impl Counters {
    pub(crate) fn count_sent(&self, kind: Kind) {
        add(&self.sent[kind as usize], 1);
    }

    pub(crate) fn count_received(&self, kind: Kind) {
        add(&self.received[kind as usize], 1);
    }

    /// Counts a datagram that is dropped, and the descriptors that are closed with it.
    pub(crate) fn count_dropped(&self, reason: DropReason, fds: usize) {
        add(&self.dropped[reason as usize], 1);
        add(&self.closed_fds, fds as u64);
    }

    pub(crate) fn count_outcome<R>(&self, outcome: &Outcome<R>) {
        let index = match outcome {
            Outcome::Replied(_) => 0,
            Outcome::Ignored => 1,
            Outcome::TimedOut => 2,
            Outcome::Died => 3,
            Outcome::Unsendable { .. } => 4,
            _ => 5,
        };
        add(&self.outcomes[index], 1);
    }

    pub(crate) fn count_panic(&self) {
        add(&self.panics, 1);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let by_kind = |counters: &[AtomicU64; 4]| ByKind {
            messages: read(&counters[Kind::Message as usize]),
            requests: read(&counters[Kind::Request as usize]),
            replies: read(&counters[Kind::Reply as usize]),
            ignores: read(&counters[Kind::Ignore as usize]),
        };
        let dropped = |reason: DropReason| read(&self.dropped[reason as usize]);
        let [replied, ignored, timed_out, died, unsendable, abandoned] =
            self.outcomes.each_ref().map(read);
        Stats {
            sent: by_kind(&self.sent),
            received: by_kind(&self.received),
            dropped: ByReason {
                length: dropped(DropReason::Length),
                truncated: dropped(DropReason::Truncated),
                malformed: dropped(DropReason::Malformed),
                fd_count: dropped(DropReason::FdCount),
                unbound: dropped(DropReason::Unbound),
                foreign_user: dropped(DropReason::ForeignUser),
                wrong_door: dropped(DropReason::WrongDoor),
                stray_answer: dropped(DropReason::StrayAnswer),
                no_action: dropped(DropReason::NoAction),
                undelivered: dropped(DropReason::Undelivered),
            },
            requests: ByOutcome { replied, ignored, timed_out, died, unsendable, abandoned },
            panics: read(&self.panics),
            closed_fds: read(&self.closed_fds),
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    // Relaxed: counters order nothing.
    counter.fetch_add(count, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_come_back_as_they_were_sent() {
        let words: Vec<u64> = (1..=Stats::COUNT as u64).collect();
        let stats = Stats::from_words(words.iter().copied()).unwrap();
        assert_eq!(stats.to_words().as_slice(), words);
        assert_eq!((stats.sent.messages, stats.received.messages, stats.closed_fds), (1, 5, 26));
        assert_eq!(Stats::from_words(words[1..].iter().copied()), None);
        assert_eq!(Stats::from_words(words.iter().chain(&[0]).copied()), None);
    }
}
