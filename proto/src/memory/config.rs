//! The config file as far as it leads to the primary's memory.
//!
//! DPDK 19.08 to 26.07: `eal_memcfg.h`, `struct rte_mem_config`.

use super::fbarray::{Fbarray, TableError};
use super::files::Backing;
use super::memseg::{LIST_LEN, MemsegList, Pages};
use super::memzone::MemzoneEntry;
use super::u32_at;
use crate::config::{self, Header};
use crate::layout::{Flavor, Version, VersionError};

const LEN: usize = config::LEN as usize;
const LIST_COUNT: usize = 128;
const LEGACY_MEM_AT: usize = 25_296;
const SINGLE_FILE_SEGMENTS_AT: usize = 25_300;
/// The table of the pages that are none of a hugetlbfs.
const NO_HUGE: &[u8] = b"nohugemem";

/// What moved between releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offsets {
    /// The header of the table of zones.
    memzones: usize,
    /// The lists of pages.
    memsegs: usize,
}

impl Offsets {
    fn of(version: Version) -> Self {
        const V23_11: Version = Version::from_word(0x170B_0000);
        if version >= V23_11 {
            Self { memzones: 48, memsegs: 144 }
        } else {
            Self { memzones: 40, memsegs: 136 }
        }
    }
}

/// A config file of a primary that is ready.
#[derive(Debug, Clone, Copy)]
pub struct MemoryConfig<'a> {
    bytes: &'a [u8; LEN],
    version: Version,
    offsets: Offsets,
}

impl<'a> MemoryConfig<'a> {
    /// How many bytes [`MemoryConfig::parse`] looks at.
    pub const LEN: usize = LEN;

    /// Takes the file of a primary that is of release `version`.
    ///
    /// # Errors
    /// [`ConfigError`]: it is not, or its offsets are not known.
    pub fn parse(bytes: &'a [u8], version: Version) -> Result<Self, ConfigError> {
        let short = TableError::Short { len: bytes.len() as u64, want: config::LEN };
        let bytes: &[u8; LEN] = bytes.first_chunk().ok_or(short)?;
        let mut head = [0; Header::LEN];
        head.copy_from_slice(&bytes[..Header::LEN]);
        match Header::parse(head) {
            Header::Ready(found) if found == Flavor::Dpdk(version) => {}
            Header::Ready(found) => return Err(ConfigError::Another { found, want: version }),
            Header::NotReady(_) | Header::NotAConfig { .. } => return Err(ConfigError::NotReady),
        }
        version.layout()?;
        Ok(Self { bytes, version, offsets: Offsets::of(version) })
    }

    /// Finds the table of zones; its elements are [`MemzoneEntry`]s.
    ///
    /// # Errors
    /// [`TableError`] if its header is none.
    pub fn memzones(&self) -> Result<Fbarray, TableError> {
        let mut header = [0; Fbarray::HEADER_LEN];
        let at = self.offsets.memzones;
        header.copy_from_slice(&self.bytes[at..at + Fbarray::HEADER_LEN]);
        Fbarray::parse(&header, MemzoneEntry::LEN)
    }

    /// Finds the pages of a zone.
    ///
    /// # Errors
    /// [`FindError`] if it lies in none that can be found.
    pub fn find(&self, zone: &MemzoneEntry) -> Result<Pages, FindError> {
        let lists = &self.bytes[self.offsets.memsegs..];
        let (lists, _) = lists.as_chunks::<LIST_LEN>();
        let (index, list) = (0..)
            .zip(lists.iter().take(LIST_COUNT).map(MemsegList::new))
            .find(|(_, list)| list.holds(zone.address))
            .ok_or(FindError::Nowhere)?;
        if list.is_external() {
            return Err(FindError::External);
        }
        let backing = self.backing(&list.table()?);
        list.pages(zone, index, backing)?.ok_or(FindError::Beyond)
    }

    /// Says how the pages of a list are kept. A legacy primary without hugepages says that it is
    /// legacy, too; and a legacy one may say that it has single files, which it has not.
    fn backing(&self, table: &Fbarray) -> Backing {
        const V26_07: Version = Version::from_word(0x1A07_0000);
        let is_set = |at| u32_at(self.bytes, at) != 0;
        if table.name() == NO_HUGE {
            Backing::Anonymous
        } else if is_set(LEGACY_MEM_AT) {
            Backing::Legacy
        } else if is_set(SINGLE_FILE_SEGMENTS_AT) {
            Backing::SingleFile
        } else if self.version >= V26_07 {
            Backing::ListAndPage
        } else {
            Backing::Numbered
        }
    }
}

/// Why a config file says nothing about the primary's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The primary that wrote it is starting or gone.
    #[error("the primary is starting, or another one takes its place")]
    NotReady,
    /// Another primary wrote it.
    #[error("the primary is {found} now, and was DPDK {want}")]
    Another {
        /// What it is.
        found: Flavor,
        /// What it was.
        want: Version,
    },
    /// Nobody knows where in it what stands.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// It is too short.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Why the pages of a zone were not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Its address is in no list of pages.
    #[error("its address is in none of the primary's lists of pages")]
    Nowhere,
    /// It ends beyond the pages of its list.
    #[error("it ends beyond the primary's list of pages")]
    Beyond,
    /// The program brought its memory along (`rte_malloc_heap_memory_add`).
    #[error("it lies in external memory, which is in none of DPDK's files")]
    External,
    /// The list of its pages is broken.
    #[error(transparent)]
    Table(#[from] TableError),
}
