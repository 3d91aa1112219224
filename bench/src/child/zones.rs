//! Memory zones: what the primary has reserved, and what a secondary does with zones.
//!
//! - `lookup COUNT`: batches of [`BATCH`] lookups among all zones, each by its name;
//! - `open COUNT`: one lookup each;
//! - `reserve COUNT`: a zone of [`ZONE_LEN`] bytes each, reserved and freed;
//! - `touch COUNT`: every page of [`TOUCHED_LEN`] bytes that are reserved for it, the touching alone.
//!
//! The C program knows `lookup` and `reserve`, and has the same zones.

use std::time::Instant;

use rte_mp::Memzones;

use super::{Result, nanoseconds, time_each};

/// Zones that the primary has.
pub(crate) const ZONES: usize = 100;
/// Lookups that are measured in one, since a single one takes hardly longer than reading the clock.
pub(crate) const BATCH: usize = 1000;
const ZONE_LEN: usize = 4096;

/// A zone so large that its pages go back to the system when it is freed.
pub(crate) const TOUCHED_LEN: usize = 16 << 20;
pub(crate) const PAGE_LEN: usize = 4096;

/// Has all zones be there.
pub(super) fn reserve_all(memzones: &Memzones) -> Result<()> {
    for name in names() {
        memzones.reserve(name, ZONE_LEN).commit()?;
    }
    Ok(())
}

fn names() -> Vec<String> {
    (0..ZONES).map(|number| format!("bench_zone_{number:02}")).collect()
}

/// Measures what `verb` names.
pub(super) fn time(memzones: &Memzones, verb: &str, count: usize) -> Result<Vec<u64>> {
    let names = names();
    let mut turn = names.iter().cycle();
    let mut look_up = || -> Result<()> {
        let name = turn.next().ok_or("there are zones")?;
        memzones.lookup(name)?;
        Ok(())
    };
    match verb {
        "lookup" => time_each(count, None, || (0..BATCH).try_for_each(|_| look_up())),
        "open" => time_each(count, None, look_up),
        "reserve" => time_each(count, None, || {
            let zone = memzones.reserve("bench_fresh", ZONE_LEN).commit()?;
            Ok(memzones.free(zone)?)
        }),
        "touch" => (0..count).map(|_| touch(memzones)).collect(),
        _ => Err(format!("no such verb: {verb}").into()),
    }
}

/// Measures how long it takes to write to each page of a fresh zone.
fn touch(memzones: &Memzones) -> Result<u64> {
    let zone = memzones.reserve("bench_touched", TOUCHED_LEN).align(PAGE_LEN).commit()?;
    let start = Instant::now();
    for page in (0..TOUCHED_LEN).step_by(PAGE_LEN) {
        zone.write_at(page, b"x")?;
    }
    let took = nanoseconds(start.elapsed());
    memzones.free(zone)?;
    Ok(took)
}
