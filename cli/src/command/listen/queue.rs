//! What was heard and not printed yet, limited in number.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use super::records::Heard;

/// How many records wait for a slow reader: a burst, and no more than a few megabytes.
const LIMIT: usize = 4096;

/// Takes records without ever blocking; what it has no room for is counted.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Readable while there is something.
    bell: OwnedFd,
}

#[derive(Default)]
struct State {
    heard: VecDeque<Heard>,
    missed: u64,
}

impl Queue {
    pub(super) fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { state: Mutex::default(), bell })
    }

    pub(super) fn push(&self, heard: Heard) {
        let mut state = self.lock();
        if state.heard.len() < LIMIT {
            state.heard.push_back(heard);
        } else {
            state.missed += 1;
        }
        // It cannot be full: it is emptied with the queue.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Takes all that is there, and how much there was no room for after that.
    pub(super) fn take(&self) -> (VecDeque<Heard>, u64) {
        let mut state = self.lock();
        // Nothing to read is nothing to say.
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        let State { heard, missed } = mem::take(&mut *state);
        (heard, missed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
