//! Why a group was not joined.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rte_mp_proto::{PeerNameError, VersionError, path};
use rustix::io::Errno;

use super::{ArenaError, RegisterError, raw};
use crate::args::ArgsError;
use crate::runtime::Directory;

/// Why a group could not be joined. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The file prefix cannot be one (`EINVAL`).
    #[error("file prefix {prefix:?} {reason}; it names a directory, as \"rte\" does")]
    Prefix {
        /// The prefix as given.
        prefix: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A socket of this group would have too long a path (`ENAMETOOLONG`).
    #[error("file prefix {prefix:?} is too long: the socket {} cannot be bound", .path.display())]
    SocketPath {
        /// The prefix as given.
        prefix: String,
        /// The path that does not fit.
        path: PathBuf,
        /// By how much.
        source: PeerNameError,
    },
    /// The runtime directory belongs to somebody else (`EPERM`).
    #[error("{} belongs to user {owner}; it must be ours or root's", .path.display())]
    DirectoryOwner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The runtime directory is open to others (`EPERM`).
    #[error("{} has mode {mode:04o} and is open to others; it must be 0700", .path.display())]
    DirectoryOpen {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Other processes held the directory's lock all the time (`ETIMEDOUT`). A DPDK primary holds
    /// it while it waits for the answers to a broadcast request.
    #[error("{} was locked by another process for {waited:?}", .path.display())]
    DirectoryLocked {
        /// The directory.
        path: PathBuf,
        /// How long it was tried.
        waited: Duration,
    },
    /// A primary, rte-mp's or DPDK's, runs under this prefix (`EBUSY`).
    #[error(
        "a primary is running under file prefix {prefix:?}{}; join it as a secondary",
        .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    PrimaryRunning {
        /// The prefix.
        prefix: String,
        /// Its process, if it says.
        pid: Option<u32>,
    },
    /// DPDK secondaries of a primary that ended still use its files (`EBUSY`).
    #[error("DPDK secondaries of an earlier primary still run under file prefix {prefix:?}")]
    SecondariesRunning {
        /// The prefix.
        prefix: String,
    },
    /// No primary runs under this prefix (`ENOENT`).
    #[error(
        "no primary is running under file prefix {prefix:?} ({} is not locked)",
        .config.display()
    )]
    NoPrimary {
        /// The prefix.
        prefix: String,
        /// The file that a primary locks.
        config: PathBuf,
    },
    /// The primary has not finished its start (`ETIMEDOUT`).
    #[error("the primary of file prefix {prefix:?} was not ready within {waited:?}")]
    NotReady {
        /// The prefix.
        prefix: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The primary's layout is not known, so that nothing can be sent to it (`EPROTONOSUPPORT`).
    #[error("file prefix {prefix:?} cannot be joined")]
    Version {
        /// The prefix.
        prefix: String,
        /// What the primary is.
        source: VersionError,
    },
    /// The config file is another program's (`EPROTO`).
    #[error("{} is no config file: it begins with {magic:#010x}", .path.display())]
    NotAConfig {
        /// The file.
        path: PathBuf,
        /// What stands where DPDK's magic should.
        magic: u32,
    },
    /// The primary disabled multi-process (`EACCES`).
    #[error("the primary of file prefix {prefix:?} disabled multi-process")]
    Disabled {
        /// The prefix.
        prefix: String,
    },
    /// A flag says that nothing is shared, so there is no group to join (`ENOTSUP`).
    #[error("{flag} turns the group's files off, and there are no messages without them")]
    NothingShared {
        /// The flag.
        flag: String,
    },
    /// An environment variable has a value that it cannot have (`EINVAL`).
    #[error("{variable} cannot be {value:?}: it takes {wanted}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// An action of [`GroupBuilder::action`](crate::GroupBuilder::action) cannot be registered (as
    /// [`RegisterError::errno`] says).
    #[error("an action cannot be there from the beginning")]
    Action {
        /// Which, and why.
        source: RegisterError,
    },
    /// The primary's memory could not be made (as [`ArenaError::errno`] says).
    #[error("the memory of file prefix {prefix:?} cannot be made")]
    Memory {
        /// The prefix.
        prefix: String,
        /// Why.
        source: ArenaError,
    },
    /// The group is to be driven by tokio, and no runtime is entered (`EINVAL`).
    #[error("a group that tokio drives can only be joined inside a tokio runtime")]
    NoTokioRuntime,
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

impl JoinError {
    /// Makes a system's error one of joining.
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.as_ref().to_owned(), source }
    }

    pub(crate) fn no_primary(directory: &Directory) -> Self {
        let config = directory.path.join(path::CONFIG);
        Self::NoPrimary { prefix: directory.prefix.clone(), config }
    }

    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Prefix { .. } | Self::Environment { .. } | Self::NoTokioRuntime => Errno::INVAL,
            Self::SocketPath { .. } => Errno::NAMETOOLONG,
            Self::DirectoryOwner { .. } | Self::DirectoryOpen { .. } => Errno::PERM,
            Self::DirectoryLocked { .. } | Self::NotReady { .. } => Errno::TIMEDOUT,
            Self::PrimaryRunning { .. } | Self::SecondariesRunning { .. } => Errno::BUSY,
            Self::NoPrimary { .. } => Errno::NOENT,
            Self::Version { .. } => Errno::PROTONOSUPPORT,
            Self::NotAConfig { .. } => Errno::PROTO,
            Self::Disabled { .. } => Errno::ACCESS,
            Self::NothingShared { .. } => Errno::NOTSUP,
            Self::Action { source } => return source.errno(),
            Self::Memory { source, .. } => return source.errno(),
            Self::Io { source, .. } => return raw(source),
        };
        errno.raw_os_error()
    }
}

/// Why a command line did not lead into a group.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The command line is wrong (`EINVAL`).
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// The calling thread cannot run on the main lcore (the kernel's errno).
    #[error("cannot run on core {cpus:?}, the main lcore's")]
    Pin {
        /// Where it should have run.
        cpus: Vec<u32>,
        /// Why it cannot.
        source: io::Error,
    },
    /// The command line asks for help (`-h`), and nothing else of it counts (`ECANCELED`).
    #[error("the command line asks for help")]
    Help,
    /// The group could not be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
}

impl StartError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Args(error) => error.errno(),
            Self::Pin { source, .. } => raw(source),
            Self::Help => Errno::CANCELED.raw_os_error(),
            Self::Join(error) => error.errno(),
        }
    }
}
