//! Why a request asked nobody, or brought no reply.

use std::io;
use std::path::PathBuf;

use rte_mp_proto::PeerName;
use rustix::io::Errno;

use super::raw;

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
    /// What was named is no member of this group: a return address, or of another group
    /// (`EINVAL`).
    #[error("{peer} is no member of this group; the names of members are in its list of members")]
    NotAMember {
        /// What was named.
        peer: PeerName,
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
            Self::NotAMember { .. } => Errno::INVAL.raw_os_error(),
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
