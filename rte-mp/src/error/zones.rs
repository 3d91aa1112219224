//! Why a memory zone was not reserved, found, freed, listed, or accessed.

use std::io;

use rte_mp_proto::memory::{ZoneName, ZoneNameError};
use rustix::io::Errno;

use super::{MemoryError, raw};

/// Why a memory zone was not reserved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// The name is none (`EINVAL`, `ENAMETOOLONG`).
    #[error("memory zone \"{}\" cannot be reserved", .name.escape_ascii())]
    Name {
        /// The name as given.
        name: Vec<u8>,
        /// What is wrong with it.
        source: ZoneNameError,
    },
    /// A zone of no bytes (`EINVAL`).
    #[error("memory zone {name:?} cannot have 0 bytes; it takes 1 or more")]
    Empty {
        /// The zone.
        name: ZoneName,
    },
    /// The alignment is none (`EINVAL`).
    #[error("memory zone {name:?} cannot be aligned to {align}; it takes a power of two")]
    Align {
        /// The zone.
        name: ZoneName,
        /// The alignment as given.
        align: usize,
    },
    /// The length is none: not even whole cache lines of it can be counted (`EINVAL`).
    #[error("memory zone {name:?} cannot have {len} bytes; no address space has room for them")]
    TooLong {
        /// The zone.
        name: ZoneName,
        /// Bytes wanted.
        len: usize,
    },
    /// The bound is none, or the zone does not fit into it (`EINVAL`).
    #[error(
        "memory zone {name:?} of {len} bytes cannot have a bound of {bound}; \
         it takes a power of two that is not less than {least}, or 0 for none"
    )]
    Bound {
        /// The zone.
        name: ZoneName,
        /// Bytes wanted; a cache line if it is to be the largest free block.
        len: usize,
        /// The bound as given.
        bound: usize,
        /// Bytes wanted, as whole cache lines.
        least: usize,
    },
    /// There is a zone of this name (`EEXIST`).
    #[error("there is a memory zone {name:?} already; look it up, or free it first")]
    Exists {
        /// The zone.
        name: ZoneName,
    },
    /// There are as many zones as a group takes (`ENOSPC`).
    #[error("memory zone {name:?} is one too many: a group has at most {max}")]
    TooMany {
        /// The zone.
        name: ZoneName,
        /// Zones allowed.
        max: usize,
    },
    /// No free space is large enough (`ENOMEM`).
    #[error(
        "there is no room for memory zone {name:?} of {len} bytes aligned to {align}{}: \
         there is for {largest}; free zones, or start the primary with more memory (-m)",
        within(*.bound)
    )]
    NoRoom {
        /// The zone.
        name: ZoneName,
        /// Bytes wanted; a cache line if it is to be the largest free block.
        len: usize,
        /// The alignment.
        align: usize,
        /// The bound; 0 if there is none.
        bound: usize,
        /// The most bytes of that alignment and bound that there is room for.
        largest: u64,
    },
    /// The zone could not be filled with zeros, and was not reserved (the kernel's errno).
    #[error("memory zone {name:?} cannot be filled with zeros")]
    Zero {
        /// The zone.
        name: ZoneName,
        /// Why it failed.
        source: io::Error,
    },
    /// The group's memory cannot be used.
    #[error("memory zone {name:?} cannot be reserved")]
    Memory {
        /// The zone.
        name: ZoneName,
        /// Why.
        source: MemoryError,
    },
}

impl ReserveError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Name { source, .. } => name_errno(*source),
            Self::Empty { .. } | Self::Align { .. } | Self::TooLong { .. } | Self::Bound { .. } => {
                Errno::INVAL
            }
            Self::Exists { .. } => Errno::EXIST,
            Self::TooMany { .. } => Errno::NOSPC,
            Self::NoRoom { .. } => Errno::NOMEM,
            Self::Zero { source, .. } => return raw(source),
            Self::Memory { source, .. } => return source.errno(),
        };
        errno.raw_os_error()
    }
}

/// Says what a bound is, if there is one.
fn within(bound: usize) -> String {
    match bound {
        0 => String::new(),
        bound => format!(" that crosses no multiple of {bound}"),
    }
}

/// Why a memory zone was not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The name is none (`EINVAL`, `ENAMETOOLONG`).
    #[error("memory zone \"{}\" cannot be looked up", .name.escape_ascii())]
    Name {
        /// The name as given.
        name: Vec<u8>,
        /// What is wrong with it.
        source: ZoneNameError,
    },
    /// There is no zone of this name (`ENOENT`).
    #[error("there is no memory zone {name:?} in the group of file prefix {prefix:?}")]
    NotFound {
        /// The zone.
        name: ZoneName,
        /// The group.
        prefix: String,
    },
    /// The group's memory cannot be used.
    #[error("memory zone {name:?} cannot be looked up")]
    Memory {
        /// The zone.
        name: ZoneName,
        /// Why.
        source: MemoryError,
    },
}

impl LookupError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Name { source, .. } => name_errno(*source).raw_os_error(),
            Self::NotFound { .. } => Errno::NOENT.raw_os_error(),
            Self::Memory { source, .. } => source.errno(),
        }
    }
}

/// Why a memory zone was not freed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FreeError {
    /// It was freed before, perhaps by another member (`EINVAL`).
    #[error("memory zone {name:?} was freed already")]
    Freed {
        /// The zone.
        name: ZoneName,
    },
    /// The zone is one of another group, or of an earlier primary (`EINVAL`).
    #[error("memory zone {name:?} is none of the group of file prefix {prefix:?}")]
    Foreign {
        /// The zone.
        name: ZoneName,
        /// The group.
        prefix: String,
    },
    /// The group's memory cannot be used.
    #[error("memory zone {name:?} cannot be freed")]
    Memory {
        /// The zone.
        name: ZoneName,
        /// Why.
        source: MemoryError,
    },
}

impl FreeError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Freed { .. } | Self::Foreign { .. } => Errno::INVAL.raw_os_error(),
            Self::Memory { source, .. } => source.errno(),
        }
    }
}

/// Why the memory zones were not written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The group's memory cannot be used.
    #[error("the memory zones cannot be listed")]
    Memory {
        /// Why.
        source: MemoryError,
    },
    /// The writer refused (its own errno).
    #[error("the list of memory zones cannot be written")]
    Write {
        /// Why it failed.
        source: io::Error,
    },
}

impl DumpError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Memory { source } => source.errno(),
            Self::Write { source } => raw(source),
        }
    }
}

/// Why a part of a memory zone was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneAccessError {
    /// It leads past the end of the zone (`EINVAL`).
    #[error("{len} bytes at {offset} do not lie in memory zone {name:?}, which has {zone_len}")]
    OutOfBounds {
        /// The zone.
        name: ZoneName,
        /// Where it begins, in bytes from the start of the zone.
        offset: usize,
        /// How many bytes.
        len: usize,
        /// The length of the zone.
        zone_len: usize,
    },
    /// The zone does not lie as the type must (`EINVAL`).
    #[error(
        "memory zone {name:?} at {address:#x} cannot be a {wanted}, \
         which lies on multiples of {align} bytes; reserve it with that alignment"
    )]
    Misaligned {
        /// The zone.
        name: ZoneName,
        /// The type.
        wanted: &'static str,
        /// Its alignment in bytes.
        align: usize,
        /// Where the zone lies in this process.
        address: usize,
    },
    /// The zone was looked up for reading only (`EACCES`).
    #[error("memory zone {name:?} may only be read; open it with `writable`")]
    ReadOnly {
        /// The zone.
        name: ZoneName,
    },
    /// The zone is smaller than the type (`EINVAL`).
    #[error("memory zone {name:?} of {len} bytes cannot be a {wanted}, which has {size}")]
    TooSmall {
        /// The zone.
        name: ZoneName,
        /// The type.
        wanted: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The length of the zone.
        len: usize,
    },
}

impl ZoneAccessError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::OutOfBounds { .. } | Self::Misaligned { .. } | Self::TooSmall { .. } => {
                Errno::INVAL
            }
            Self::ReadOnly { .. } => Errno::ACCESS,
        };
        errno.raw_os_error()
    }
}

/// Gives the errno of a name that is none.
fn name_errno(error: ZoneNameError) -> Errno {
    match error {
        ZoneNameError::TooLong { .. } => Errno::NAMETOOLONG,
        _ => Errno::INVAL,
    }
}
