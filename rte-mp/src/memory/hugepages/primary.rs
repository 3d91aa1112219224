//! The primary whose memory is read, and whether it still runs.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::sys::gaps::{Holder, lock_holder};

/// The process that holds the config file's lock.
#[derive(Debug)]
pub(super) struct Primary {
    holder: Holder,
    /// Tells of its end for sure, also of one that lost its lock because it asked whether it is
    /// alive. There is none if the lock does not say who holds it: another pid namespace.
    process: Option<OwnedFd>,
}

impl Primary {
    /// Finds who holds the lock, if anybody does.
    pub(super) fn find(config: &File) -> io::Result<Option<Self>> {
        let Some(holder) = lock_holder(config)? else { return Ok(None) };
        let process = holder.pid.and_then(open);
        // Only now is it sure that the process is the one that holds it, and not a later one of the
        // same id.
        let still = lock_holder(config)? == Some(holder);
        Ok(still.then_some(Self { holder, process }))
    }

    /// Gives its process id, as it is here.
    pub(super) fn pid(&self) -> Option<u32> {
        self.holder.pid
    }

    /// Tells whether it still runs, as far as that can be known.
    pub(super) fn is_alive(&self, config: &File) -> bool {
        match &self.process {
            Some(process) => {
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                let mut fds = [PollFd::new(process, PollFlags::IN)];
                // A signal says nothing.
                matches!(retry_on_intr(|| poll(&mut fds, Some(&now))), Ok(0))
            }
            None => matches!(lock_holder(config), Ok(Some(holder)) if holder == self.holder),
        }
    }
}

fn open(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}
