//! Joining, each time in a new process. A primary makes its memory as it joins; a secondary asks for it
//! at its first use.

use crate::contender::{Process, Result};
use crate::report::{Bound, Report, Series, Target, Unit};
use crate::stage::Stage;

/// "About a millisecond", in nanoseconds.
const LIMIT: f64 = 2e6;
const GOAL: f64 = 1e6;
/// The same with the group's memory, which has 1 GiB.
const MEMORY_LIMIT: f64 = 5e6;

pub(super) fn measure(stage: &Stage, report: &mut Report, rounds: usize) -> Result<()> {
    let mut series = [
        Series::new("primary"),
        Series::new("secondary"),
        Series::new("secondary, and its memory"),
    ];
    for _ in 0..rounds {
        let mut primary = Process::start(&mut stage.part(&["native-join", "join", "primary"])?)?;
        let secondary = stage.part(&["native-join", "join", "secondary"])?;
        let mut secondary = Process::start(&mut { secondary })?;
        series[0].rounds.push(primary.ask("took", 1)?);
        series[1].rounds.push(secondary.ask("took", 1)?);
        series[2].rounds.push(secondary.ask("attach", 1)?);
        drop(secondary);
    }
    let target = |what, series: &Series, limit, goal| Target {
        what,
        value: series.median() as f64,
        unit: Unit::Nanoseconds,
        bound: Bound::AtMost,
        limit,
        goal,
    };
    let targets = [
        target("joining as a primary", &series[0], LIMIT, Some(GOAL)),
        target("joining as a secondary", &series[1], LIMIT, Some(GOAL)),
        target("joining as a primary, 1 GiB of memory", &series[0], MEMORY_LIMIT, None),
        target("joining as a secondary, 1 GiB of memory", &series[2], MEMORY_LIMIT, None),
    ];
    report.show("join", "unpinned", &series, &targets);
    Ok(())
}
