//! A datagram's bytes: encode and decode.
//!
//! Integers are `i32` in the machine's own byte order. Bytes behind the name's NUL and behind the
//! parameter are zero on the way out and mean nothing on the way in: DPDK leaves its stack there.
//!
//! DPDK 25.11: `eal_common_proc.c`, `send_msg` and `read_msg`. Differs from DPDK: a kind that does
//! not exist, and a name without NUL or without bytes, are refused; DPDK looks for an action.

use crate::layout::Layout;
use crate::message::{ActionName, Kind, NameError, Param};

/// One datagram, without the descriptors that travel beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// What it is.
    pub kind: Kind,
    /// The action it is about.
    pub name: ActionName,
    /// The parameter.
    pub param: Param,
    /// How many descriptors the sender says it attached.
    pub fd_count: usize,
}

/// The bytes of one datagram.
#[derive(Debug, Clone, Copy)]
pub struct Encoded {
    bytes: [u8; Layout::MAX_LEN],
    len: usize,
    meaningful: usize,
}

impl Encoded {
    /// Borrows the bytes to send.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Borrows the bytes up to the end of the parameter. A receiver reads nothing behind them.
    pub fn as_meaningful_bytes(&self) -> &[u8] {
        &self.bytes[..self.meaningful]
    }
}

/// Why bytes are no datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not the length of the layout.
    #[error("a datagram has {want} bytes, this one has {len}")]
    Length {
        /// Bytes that came.
        len: usize,
        /// Bytes expected.
        want: usize,
    },
    /// Not one of the four kinds.
    #[error("{0} is no kind of message")]
    Kind(i32),
    /// Not the name of an action.
    #[error(transparent)]
    Name(NameError),
    /// Not 0 to 256.
    #[error("a parameter of {0} bytes is impossible")]
    ParamLen(i32),
    /// Not 0 to the layout's limit.
    #[error("{0} descriptors are impossible")]
    FdCount(i32),
}

impl Datagram {
    /// Writes the datagram in `layout`.
    pub fn encode(&self, layout: Layout) -> Encoded {
        let shape = layout.shape;
        let mut bytes = [0; Layout::MAX_LEN];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        let param = self.param.as_bytes();
        put(0, &self.kind.code().to_ne_bytes());
        put(shape.name, self.name.as_bytes());
        put(shape.param_len, &word(param.len()));
        put(shape.fd_count, &word(self.fd_count));
        put(shape.param, param);
        if let Some(at) = shape.first_fd {
            // A receiver may close the number it finds here; nobody has descriptor -1.
            put(at, &(-1_i32).to_ne_bytes());
        }
        Encoded { bytes, len: shape.len, meaningful: shape.param + param.len() }
    }

    /// Reads a datagram of `layout`.
    ///
    /// # Errors
    /// [`DecodeError`] says which field is impossible.
    pub fn decode(layout: Layout, bytes: &[u8]) -> Result<Self, DecodeError> {
        let shape = layout.shape;
        if bytes.len() != shape.len {
            return Err(DecodeError::Length { len: bytes.len(), want: shape.len });
        }
        let kind = number(bytes, 0);
        let kind = Kind::from_code(kind).ok_or(DecodeError::Kind(kind))?;
        let name = field(bytes, shape.name, ActionName::MAX_LEN + 1);
        let name = match name.iter().position(|&byte| byte == 0) {
            Some(end) => ActionName::new(&name[..end]),
            None => Err(NameError::TooLong { len: name.len(), max: ActionName::MAX_LEN }),
        };
        let param_len = number(bytes, shape.param_len);
        let param = usize::try_from(param_len)
            .ok()
            .filter(|&len| len <= Param::MAX_LEN)
            .and_then(|len| Param::new(field(bytes, shape.param, len)).ok())
            .ok_or(DecodeError::ParamLen(param_len))?;
        let fd_count = number(bytes, shape.fd_count);
        let fd_count = usize::try_from(fd_count)
            .ok()
            .filter(|&count| count <= layout.fd_max())
            .ok_or(DecodeError::FdCount(fd_count))?;
        Ok(Self { kind, name: name.map_err(DecodeError::Name)?, param, fd_count })
    }
}

fn field(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    &bytes[at..at + len]
}

fn number(bytes: &[u8], at: usize) -> i32 {
    i32::from_ne_bytes(field(bytes, at, 4).try_into().expect("the field has four bytes"))
}

/// A count that is checked elsewhere to be at most 256, as the wire has it.
fn word(count: usize) -> [u8; 4] {
    i32::try_from(count).unwrap_or(i32::MAX).to_ne_bytes()
}
