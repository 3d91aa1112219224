//! Why a message or an answer did not reach its receiver.

use std::io;
use std::path::PathBuf;

use rte_mp_proto::PeerName;
use rustix::io::Errno;

use super::{MessageError, raw};

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
            Self::NoPrimary { errno, .. } | Self::NoPeer { errno, .. } => *errno,
            Self::NotAMember { .. } => Errno::INVAL.raw_os_error(),
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
