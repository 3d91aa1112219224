//! Short byte strings that live where their owner lives, so that no datagram costs an allocation.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// At most `N` bytes.
#[derive(Clone, Copy)]
pub(crate) struct Inline<const N: usize> {
    len: u16,
    bytes: [u8; N],
}

impl<const N: usize> Inline<N> {
    pub(crate) const EMPTY: Self = Self { len: 0, bytes: [0; N] };

    /// Copies `bytes`, or gives nothing if they do not fit.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        let mut inline = Self::EMPTY;
        inline.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        inline.len = u16::try_from(bytes.len()).ok()?;
        Some(inline)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl<const N: usize> PartialEq for Inline<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for Inline<N> {}

impl<const N: usize> PartialOrd for Inline<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for Inline<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl<const N: usize> Hash for Inline<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Shows the bytes as text; what is not printable ASCII is escaped, so that a peer's bytes cannot
/// steer a terminal.
impl<const N: usize> fmt::Display for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
