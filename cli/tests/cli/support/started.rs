//! The command while it runs: what it has written so far, and ending it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Ended;

/// How long a test waits for anything before it fails. Nothing that works comes close to it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The command, started; it is killed if the test ends before it does.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    heard: Vec<String>,
}

impl Started {
    pub(crate) fn new(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (output, mut errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens any more: the test has ended.
                let _ = sender.send(line);
            }
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, lines, errors: Some(errors), heard: Vec::new() }
    }

    /// Waits for its next line.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.heard.push(line.clone());
                line
            }
            Err(error) => panic!("no line: {error}; so far {:#?}", self.heard),
        }
    }

    /// Waits for a line that `is_wanted`, and gives it.
    pub(crate) fn line_that(&mut self, is_wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.line();
            if is_wanted(&line) {
                return line;
            }
        }
    }

    /// Gives its process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process(self.pid(), Signal::INT).unwrap();
    }

    /// Waits until it ends by itself; what it wrote is all of it.
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Its output ends as it does.
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.heard.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("it goes on; so far {:#?}", self.heard)
                }
            }
        }
        let status = self.child.wait().unwrap().code();
        let err = self.errors.take().unwrap().join().unwrap();
        Ended { status, out: self.heard.join("\n"), err }
    }
}

/// A process that is killed if the test ends before it does.
#[derive(Debug)]
pub(crate) struct Guarded(pub(crate) Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // Errors mean that it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `is_so`, which nobody tells of: it is asked again and again.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Errors mean that it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
