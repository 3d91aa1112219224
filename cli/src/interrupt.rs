//! Ctrl-C, `SIGTERM` and the end of the terminal: noted, so that a subcommand ends in its own way and leaves nothing behind.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::Group;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 128 + SIGINT;
/// How long what follows the first signal says the same once more: timeout(1) sends two, one to the process
/// and one to its process group.
const ECHO: Duration = Duration::from_millis(500);

/// Tells whether the user wants it to end. Who asks a second time is not kept waiting: then nothing is tidied
/// up any more.
#[derive(Debug)]
pub(crate) struct Interrupt {
    caught: Arc<AtomicBool>,
    /// Readable once it was caught; never read.
    bell: UnixStream,
}

impl Interrupt {
    /// Has the signals noted from now on, `SIGHUP` unless it is ignored, as nohup(1) has it.
    ///
    /// # Errors
    /// The kernel's, if descriptors or threads have run out.
    pub(crate) fn catch() -> io::Result<Self> {
        let [caught, is_impatient] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (bell, ringer) = UnixStream::pair()?;
        let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
        for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
            signal_hook::flag::register_conditional_shutdown(
                signal,
                INTERRUPTED,
                Arc::clone(&is_impatient),
            )?;
            signal_hook::flag::register(signal, Arc::clone(&caught))?;
            pipe::register(signal, ringer.try_clone()?)?;
        }
        let interrupt = Self { caught, bell };
        let first =
            Self { caught: Arc::clone(&interrupt.caught), bell: interrupt.bell.try_clone()? };
        thread::Builder::new().spawn(move || {
            if first.wait(None) {
                thread::sleep(ECHO);
                is_impatient.store(true, Ordering::Relaxed);
            }
        })?;
        Ok(interrupt)
    }

    pub(crate) fn is_caught(&self) -> bool {
        self.caught.load(Ordering::Relaxed)
    }

    /// Waits for it, for at most `timeout` (`None`: for ever); tells whether it came.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        self.wait_or(None, timeout)
    }

    /// Waits for it, or until `other` is readable or closed, whichever comes first; tells whether it came.
    pub(crate) fn wait_for_either(&self, other: BorrowedFd<'_>) -> bool {
        self.wait_or(Some(other), None)
    }

    fn wait_or(&self, other: Option<BorrowedFd<'_>>, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let bells = [Some(self.bell.as_fd()), other];
        let mut fds: Vec<_> =
            bells.iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.map(|left| Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            match poll(&mut fds, left.as_ref()) {
                Err(Errno::INTR) if !self.is_caught() => {}
                Ok(_) | Err(_) => return self.is_caught(),
            }
        }
    }

    /// Does `work`, and leaves the group as soon as the user wants it to end: whatever waits there then
    /// returns at once, and nothing is left behind even if the work goes on.
    ///
    /// # Errors
    /// The kernel's, if descriptors have run out.
    pub(crate) fn leaving<T>(&self, group: &Group, work: impl FnOnce() -> T) -> io::Result<T> {
        let (working, done) = UnixStream::pair()?;
        Ok(thread::scope(|scope| {
            scope.spawn(move || {
                if self.wait_for_either(done.as_fd()) {
                    group.leave_without_waiting();
                }
            });
            // Closed as the work ends, also by a panic.
            let _working = working;
            work()
        }))
    }
}

/// Tells whether whoever started us has a signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    ignored.is_some_and(|bits| bits >> (signal - 1) & 1 == 1)
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
