//! Memory zones and the heap, as a secondary uses them, beside a DPDK secondary.

use super::alternate;
use super::requests::NO_DPDK;
use crate::child::heap::SMALL_LEN;
use crate::child::zones::{BATCH, PAGE_LEN, TOUCHED_LEN, ZONES};
use crate::contender::{Contender, Result};
use crate::cores::Placement;
use crate::report::{Bound, Report, Series, Target, Unit};
use crate::stage::Stage;

/// Batches of lookups, or of blocks, a round.
const BATCHES: usize = 20;
/// Zones of a DPDK primary that are mapped a round.
const OPENED: usize = 50;
/// Zones that are reserved and freed a round.
const RESERVED: usize = 200;
/// Large zones whose pages are touched a round.
const TOUCHED: usize = 2;

/// What a lookup may take, in nanoseconds.
const LOOKUP_LIMIT: f64 = 200.0;

/// Nobody else has a part in what is measured, so it does not matter where the others run.
const PLACEMENT: Placement = Placement::Pinned;

const DPDK_OVER_NATIVE: &str = "DPDK over rte-mp";

pub(super) fn measure(stage: &mut Stage, report: &mut Report, rounds: usize) -> Result<()> {
    let native = stage.native("memory", None)?;
    let mut native = Contender { name: "rte-mp", ..native };
    let mut dpdk = stage.dpdk("DPDK 22.11")?;
    let mut native_to_dpdk = stage.native_to_dpdk("rte-mp, DPDK primary")?;
    look_up(&mut native, &mut dpdk, report, rounds)?;
    open(&mut native_to_dpdk, report, rounds)?;
    reserve(&mut native, &mut dpdk, report, rounds)?;
    allocate(&mut native, &mut dpdk, report, rounds)?;
    touch(&mut native, report, rounds)
}

fn look_up(
    native: &mut Contender,
    dpdk: &mut Option<Contender>,
    report: &mut Report,
    rounds: usize,
) -> Result<()> {
    let mut series = beside(native, dpdk, rounds, "lookup", BATCHES)?;
    // The ratio is taken of whole batches: a nanosecond is too coarse for one lookup.
    let ratio = dpdk_over_native(&series);
    let target = Target {
        what: "one lookup by rte-mp",
        value: series[0].median() as f64 / BATCH as f64,
        unit: Unit::Nanoseconds,
        bound: Bound::AtMost,
        limit: LOOKUP_LIMIT,
        goal: None,
    };
    share_out(&mut series, BATCH);
    let bench = format!("lookup of one of {ZONES} zones, mean of {BATCH}");
    report.show(&bench, PLACEMENT.name(), &series, &[target]);
    show_ratio(report, &bench, ratio);
    Ok(())
}

fn open(native_to_dpdk: &mut Option<Contender>, report: &mut Report, rounds: usize) -> Result<()> {
    let bench = "lookup of a zone of a DPDK primary, mapped and unmapped";
    let Some(native_to_dpdk) = native_to_dpdk else {
        report.left_out(bench, NO_DPDK);
        return Ok(());
    };
    let series = alternate(&mut [native_to_dpdk], PLACEMENT, rounds, "open", OPENED)?;
    report.show(bench, PLACEMENT.name(), &series, &[]);
    Ok(())
}

fn reserve(
    native: &mut Contender,
    dpdk: &mut Option<Contender>,
    report: &mut Report,
    rounds: usize,
) -> Result<()> {
    let bench = "zone of 4 KiB, reserved and freed";
    let series = beside(native, dpdk, rounds, "reserve", RESERVED)?;
    report.show(bench, PLACEMENT.name(), &series, &[]);
    show_ratio(report, bench, dpdk_over_native(&series));
    Ok(())
}

fn allocate(
    native: &mut Contender,
    dpdk: &mut Option<Contender>,
    report: &mut Report,
    rounds: usize,
) -> Result<()> {
    for (verb, len) in [("small", SMALL_LEN), ("page", PAGE_LEN)] {
        let bench = format!("block of {len} bytes, allocated and freed, mean of {BATCH}");
        let mut series = beside(native, dpdk, rounds, verb, BATCHES)?;
        let ratio = dpdk_over_native(&series);
        share_out(&mut series, BATCH);
        report.show(&bench, PLACEMENT.name(), &series, &[]);
        show_ratio(report, &bench, ratio);
    }
    Ok(())
}

/// DPDK is left out: its memory is of pages of 2 MB, which it touches itself as it reserves.
fn touch(native: &mut Contender, report: &mut Report, rounds: usize) -> Result<()> {
    let mut series = alternate(&mut [native], PLACEMENT, rounds, "touch", TOUCHED)?;
    share_out(&mut series, TOUCHED_LEN / PAGE_LEN);
    let bench = "first touch of a page of 4 KiB, mean of a zone of 16 MiB";
    report.show(bench, PLACEMENT.name(), &series, &[]);
    Ok(())
}

/// Has rte-mp, and DPDK if it is there, do the same in turn.
fn beside(
    native: &mut Contender,
    dpdk: &mut Option<Contender>,
    rounds: usize,
    verb: &str,
    count: usize,
) -> Result<Vec<Series>> {
    let mut contenders = vec![native];
    contenders.extend(dpdk);
    alternate(&mut contenders, PLACEMENT, rounds, verb, count)
}

/// Gives how many times as long DPDK takes, if it was there.
fn dpdk_over_native(series: &[Series]) -> Option<f64> {
    match series {
        [native, dpdk] => Some(dpdk.over(native)),
        _ => None,
    }
}

fn show_ratio(report: &Report, bench: &str, ratio: Option<f64>) {
    if let Some(ratio) = ratio {
        report.figure(bench, PLACEMENT.name(), DPDK_OVER_NATIVE, ratio, Unit::Ratio);
    }
}

/// Makes times of `count` things together those of each, to the nearest nanosecond.
fn share_out(series: &mut [Series], count: usize) {
    let count = count as u64;
    for time in series.iter_mut().flat_map(|one| one.rounds.iter_mut().flatten()) {
        *time = (*time + count / 2) / count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shared_out_to_the_nearest_nanosecond() {
        let mut series =
            [Series { contender: "", rounds: vec![vec![1499, 1500], vec![0]] }, Series::new("")];
        share_out(&mut series, 1000);
        assert_eq!(series[0].rounds, [vec![1, 2], vec![0]]);
    }

    #[test]
    fn a_ratio_takes_two() {
        let series = |time| Series { contender: "", rounds: vec![vec![time]] };
        assert_eq!(dpdk_over_native(&[series(50), series(200)]), Some(4.0));
        assert_eq!(dpdk_over_native(&[series(50)]), None);
    }
}
