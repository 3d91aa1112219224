//! A message: the name of an action, a parameter, and descriptors, all owned.

use std::any::type_name;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rte_mp_proto::{ActionName, Datagram, Kind, Layout, Param};
use zerocopy::{Immutable, IntoBytes, TryFromBytes};

use crate::error::{MessageError, ParamError};

/// What is sent, and what is received (`struct rte_mp_msg`).
///
/// The descriptors are owned: they are closed with the message. Sending one duplicates them into
/// the receiver and keeps ours open.
///
/// ```
/// use rte_mp::Message;
///
/// let file = std::fs::File::open("/dev/null")?;
/// let message = Message::new("port_open")?.with_param(b"eth0")?.with_fd(file)?;
/// assert_eq!(message.param(), b"eth0");
/// assert_eq!(message.fds().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Message {
    name: ActionName,
    param: Param,
    fds: Vec<OwnedFd>,
}

impl Message {
    /// Makes a message for the action `name`, of 1 to 63 bytes without NUL, with no parameter.
    ///
    /// # Errors
    /// [`MessageError::Name`].
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, MessageError> {
        Ok(Self::from_parts(ActionName::new(name)?, Param::EMPTY, Vec::new()))
    }

    /// Puts `param`, of at most 256 bytes, in place of the one before.
    ///
    /// # Errors
    /// [`MessageError::ParamTooLong`].
    pub fn with_param(mut self, param: &[u8]) -> Result<Self, MessageError> {
        self.param = checked_param(param)?;
        Ok(self)
    }

    /// Puts the bytes of `value` as the parameter, as a C peer would copy its struct.
    ///
    /// The type is one without padding and pointers; `#[derive(zerocopy::IntoBytes,
    /// zerocopy::Immutable)]` on a `#[repr(C)]` struct checks that.
    ///
    /// # Errors
    /// [`MessageError::ParamTooLong`].
    pub fn with_struct<T>(self, value: &T) -> Result<Self, MessageError>
    where
        T: IntoBytes + Immutable + ?Sized,
    {
        self.with_param(value.as_bytes())
    }

    /// Attaches a descriptor, which the message then owns.
    ///
    /// # Errors
    /// [`MessageError::TooManyFds`] beyond 253. A group of an older DPDK takes 8; that shows when
    /// the message is sent.
    pub fn with_fd(mut self, fd: impl Into<OwnedFd>) -> Result<Self, MessageError> {
        if self.fds.len() == Layout::MAX_FDS {
            return Err(MessageError::TooManyFds { max: Layout::MAX_FDS });
        }
        self.fds.push(fd.into());
        Ok(self)
    }

    /// Gives the action's name.
    pub fn name(&self) -> &ActionName {
        &self.name
    }

    /// Borrows the parameter.
    pub fn param(&self) -> &[u8] {
        self.param.as_bytes()
    }

    /// Reads the parameter as a struct of exactly its size.
    ///
    /// ```
    /// # use rte_mp::Message;
    /// use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
    ///
    /// #[derive(IntoBytes, TryFromBytes, Immutable, KnownLayout)]
    /// #[repr(C)]
    /// struct Ping {
    ///     sequence: u32,
    ///     payload: u32,
    /// }
    ///
    /// let message = Message::new("ping_request")?.with_struct(&Ping { sequence: 7, payload: 1 })?;
    /// assert_eq!(message.param_as::<Ping>()?.sequence, 7);
    ///
    /// let error = message.param_as::<u64>().err().or(message.param_as::<u16>().err());
    /// assert_eq!(
    ///     error.unwrap().to_string(),
    ///     "ping_request carries a parameter of 8 bytes, and u16 has 2",
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ParamError`] names both sizes, or says that the bytes are no value of the type.
    pub fn param_as<T: TryFromBytes>(&self) -> Result<T, ParamError> {
        let param = self.param();
        if param.len() != size_of::<T>() {
            return Err(ParamError::Size {
                action: self.name.to_string(),
                wanted: type_name::<T>(),
                len: param.len(),
                want: size_of::<T>(),
            });
        }
        T::try_read_from_bytes(param).map_err(|_| ParamError::Value {
            action: self.name.to_string(),
            wanted: type_name::<T>(),
        })
    }

    /// Borrows the descriptors.
    pub fn fds(&self) -> &[OwnedFd] {
        &self.fds
    }

    /// Takes the descriptors out.
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.fds)
    }

    /// Copies the message, and duplicates its descriptors.
    ///
    /// # Errors
    /// The kernel's, if descriptors have run out.
    pub fn try_clone(&self) -> io::Result<Self> {
        let fds = self.fds.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        Ok(Self::from_parts(self.name, self.param, fds))
    }

    pub(crate) fn from_parts(name: ActionName, param: Param, fds: Vec<OwnedFd>) -> Self {
        Self { name, param, fds }
    }

    pub(crate) fn rename(&mut self, name: ActionName) {
        self.name = name;
    }

    pub(crate) fn datagram(&self, kind: Kind) -> Datagram {
        Datagram { kind, name: self.name, param: self.param, fd_count: self.fds.len() }
    }

    pub(crate) fn borrowed_fds(&self) -> Vec<BorrowedFd<'_>> {
        self.fds.iter().map(OwnedFd::as_fd).collect()
    }
}

/// Checks a parameter's length.
pub(crate) fn checked_param(param: &[u8]) -> Result<Param, MessageError> {
    Param::new(param).map_err(|e| MessageError::ParamTooLong { len: e.len, max: e.max })
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("name", &self.name)
            .field("param", &self.param)
            .field("fds", &self.fds.len())
            .finish()
    }
}
