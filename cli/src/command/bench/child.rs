//! A process of our own that is asked, and ends with this one whatever happens.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, Stdio};

use clap::ValueEnum;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::server::Part;
use crate::status::Failure;

/// Says that the server can be asked.
pub(super) const READY: &str = "ready";
/// How long it may take to leave before it is killed.
const GRACE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// A server. It leaves when its input ends, which is also when this process is gone; on drop it is made to.
pub(super) struct Child(process::Child);

impl Child {
    /// Starts it, and waits until it can be asked.
    pub(super) fn start(base: &Path, part: Part) -> Result<Self, Failure> {
        let name = part.to_possible_value().map(|name| name.get_name().to_owned());
        let mut server = Command::new(env::current_exe()?);
        server.arg("bench-server").arg(base).args(name);
        // Ctrl-C is for this process, which needs the others until it has ended.
        server.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        server.stderr(Stdio::piped());
        let server = server.spawn().map_err(|error| {
            Failure::refused(format_args!("cannot start a process to be asked: {error}"))
        })?;
        let mut child = Self(server);
        let mut line = String::new();
        if let Some(output) = child.0.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        match line.trim_end() {
            READY => Ok(child),
            _ => Err(Failure::refused(format_args!(
                "a process to be asked could not start: {}",
                child.complaint()
            ))),
        }
    }

    /// Reads why it has ended.
    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut errors) = self.0.stderr.take() {
            // What cannot be read is not there.
            let _ = errors.read_to_string(&mut text);
        }
        text.trim_start_matches("rte-mp: ").trim_end().to_owned()
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It leaves at once, unless it is stopped or hangs. There is nothing to be done about an error.
        if let Ok(ended) = pidfd_open(Pid::from_child(&self.0), PidfdFlags::empty()) {
            let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&GRACE));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
