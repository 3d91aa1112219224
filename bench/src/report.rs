//! What is said about the measurements: tables for people, JSON lines for programs.

use std::fmt::Write;

/// The times of one contender, round by round.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) contender: &'static str,
    pub(crate) rounds: Vec<Vec<u64>>,
}

impl Series {
    pub(crate) fn new(contender: &'static str) -> Self {
        Self { contender, rounds: Vec::new() }
    }

    /// The value that `part` of all are below or equal to.
    fn quantile(&self, part: f64) -> u64 {
        let mut all: Vec<u64> = self.rounds.iter().flatten().copied().collect();
        quantile(&mut all, part)
    }

    pub(crate) fn median(&self) -> u64 {
        self.quantile(0.5)
    }

    pub(crate) fn p99(&self) -> u64 {
        self.quantile(0.99)
    }

    fn min(&self) -> u64 {
        self.quantile(0.0)
    }

    fn count(&self) -> usize {
        self.rounds.iter().map(Vec::len).sum()
    }

    /// How many times as long this one takes as `other`: the median of the ratios of the rounds'
    /// medians. The rounds of both lie side by side, so that noise comes over both alike.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        let medians = |series: &Self| -> Vec<u64> {
            series.rounds.iter().map(|round| quantile(&mut round.clone(), 0.5)).collect()
        };
        let mut ratios: Vec<f64> = medians(self)
            .into_iter()
            .zip(medians(other))
            .map(|(ours, theirs)| ours as f64 / theirs.max(1) as f64)
            .collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn quantile(values: &mut [u64], part: f64) -> u64 {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
}

/// Which side of a target is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    AtLeast,
    AtMost,
}

/// A number that was promised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// What the number is of, in words.
    pub(crate) what: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    pub(crate) bound: Bound,
    pub(crate) limit: f64,
    /// What would be better still.
    pub(crate) goal: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// How many times.
    Ratio,
    Nanoseconds,
    Count,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::Nanoseconds => "ns",
            Self::Count => "count",
        }
    }

    /// Writes a number for programs.
    fn number(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => format!("{value:.0}"),
            Self::Ratio | Self::Count => format!("{value:.3}"),
        }
    }

    /// Writes a number for people.
    fn show(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.2} x"),
            Self::Nanoseconds => duration(value),
            Self::Count => format!("{value:.2}"),
        }
    }
}

impl Target {
    fn keeps(&self, limit: f64) -> bool {
        match self.bound {
            Bound::AtLeast => self.value >= limit,
            Bound::AtMost => self.value <= limit,
        }
    }

    pub(crate) fn is_met(&self) -> bool {
        self.keeps(self.limit)
    }
}

/// Writes what was measured to standard output, and remembers whether all targets were met.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    missed: Vec<String>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, missed: Vec::new() }
    }

    /// Says that something was left out, and what would bring it in.
    pub(crate) fn left_out(&self, bench: &str, reason: &str) {
        if self.json {
            println!(
                "{}",
                object(&[
                    ("kind", text("left out")),
                    ("bench", text(bench)),
                    ("reason", text(reason))
                ])
            );
        } else {
            println!("\n{bench}: left out: {reason}");
        }
    }

    /// Shows the times of all contenders, then the targets.
    pub(crate) fn show(
        &mut self,
        bench: &str,
        placement: &str,
        series: &[Series],
        targets: &[Target],
    ) {
        for target in targets.iter().filter(|target| !target.is_met()) {
            self.missed.push(format!("{bench}, {placement}: {}", target.what));
        }
        if self.json {
            self.show_json(bench, placement, series, targets);
        } else {
            show_table(bench, placement, series, targets);
        }
    }

    /// Shows a number of which nothing was promised.
    pub(crate) fn figure(&self, bench: &str, placement: &str, what: &str, value: f64, unit: Unit) {
        if self.json {
            println!("{}", figure_json(bench, placement, what, value, unit));
        } else {
            println!("  {what:<50} {:>9}", unit.show(value));
        }
    }

    fn show_json(&self, bench: &str, placement: &str, series: &[Series], targets: &[Target]) {
        for one in series {
            println!(
                "{}",
                object(&[
                    ("kind", text("times")),
                    ("bench", text(bench)),
                    ("placement", text(placement)),
                    ("contender", text(one.contender)),
                    ("rounds", one.rounds.len().to_string()),
                    ("samples", one.count().to_string()),
                    ("min_ns", one.min().to_string()),
                    ("median_ns", one.median().to_string()),
                    ("p99_ns", one.p99().to_string()),
                ])
            );
        }
        for target in targets {
            let number = |value: f64| target.unit.number(value);
            let bound = match target.bound {
                Bound::AtLeast => "at least",
                Bound::AtMost => "at most",
            };
            println!(
                "{}",
                object(&[
                    ("kind", text("target")),
                    ("bench", text(bench)),
                    ("placement", text(placement)),
                    ("what", text(target.what)),
                    ("unit", text(target.unit.name())),
                    ("value", number(target.value)),
                    ("bound", text(bound)),
                    ("limit", number(target.limit)),
                    ("goal", target.goal.map_or("null".to_owned(), number)),
                    ("met", target.is_met().to_string()),
                ])
            );
        }
    }

    /// Says at the end which targets were missed; `true` if none was.
    pub(crate) fn finish(self) -> bool {
        if !self.json {
            println!();
            for missed in &self.missed {
                println!("missed: {missed}");
            }
            if self.missed.is_empty() {
                println!("all targets are met");
            }
        }
        self.missed.is_empty()
    }
}

fn show_table(bench: &str, placement: &str, series: &[Series], targets: &[Target]) {
    println!("\n{bench}, {placement}");
    for one in series {
        println!(
            "  {:<28} median {:>9}   p99 {:>9}   ({} times)",
            one.contender,
            duration(one.median() as f64),
            duration(one.p99() as f64),
            one.count()
        );
    }
    for target in targets {
        let mut line = format!("  {:<50} {:>9}", target.what, target.unit.show(target.value));
        let word = match target.bound {
            Bound::AtLeast => "at least",
            Bound::AtMost => "at most",
        };
        let met = if target.is_met() { "met" } else { "MISSED" };
        let _ = write!(line, "   {word} {}: {met}", target.unit.show(target.limit));
        if let Some(goal) = target.goal {
            let reached = if target.keeps(goal) { "reached" } else { "not reached" };
            let _ = write!(line, "; goal {}: {reached}", target.unit.show(goal));
        }
        println!("{line}");
    }
}

fn figure_json(bench: &str, placement: &str, what: &str, value: f64, unit: Unit) -> String {
    object(&[
        ("kind", text("figure")),
        ("bench", text(bench)),
        ("placement", text(placement)),
        ("what", text(what)),
        ("unit", text(unit.name())),
        ("value", unit.number(value)),
    ])
}

/// Writes a number of nanoseconds for people.
fn duration(ns: f64) -> String {
    match ns {
        ns if ns >= 1e9 => format!("{:.2} s", ns / 1e9),
        ns if ns >= 1e6 => format!("{:.2} ms", ns / 1e6),
        ns if ns >= 1e3 => format!("{:.2} us", ns / 1e3),
        ns => format!("{ns:.0} ns"),
    }
}

/// Writes a JSON string; none of ours needs more than this to be escaped.
fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let series = |contender, rounds: &[[u64; 3]]| Series {
            contender,
            rounds: rounds.iter().map(|round| round.to_vec()).collect(),
        };
        // In the last round the machine was ten times slower for both.
        let slow = series("slow", &[[20, 20, 90], [22, 20, 20], [200, 200, 200]]);
        let fast = series("fast", &[[10, 10, 10], [10, 90, 10], [100, 100, 100]]);
        assert_eq!(slow.over(&fast), 2.0);
        assert_eq!((slow.median(), slow.min(), slow.p99()), (22, 20, 200));
    }

    #[test]
    fn a_target_has_two_sides() {
        let target = |bound, value| Target {
            what: "",
            value,
            unit: Unit::Ratio,
            bound,
            limit: 2.0,
            goal: None,
        };
        assert!(target(Bound::AtLeast, 2.0).is_met() && !target(Bound::AtLeast, 1.9).is_met());
        assert!(target(Bound::AtMost, 2.0).is_met() && !target(Bound::AtMost, 2.1).is_met());
    }

    #[test]
    fn a_figure_has_no_limit() {
        let line = figure_json("reserve", "pinned", "DPDK over rte-mp", 0.25, Unit::Ratio);
        let expected = concat!(
            r#"{"kind":"figure","bench":"reserve","placement":"pinned","#,
            r#""what":"DPDK over rte-mp","unit":"ratio","value":0.250}"#
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = object(&[("kind", text("a \"b\"")), ("median_ns", 7.to_string())]);
        assert_eq!(line, r#"{"kind":"a \"b\"","median_ns":7}"#);
    }
}
