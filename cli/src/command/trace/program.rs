//! The program that is recorded: its start with `RTE_MP_TRACE`, and its end.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::status::{Failure, Status};

/// What a shell adds to the number of the signal that ended a program.
const SIGNALLED: i32 = 128;

/// A program that runs; it goes on when this is dropped.
pub(super) struct Program {
    child: Child,
    /// Readable once it has ended.
    ended: OwnedFd,
}

impl Program {
    /// Starts it. Unless it keeps its standard output, what it writes there goes to the standard error
    /// stream, apart from the records.
    pub(super) fn start(
        command: &[OsString],
        listener: &Path,
        keeps_output: bool,
    ) -> Result<Self, Failure> {
        let [name, arguments @ ..] = command else { return Err(Failure::usage("no CMD")) };
        let mut command = Command::new(name);
        command.args(arguments).env("RTE_MP_TRACE", listener);
        if !keeps_output {
            command.stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?));
        }
        let mut child = command.spawn().map_err(|error| {
            Failure::refused(format_args!("cannot run {}: {error}", name.to_string_lossy()))
        })?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(ended) => Ok(Self { child, ended }),
            Err(errno) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(errno.into())
            }
        }
    }

    /// Gives its exit status once it has ended, as a shell would.
    pub(super) fn ended(&mut self) -> io::Result<Option<Status>> {
        Ok(self.child.try_wait()?.map(as_shell))
    }

    /// Waits until it has ended, and gives its exit status.
    pub(super) fn end(&mut self) -> io::Result<Status> {
        self.child.wait().map(as_shell)
    }

    /// Waits until it has ended, or it is time.
    pub(super) fn wait(&self, until: Option<Instant>) {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        // What came of it is seen by the caller, who looks whether it has ended.
        let _ = poll(&mut [PollFd::new(&self.ended, PollFlags::IN)], timeout.as_ref());
    }

    /// Sends it `SIGTERM`.
    pub(super) fn ask_to_end(&self) {
        // It may have ended just now; nobody has its number before it is waited for.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
    }

    /// Ends it.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
    }
}

fn as_shell(status: ExitStatus) -> Status {
    let by_signal = || status.signal().map(|signal| SIGNALLED + signal);
    let code = status.code().or_else(by_signal).unwrap_or(SIGNALLED);
    Status::Other(u8::try_from(code).unwrap_or(u8::MAX))
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}
