//! The checked parts of a message, and their limits.
//!
//! Whatever stands in one of these types has been checked once; no other function needs to.
//! Descriptors are not here: they travel beside the bytes and belong to whoever does the I/O.
//!
//! DPDK 25.11: `rte_eal.h`, `struct rte_mp_msg`, and `eal_common_proc.c`, `check_input`.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::inline::Inline;
use crate::path;

/// What a datagram is (`enum mp_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One way; no answer is expected (`MP_MSG`, 0).
    Message,
    /// Asks for a reply (`MP_REQ`, 1).
    Request,
    /// Answers a request (`MP_REP`, 2).
    Reply,
    /// Answers a request with "count me out" (`MP_IGN`, 3; since 18.05).
    Ignore,
}

impl Kind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Message, Self::Request, Self::Reply, Self::Ignore];

    /// Gives the code that goes over the wire.
    pub const fn code(self) -> i32 {
        match self {
            Self::Message => 0,
            Self::Request => 1,
            Self::Reply => 2,
            Self::Ignore => 3,
        }
    }

    /// Reads a code from the wire.
    pub const fn from_code(code: i32) -> Option<Self> {
        match code {
            0 => Some(Self::Message),
            1 => Some(Self::Request),
            2 => Some(Self::Reply),
            3 => Some(Self::Ignore),
            _ => None,
        }
    }
}

/// The name of an action: 1 to 63 bytes without NUL (`rte_mp_msg.name`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionName(Inline<{ ActionName::MAX_LEN }>);

impl ActionName {
    /// The longest name, in bytes; on the wire a NUL follows.
    pub const MAX_LEN: usize = 63;

    /// What the names begin with that rte-mp keeps for itself.
    pub const RESERVED_PREFIX: &str = "rte-mp/";

    /// Checks `name` once, so that no other function has to.
    ///
    /// # Errors
    /// [`NameError`] says which of the three rules it breaks.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.contains(&0) {
            return Err(NameError::Nul);
        }
        Inline::new(name)
            .map(Self)
            .ok_or(NameError::TooLong { len: name.len(), max: Self::MAX_LEN })
    }

    /// Tells whether rte-mp keeps the name for itself.
    pub fn is_reserved(&self) -> bool {
        self.as_bytes().starts_with(Self::RESERVED_PREFIX.as_bytes())
    }

    /// Borrows the bytes, without a NUL.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why something is not the name of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No byte at all (`EINVAL`).
    #[error("an action's name must not be empty")]
    Empty,
    /// More bytes than fit beside the NUL (`E2BIG`).
    #[error("an action's name has at most {max} bytes, this one has {len}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A NUL inside, which would end the name early (`EINVAL`).
    #[error("an action's name must not contain NUL")]
    Nul,
}

/// The parameter of a message: 0 to 256 bytes (`rte_mp_msg.param`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Param(Inline<{ Param::MAX_LEN }>);

impl Param {
    /// The longest parameter, in bytes (`RTE_MP_MAX_PARAM_LEN`).
    pub const MAX_LEN: usize = 256;
    /// No bytes.
    pub const EMPTY: Self = Self(Inline::EMPTY);

    /// Copies `bytes`.
    ///
    /// # Errors
    /// [`ParamError`] if there are more than [`Param::MAX_LEN`].
    pub fn new(bytes: &[u8]) -> Result<Self, ParamError> {
        Inline::new(bytes).map(Self).ok_or(ParamError { len: bytes.len(), max: Self::MAX_LEN })
    }

    /// Borrows the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A parameter that does not fit (`E2BIG`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a parameter has at most {max} bytes, this one has {len}")]
pub struct ParamError {
    /// Bytes given.
    pub len: usize,
    /// Bytes allowed.
    pub max: usize,
}

/// Where a member can be reached: the path that its socket is bound to.
///
/// DPDK matches replies by this string, so the very string that a peer bound is kept, and never
/// made canonical.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(Inline<{ PeerName::MAX_LEN }>);

impl PeerName {
    /// The longest path, in bytes: what `sun_path` holds beside its NUL.
    pub const MAX_LEN: usize = 107;

    /// Checks `path` once.
    ///
    /// # Errors
    /// [`PeerNameError`] if it is empty, too long for a socket address, or contains NUL.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, PeerNameError> {
        Self::from_bytes(path.as_ref().as_os_str().as_bytes())
    }

    /// Checks the bytes of a path once.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, PeerNameError> {
        if bytes.is_empty() || bytes.contains(&0) {
            return Err(PeerNameError::NotAPath);
        }
        Inline::new(bytes)
            .map(Self)
            .ok_or(PeerNameError::TooLong { len: bytes.len(), max: Self::MAX_LEN })
    }

    /// Borrows the path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.0.as_bytes()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Gives the last component: `mp_socket`, `mp_socket_<pid>_<hex>` or another name.
    pub fn file_name(&self) -> &OsStr {
        self.as_path().file_name().unwrap_or_default()
    }

    /// Gives the process id that stands in the name of a secondary's socket.
    ///
    /// The id is the one that the peer has in its own pid namespace, and only a claim.
    pub fn process_id(&self) -> Option<u32> {
        path::process_id(self.file_name().as_bytes())
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a path cannot be the address of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerNameError {
    /// Empty, or with a NUL inside (`EINVAL`).
    #[error("a socket's path must not be empty or contain NUL")]
    NotAPath,
    /// Longer than a socket address can hold (`ENAMETOOLONG`).
    #[error("a socket's path has at most {max} bytes, this one has {len}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_63_bytes_without_nul() {
        let cases = [
            ("one byte", "a".to_owned(), None),
            ("63 bytes", "a".repeat(63), None),
            ("64 bytes", "a".repeat(64), Some(NameError::TooLong { len: 64, max: 63 })),
            ("no byte", String::new(), Some(NameError::Empty)),
            ("a NUL", "a\0b".to_owned(), Some(NameError::Nul)),
        ];
        for (what, name, expected) in cases {
            assert_eq!(ActionName::new(&name).err(), expected, "{what}");
        }
    }

    #[test]
    fn a_param_has_0_to_256_bytes() {
        assert_eq!(Param::new(&[]).unwrap(), Param::EMPTY);
        assert_eq!(Param::new(&[7; 256]).unwrap().as_bytes(), [7; 256]);
        assert_eq!(Param::new(&[7; 257]), Err(ParamError { len: 257, max: 256 }));
    }

    #[test]
    fn a_peer_is_a_path_that_fits_a_socket_address() {
        assert!(PeerName::new("x".repeat(107)).is_ok());
        let long = PeerName::new("x".repeat(108));
        assert_eq!(long, Err(PeerNameError::TooLong { len: 108, max: 107 }));
        assert_eq!(PeerName::new(""), Err(PeerNameError::NotAPath));
    }

    #[test]
    fn what_a_peer_sends_is_shown_without_control_characters() {
        let name = ActionName::new(b"\x1b[2Jhello").unwrap();
        assert_eq!(name.to_string(), "\\x1b[2Jhello");
    }
}
