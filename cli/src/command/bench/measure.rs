//! Who is asked when, and for how long: in turn, a slice each, round by round.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::contender::{Contender, Identity};
use super::series::Series;
use crate::interrupt::Interrupt;
use crate::status::Failure;

/// How many rounds there are at most.
const ROUNDS: u64 = 10;
/// What a slice begins with, and does not count: both ends have to find their cores first.
const WARM_UP: Duration = Duration::from_millis(20);
/// How many messages go out before their receipt is asked for.
const BURST: u64 = 500;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(super) enum Effort {
    /// This long each, all rounds together.
    Time(Duration),
    /// This often each.
    Count(u64),
}

/// What is left of a slice.
#[derive(Debug, Clone, Copy)]
enum Slice {
    Until(Instant),
    Times(u64),
}

impl Effort {
    pub(super) fn new(duration: Duration, count: Option<u64>) -> Self {
        count.map_or(Self::Time(duration), Self::Count)
    }

    pub(super) fn rounds(&self) -> u64 {
        match self {
            Self::Time(_) => ROUNDS,
            Self::Count(count) => ROUNDS.min(*count),
        }
    }

    /// Begins the slice of a round, counted from 0, of which `part` is for what follows.
    fn slice(&self, round: u64, part: f64) -> Slice {
        match self {
            Self::Time(time) => {
                let slice = time.div_f64(ROUNDS as f64).mul_f64(part);
                let now = Instant::now();
                // So long that no clock reaches it: until it is interrupted, then.
                Slice::Until(now.checked_add(slice).unwrap_or(now + Duration::from_secs(1 << 32)))
            }
            Self::Count(count) => {
                let share =
                    |round| u128::from(*count) * u128::from(round) / u128::from(self.rounds());
                let times = share(round + 1) - share(round);
                Slice::Times(times.try_into().unwrap_or(u64::MAX))
            }
        }
    }
}

impl Slice {
    /// Takes at most `wanted` out of it, nothing if it is used up.
    fn take(&mut self, wanted: u64) -> u64 {
        match self {
            Self::Until(end) => match Instant::now() < *end {
                true => wanted,
                false => 0,
            },
            Self::Times(left) => {
                let taken = wanted.min(*left);
                *left -= taken;
                taken
            }
        }
    }
}

/// A contender and what was measured of it.
pub(super) struct Lane {
    contender: Box<dyn Contender>,
    times: Series,
    asking: Duration,
    messages: u64,
    sending: Duration,
    /// Why it is not asked any more.
    error: Option<String>,
}

impl Lane {
    pub(super) fn new(contender: Box<dyn Contender>) -> Self {
        Self {
            contender,
            times: Series::new(),
            asking: Duration::ZERO,
            messages: 0,
            sending: Duration::ZERO,
            error: None,
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        self.contender.identity()
    }

    pub(super) fn times(&self) -> &Series {
        &self.times
    }

    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Gives the round trips a second, one after the other.
    pub(super) fn requests_per_second(&self) -> Option<f64> {
        rate(self.times.count(), self.asking)
    }

    /// Gives the messages a second; nothing if it does not count them.
    pub(super) fn messages_per_second(&self) -> Option<f64> {
        rate(self.messages, self.sending)
    }

    /// Measures a slice of each kind; stops asking for good if there is no answer.
    fn run(&mut self, effort: &Effort, round: u64, interrupt: &Interrupt) {
        if self.error.is_none()
            && let Err(failure) = self.try_run(effort, round, interrupt)
        {
            self.error = failure.line();
        }
        self.times.end_round();
    }

    fn try_run(
        &mut self,
        effort: &Effort,
        round: u64,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let warm_up = Instant::now();
        while warm_up.elapsed() < WARM_UP && !interrupt.is_caught() {
            self.contender.round_trip()?;
        }

        let slice = effort.slice(round, 1.0);
        let start = Instant::now();
        let asked = self.ask(slice, interrupt);
        self.asking += start.elapsed();
        asked?;

        let mut slice = effort.slice(round, 0.5);
        while !interrupt.is_caught() {
            let count = slice.take(BURST);
            let Some(sent) = (count > 0).then(|| self.contender.one_way(count)).flatten() else {
                break;
            };
            self.sending += sent?;
            self.messages += count;
        }
        Ok(())
    }

    fn ask(&mut self, mut slice: Slice, interrupt: &Interrupt) -> Result<(), Failure> {
        while !interrupt.is_caught() && slice.take(1) > 0 {
            let time = self.contender.round_trip()?;
            self.times.add(time);
        }
        Ok(())
    }
}

fn rate(count: u64, time: Duration) -> Option<f64> {
    (count > 0).then(|| count as f64 / time.as_secs_f64().max(1e-9))
}

/// Measures everybody, until it is done or interrupted.
pub(super) fn measure(
    lanes: &mut [Lane],
    effort: &Effort,
    interrupt: &Interrupt,
    progress: &ProgressBar,
) {
    for round in 0..effort.rounds() {
        for lane in &mut *lanes {
            lane.run(effort, round, interrupt);
            progress.inc(1);
        }
        if interrupt.is_caught() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_spread_over_the_rounds_and_none_is_lost() {
        for count in [1, 7, 10, 99, u64::MAX] {
            let effort = Effort::new(Duration::from_secs(1), Some(count));
            assert_eq!(effort.rounds(), count.min(ROUNDS));
            let mut total = 0_u64;
            for round in 0..effort.rounds() {
                let mut slice = effort.slice(round, 1.0);
                let taken = slice.take(u64::MAX);
                assert!(taken > 0 && slice.take(1) == 0, "{count}: round {round}");
                total += taken;
            }
            assert_eq!(total, count);
        }
    }

    #[test]
    fn a_time_ends_and_the_longest_one_is_no_error() {
        let mut none = Effort::new(Duration::from_nanos(1), None).slice(0, 0.5);
        assert_eq!(none.take(1), 0);
        let mut endless = Effort::new(Duration::MAX, None).slice(9, 1.0);
        assert_eq!(endless.take(500), 500);
    }
}
