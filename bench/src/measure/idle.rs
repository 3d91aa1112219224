//! A group in which nothing happens: its processes are not even looked at by the scheduler.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::contender::Result;
use crate::cores::threads;
use crate::report::{Bound, Report, Target, Unit};
use crate::stage::Stage;

const REST: Duration = Duration::from_secs(5);

pub(super) fn measure(stage: &mut Stage, report: &mut Report) -> Result<()> {
    let mut pair = stage.native("idle", None)?;
    pair.client.ask("sync", 100)?;
    // Longer than any window of polling.
    thread::sleep(Duration::from_millis(100));
    let processes = [pair.server, pair.client.id()];
    let before = context_switches(&processes)?;
    thread::sleep(REST);
    let count = context_switches(&processes)? - before;
    let target = Target {
        what: "context switches in 5 s, both processes",
        value: count as f64,
        unit: Unit::Count,
        bound: Bound::AtMost,
        limit: 0.0,
        goal: None,
    };
    report.show("idle", "unpinned", &[], &[target]);
    Ok(())
}

fn context_switches(processes: &[u32]) -> Result<u64> {
    let mut count = 0;
    for process in processes {
        for thread in threads(*process)? {
            let status = fs::read_to_string(format!("/proc/{process}/task/{thread}/status"))?;
            for line in status.lines().filter(|line| line.contains("ctxt_switches:")) {
                count += line.rsplit('\t').next().unwrap_or_default().parse::<u64>()?;
            }
        }
    }
    Ok(count)
}
