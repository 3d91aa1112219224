//! What stands in a group's config file, as far as a message-only member needs it.
//!
//! The file is DPDK's `struct rte_mem_config`. Offsets that never moved since 19.08 are constants;
//! the one that did is a function of the version. The lock of a primary lies on a byte range that
//! moved too; [`LOCK_START`] and [`LOCK_LEN`] cover all its places.
//!
//! DPDK 18.05 to 26.07: `eal_memcfg.h`, `struct rte_mem_config`; `eal.c`, `wr_lock`.

use crate::layout::{Flavor, Version};

/// The length of the file, in bytes, the same since 19.11. A shorter one makes a DPDK process fail.
pub const LEN: u64 = 25_344;

/// Where the magic stands.
pub const MAGIC_OFFSET: u64 = 0;
/// What stands there once the primary is ready (`RTE_MAGIC`); 0 until then.
pub const MAGIC: u32 = 19_820_526;
/// Where the version word stands.
pub const VERSION_OFFSET: u64 = 4;

/// Where a native primary keeps its process id, as it is in its own pid namespace: a `u32` amid
/// DPDK's heap table, which a native group has no use for.
pub const NATIVE_PID_OFFSET: u64 = 24_576;
/// Where a native primary keeps the id of its memory: a `u64`, never 0.
pub const NATIVE_ARENA_OFFSET: u64 = 24_584;

/// The start of the primary's write lock, in bytes from the start of the file.
pub const LOCK_START: u64 = 124;
/// The length of the primary's write lock, in bytes. It covers the ranges of all releases: DPDK
/// 18.05 locks from 124, 19.08 to 23.07 from 136, later ones from 144 to 17551.
pub const LOCK_LEN: u64 = 17_552 - LOCK_START;

/// Whether a group may have more than one process (`mp_status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MpStatus {
    /// Nobody has attached, and nobody has disabled it (0).
    Unknown,
    /// The primary disabled multi-process: nobody may attach (1).
    Disabled,
    /// A secondary has attached: it can no longer be disabled (2).
    Enabled,
}

impl MpStatus {
    /// Gives the byte that stands in the file.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Disabled => 1,
            Self::Enabled => 2,
        }
    }

    /// Finds where the byte stands, for releases that have one (20.08 and later).
    pub fn offset(flavor: Flavor) -> Option<u64> {
        const V20_08: Version = Version::from_word(0x1408_0000);
        const V23_11: Version = Version::from_word(0x170B_0000);
        match flavor {
            Flavor::Native => Some(40),
            Flavor::Dpdk(version) if version >= V23_11 => Some(40),
            Flavor::Dpdk(version) if version >= V20_08 => Some(36),
            Flavor::Dpdk(_) => None,
        }
    }
}

/// The first eight bytes of a config file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The primary is starting, or died while it did; its flavor, once it has said so.
    NotReady(Option<Flavor>),
    /// Another program's file.
    NotAConfig {
        /// What stands where the magic should.
        magic: u32,
    },
    /// A primary of this flavor was ready.
    Ready(Flavor),
}

impl Header {
    /// How many bytes [`Header::parse`] looks at.
    pub const LEN: usize = 8;

    /// Reads the magic and the version word.
    pub fn parse(bytes: [u8; Self::LEN]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        let word = u32::from_ne_bytes([e, f, g, h]);
        match u32::from_ne_bytes([a, b, c, d]) {
            0 => Self::NotReady((word != 0).then(|| Flavor::from_word(word))),
            MAGIC => Self::Ready(Flavor::from_word(word)),
            magic => Self::NotAConfig { magic },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mp_status_moved_once() {
        let cases = [
            (0x1405_0063, None),
            (0x1408_0063, Some(36)),
            (0x160B_0B63, Some(36)),
            (0x1707_0063, Some(36)),
            (0x170B_0063, Some(40)),
            (0x1A07_0063, Some(40)),
        ];
        for (word, expected) in cases {
            assert_eq!(MpStatus::offset(Flavor::from_word(word)), expected, "{word:#x}");
        }
    }

    #[test]
    fn a_header_is_ready_only_with_the_magic() {
        let header = |magic: u32, version: u32| {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&magic.to_ne_bytes());
            bytes[4..].copy_from_slice(&version.to_ne_bytes());
            Header::parse(bytes)
        };
        let v22 = Flavor::Dpdk(Version::from_word(0x160B_0B63));
        assert_eq!(header(0, 0), Header::NotReady(None));
        assert_eq!(header(0, 0x160B_0B63), Header::NotReady(Some(v22)));
        assert_eq!(header(0x012E_6FEE, 0x160B_0B63), Header::Ready(v22));
        assert_eq!(header(7, 0), Header::NotAConfig { magic: 7 });
    }
}
