//! What the demo writes: who joined, what came of each step, and of all.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::script::Answer;
use crate::output::nanoseconds;

/// The members have joined.
#[derive(Serialize)]
#[serde(tag = "type", rename = "demo")]
pub(super) struct Joined {
    primary_pid: u32,
    secondary_pids: [u32; 2],
    time_ns: u64,
}

/// What came of one step.
#[derive(Serialize)]
#[serde(tag = "type", rename = "step")]
pub(super) struct Step {
    number: usize,
    title: &'static str,
    ok: bool,
    /// Of the call that the step is about; nothing if it failed.
    time_ns: Option<u64>,
    note: String,
}

/// What came of the whole.
#[derive(Serialize)]
#[serde(tag = "type", rename = "demo_summary")]
pub(super) struct Summary {
    steps: usize,
    failed: usize,
    time_ns: u64,
}

impl Joined {
    pub(super) fn new([primary_pid, secondary_pids @ ..]: [u32; 3], time: Duration) -> Self {
        Self { primary_pid, secondary_pids, time_ns: nanoseconds(time) }
    }
}

impl Step {
    pub(super) fn new(number: usize, title: &'static str, answer: Answer) -> Self {
        match answer {
            Ok(done) => {
                let time_ns = Some(nanoseconds(done.time));
                Self { number, title, ok: true, time_ns, note: done.note }
            }
            Err(note) => Self { number, title, ok: false, time_ns: None, note },
        }
    }
}

impl Summary {
    pub(super) fn new(steps: usize, failed: usize, time: Duration) -> Self {
        Self { steps, failed, time_ns: nanoseconds(time) }
    }
}

impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { primary_pid, secondary_pids: [first, second], time_ns } = self;
        let time = Duration::from_nanos(*time_ns);
        writeln!(
            f,
            "A primary (process {primary_pid}) and two secondaries ({first}, {second}) joined in {time:.1?}."
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, title, ok, time_ns, note } = self;
        let outcome = if *ok { "ok" } else { "FAILED" };
        let time = time_ns.map(|time| format!("{:.1?}", Duration::from_nanos(time)));
        write!(f, "{number:>2}  {title:<26}  {outcome:<6}  {:>8}  {note}", time.unwrap_or_default())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, failed, time_ns } = self;
        let time = Duration::from_nanos(*time_ns);
        match failed {
            0 => write!(f, "\nAll {steps} steps hold. The demo took {time:.1?}."),
            _ => write!(f, "\n{failed} of {steps} steps failed. The demo took {time:.1?}."),
        }
    }
}
