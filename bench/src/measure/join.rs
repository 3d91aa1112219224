//! Joining, each time in a new process.

use crate::contender::{Process, Result};
use crate::report::{Bound, Report, Series, Target, Unit};
use crate::stage::Stage;

/// "About a millisecond", in nanoseconds.
const LIMIT: f64 = 2e6;
const GOAL: f64 = 1e6;

pub(super) fn measure(stage: &Stage, report: &mut Report, rounds: usize) -> Result<()> {
    let mut series = [Series::new("primary"), Series::new("secondary")];
    for _ in 0..rounds {
        let mut primary = Process::start(&mut stage.part(&["native-join", "join", "primary"])?)?;
        let secondary = stage.part(&["native-join", "join", "secondary"])?;
        let mut secondary = Process::start(&mut { secondary })?;
        for (series, process) in series.iter_mut().zip([&mut primary, &mut secondary]) {
            series.rounds.push(process.ask("took", 1)?);
        }
        drop(secondary);
    }
    let target = |what, series: &Series| Target {
        what,
        value: series.median() as f64,
        unit: Unit::Nanoseconds,
        bound: Bound::AtMost,
        limit: LIMIT,
        goal: Some(GOAL),
    };
    let targets =
        [target("joining as a primary", &series[0]), target("joining as a secondary", &series[1])];
    report.show("join", "unpinned", &series, &targets);
    Ok(())
}
