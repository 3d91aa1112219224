//! What is measured, one after the other.

use crate::Options;
use crate::contender::{Contender, Result};
use crate::cores::Placement;
use crate::report::{Report, Series};
use crate::stage::Stage;

mod broadcast;
mod calls;
mod death;
mod idle;
mod join;
mod memory;
mod requests;

/// What `--only` takes.
pub(crate) const NAMES: [&str; 11] = [
    "sync",
    "cold",
    "one-core",
    "dpdk-primary",
    "oneway",
    "broadcast",
    "death",
    "join",
    "idle",
    "calls",
    "memory",
];

/// Measures what `options` ask for; tells whether all targets were met.
pub(crate) fn all(options: &Options) -> Result<bool> {
    let mut report = Report::new(options.json);
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|o| o == name);
    let mut stage = Stage::new(options.dpdk.as_deref())?;
    let rounds = if options.quick { 5 } else { 30 };
    if ["sync", "cold", "one-core", "dpdk-primary", "oneway"].into_iter().any(wanted) {
        requests::measure(&mut stage, &mut report, rounds, wanted)?;
    }
    if wanted("broadcast") {
        broadcast::measure(&mut stage, &mut report, rounds)?;
    }
    if wanted("death") {
        death::measure(&stage, &mut report, rounds)?;
    }
    if wanted("join") {
        join::measure(&stage, &mut report, rounds)?;
    }
    if wanted("idle") {
        idle::measure(&mut stage, &mut report)?;
    }
    if wanted("calls") {
        calls::measure(&mut stage, &mut report)?;
    }
    if wanted("memory") {
        memory::measure(&mut stage, &mut report, rounds)?;
    }
    drop(stage);
    Ok(report.finish())
}

/// Has each contender do the same in turn, round after round.
fn alternate(
    contenders: &mut [&mut Contender],
    placement: Placement,
    rounds: usize,
    verb: &str,
    count: usize,
) -> Result<Vec<Series>> {
    let mut series: Vec<_> = contenders.iter().map(|one| Series::new(one.name)).collect();
    for _ in 0..rounds {
        for (contender, series) in contenders.iter_mut().zip(&mut series) {
            placement.apply(contender.server, contender.client.id())?;
            let times = contender
                .client
                .ask(verb, count)
                .map_err(|error| format!("{}: {error}", contender.name))?;
            series.rounds.push(times);
        }
    }
    Ok(series)
}
