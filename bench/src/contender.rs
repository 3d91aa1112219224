//! A process that is measured, as the one sees it that measures: commands go in, times come out.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A child process; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    /// Starts `command`, and waits until it is ready.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or("its output is piped")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let process = Self { child, input, lines };
        process.expect("ready")?;
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives a command, and waits for the times that it brings.
    pub(crate) fn ask(&mut self, verb: &str, count: usize) -> Result<Vec<u64>> {
        self.tell(verb, count)?;
        self.times()
    }

    /// Gives a command.
    pub(crate) fn tell(&mut self, verb: &str, count: usize) -> Result<()> {
        let input = self.input.as_mut().ok_or("its input is piped")?;
        Ok(writeln!(input, "{verb} {count}")?)
    }

    /// Waits for the times that a command brings.
    pub(crate) fn times(&self) -> Result<Vec<u64>> {
        let line = self.expect("ns")?;
        Ok(line.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?)
    }

    /// Waits for a line that begins with `word`, and gives the rest of it. Others, such as what EAL
    /// prints, are passed over.
    pub(crate) fn expect(&self, word: &str) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .map_err(|error| format!("process {}: no {word:?}: {error}", self.id()))?;
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(rest.trim_start().to_owned());
            }
            if line.starts_with("failed") {
                return Err(format!("process {} {line}", self.id()).into());
            }
        }
    }

    /// Kills it, and does not wait until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that is measured, and the server that it asks.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) client: Process,
    pub(crate) server: u32,
}
