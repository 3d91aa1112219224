//! Why an operation failed: one enum each, with what it is about, and the errno that C would see.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rte_mp_proto::{NameError, PeerName, PeerNameError, VersionError, path};
use rustix::io::Errno;

use crate::args::ArgsError;
use crate::runtime::Directory;

/// The errno of an error from the system, `EIO` if it has none.
fn raw(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or_else(|| Errno::IO.raw_os_error())
}

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
            Self::Prefix { .. } | Self::Environment { .. } => Errno::INVAL,
            Self::SocketPath { .. } => Errno::NAMETOOLONG,
            Self::DirectoryOwner { .. } | Self::DirectoryOpen { .. } => Errno::PERM,
            Self::DirectoryLocked { .. } | Self::NotReady { .. } => Errno::TIMEDOUT,
            Self::PrimaryRunning { .. } | Self::SecondariesRunning { .. } => Errno::BUSY,
            Self::NoPrimary { .. } => Errno::NOENT,
            Self::Version { .. } => Errno::PROTONOSUPPORT,
            Self::NotAConfig { .. } => Errno::PROTO,
            Self::Disabled { .. } => Errno::ACCESS,
            Self::NothingShared { .. } => Errno::NOTSUP,
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

/// Why a message cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The action's name is none (`EINVAL`, `E2BIG`).
    #[error(transparent)]
    Name(#[from] NameError),
    /// The parameter does not fit (`E2BIG`).
    #[error("a parameter has at most {max} bytes, this one has {len}")]
    ParamTooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// More descriptors than the kernel passes at once (`E2BIG`).
    #[error("a message carries at most {max} descriptors")]
    TooManyFds {
        /// Descriptors allowed.
        max: usize,
    },
}

impl MessageError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Name(NameError::TooLong { .. }) => Errno::TOOBIG,
            Self::Name(_) => Errno::INVAL,
            Self::ParamTooLong { .. } | Self::TooManyFds { .. } => Errno::TOOBIG,
        };
        errno.raw_os_error()
    }
}

/// A parameter that is not the struct that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamError {
    /// Another length (`EINVAL`).
    #[error("{action} carries a parameter of {len} bytes, and {wanted} has {want}")]
    Size {
        /// The action that it came with.
        action: String,
        /// The type that was asked for.
        wanted: &'static str,
        /// Bytes that came.
        len: usize,
        /// Bytes of the type.
        want: usize,
    },
    /// The right length, but bytes that the type cannot have (`EINVAL`).
    #[error("the parameter of {action} is no valid {wanted}")]
    Value {
        /// The action that it came with.
        action: String,
        /// The type that was asked for.
        wanted: &'static str,
    },
}

impl ParamError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Size { .. } | Self::Value { .. } => Errno::INVAL.raw_os_error(),
        }
    }
}

/// Why an action could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The name is none (`EINVAL`, `E2BIG`).
    #[error("{name:?} cannot be registered")]
    Name {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// Somebody registered it already (`EEXIST`).
    #[error("action {name:?} is registered already; unregister it first")]
    Exists {
        /// The name.
        name: String,
    },
    /// There are as many actions as a group takes (`ENOMEM`).
    #[error("action {name:?} is one too many: a group has at most {max}")]
    TooMany {
        /// The name.
        name: String,
        /// Actions allowed.
        max: usize,
    },
}

impl RegisterError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Name { source, .. } => MessageError::Name(*source).errno(),
            Self::Exists { .. } => Errno::EXIST.raw_os_error(),
            Self::TooMany { .. } => Errno::NOMEM.raw_os_error(),
        }
    }
}

/// Why a message did not reach everybody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// More descriptors than the group's DPDK release takes (`E2BIG`).
    #[error("the message carries {count} descriptors, and this group takes at most {max}")]
    TooManyFds {
        /// Descriptors attached.
        count: usize,
        /// Descriptors allowed.
        max: usize,
    },
    /// No primary runs under this prefix (`ENOENT` or `ECONNREFUSED`, as DPDK gives them).
    #[error("no primary is running under file prefix {prefix:?}")]
    NoPrimary {
        /// The prefix.
        prefix: String,
        /// How it was noticed.
        errno: i32,
    },
    /// A primary that speaks another layout took the place of the one that we joined (`EPROTO`).
    #[error("another DPDK release took over file prefix {prefix:?}; leave and join again")]
    OtherPrimary {
        /// The prefix.
        prefix: String,
    },
    /// The directory could not be listed (the kernel's errno).
    #[error("cannot list the members in {}", .directory.display())]
    List {
        /// The group's directory.
        directory: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Some did not get it; the others did.
    #[error("the message did not reach {}", peers(.failures))]
    Undelivered {
        /// Who did not get it, and why. A queue that stayed full is `ETIMEDOUT`.
        failures: Vec<(PeerName, io::Error)>,
    },
    /// The group was left (`ESHUTDOWN`).
    #[error("the group of file prefix {prefix:?} was left")]
    Left {
        /// The prefix.
        prefix: String,
    },
}

impl SendError {
    /// Gives the errno that says the same to C: of several, the last one, as DPDK does.
    pub fn errno(&self) -> i32 {
        match self {
            Self::TooManyFds { .. } => Errno::TOOBIG.raw_os_error(),
            Self::NoPrimary { errno, .. } => *errno,
            Self::OtherPrimary { .. } => Errno::PROTO.raw_os_error(),
            Self::List { source, .. } => raw(source),
            Self::Undelivered { failures } => {
                failures.last().map_or(Errno::IO.raw_os_error(), |(_, error)| raw(error))
            }
            Self::Left { .. } => Errno::SHUTDOWN.raw_os_error(),
        }
    }
}

fn peers(failures: &[(PeerName, io::Error)]) -> String {
    let each: Vec<_> = failures.iter().map(|(peer, error)| format!("{peer} ({error})")).collect();
    each.join(", ")
}

/// Why nobody could be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// More descriptors than the group's DPDK release takes (`E2BIG`).
    #[error("the request carries {count} descriptors, and this group takes at most {max}")]
    TooManyFds {
        /// Descriptors attached.
        count: usize,
        /// Descriptors allowed.
        max: usize,
    },
    /// No primary runs under this prefix (`ENOENT` or `ECONNREFUSED`, as DPDK gives them).
    #[error("no primary is running under file prefix {prefix:?}")]
    NoPrimary {
        /// The prefix.
        prefix: String,
        /// How it was noticed.
        errno: i32,
    },
    /// The peer that was named does not run (`ENOENT` or `ECONNREFUSED`).
    #[error("{peer} is not running")]
    NoPeer {
        /// Who was named.
        peer: PeerName,
        /// How it was noticed.
        errno: i32,
    },
    /// No socket for the replies could be bound (the kernel's own errno).
    #[error("cannot bind a return address in {}", .directory.display())]
    ReturnAddress {
        /// The group's directory.
        directory: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A primary that speaks another layout took the place of the one that we joined (`EPROTO`).
    #[error("another DPDK release took over file prefix {prefix:?}; leave and join again")]
    OtherPrimary {
        /// The prefix.
        prefix: String,
    },
    /// The directory could not be listed (the kernel's errno).
    #[error("cannot list the members in {}", .directory.display())]
    List {
        /// The group's directory.
        directory: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Waiting failed (the kernel's errno); what was asked was given up.
    #[error("cannot wait for the replies")]
    Wait {
        /// Why it failed.
        source: io::Error,
    },
    /// The group was left, before or while it was waited (`ESHUTDOWN`).
    #[error("the group of file prefix {prefix:?} was left")]
    Left {
        /// The prefix.
        prefix: String,
    },
}

impl RequestError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::TooManyFds { .. } => Errno::TOOBIG.raw_os_error(),
            Self::NoPrimary { errno, .. } | Self::NoPeer { errno, .. } => *errno,
            Self::OtherPrimary { .. } => Errno::PROTO.raw_os_error(),
            Self::ReturnAddress { source, .. }
            | Self::List { source, .. }
            | Self::Wait { source } => raw(source),
            Self::Left { .. } => Errno::SHUTDOWN.raw_os_error(),
        }
    }
}

/// Why there is no single reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoReplyError {
    /// Nobody was asked: a primary has no secondaries (`ENOENT`).
    #[error("nobody was asked about {action}")]
    Nobody {
        /// The action.
        action: String,
    },
    /// The peer has no such action, or chose not to answer (`ENOTSUP`).
    #[error("{peer} ignored {action}; it has no such action, or wants not to be counted")]
    Ignored {
        /// Who was asked.
        peer: PeerName,
        /// The action.
        action: String,
    },
    /// The peer did not answer in time (`ETIMEDOUT`).
    #[error("{peer} did not answer {action} in time")]
    TimedOut {
        /// Who was asked.
        peer: PeerName,
        /// The action.
        action: String,
    },
    /// The peer ended before it answered (`ECONNRESET`).
    #[error("{peer} ended before it answered {action}")]
    Died {
        /// Who was asked.
        peer: PeerName,
        /// The action.
        action: String,
    },
    /// The peer could not be asked (its errno).
    #[error("{peer} could not be asked about {action}: {}", io::Error::from_raw_os_error(*.errno))]
    Unsendable {
        /// Who was to be asked.
        peer: PeerName,
        /// The action.
        action: String,
        /// Why not.
        errno: i32,
    },
    /// The group was left before the answer came (`ECANCELED`).
    #[error("the group was left before {peer} answered {action}")]
    Abandoned {
        /// Who was asked.
        peer: PeerName,
        /// The action.
        action: String,
    },
}

impl NoReplyError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Nobody { .. } => Errno::NOENT,
            Self::Ignored { .. } => Errno::NOTSUP,
            Self::TimedOut { .. } => Errno::TIMEDOUT,
            Self::Died { .. } => Errno::CONNRESET,
            Self::Unsendable { errno, .. } => return *errno,
            Self::Abandoned { .. } => Errno::CANCELED,
        };
        errno.raw_os_error()
    }
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A one-way message expects no answer (`EINVAL`).
    #[error("{action} came as a one-way message, which expects no reply")]
    NotARequest {
        /// The action.
        action: String,
    },
    /// The parameter or the descriptors do not fit (`E2BIG`).
    #[error("the reply to {action} cannot be made")]
    Message {
        /// The action.
        action: String,
        /// What is wrong with it.
        source: MessageError,
    },
    /// The one who asked is gone (`ECONNREFUSED` or `ENOENT`), or its socket refuses.
    #[error("{peer} cannot be reached for the reply to {action}")]
    Unreachable {
        /// Who asked.
        peer: PeerName,
        /// The action.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl ReplyError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::NotARequest { .. } => Errno::INVAL.raw_os_error(),
            Self::Message { source, .. } => source.errno(),
            Self::Unreachable { source, .. } => raw(source),
        }
    }
}

/// Why the members could not be listed or followed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the members in {}", .directory.display())]
pub struct MembersError {
    pub(crate) action: &'static str,
    pub(crate) directory: PathBuf,
    pub(crate) source: io::Error,
}

impl MembersError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        raw(&self.source)
    }
}

/// Why multi-process was not disabled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisableError {
    /// Only a primary can (`EPERM`).
    #[error("only a primary can disable multi-process, and this is a secondary")]
    NotPrimary,
    /// A secondary has attached already (`EBUSY`).
    #[error("a secondary has attached already")]
    Attached,
    /// The config file could not be changed (the kernel's errno).
    #[error("cannot change the config file")]
    Io {
        /// Why it failed.
        source: io::Error,
    },
}

impl DisableError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::NotPrimary => Errno::PERM.raw_os_error(),
            Self::Attached => Errno::BUSY.raw_os_error(),
            Self::Io { source } => raw(source),
        }
    }
}
