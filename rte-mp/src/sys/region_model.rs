//! What stands for shared memory where loom tries out every order of events: loom's own atomics,
//! which two threads share.

use std::io;
use std::ops::Deref;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use crate::sync::atomic::AtomicU64;

/// A row of words. A clone is another mapping of the same memory.
#[derive(Debug, Clone)]
pub(crate) struct Region(Arc<[AtomicU64]>);

impl Region {
    /// Makes `count` words, all zero.
    #[cfg(test)]
    pub(crate) fn zeroed(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU64::new(0)).collect())
    }

    /// Refuses: no descriptor leads to loom's memory.
    pub(crate) fn create(_: &str, _: usize) -> io::Result<(Self, OwnedFd)> {
        Err(Errno::NOSYS.into())
    }

    /// Refuses, as `create`.
    pub(crate) fn of_peer(_: BorrowedFd<'_>, _: usize) -> io::Result<Self> {
        Err(Errno::NOSYS.into())
    }
}

impl Deref for Region {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        &self.0
    }
}
