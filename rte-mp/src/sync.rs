//! Small things that threads share: a lock that does not poison, a latch, a wake-up; and the atomics
//! of shared memory, which loom takes the place of.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

/// The atomics and locks of what is checked by loom.
pub(crate) mod atomic {
    #[cfg(loom)]
    pub(crate) use loom::sync::Mutex;
    #[cfg(loom)]
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
    #[cfg(not(loom))]
    pub(crate) use std::sync::Mutex;
    #[cfg(not(loom))]
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};

    #[cfg(not(loom))]
    pub(crate) use super::lock;

    /// Locks; under loom a panic ends everything.
    #[cfg(loom)]
    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> loom::sync::MutexGuard<'_, T> {
        mutex.lock().expect("nobody panicked")
    }
}

/// Locks, also after a panic: what our locks protect is never left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A flag with a descriptor that polls as readable while it is set.
pub(crate) struct Signal {
    flag: AtomicBool,
    event: OwnedFd,
}

impl Signal {
    /// Makes one that is not set.
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { flag: AtomicBool::new(false), event })
    }

    /// Sets it. Only the first of several calls costs a system call.
    pub(crate) fn set(&self) {
        // Release: pairs with the Acquire in `is_set` and `clear`, so that who sees the flag sees
        // what was done before it was set.
        if !self.flag.swap(true, Ordering::AcqRel) {
            // It cannot be full: it is written once until it is read.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// Tells whether it is set.
    pub(crate) fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Unsets it. What it announces is to be looked at afterwards, so that a `set` in between is
    /// not lost.
    pub(crate) fn clear(&self) {
        // Fails if a `set` has not written yet; then the descriptor polls as readable once more.
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
        self.flag.swap(false, Ordering::AcqRel);
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
