//! Why nothing is recorded.

use std::io;

use rustix::io::Errno;

use super::{ServiceError, raw};

/// Why a member's messages are not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The group was left (`ESHUTDOWN`).
    #[error("the group with file prefix {prefix:?} was left")]
    Left {
        /// The group.
        prefix: String,
    },
    /// As many as there may be record this member already (`EBUSY`).
    #[error("as many as there may be record this member already")]
    TooMany,
    /// The member belongs to another user, or does not want to be traced (`EPERM`).
    #[error("the member refuses: it belongs to another user, or was told not to be traced")]
    Refused,
    /// The member has another reason (its errno).
    #[error("the member cannot record (errno {errno})")]
    Other {
        /// Its reason.
        errno: i32,
    },
    /// The member could not be asked, or did not reply.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// No socket for the records could be made (the kernel's errno).
    #[error("cannot make a socket for the records")]
    Socket {
        /// Why not.
        source: io::Error,
    },
}

impl TraceError {
    /// Takes what a member says.
    pub(crate) fn of_errno(errno: i32, prefix: String) -> Self {
        // It may be any number, and none that the kernel has.
        match errno {
            _ if errno == Errno::SHUTDOWN.raw_os_error() => Self::Left { prefix },
            _ if errno == Errno::BUSY.raw_os_error() => Self::TooMany,
            _ if errno == Errno::PERM.raw_os_error() => Self::Refused,
            _ => Self::Other { errno },
        }
    }

    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Left { .. } => Errno::SHUTDOWN.raw_os_error(),
            Self::TooMany => Errno::BUSY.raw_os_error(),
            Self::Refused => Errno::PERM.raw_os_error(),
            Self::Other { errno } => *errno,
            Self::Service(error) => error.errno(),
            Self::Socket { source } => raw(source),
        }
    }
}
