//! A child process that is talked to line by line, with a deadline on everything.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::is_readable_within;

/// A child process; it is killed and waited for when this goes away.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
    /// Where its standard error goes: shown when it does not behave.
    errors: PathBuf,
    heard: Vec<String>,
}

impl Process {
    /// Starts `command`; its standard error goes to the file `errors`.
    pub fn start(mut command: Command, errors: &Path) -> Self {
        let stderr = File::create(errors).expect("the room is writable");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let input = child.stdin.take();
        let output = child.stdout.take().expect("stdout is a pipe");
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens any more: the process is being dropped.
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            input,
            lines,
            reader: Some(reader),
            errors: errors.to_owned(),
            heard: Vec::new(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line to its standard input.
    pub fn write(&mut self, line: &str) {
        let written = self.input.as_mut().map(|input| writeln!(input, "{line}"));
        if !matches!(written, Some(Ok(()))) {
            self.fail(&format!("does not listen to {line:?}"));
        }
    }

    /// Waits for its next line; `None` once it has closed its output.
    pub fn line(&mut self, timeout: Duration) -> Option<String> {
        match self.lines.recv_timeout(timeout) {
            Ok(line) => {
                self.heard.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.fail("says nothing"),
        }
    }

    /// Waits until a line passes `accept`, and gives what that made of it.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        mut accept: impl FnMut(&str) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + timeout;
        while let Some(line) = self.line(deadline.saturating_duration_since(Instant::now())) {
            if let Some(found) = accept(&line) {
                return found;
            }
        }
        self.fail(&format!("ended without {what}"))
    }

    /// Presses Ctrl-C (SIGINT).
    pub fn interrupt(&self) {
        // An error means that it has ended by itself.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        // An error means that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Tells whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked after").is_some()
    }

    /// Waits until it ends by itself; its standard input is closed first.
    pub fn finish(&mut self, timeout: Duration) -> ExitStatus {
        self.input = None;
        let pid = Pid::from_child(&self.child);
        let fd = pidfd_open(pid, PidfdFlags::empty()).expect("a child can be watched");
        if !is_readable_within(&fd, timeout) {
            self.fail("does not end");
        }
        self.child.wait().expect("a child can be waited for")
    }

    /// What it has written to standard error so far.
    pub fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Ends the test, and shows all that is known about this process.
    pub fn fail(&mut self, what: &str) -> ! {
        self.heard.extend(self.lines.try_iter());
        panic!(
            "process {} {what}\nits output:\n{}\nits errors:\n{}",
            self.pid(),
            self.heard.join("\n"),
            self.errors()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(reader) = self.reader.take() {
            // The reader does not panic, and its end of the pipe has ended with the process.
            let _ = reader.join();
        }
    }
}
