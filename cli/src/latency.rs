//! How long answers took, and how many never came: what `ping` and `request --count` sum up.
//!
//! The least, the most and the mean are exact; the percentile is that of a histogram with three digits.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::output::nanoseconds;

/// Times longer than this count as this.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);
/// How many digits of a time the histogram keeps.
const DIGITS: u8 = 3;

/// Makes a histogram for times in nanoseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    let histogram = Histogram::new_with_bounds(1, nanoseconds(LONGEST), DIGITS);
    histogram.expect("the bounds are in order")
}

/// Gives the nanoseconds as which a time stands in a [`histogram`].
pub(crate) fn countable(time: Duration) -> u64 {
    nanoseconds(time).clamp(1, nanoseconds(LONGEST))
}

/// The times of answers, as they come.
#[derive(Debug, Clone)]
pub(crate) struct Latency {
    sent: u64,
    sum: u128,
    times: Histogram<u64>,
    extremes: Option<(u64, u64)>,
}

impl Latency {
    pub(crate) fn new() -> Self {
        Self { sent: 0, sum: 0, times: histogram(), extremes: None }
    }

    /// Counts one that was asked, whatever comes of it.
    pub(crate) fn add_sent(&mut self) {
        self.sent += 1;
    }

    /// Counts an answer, which took this long.
    pub(crate) fn add_received(&mut self, time: Duration) {
        let time = countable(time);
        self.times.saturating_record(time);
        self.sum += u128::from(time);
        let (least, most) = self.extremes.unwrap_or((time, time));
        self.extremes = Some((least.min(time), most.max(time)));
    }

    /// Sums up what has come so far.
    pub(crate) fn summary(&self) -> Summary {
        let received = self.times.len();
        let lost = self.sent.saturating_sub(received);
        let mean = self.sum.checked_div(received.into()).and_then(|mean| mean.try_into().ok());
        let (min_ns, max_ns) = self.extremes.unzip();
        // A percentile is the upper edge of its cell, which may lie above all that was recorded.
        let p99_ns = max_ns.map(|max| self.times.value_at_quantile(0.99).min(max));
        Summary {
            sent: self.sent,
            received,
            loss_percent: if self.sent == 0 { 0.0 } else { lost as f64 * 100.0 / self.sent as f64 },
            min_ns,
            avg_ns: mean,
            p99_ns,
            max_ns,
        }
    }
}

/// How many were asked and answered, and how long it took. The times are those of the answers; without
/// any they are not known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) loss_percent: f64,
    pub(crate) min_ns: Option<u64>,
    pub(crate) avg_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) max_ns: Option<u64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, received, loss_percent, .. } = self;
        write!(f, "{sent} sent, {received} received, {loss_percent:.1}% lost")?;
        if let (Some(min), Some(avg), Some(max), Some(p99)) =
            (self.min_ns, self.avg_ns, self.max_ns, self.p99_ns)
        {
            let [min, avg, max, p99] = [min, avg, max, p99].map(Duration::from_nanos);
            write!(f, "; min/avg/max/p99 {min:.1?}/{avg:.1?}/{max:.1?}/{p99:.1?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_losses_are_summed_up() {
        let mut latency = Latency::new();
        assert_eq!(latency.summary().to_string(), "0 sent, 0 received, 0.0% lost");
        for time in 1..=100 {
            latency.add_sent();
            latency.add_received(Duration::from_micros(time));
        }
        for _ in 0..25 {
            latency.add_sent();
        }
        let summary = latency.summary();
        assert_eq!((summary.sent, summary.received, summary.loss_percent), (125, 100, 20.0));
        assert_eq!((summary.min_ns, summary.max_ns), (Some(1000), Some(100_000)));
        assert_eq!(summary.avg_ns, Some(50_500));
        let p99 = summary.p99_ns.expect("there are answers");
        assert!((99_000..99_100).contains(&p99), "{p99}");
        let text = summary.to_string();
        let expected =
            "125 sent, 100 received, 20.0% lost; min/avg/max/p99 1.0µs/50.5µs/100.0µs/99.0µs";
        assert_eq!(text, expected);
    }

    #[test]
    fn no_time_is_too_short_or_too_long() {
        let mut latency = Latency::new();
        for time in [Duration::ZERO, Duration::MAX] {
            latency.add_sent();
            latency.add_received(time);
        }
        let summary = latency.summary();
        assert_eq!((summary.min_ns, summary.max_ns), (Some(1), Some(nanoseconds(LONGEST))));
        assert_eq!((summary.received, summary.p99_ns), (2, summary.max_ns));
    }
}
