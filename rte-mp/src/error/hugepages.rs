//! Why the memory of a DPDK primary was not found or not mapped.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rte_mp_proto::memory::{ConfigError, FindError, TableError};
use rte_mp_proto::{Flavor, Version, VersionError};
use rustix::io::Errno;

use super::raw;

/// Why a zone in a DPDK primary's memory was not found or not mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HugepagesError {
    /// No primary runs here that shares its files (`ENOENT`). One with `--in-memory` or
    /// `--no-shconf` has none.
    #[error("no DPDK primary shares its memory in {}", .directory.display())]
    NoPrimary {
        /// The runtime directory.
        directory: PathBuf,
    },
    /// The primary has ended, or another one took its place, since its tables were opened
    /// (`ESTALE`). Its zones are gone; those of the next one are found anew.
    #[error("the DPDK primary of {} has ended", .directory.display())]
    Gone {
        /// The runtime directory.
        directory: PathBuf,
    },
    /// The primary is starting (`EAGAIN`).
    #[error("the DPDK primary of {} is not ready", .directory.display())]
    NotReady {
        /// The runtime directory.
        directory: PathBuf,
    },
    /// Another release than was said wrote the config file (`ESTALE`).
    #[error("the primary of {} is {found}, and should be DPDK {want}", .directory.display())]
    Another {
        /// The runtime directory.
        directory: PathBuf,
        /// What the file says.
        found: Flavor,
        /// What was expected.
        want: Version,
    },
    /// Where that release keeps what is not known (`EPROTONOSUPPORT`).
    #[error("the memory of the primary of {} cannot be read", .directory.display())]
    Version {
        /// The runtime directory.
        directory: PathBuf,
        /// What the primary is.
        source: VersionError,
    },
    /// A file of the primary's makes no sense (`EPROTO`).
    #[error("{} makes no sense", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TableError,
    },
    /// There is no zone of this name (`ENOENT`).
    #[error("no zone {zone:?} is in the memory of the DPDK primary")]
    NotFound {
        /// The name.
        zone: String,
    },
    /// The primary freed the zone while it was looked at, or had freed it before (`ENOENT`).
    #[error("the DPDK primary has freed the zone {zone:?}")]
    Freed {
        /// The zone.
        zone: String,
    },
    /// The primary changed its table all the time while it was read (`EAGAIN`).
    #[error("the DPDK primary changes its zones faster than they can be read; try again")]
    Changing,
    /// The zone lies in no memory that can be mapped (`ENOTSUP` in external memory, else `EPROTO`).
    #[error("the memory of zone {zone:?} cannot be found")]
    Pages {
        /// The zone.
        zone: String,
        /// Why.
        source: FindError,
    },
    /// The zone's pages are not in use, or others (`EPROTO`).
    #[error(
        "the page of zone {zone:?} at {address:#x} is not what the primary's table of pages says"
    )]
    Page {
        /// The zone.
        zone: String,
        /// The primary's address of the page.
        address: u64,
    },
    /// This process has something of its own at the addresses of the zone's pages (`EEXIST`).
    #[error(
        "zone {zone:?} cannot be mapped at its own address: {:#x}..{:#x} is in use in this process; \
         map it anywhere, or start the primary with another --base-virtaddr",
        .addresses.start,
        .addresses.end
    )]
    AddressTaken {
        /// The zone.
        zone: String,
        /// The addresses of its pages.
        addresses: Range<u64>,
    },
    /// A zone of this process lies at the addresses of the zone's pages, and in other pages: the
    /// primary has freed it and taken new pages since, or it is another primary's (`EEXIST`). Once
    /// it is dropped, this one can be mapped.
    #[error(
        "zone {zone:?} cannot be mapped at its own address: this process keeps a zone in \
         {:#x}..{:#x} that the primary has freed since, or that is another primary's; drop that \
         one, or map this one anywhere",
        .addresses.start,
        .addresses.end
    )]
    AddressHeld {
        /// The zone.
        zone: String,
        /// The addresses of its pages.
        addresses: Range<u64>,
    },
    /// The zone's pages are in no file that can be opened by name, and we may not ask the primary's
    /// process for them (the kernel's errno: `EPERM`, `EACCES`).
    #[error(
        "the pages of zone {zone:?} have no file here (--no-huge, --huge-unlink, or another mount \
         namespace), and {} may not be opened: run as the primary's user, and with CAP_SYS_PTRACE \
         if its process may not be looked at, or start the primary without these flags",
        .path.display()
    )]
    Rights {
        /// The zone.
        zone: String,
        /// What could not be opened.
        path: PathBuf,
        /// Why it could not.
        source: io::Error,
    },
    /// The zone's pages are in no file that can be opened by name, and the primary's process cannot
    /// be seen from this pid namespace (`ESRCH`).
    #[error(
        "the pages of zone {zone:?} have no file here (--no-huge, --huge-unlink, or another mount \
         namespace), and the primary's process cannot be seen from this pid namespace"
    )]
    NoProcess {
        /// The zone.
        zone: String,
    },
    /// The primary's process has no shared memory where the zone should be (`EFAULT`).
    #[error("the primary's process {pid} has no shared memory at {address:#x}, in zone {zone:?}")]
    NotMapped {
        /// The zone.
        zone: String,
        /// The primary's process.
        pid: u32,
        /// Where there is none.
        address: u64,
    },
    /// The system refused (its own errno).
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl HugepagesError {
    /// Makes a system's error one of reading a primary's memory.
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.as_ref().to_owned(), source }
    }

    /// Says that the file at `path` makes no sense.
    pub(crate) fn broken(path: impl AsRef<Path>) -> impl FnOnce(TableError) -> Self {
        move |source| Self::Broken { path: path.as_ref().to_owned(), source }
    }

    /// Says what is wrong with the config file of `directory`.
    pub(crate) fn config(directory: &Path, error: ConfigError) -> Self {
        let directory = directory.to_owned();
        match error {
            ConfigError::NotReady => Self::NotReady { directory },
            ConfigError::Another { found, want } => Self::Another { directory, found, want },
            ConfigError::Version(source) => Self::Version { directory, source },
            ConfigError::Table(source) => {
                let path = directory.join(rte_mp_proto::path::CONFIG);
                Self::Broken { path, source }
            }
        }
    }

    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::NoPrimary { .. } | Self::NotFound { .. } | Self::Freed { .. } => Errno::NOENT,
            Self::Gone { .. } | Self::Another { .. } => Errno::STALE,
            Self::NotReady { .. } | Self::Changing => Errno::AGAIN,
            Self::Version { .. } => Errno::PROTONOSUPPORT,
            Self::Pages { source: FindError::External, .. } => Errno::NOTSUP,
            Self::Broken { .. } | Self::Pages { .. } | Self::Page { .. } => Errno::PROTO,
            Self::AddressTaken { .. } | Self::AddressHeld { .. } => Errno::EXIST,
            Self::NoProcess { .. } => Errno::SRCH,
            Self::NotMapped { .. } => Errno::FAULT,
            Self::Rights { source, .. } | Self::Io { source, .. } => return raw(source),
        };
        errno.raw_os_error()
    }
}
