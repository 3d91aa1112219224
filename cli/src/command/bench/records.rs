//! What was measured, as it is written: a table for people, an object for each contender for programs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::contender::Identity;
use super::measure::{Effort, Lane};
use crate::escape::Escaped;
use crate::interrupt::Interrupt;
use crate::output::{Output, nanoseconds};
use crate::status::Failure;
use crate::table::table;

/// What was measured of one contender.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "bench")]
pub(super) struct Row {
    contender: &'static str,
    pid: Option<u32>,
    role: Option<&'static str>,
    param_len: u16,
    requests: u64,
    avg_ns: Option<u64>,
    p50_ns: Option<u64>,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    p999_ns: Option<u64>,
    max_ns: Option<u64>,
    requests_per_second: Option<u64>,
    messages: u64,
    messages_per_second: Option<u64>,
    ratio: Option<f64>,
    error: Option<String>,
}

/// A member that was not asked.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "bench_left_out")]
struct LeftOut {
    pid: Option<u32>,
    role: Option<&'static str>,
    reason: &'static str,
}

/// What was done in all.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "bench_summary")]
pub(super) struct Summary {
    rounds: u64,
    duration_ns: Option<u64>,
    count: Option<u64>,
    interrupted: bool,
    time_ns: u64,
    plot: Option<String>,
}

impl Row {
    /// Sums up a lane, beside the one that all are compared with.
    pub(super) fn new(lane: &Lane, first: &Lane, size: u16) -> Self {
        let (identity, times) = (lane.identity(), lane.times());
        let whole = |rate: f64| rate.round() as u64;
        Self {
            contender: identity.kind,
            pid: identity.pid,
            role: identity.role,
            param_len: size,
            requests: times.count(),
            avg_ns: times.mean(),
            p50_ns: times.quantile(0.5),
            p90_ns: times.quantile(0.9),
            p99_ns: times.quantile(0.99),
            p999_ns: times.quantile(0.999),
            max_ns: times.max(),
            requests_per_second: lane.requests_per_second().map(whole),
            messages: lane.messages(),
            messages_per_second: lane.messages_per_second().map(whole),
            // A tenth of a percent is more than can be measured.
            ratio: times.over(first.times()).map(|ratio| (ratio * 1000.0).round() / 1000.0),
            error: lane.error().map(str::to_owned),
        }
    }

    /// Names the contender for people.
    pub(super) fn name(&self) -> String {
        name(self.contender, self.role, self.pid)
    }

    fn cells(&self) -> [String; 9] {
        let time = |time: Option<u64>| {
            time.map_or("-".to_owned(), |time| format!("{:.1?}", Duration::from_nanos(time)))
        };
        let number = |number: Option<u64>| number.map_or("-".to_owned(), grouped);
        [
            self.name(),
            time(self.p50_ns),
            time(self.p90_ns),
            time(self.p99_ns),
            time(self.p999_ns),
            time(self.max_ns),
            number(self.requests_per_second),
            number(self.messages_per_second),
            self.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
        ]
    }
}

fn name(kind: &str, role: Option<&str>, pid: Option<u32>) -> String {
    let pid = pid.map_or("?".to_owned(), |pid| pid.to_string());
    match kind {
        "socket-polling" => "bare socket, polling".to_owned(),
        "socket-blocking" => "bare socket, blocking".to_owned(),
        "member" => format!("{} {pid}", role.unwrap_or("member")),
        other => other.to_owned(),
    }
}

/// Writes a number with a blank between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

impl LeftOut {
    fn new(identity: &Identity) -> Self {
        let reason = "it is a DPDK process, or cannot be told from one, and would not answer";
        Self { pid: identity.pid, role: identity.role, reason }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left out: {}", name("member", self.role, self.pid), self.reason)
    }
}

impl Summary {
    pub(super) fn new(
        effort: &Effort,
        interrupt: &Interrupt,
        time: Duration,
        plot: Option<PathBuf>,
    ) -> Self {
        let (duration_ns, count) = match *effort {
            Effort::Time(time) => (Some(nanoseconds(time)), None),
            Effort::Count(count) => (None, Some(count)),
        };
        Self {
            rounds: effort.rounds(),
            duration_ns,
            count,
            interrupted: interrupt.is_caught(),
            time_ns: nanoseconds(time),
            plot: plot.map(|path| path.display().to_string()),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Duration::from_nanos(self.time_ns);
        write!(
            f,
            "\n{} round{} in turn, {time:.1?} in all",
            self.rounds,
            if self.rounds == 1 { "" } else { "s" }
        )?;
        if self.interrupted {
            write!(f, "; interrupted, so that some of it is missing")?;
        }
        match &self.plot {
            Some(path) => write!(f, "\nThe percentiles are in {}.", Escaped::message(path)),
            None => Ok(()),
        }
    }
}

/// Writes all of it.
pub(super) fn show(
    rows: &[Row],
    left_out: &[Identity],
    summary: &Summary,
    output: &mut Output,
) -> Result<(), Failure> {
    if output.is_json() {
        rows.iter().try_for_each(|row| output.object(row))?;
    } else {
        output.line(rows_as_table(rows))?;
        for (row, error) in rows.iter().filter_map(|row| Some((row, row.error.as_ref()?))) {
            output.line(format_args!("{} was asked no more: {error}", row.name()))?;
        }
    }
    for identity in left_out {
        output.show(&LeftOut::new(identity))?;
    }
    output.show(summary)
}

fn rows_as_table(rows: &[Row]) -> String {
    let header = [
        "ROUND TRIP",
        " P50",
        " P90",
        " P99",
        " P99.9",
        " MAX",
        " REQUESTS/S",
        " MESSAGES/S",
        " RATIO",
    ];
    table("", header, rows.iter().map(Row::cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567")];
        for (number, expected) in cases {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn contenders_have_names_for_people() {
        let cases = [
            (("rte-mp", None, Some(7)), "rte-mp"),
            (("socket-polling", None, Some(7)), "bare socket, polling"),
            (("member", Some("primary"), Some(7)), "primary 7"),
            (("member", Some("secondary"), None), "secondary ?"),
        ];
        for ((kind, role, pid), expected) in cases {
            assert_eq!(name(kind, role, pid), expected);
        }
    }
}
