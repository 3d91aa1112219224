//! The arena's lock: held by who changes the table, and given up by the kernel for who dies.
//!
//! It is a lock of an open file description (`F_OFD_SETLK`) on a byte of the arena's file. Each
//! holder opens the file anew for it, so that one lock keeps processes and threads apart alike; no
//! process id is in it, which could be another's in another namespace or at another time. When the
//! holder dies, its description is closed, and that is all: there is nothing to mend.
//!
//! A lock word in the arena, were it the kernel's own kind (a robust futex), would need a list of
//! pointers there that a member could bend; and its owner is told by a thread id.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::sys::gaps::{lock_range, unlock_range};
use crate::time::deadline_after;

/// The byte that is locked.
const START: u64 = 0;
const LEN: u64 = 1;

/// How often the core is offered to others before we sleep: the lock is held for microseconds.
const YIELDS: u32 = 64;
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// The lock, for as long as this lives.
pub(super) struct Held(File);

/// Takes the lock of `file`. Blocks for at most `timeout`.
///
/// # Errors
/// `TimedOut` if others had it all the time, who may be stopped; else the kernel's.
pub(super) fn take(file: &File, timeout: Duration) -> io::Result<Held> {
    let deadline = deadline_after(Instant::now(), timeout);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let held = Held(OpenOptions::new().read(true).write(true).open(path)?);
    let mut attempts = 0;
    let mut pause = Duration::from_micros(20);
    loop {
        match lock_range(&held.0, START, LEN) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result.map(|()| held),
        }
        attempts += 1;
        if attempts <= YIELDS {
            std::thread::yield_now();
        } else if Instant::now() < deadline {
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        } else {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

impl Drop for Held {
    /// Unlocks, rather than to leave it to the closing: a process that another thread has just
    /// forked off keeps the description open for a while.
    fn drop(&mut self) {
        let unlocked = unlock_range(&self.0, START, LEN);
        debug_assert!(unlocked.is_ok(), "{unlocked:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn one_holds_it_at_a_time_also_among_threads() {
        let file: File = tempfile::tempfile().unwrap();
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _held = take(&file, LONG).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::Relaxed);
                    }
                });
            }
        });
    }

    #[test]
    fn who_waits_in_vain_is_told() {
        let file: File = tempfile::tempfile().unwrap();
        let held = take(&file, LONG).unwrap();
        let error = take(&file, Duration::from_millis(20)).map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(held);
        take(&file, Duration::ZERO).unwrap();
    }

    #[test]
    fn it_is_given_up_although_somebody_keeps_the_description() {
        let file: File = tempfile::tempfile().unwrap();
        let held = take(&file, LONG).unwrap();
        let _inherited = held.0.try_clone().unwrap();
        drop(held);
        take(&file, Duration::ZERO).unwrap();
    }
}
