//! The system calls of a warm round trip while both sides are awake, as strace counts them.
//!
//! Tracing makes every call a hundred times slower, so both sides get a window of polling that is
//! never over. What polling costs is then no matter of the protocol: receives that found nothing,
//! looks at other descriptors, offers of the core.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::contender::Result;
use crate::report::{Bound, Report, Target, Unit};
use crate::stage::Stage;

/// Round trips that are traced: `sync` makes some more before those that it measures.
const MEASURED: usize = 900;
const ALL: f64 = 1000.0;

/// Calls that are made only while there is nothing to receive.
const POLLING: [&str; 3] = ["sched_yield", "epoll_pwait2", "epoll_wait"];

pub(super) fn measure(stage: &mut Stage, report: &mut Report) -> Result<()> {
    let bench = "system calls of a warm round trip";
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        report.left_out(bench, "strace counts them, and is not installed");
        return Ok(());
    }
    let mut pair = stage.native("calls", Some("1000000"))?;
    pair.client.ask("sync", 10)?;
    let files = ["server", "client"].map(|who| stage.base().join(format!("strace_{who}")));
    let traces =
        [Trace::start(pair.server, &files[0])?, Trace::start(pair.client.id(), &files[1])?];
    let asked = pair.client.ask("sync", MEASURED);
    for trace in traces {
        trace.stop()?;
    }
    asked?;
    let mut calls = BTreeMap::new();
    for file in files {
        count(&fs::read_to_string(file)?, &mut calls)?;
    }
    let counted = calls.iter().filter(|(name, _)| !POLLING.contains(&name.as_str()));
    let target = Target {
        what: "calls that did something, both sides",
        value: counted.map(|(_, count)| *count as f64).sum::<f64>() / ALL,
        unit: Unit::Count,
        bound: Bound::AtMost,
        // Four, and what is done once: reading the command, writing the times.
        limit: 4.05,
        goal: None,
    };
    report.show(bench, "unpinned", &[], &[target]);
    Ok(())
}

/// An strace that counts.
struct Trace {
    strace: Child,
    /// Kept open, since strace has more to say.
    _errors: BufReader<ChildStderr>,
}

impl Trace {
    /// Starts to trace all threads of `process`.
    fn start(process: u32, file: &Path) -> Result<Self> {
        let mut strace = Command::new("strace")
            .args(["-f", "-c", "-U", "calls,errors,name", "-o"])
            .arg(file)
            .args(["-p", &process.to_string()])
            .stderr(Stdio::piped())
            .spawn()?;
        let mut errors = BufReader::new(strace.stderr.take().ok_or("its errors are piped")?);
        let mut line = String::new();
        errors.read_line(&mut line)?;
        if !line.contains("attached") {
            strace.kill()?;
            strace.wait()?;
            return Err(line.into());
        }
        Ok(Self { strace, _errors: errors })
    }

    fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.strace), Signal::INT)?;
        self.strace.wait()?;
        Ok(())
    }
}

/// Adds the calls of a summary that did not fail.
fn count(summary: &str, calls: &mut BTreeMap<String, u64>) -> Result<()> {
    for line in summary.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (all, failed, name) = match words[..] {
            [_, _, "total"] | [_, "total"] => continue,
            [all, failed, name] => (all, failed, name),
            [all, name] => (all, "0", name),
            _ => continue,
        };
        if let (Ok(all), Ok(failed)) = (all.parse::<u64>(), failed.parse::<u64>()) {
            *calls.entry(name.to_owned()).or_default() += all - failed;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read_without_what_failed() {
        let summary = "    calls    errors syscall\n--------- --------- ----------------\n\
            \x20    1000           sendmsg\n     4217      3217 recvmmsg\n\
            --------- --------- ----------------\n     5217      3217 total\n";
        let mut calls = BTreeMap::new();
        count(summary, &mut calls).unwrap();
        assert_eq!(
            calls.into_iter().collect::<Vec<_>>(),
            [("recvmmsg".to_owned(), 1000), ("sendmsg".to_owned(), 1000),]
        );
    }
}
