//! Records in order of time, though they come from several members.
//!
//! One who sends stamps the datagram before it goes out, so that no receiver is earlier; but its record may
//! come later than his. So each is held back for a moment.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::sources::News;

/// How long a record is held back.
const HOLD: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(super) struct Sorter {
    held: BinaryHeap<Reverse<Held>>,
    /// How many came before.
    count: u64,
}

struct Held {
    due: Instant,
    count: u64,
    news: News,
}

impl Sorter {
    pub(super) fn put(&mut self, news: News, now: Instant) {
        self.held.push(Reverse(Held { due: now + HOLD, count: self.count, news }));
        self.count += 1;
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.held.peek().map(|Reverse(held)| held.due)
    }

    /// Gives the earliest one if it was held back long enough.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<News> {
        self.next_due().filter(|due| *due <= now).and_then(|_| self.take_last())
    }

    /// Gives the earliest one: nothing will come any more.
    pub(super) fn take_last(&mut self) -> Option<News> {
        self.held.pop().map(|Reverse(held)| held.news)
    }
}

impl Held {
    fn key(&self) -> (u64, u64) {
        (self.news.time_ns(), self.count)
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::trace::sources::What;

    #[test]
    fn records_come_out_in_order_of_time_after_a_moment() {
        let start = Instant::now();
        let mut sorter = Sorter::default();
        let mut put = |stream, time_ns, now| {
            sorter.put(News { stream, what: What::Gone { time_ns } }, now);
        };
        put(0, 5, start);
        put(1, 3, start + Duration::from_millis(1));
        put(2, 3, start + Duration::from_millis(2));
        assert!(sorter.take_due(start + HOLD).is_none(), "the earliest came last");
        let now = start + HOLD + Duration::from_millis(2);
        let streams: Vec<_> =
            std::iter::from_fn(|| sorter.take_due(now)).map(|n| n.stream).collect();
        assert_eq!(streams, [1, 2, 0]);
        assert_eq!(sorter.next_due(), None);
    }
}
