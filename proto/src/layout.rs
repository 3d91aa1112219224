//! How each DPDK release lays a datagram out, and which release a group runs.
//!
//! There is no version on the wire. The layout is a pure function of the version word in the
//! group's config file, and a receiver of the wrong length may lose its IPC thread, so nothing is
//! sent before that word was read.
//!
//! DPDK 18.05 to 26.07: `rte_eal.h`, `struct rte_mp_msg`; `rte_version.h`, `RTE_VERSION`.

use std::fmt;

/// The bytes of a datagram, and how many descriptors may go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub(crate) shape: Shape,
    fd_max: usize,
}

/// Where each field stands.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) len: usize,
    pub(crate) name: usize,
    pub(crate) param_len: usize,
    pub(crate) fd_count: usize,
    pub(crate) param: usize,
    /// Where the sender's own `fds[0]` travels along, for the form that has it.
    pub(crate) first_fd: Option<usize>,
}

/// 18.05 to 25.07.
const SHAPE_332: Shape =
    Shape { len: 332, name: 4, param_len: 68, fd_count: 72, param: 76, first_fd: None };
/// Since 25.11 the parameter is aligned to 8 bytes; the last word is no padding.
const SHAPE_340: Shape =
    Shape { len: 340, name: 8, param_len: 72, fd_count: 76, param: 80, first_fd: Some(336) };

impl Layout {
    /// DPDK 18.05 to 24.07: 332 bytes, 8 descriptors.
    pub const DPDK_18_05: Self = Self { shape: SHAPE_332, fd_max: 8 };
    /// DPDK 24.11 to 25.07: 332 bytes, 253 descriptors.
    pub const DPDK_24_11: Self = Self { shape: SHAPE_332, fd_max: Self::MAX_FDS };
    /// DPDK 25.11 to 26.07, and native groups: 340 bytes, 253 descriptors.
    pub const DPDK_25_11: Self = Self { shape: SHAPE_340, fd_max: Self::MAX_FDS };

    /// The most descriptors that any layout allows; the kernel's own limit (`SCM_MAX_FD`).
    pub const MAX_FDS: usize = 253;
    /// The longest datagram of any layout, in bytes.
    pub const MAX_LEN: usize = SHAPE_340.len;

    /// Gives the length of every datagram, in bytes.
    pub const fn datagram_len(self) -> usize {
        self.shape.len
    }

    /// Gives how many descriptors a receiver of this layout takes (`RTE_MP_MAX_FD_NUM`).
    pub const fn fd_max(self) -> usize {
        self.fd_max
    }

    /// Finds the layout of a datagram that came in, by its length.
    ///
    /// Both forms of 332 bytes are told apart by nothing; the wider one is given, since it is for
    /// the reader to take what comes.
    pub const fn of_len(len: usize) -> Option<Self> {
        match len {
            332 => Some(Self::DPDK_24_11),
            340 => Some(Self::DPDK_25_11),
            _ => None,
        }
    }

    /// Chooses the layout of an answer to a datagram of layout `received`, in a group of layout
    /// `self`: the form that the sender used, with no more descriptors than it surely takes.
    #[must_use]
    pub fn for_answer(self, received: Self) -> Self {
        if received.shape == self.shape {
            self
        } else if received.shape == SHAPE_332 {
            Self::DPDK_18_05
        } else {
            received
        }
    }
}

/// A DPDK release, as its version word says it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u32);

impl Version {
    /// The first release whose config file has a version word.
    pub const OLDEST: Self = Self(0x1308_0000);
    /// The newest release that this crate was checked against, with its patch levels.
    pub const NEWEST: Self = Self(0x1A07_FFFF);

    /// Takes the word at offset 4 of a config file.
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// Gives the word itself: year, month, minor and release, a byte each.
    pub const fn word(self) -> u32 {
        self.0
    }

    /// Finds the layout that this release speaks.
    ///
    /// # Errors
    /// [`VersionError`] if the release is older or newer than what is known, is a development
    /// snapshot in which the layout changed, or is no release at all.
    pub fn layout(self) -> Result<Layout, VersionError> {
        let [_, month, ..] = self.0.to_be_bytes();
        if self < Self::OLDEST {
            Err(VersionError::TooOld(self.0))
        } else if !(1..=12).contains(&month) {
            Err(VersionError::NoRelease(self.0))
        } else if self > Self::NEWEST {
            Err(VersionError::TooNew(self))
        } else if self.0 == 0x190B_0000 {
            Err(VersionError::Ambiguous(self))
        } else if self.0 > 0x190B_0000 {
            Ok(Layout::DPDK_25_11)
        } else if self.0 > 0x180B_0000 {
            Ok(Layout::DPDK_24_11)
        } else {
            Ok(Layout::DPDK_18_05)
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, minor, release] = self.0.to_be_bytes();
        write!(f, "{year:02}.{month:02}.{minor}")?;
        match release {
            99 => Ok(()),
            0 => write!(f, "-dev"),
            candidate => write!(f, "-rc{candidate}"),
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why the layout of a group is not known, so that nothing can be sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// Before 19.08 the config file has no version word.
    #[error(
        "the primary runs a DPDK older than 19.08 (word {0:#010x} where later ones have their version)"
    )]
    TooOld(u32),
    /// Not year, month, minor, release.
    #[error("the primary's version word {0:#010x} is no DPDK release")]
    NoRelease(u32),
    /// Its layout may be another one.
    #[error("the primary runs DPDK {0}, which is newer than 26.07, the newest that is known")]
    TooNew(Version),
    /// 25.11.0-rc0 had both layouts.
    #[error("the primary runs DPDK {0}, a development snapshot in which the layout changed")]
    Ambiguous(Version),
}

/// What kind of process leads a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// An rte-mp process.
    Native,
    /// A DPDK process of this release.
    Dpdk(Version),
}

impl Flavor {
    /// The version word of a native primary: no DPDK release has month 109, so that a DPDK
    /// secondary refuses with its own version mismatch. The last byte is the revision of what a
    /// native group keeps on disk.
    pub const NATIVE_WORD: u32 = u32::from_be_bytes([b'r', b'm', b'p', 1]);

    /// Reads the word at offset 4 of a config file.
    pub const fn from_word(word: u32) -> Self {
        match word {
            Self::NATIVE_WORD => Self::Native,
            word => Self::Dpdk(Version::from_word(word)),
        }
    }

    /// Finds the layout that the group speaks.
    ///
    /// # Errors
    /// As [`Version::layout`].
    pub fn layout(self) -> Result<Layout, VersionError> {
        match self {
            Self::Native => Ok(Layout::DPDK_25_11),
            Self::Dpdk(version) => version.layout(),
        }
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => write!(f, "native"),
            Self::Dpdk(version) => write!(f, "DPDK {version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_word_decides_the_layout() {
        let too_old = |word| Err(VersionError::TooOld(word));
        let cases = [
            ("nchannel of 18.11", 4, too_old(4)),
            ("19.05", 0x1305_0063, too_old(0x1305_0063)),
            ("19.08", 0x1308_0063, Ok(Layout::DPDK_18_05)),
            ("22.11.11", 0x160B_0B63, Ok(Layout::DPDK_18_05)),
            ("24.07", 0x1807_0063, Ok(Layout::DPDK_18_05)),
            ("24.11-rc1", 0x180B_0001, Ok(Layout::DPDK_24_11)),
            ("24.11", 0x180B_0063, Ok(Layout::DPDK_24_11)),
            ("25.07", 0x1907_0063, Ok(Layout::DPDK_24_11)),
            (
                "25.11-rc0",
                0x190B_0000,
                Err(VersionError::Ambiguous(Version::from_word(0x190B_0000))),
            ),
            ("25.11-rc1", 0x190B_0001, Ok(Layout::DPDK_25_11)),
            ("25.11.3", 0x190B_0363, Ok(Layout::DPDK_25_11)),
            ("26.07", 0x1A07_0063, Ok(Layout::DPDK_25_11)),
            ("26.07.1", 0x1A07_0163, Ok(Layout::DPDK_25_11)),
            ("26.11", 0x1A0B_0063, Err(VersionError::TooNew(Version::from_word(0x1A0B_0063)))),
            ("month 0", 0x1700_0063, Err(VersionError::NoRelease(0x1700_0063))),
        ];
        for (what, word, expected) in cases {
            assert_eq!(Flavor::from_word(word).layout(), expected, "{what}");
        }
        assert_eq!(Flavor::from_word(Flavor::NATIVE_WORD), Flavor::Native);
        let as_dpdk = Version::from_word(Flavor::NATIVE_WORD).layout();
        assert_eq!(as_dpdk, Err(VersionError::NoRelease(Flavor::NATIVE_WORD)));
    }

    #[test]
    fn a_version_is_shown_as_dpdk_shows_it() {
        let cases =
            [(0x160B_0B63, "22.11.11"), (0x1A07_0063, "26.07.0"), (0x190B_0001, "25.11.0-rc1")];
        for (word, expected) in cases {
            assert_eq!(Version::from_word(word).to_string(), expected);
        }
    }

    #[test]
    fn an_answer_has_the_form_of_its_question() {
        let cases = [
            (Layout::DPDK_18_05, 332, Layout::DPDK_18_05),
            (Layout::DPDK_24_11, 332, Layout::DPDK_24_11),
            (Layout::DPDK_25_11, 340, Layout::DPDK_25_11),
            (Layout::DPDK_25_11, 332, Layout::DPDK_18_05),
            (Layout::DPDK_18_05, 340, Layout::DPDK_25_11),
        ];
        for (group, len, expected) in cases {
            let received = Layout::of_len(len).unwrap();
            assert_eq!(group.for_answer(received), expected, "{group:?} {len}");
        }
    }
}
