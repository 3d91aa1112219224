//! Why something about the group itself did not work: its actions, its members.

use std::io;
use std::path::PathBuf;

use rte_mp_proto::NameError;
use rustix::io::Errno;

use super::{MessageError, raw};

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
    /// rte-mp keeps such names for itself (`EINVAL`).
    #[error("{name:?} cannot be registered: names that begin with {prefix:?} are reserved")]
    Reserved {
        /// The name.
        name: String,
        /// What must not stand at its beginning.
        prefix: &'static str,
    },
    /// Somebody registered it already (`EEXIST`).
    #[error("action {name:?} is registered already; unregister it first")]
    Exists {
        /// The name.
        name: String,
    },
    /// Somebody registered a handler for all other names already (`EEXIST`).
    #[error("a default handler is registered already; unregister it first")]
    DefaultExists,
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
            Self::Reserved { .. } => Errno::INVAL.raw_os_error(),
            Self::Exists { .. } | Self::DefaultExists => Errno::EXIST.raw_os_error(),
            Self::TooMany { .. } => Errno::NOMEM.raw_os_error(),
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
