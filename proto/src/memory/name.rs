//! The name of a memory zone: 1 to 31 bytes, in tables padded with NUL.

use std::fmt;
use std::hash::{Hash, Hasher};

/// The name of a memory zone (`rte_memzone.name`): 1 to 31 bytes without NUL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneName([u8; ZoneName::SIZE]);

impl ZoneName {
    /// The longest name, in bytes (`RTE_MEMZONE_NAMESIZE` less the NUL).
    pub const MAX_LEN: usize = 31;

    /// What a name takes in a table, its NUL included.
    pub const SIZE: usize = Self::MAX_LEN + 1;

    /// How many words of a table that is.
    pub const WORDS: usize = Self::SIZE / 8;

    /// Checks `name` once, so that no other function has to.
    ///
    /// # Errors
    /// [`ZoneNameError`] says which of the three rules it breaks.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, ZoneNameError> {
        let name = name.as_ref();
        let mut bytes = [0; Self::SIZE];
        match name.len() {
            0 => return Err(ZoneNameError::Empty),
            _ if name.contains(&0) => return Err(ZoneNameError::Nul),
            len if len > Self::MAX_LEN => {
                return Err(ZoneNameError::TooLong { len, max: Self::MAX_LEN });
            }
            len => bytes[..len].copy_from_slice(name),
        }
        Ok(Self(bytes))
    }

    /// Borrows the bytes, without a NUL.
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(Self::MAX_LEN);
        &self.0[..len]
    }

    /// Reads what stands in a table, or gives nothing if that is no name.
    pub fn from_words(words: [u64; Self::WORDS]) -> Option<Self> {
        let mut bytes = [0; Self::SIZE];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        let name = Self(bytes);
        let padded = name.0[name.as_bytes().len()..].iter().all(|&byte| byte == 0);
        (padded && !name.as_bytes().is_empty()).then_some(name)
    }

    /// Gives what stands in a table.
    pub fn to_words(self) -> [u64; Self::WORDS] {
        let mut words = [0; Self::WORDS];
        for (word, bytes) in words.iter_mut().zip(self.0.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        words
    }
}

impl AsRef<[u8]> for ZoneName {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq<str> for ZoneName {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for ZoneName {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl Hash for ZoneName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Shows the bytes as text; what is not printable ASCII is escaped, so that a peer's bytes cannot
/// steer a terminal.
impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Why something is not the name of a memory zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneNameError {
    /// No byte at all (`EINVAL`).
    #[error("a memory zone's name must not be empty")]
    Empty,
    /// More bytes than fit beside the NUL (`ENAMETOOLONG`).
    #[error("a memory zone's name has at most {max} bytes, this one has {len}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A NUL inside, which would end the name early (`EINVAL`).
    #[error("a memory zone's name must not contain NUL")]
    Nul,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_three_rules() {
        let long = "x".repeat(32);
        let cases = [
            ("", Err(ZoneNameError::Empty)),
            ("a\0b", Err(ZoneNameError::Nul)),
            (&long, Err(ZoneNameError::TooLong { len: 32, max: 31 })),
            (&long[..31], Ok(31)),
            ("MZ_SHARED_INFO", Ok(14)),
        ];
        for (name, expected) in cases {
            let len = ZoneName::new(name).map(|name| name.as_bytes().len());
            assert_eq!(len, expected, "{name:?}");
        }
    }

    #[test]
    fn a_table_gives_back_what_was_put_in_and_nothing_else() {
        for text in ["a", "12345678", "MZ_SHARED_INFO", &"y".repeat(31)] {
            let name = ZoneName::new(text).unwrap();
            assert_eq!(ZoneName::from_words(name.to_words()), Some(name), "{text}");
        }
        let garbage = [[0; 4], [u64::MAX; 4], [1, 1, 0, 0], [0, 1, 0, 0]];
        for words in garbage {
            assert_eq!(ZoneName::from_words(words), None, "{words:?}");
        }
    }

    #[test]
    fn a_name_cannot_steer_a_terminal() {
        assert_eq!(ZoneName::new("a\x1b[1m").unwrap().to_string(), "a\\x1b[1m");
    }
}
