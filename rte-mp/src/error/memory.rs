//! Why memory could not be made, or cannot be used.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;

use super::{HugepagesError, NoReplyError, RequestError, raw};

/// Why a primary could not make its memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArenaError {
    /// The size is none (`EINVAL`).
    #[error("memory of {size} bytes cannot be had; it takes {min} or more, and an address space")]
    Size {
        /// Bytes wanted.
        size: u64,
        /// The fewest.
        min: u64,
    },
    /// Memory cannot begin at this address (`EINVAL`).
    #[error(
        "memory cannot begin at {address:#x}; \
         it takes a multiple of {page:#x} from 0x10000 on, such as 0x100000000"
    )]
    Address {
        /// The address wanted.
        address: u64,
        /// The size of a page, in bytes.
        page: u64,
    },
    /// Something else lies at the address (`EADDRNOTAVAIL`).
    #[error(
        "{} lies where {len} bytes of memory were to begin, at {address:#x}; \
         choose another address (--base-virtaddr)",
        .by.as_deref().unwrap_or("something")
    )]
    Occupied {
        /// Where the memory was to begin.
        address: u64,
        /// Its length in bytes.
        len: u64,
        /// What lies there, as the kernel names it.
        by: Option<String>,
    },
    /// The directory for huge pages cannot be used (the kernel's errno).
    #[error("no file can be made in {} (--huge-dir)", .path.display())]
    HugeDir {
        /// The directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The directory for huge pages has none (`EINVAL`).
    #[error("{} (--huge-dir) is no hugetlbfs; mount one there: \
             mount -t hugetlbfs -o pagesize=2M none {}", .path.display(), .path.display())]
    NotHugetlbfs {
        /// The directory.
        path: PathBuf,
    },
    /// There are too few huge pages (`ENOMEM`).
    #[error(
        "the memory takes {needed} huge pages of {} kB, and {} free; \
         ask for less (-m), or add {} to /sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages",
        .page / 1024,
        .free.map_or("fewer are".to_owned(), |free| format!("{free} are")),
        needed - .free.unwrap_or(0).min(*needed),
        .page / 1024
    )]
    HugePages {
        /// The mount.
        path: PathBuf,
        /// The size of a page, in bytes.
        page: u64,
        /// Pages wanted.
        needed: u64,
        /// Pages that nobody has, if the kernel says.
        free: Option<u64>,
    },
    /// The memory could not be mapped (the kernel's errno).
    #[error("{size} bytes of memory cannot be mapped; ask for less (-m)")]
    Map {
        /// Bytes wanted.
        size: u64,
        /// Why it failed.
        source: io::Error,
    },
    /// The system refused (its own errno).
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl ArenaError {
    /// Makes a system's error one of making memory.
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Size { .. } | Self::Address { .. } | Self::NotHugetlbfs { .. } => Errno::INVAL,
            Self::Occupied { .. } => Errno::ADDRNOTAVAIL,
            Self::HugePages { .. } => Errno::NOMEM,
            Self::HugeDir { source, .. } | Self::Map { source, .. } | Self::Io { source, .. } => {
                return raw(source);
            }
        };
        errno.raw_os_error()
    }
}

/// Why the group's memory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The group was left (`ESHUTDOWN`).
    #[error("the group of file prefix {prefix:?} was left")]
    Left {
        /// The prefix.
        prefix: String,
    },
    /// The group is led by DPDK, in whose memory only DPDK's own processes reserve and free
    /// (`ENOTSUP`).
    #[error(
        "the group of file prefix {prefix:?} is led by DPDK: only DPDK's own processes reserve and \
         free zones there"
    )]
    Dpdk {
        /// The prefix.
        prefix: String,
    },
    /// The memory of the DPDK primary that leads the group cannot be read or mapped.
    #[error(transparent)]
    Hugepages {
        /// Why.
        source: HugepagesError,
    },
    /// The primary could not be asked for its memory (as the request fails).
    #[error("the primary cannot be asked for its memory")]
    Request {
        /// Why it was not asked.
        source: RequestError,
    },
    /// The primary did not hand out its memory (as the request ends).
    #[error("the primary did not hand out its memory")]
    NoReply {
        /// What became of the request.
        source: NoReplyError,
    },
    /// What the primary handed out is no memory that can be mapped safely (`EPROTO`).
    #[error("what the primary handed out as its memory is not mapped: {reason}")]
    NotAnArena {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something else lies where every member of the group has the memory (`EADDRNOTAVAIL`).
    #[error(
        "{} lies where the group has its memory, {len} bytes at {address:#x}; \
         start the primary with another --base-virtaddr, or drop the zones of an earlier primary",
        .by.as_deref().unwrap_or("something")
    )]
    Occupied {
        /// Where the memory begins.
        address: u64,
        /// Its length in bytes.
        len: u64,
        /// What lies there, as the kernel names it.
        by: Option<String>,
    },
    /// Another primary took the place of the one whose memory this member has (`ESTALE`). Zones that
    /// are held stay usable.
    #[error(
        "another primary leads file prefix {prefix:?}, with memory of its own; \
         drop the zones of the one before, leave and join again"
    )]
    OtherPrimary {
        /// The prefix.
        prefix: String,
    },
    /// Another process held the lock of the memory all the time (`ETIMEDOUT`): it is stopped, since
    /// one that ends gives the lock up.
    #[error("the group's memory was locked by another process for {waited:?}")]
    Locked {
        /// How long it was tried.
        waited: Duration,
    },
    /// The system refused (its own errno).
    #[error("cannot {action} the group's memory")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl MemoryError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Left { .. } => Errno::SHUTDOWN,
            Self::Dpdk { .. } => Errno::NOTSUP,
            Self::Hugepages { source } => return source.errno(),
            Self::Request { source } => return source.errno(),
            Self::NoReply { source } => return source.errno(),
            Self::NotAnArena { .. } => Errno::PROTO,
            Self::Occupied { .. } => Errno::ADDRNOTAVAIL,
            Self::OtherPrimary { .. } => Errno::STALE,
            Self::Locked { .. } => Errno::TIMEDOUT,
            Self::Io { source, .. } => return raw(source),
        };
        errno.raw_os_error()
    }
}
