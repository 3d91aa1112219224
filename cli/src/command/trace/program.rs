//! The program that is recorded: its start with `RTE_MP_TRACE`, and its end.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::status::{Failure, Status};

/// What a shell adds to the number of the signal that ended a program.
const SIGNALLED: i32 = 128;

/// A program that runs; killed when it is dropped.
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
        Ok(self.child.try_wait()?.map(|status| {
            let by_signal = || status.signal().map(|signal| SIGNALLED + signal);
            let code = status.code().or_else(by_signal).unwrap_or(SIGNALLED);
            Status::Other(u8::try_from(code).unwrap_or(u8::MAX))
        }))
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

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It runs only if recording has failed, or nobody reads what is recorded.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.ask_to_end();
            let mut fds = [rustix::event::PollFd::new(&self.ended, rustix::event::PollFlags::IN)];
            let grace = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
            let _ = rustix::event::poll(&mut fds, Some(&grace));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
