//! Why a block of the heap was not allocated, freed, resized or found.

use rustix::io::Errno;

use super::MemoryError;

/// Why a block of the heap was not allocated, freed, resized or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeapError {
    /// A block of no bytes (`EINVAL`).
    #[error("a block of the heap cannot have 0 bytes; it takes 1 or more")]
    Empty,
    /// The alignment is none (`EINVAL`).
    #[error(
        "a block of the heap cannot be aligned to {align}; it takes a power of two, or 0 for 64"
    )]
    Align {
        /// The alignment as given.
        align: usize,
    },
    /// No free space is large enough (`ENOMEM`).
    #[error(
        "there is no room for a block of {len} bytes aligned to {align}: \
         there is for {largest}; free blocks or zones, or start the primary with more memory (-m)"
    )]
    NoRoom {
        /// Bytes wanted.
        len: usize,
        /// The alignment.
        align: usize,
        /// The most bytes of that alignment that there is room for.
        largest: u64,
    },
    /// No block begins at the address: it was freed, perhaps by another member, or there never was
    /// one (`EINVAL`).
    #[error("no block of the heap begins at {address:#x}: it was freed already, or never was one")]
    NotABlock {
        /// The address as given.
        address: usize,
    },
    /// The group is led by DPDK, whose heap only DPDK's own processes use (`ENOTSUP`).
    #[error(
        "the group of file prefix {prefix:?} is led by DPDK: only DPDK's own processes use its heap"
    )]
    Dpdk {
        /// The prefix.
        prefix: String,
    },
    /// A member has overwritten what tells where the heap keeps its own words (`EPROTO`).
    #[error("the heap of file prefix {prefix:?} was overwritten by one of its members")]
    Damaged {
        /// The prefix.
        prefix: String,
    },
    /// The group's memory cannot be used.
    #[error("the heap cannot be used")]
    Memory {
        /// Why.
        source: MemoryError,
    },
}

impl HeapError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Empty | Self::Align { .. } | Self::NotABlock { .. } => Errno::INVAL,
            Self::NoRoom { .. } => Errno::NOMEM,
            Self::Dpdk { .. } => Errno::NOTSUP,
            Self::Damaged { .. } => Errno::PROTO,
            Self::Memory { source } => return source.errno(),
        };
        errno.raw_os_error()
    }
}
