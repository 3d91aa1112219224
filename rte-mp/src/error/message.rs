//! Why a message was not made, or not what was expected.

use rte_mp_proto::NameError;
use rustix::io::Errno;

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
