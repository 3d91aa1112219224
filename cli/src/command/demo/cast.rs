//! The members as the coordinator sees them: processes with a pipe in and a pipe out.
//!
//! A process is killed when it is dropped. Nothing here waits beyond the deadline of the demo.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use super::Failure;
use super::script::{Answer, Part, Report, Task};

/// The three members.
pub(super) struct Cast {
    pub(super) primary: Process,
    pub(super) answerer: Process,
    pub(super) holder: Process,
}

impl Cast {
    /// Starts them, the primary first, in a group below `base`.
    pub(super) fn start(base: &Path, deadline: Instant) -> Result<Self, Failure> {
        let mut primary = Process::start(base, Part::Primary, deadline)?;
        primary.finish()?;
        let mut answerer = Process::start(base, Part::Answerer, deadline)?;
        let mut holder = Process::start(base, Part::Holder, deadline)?;
        answerer.finish()?;
        holder.finish()?;
        Ok(Self { primary, answerer, holder })
    }

    /// Gives their process ids, the primary's first.
    pub(super) fn pids(&self) -> [u32; 3] {
        [&self.primary, &self.answerer, &self.holder].map(|process| process.child.id())
    }

    /// Has those leave that still run, the secondaries first.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        for process in [&mut self.holder, &mut self.answerer, &mut self.primary] {
            process.end()?;
        }
        Ok(())
    }
}

/// One member's process.
pub(super) struct Process {
    part: Part,
    child: Child,
    /// Its orders; none once it has been told to leave, or was killed.
    orders: Option<ChildStdin>,
    reports: Receiver<Report>,
    /// How many orders it was given.
    number: usize,
    deadline: Instant,
}

impl Process {
    /// Starts a member, which then joins; [`Process::finish`] tells how that went.
    fn start(base: &Path, part: Part, deadline: Instant) -> Result<Self, Failure> {
        let mut child = Command::new(env::current_exe()?)
            .arg("demo-member")
            .arg(base)
            .arg(part.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start a member: {error}"))?;
        let orders = child.stdin.take();
        let reports = child.stdout.take().map(read_reports).ok_or("a member has no output")?;
        Ok(Self { part, child, orders, reports, number: 0, deadline })
    }

    /// Has it perform a task, and waits for what comes of it.
    pub(super) fn perform(&mut self, task: Task) -> Answer {
        self.begin(task)?;
        self.finish()
    }

    /// Has it begin a task.
    pub(super) fn begin(&mut self, task: Task) -> Result<(), String> {
        let name = self.part.name();
        let Some(orders) = &mut self.orders else {
            return Err(format!("the {name} has left already"));
        };
        self.number += 1;
        writeln!(orders, "{}", task.to_line())
            .map_err(|error| format!("the {name} takes no orders any more: {error}"))
    }

    /// Waits for what comes of the last task. Reports of earlier ones, which nobody waited for,
    /// are skipped.
    pub(super) fn finish(&mut self) -> Answer {
        loop {
            match self.next_report() {
                Ok(report) if report.number == self.number => return report.answer,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("the {} was not through in time", self.part.name()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the {} ended on its own", self.part.name()));
                }
            }
        }
    }

    /// Kills it, in the middle of whatever it does.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        self.orders = None;
        self.child.kill().map_err(|error| format!("cannot kill the {}: {error}", self.part.name()))
    }

    /// Has it leave the group, and waits for its end. Does nothing if it was told to before.
    pub(super) fn end(&mut self) -> Result<(), String> {
        if self.orders.take().is_none() {
            return Ok(());
        }
        let part = self.part.name();
        while self.next_report().map_or_else(|error| error == RecvTimeoutError::Timeout, |_| true) {
            if Instant::now() >= self.deadline {
                return Err(format!("the {part} did not leave in time"));
            }
        }
        // Its output is closed, so that it is as good as gone.
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the {part} ended with {status}")),
            Err(error) => Err(format!("cannot wait for the {part}: {error}")),
        }
    }

    fn next_report(&self) -> Result<Report, RecvTimeoutError> {
        self.reports.recv_timeout(self.deadline.saturating_duration_since(Instant::now()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a member's reports on a thread, so that waiting for one can have a deadline. The thread
/// ends with the member.
fn read_reports(output: ChildStdout) -> Receiver<Report> {
    let (sender, reports) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        for report in lines.filter_map(|line| Report::from_line(&line)) {
            if sender.send(report).is_err() {
                return;
            }
        }
    });
    reports
}
