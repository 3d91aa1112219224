//! Memory that two processes share, as a row of atomic words.
//!
//! Nobody sees it but through atomics: the other process writes what and when it likes. The memory
//! is a memfd whose size is sealed, so that no access can lie beyond its end.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;

use rustix::fs::{fstat, ftruncate};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::memfd;
use crate::sync::atomic::AtomicU64;

const WORD: usize = size_of::<u64>();

/// Mapped words; unmapped on drop.
#[derive(Debug)]
pub(crate) struct Region {
    first: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: a mapping belongs to the process and not to a thread, and its words are atomics.
unsafe impl Send for Region {}
// SAFETY: as for `Send`; shared references give nothing but atomics.
unsafe impl Sync for Region {}

impl Region {
    /// Makes `count` words, all zero, and the descriptor by which another process maps them.
    pub(crate) fn create(name: &str, count: usize) -> io::Result<(Self, OwnedFd)> {
        let memory = memfd::create(name)?;
        ftruncate(&memory, (count * WORD) as u64)?;
        memfd::seal(&memory)?;
        Ok((Self::map(memory.as_fd(), count)?, memory))
    }

    /// Maps the `count` words that another process made.
    ///
    /// # Errors
    /// `EINVAL` if the memory is not of that size, or can change it; else the kernel's.
    pub(crate) fn of_peer(memory: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        let len = fstat(memory)?.st_size;
        if !memfd::is_sealed(memory)? || usize::try_from(len) != Ok(count * WORD) {
            return Err(Errno::INVAL.into());
        }
        Self::map(memory, count)
    }

    fn map(memory: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing.
        let start =
            unsafe { mmap(ptr::null_mut(), count * WORD, access, MapFlags::SHARED, memory, 0) }?;
        let first = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { first, count })
    }
}

impl Deref for Region {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: `map` has mapped `count` words there, page-aligned, and they stay until drop; the
        // memory cannot shrink. Any bits are a valid word, and all access goes through atomics.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `map` made this mapping with this length, and no reference outlives `self`.
        let unmapped = unsafe { munmap(self.first.as_ptr().cast(), self.count * WORD) };
        debug_assert!(unmapped.is_ok(), "the mapping was there");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    #[test]
    fn what_one_writes_the_other_reads() {
        let (ours, memory) = Region::create("test", 512).unwrap();
        let theirs = Region::of_peer(memory.as_fd(), 512).unwrap();
        drop(memory);
        assert_ne!(ours.first, theirs.first);
        assert!(ours.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        ours[511].store(7, Ordering::Relaxed);
        assert_eq!(theirs[511].load(Ordering::Relaxed), 7);
    }

    #[test]
    fn memory_that_could_shrink_is_refused() {
        let (_, memory) = Region::create("test", 512).unwrap();
        assert!(Region::of_peer(memory.as_fd(), 511).is_err(), "another size");
        let unsealed = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&unsealed, 4096).unwrap();
        assert!(Region::of_peer(unsealed.as_fd(), 512).is_err(), "not sealed");
        let (reader, _) = std::io::pipe().unwrap();
        assert!(Region::of_peer(reader.as_fd(), 512).is_err(), "no memory at all");
    }
}
