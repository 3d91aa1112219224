//! Why a member did not answer what every rte-mp process does.

use rustix::io::Errno;

use super::{MessageError, NoReplyError, RequestError};

/// Why a member's answer to [`To::ping`](crate::To::ping) or [`To::stats`](crate::To::stats) is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// What was to be sent is no parameter.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The member could not be asked.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It was asked, and did not reply. An ignore comes of a release without this action.
    #[error(transparent)]
    NoReply(#[from] NoReplyError),
    /// It replied what makes no sense here (`EPROTO`).
    #[error("the reply to {action} cannot be read; it is of another release of rte-mp")]
    Reply {
        /// What was asked.
        action: &'static str,
    },
}

impl ServiceError {
    /// Gives the errno that says the same to C.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Message(error) => error.errno(),
            Self::Request(error) => error.errno(),
            Self::NoReply(error) => error.errno(),
            Self::Reply { .. } => Errno::PROTO.raw_os_error(),
        }
    }
}
