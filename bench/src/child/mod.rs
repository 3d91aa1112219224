//! What the processes do that are measured: each is this program, started as `child KIND ARGUMENT...`.
//!
//! A child says `ready`, then obeys its standard input line by line, and ends with it:
//!
//! - `sync COUNT`, `cold COUNT`: round trips, back to back or each after a rest;
//! - `oneway COUNT`: messages, until the other side says that all have come;
//! - `lookup COUNT`, `reserve COUNT`: memory zones, as `zones` says;
//! - `small COUNT`, `page COUNT`: blocks of the heap, as `heap` says.
//!
//! It answers `ns`, and the nanoseconds of each round trip, batch or zone, or of the whole. The C
//! program `dpdk_bench` obeys the same lines.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) mod bare;
pub(crate) mod heap;
pub(crate) mod native;
pub(crate) mod zones;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Requests, or the like, that are not measured, before those that are; not more than those.
const WARM_UP: usize = 100;
const REST: Duration = Duration::from_millis(10);
/// How long the scheduler has to find a core for each end, where a steady state is measured. It
/// moves what has just run only at one of its next ticks.
const SETTLING: Duration = Duration::from_millis(50);

/// What every request and message carries as its parameter.
const PARAM: [u8; 32] = [b'x'; 32];

/// Plays the part that the command line names.
pub(crate) fn play(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["native-server", prefix] => native::serve(prefix),
        ["native-client", prefix] => native::ask(prefix),
        ["native-member", prefix] => native::answer(prefix),
        ["native-caller", prefix] => native::call(prefix),
        ["native-silent", prefix, role] => native::stay_silent(prefix, role.parse()?),
        ["native-join", prefix, role] => native::join(prefix, role.parse()?),
        ["bare-server", path, wait] => bare::serve(path, wait.parse()?),
        ["bare-client", path, wait] => bare::ask(path, wait.parse()?),
        ["bare-echo", path] => bare::echo(path),
        ["bare-caller", path, peers @ ..] => bare::call(path, peers),
        _ => Err(format!("no such part: {arguments:?}").into()),
    }
}

/// Says `ready`, and waits for the end of the input.
fn ready_until_the_end() -> Result<()> {
    obey(|_, _| Err("nothing to ask here".into()))
}

/// Says `ready`, and answers each line `VERB COUNT` with the times that `run` gives.
fn obey(mut run: impl FnMut(&str, usize) -> Result<Vec<u64>>) -> Result<()> {
    println!("ready");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (verb, count) = line.split_once(' ').ok_or("a line is VERB COUNT")?;
        let times = run(verb, count.parse()?)?;
        let mut output = io::stdout().lock();
        write!(output, "ns")?;
        for time in times {
            write!(output, " {time}")?;
        }
        writeln!(output)?;
    }
    Ok(())
}

/// Measures `count` round trips.
fn time_round_trips(
    verb: &str,
    count: usize,
    mut round_trip: impl FnMut() -> Result<()>,
) -> Result<Vec<u64>> {
    let rest = match verb {
        "cold" => Some(REST),
        "sync" => None,
        "steady" => {
            let start = Instant::now();
            while start.elapsed() < SETTLING {
                round_trip()?;
            }
            None
        }
        _ => return Err(format!("no such verb: {verb}").into()),
    };
    time_each(count, rest, round_trip)
}

/// Measures `run`, `count` times, each after a rest if there is to be one.
fn time_each(
    count: usize,
    rest: Option<Duration>,
    mut run: impl FnMut() -> Result<()>,
) -> Result<Vec<u64>> {
    for _ in 0..WARM_UP.min(count) {
        run()?;
    }
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        if let Some(rest) = rest {
            thread::sleep(rest);
        }
        let start = Instant::now();
        run()?;
        times.push(nanoseconds(start.elapsed()));
    }
    Ok(times)
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
