//! What stands for the bell's sockets where loom tries out every order of events. No time passes
//! there: who waits for a ring that never comes waits for ever, and loom says so.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use rustix::io::Errno;

use crate::sync::atomic::lock;

/// No order of events takes that long.
pub(super) const PATIENCE: Duration = Duration::MAX;

/// Whether the other end is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    There,
    /// It was dropped.
    Gone,
}

/// One end.
#[derive(Debug)]
pub(crate) struct Bell {
    pair: Arc<Pair>,
    index: usize,
}

/// What stands in the kernel.
#[derive(Debug, Default)]
struct Pair {
    state: Mutex<State>,
    changed: Condvar,
}

/// What each end is to hear, and which one is gone.
#[derive(Debug, Default)]
struct State {
    is_rung: [bool; 2],
    is_gone: [bool; 2],
}

impl Bell {
    /// Makes both ends.
    #[cfg(test)]
    pub(super) fn ends() -> [Self; 2] {
        let pair = Arc::new(Pair::default());
        [0, 1].map(|index| Self { pair: Arc::clone(&pair), index })
    }

    /// Refuses: no descriptor leads to what loom watches.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        Err(Errno::NOSYS.into())
    }

    /// Refuses, as `pair`.
    pub(super) fn of_peer(_: OwnedFd) -> io::Result<Self> {
        Err(Errno::NOSYS.into())
    }

    /// Wakes the other end.
    pub(super) fn ring(&self) -> End {
        let mut state = lock(&self.pair.state);
        if state.is_gone[1 - self.index] {
            return End::Gone;
        }
        state.is_rung[1 - self.index] = true;
        self.pair.changed.notify_all();
        End::There
    }

    /// Hears what has been rung.
    pub(super) fn hush(&self) -> End {
        self.hear(&mut lock(&self.pair.state))
    }

    /// Blocks until it rings, or the other end is gone.
    pub(super) fn wait(&self) -> End {
        let mut state = lock(&self.pair.state);
        while !state.is_rung[self.index] && !state.is_gone[1 - self.index] {
            state = self.pair.changed.wait(state).expect("nobody panicked");
        }
        self.hear(&mut state)
    }

    fn hear(&self, state: &mut State) -> End {
        let was_rung = mem::take(&mut state.is_rung[self.index]);
        if !was_rung && state.is_gone[1 - self.index] { End::Gone } else { End::There }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        // A model that has failed says why, and touches nothing more of loom's.
        if thread::panicking() {
            return;
        }
        lock(&self.pair.state).is_gone[self.index] = true;
        self.pair.changed.notify_all();
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("nobody waits for descriptors where loom tries out every order of events")
    }
}
