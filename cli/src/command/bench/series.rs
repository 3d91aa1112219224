//! What was measured of one contender, round by round.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::latency::{countable, histogram};

/// The times of round trips.
#[derive(Debug)]
pub(super) struct Series {
    times: Histogram<u64>,
    /// Those of the round that runs.
    round: Histogram<u64>,
    /// The median of each round, `None` where there was no round trip in it.
    medians: Vec<Option<u64>>,
    max: u64,
}

impl Series {
    pub(super) fn new() -> Self {
        Self { times: histogram(), round: histogram(), medians: Vec::new(), max: 0 }
    }

    pub(super) fn add(&mut self, time: Duration) {
        let time = countable(time);
        self.round.saturating_record(time);
        self.max = self.max.max(time);
    }

    /// Ends a round.
    pub(super) fn end_round(&mut self) {
        let median = (!self.round.is_empty()).then(|| self.round.value_at_quantile(0.5));
        self.medians.push(median);
        self.times.add(&self.round).expect("both have the same bounds");
        self.round.reset();
    }

    pub(super) fn count(&self) -> u64 {
        self.times.len()
    }

    /// Gives the time that `part` of all round trips took at most, in nanoseconds.
    pub(super) fn quantile(&self, part: f64) -> Option<u64> {
        // A value is the upper edge of its cell, which may lie above all that was measured.
        (self.count() > 0).then(|| self.times.value_at_quantile(part).min(self.max))
    }

    pub(super) fn mean(&self) -> Option<u64> {
        (self.count() > 0).then(|| self.times.mean().round() as u64)
    }

    pub(super) fn max(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.max)
    }

    /// Tells how many times as long this one takes as `other`: the median of the ratios of the rounds'
    /// medians. The rounds of both lie side by side, so that noise comes over both alike.
    pub(super) fn over(&self, other: &Self) -> Option<f64> {
        let rounds = self.medians.iter().zip(&other.medians);
        let mut ratios: Vec<f64> =
            rounds.filter_map(|(ours, theirs)| Some((*ours)? as f64 / (*theirs)? as f64)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::LONGEST;
    use crate::output::nanoseconds;

    fn series(rounds: &[&[u64]]) -> Series {
        let mut series = Series::new();
        for round in rounds {
            round.iter().for_each(|&time| series.add(Duration::from_nanos(time)));
            series.end_round();
        }
        series
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // In the last round the machine was ten times slower for both.
        let slow = series(&[&[20, 20, 90], &[22, 20, 20], &[200, 200, 200]]);
        let fast = series(&[&[10, 10, 10], &[10, 90, 10], &[100, 100, 100]]);
        assert_eq!((slow.over(&fast), fast.over(&fast)), (Some(2.0), Some(1.0)));
        assert_eq!((slow.quantile(0.5), slow.max(), slow.count()), (Some(22), Some(200), 9));
        assert_eq!((fast.quantile(1.0), fast.mean()), (Some(100), Some(49)));
    }

    #[test]
    fn rounds_without_a_time_do_not_count() {
        let empty = series(&[&[], &[]]);
        assert_eq!((empty.quantile(0.5), empty.max(), empty.mean()), (None, None, None));
        let partly = series(&[&[30], &[]]);
        let whole = series(&[&[10], &[10]]);
        assert_eq!((partly.over(&whole), empty.over(&whole)), (Some(3.0), None));
    }

    #[test]
    fn a_time_is_never_none_and_never_beyond_all_limits() {
        let mut series = Series::new();
        [Duration::ZERO, Duration::MAX].into_iter().for_each(|time| series.add(time));
        series.end_round();
        assert_eq!((series.quantile(0.0), series.max()), (Some(1), Some(nanoseconds(LONGEST))));
    }
}
