//! Which file holds a page, in each of the ways in which a primary keeps its memory.
//!
//! DPDK 19.08 to 26.07: `eal_filesystem.h`, `eal_get_hugefile_path`; `eal_memalloc.c`, `get_seg_fd`;
//! `eal_hugepages.h`, `struct hugepage_file`; `eal_internal_cfg.h`, `struct hugepage_info`.

use super::{is_page_len, u32_at, u64_at, until_nul};

/// Says where the hugepages of each size are mounted.
pub const HUGEPAGE_INFO: &str = "hugepage_info";
/// Says which file holds which page (`--legacy-mem`). Later runs in other modes leave it behind.
pub const HUGEPAGE_DATA: &str = "hugepage_data";

/// How many pages a list had at most while files were numbered through (`RTE_MAX_MEMSEG_PER_LIST`).
const PAGES_PER_LIST: u64 = 8192;
/// Sizes of pages that `hugepage_info` has a record for.
const INFO_RECORDS: usize = 3;
const MOUNT_POINT_AT: usize = 8;
const MOUNT_POINT_LEN: usize = 4096;

/// How a primary keeps its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// Each in a file, and the files of all lists numbered through (up to 26.03).
    Numbered,
    /// Each in a file that says list and page (26.07).
    ListAndPage,
    /// Those of a list in one file (`--single-file-segments`).
    SingleFile,
    /// Each in a file that [`HUGEPAGE_DATA`] tells (`--legacy-mem`).
    Legacy,
    /// In a file without a name (`--no-huge`).
    Anonymous,
}

impl Backing {
    /// Names the file of a page, and says at which byte of it the page begins. Gives nothing where
    /// numbers do not tell: [`Backing::Legacy`] and [`Backing::Anonymous`].
    pub fn file(self, prefix: &str, list: u32, page: u32, page_len: u64) -> Option<(String, u64)> {
        let number = u64::from(list) * PAGES_PER_LIST + u64::from(page);
        match self {
            Self::Numbered => Some((format!("{prefix}map_{number}"), 0)),
            Self::ListAndPage => Some((format!("{prefix}map_{list}_{page}"), 0)),
            Self::SingleFile => {
                let offset = u64::from(page).checked_mul(page_len)?;
                Some((format!("{prefix}map_{list}"), offset))
            }
            Self::Legacy | Self::Anonymous => None,
        }
    }
}

/// A page and its file, in [`HUGEPAGE_DATA`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyPage {
    /// Its address in the primary.
    pub address: u64,
    /// How many bytes it has.
    pub len: u64,
    /// The number in its file's name.
    file: u32,
}

impl LegacyPage {
    /// How many bytes a record has.
    pub const LEN: usize = 4136;
    /// How many of them [`LegacyPage::parse`] looks at.
    pub const HEAD_LEN: usize = 40;

    /// Reads the head of a record; nothing if it is not in use.
    pub fn parse(head: &[u8; Self::HEAD_LEN]) -> Option<Self> {
        let file = u32_at(head, 36);
        let page = Self { address: u64_at(head, 8), len: u64_at(head, 24), file };
        let in_use = page.address != 0 && page.len != 0 && file <= i32::MAX.cast_unsigned();
        in_use.then_some(page)
    }

    /// Names its file. The record has the whole path, too, which is not looked at: it could lead
    /// anywhere.
    pub fn file_name(&self, prefix: &str) -> String {
        format!("{prefix}map_{}", self.file)
    }
}

/// Finds in [`HUGEPAGE_INFO`] where pages of this size are mounted: an absolute path.
pub fn mount_point(info: &[u8], page_len: u64) -> Option<&[u8]> {
    let record_len = info.len() / INFO_RECORDS;
    if record_len < MOUNT_POINT_AT + MOUNT_POINT_LEN || !is_page_len(page_len) {
        return None;
    }
    let record =
        info.chunks_exact(record_len).take(INFO_RECORDS).find(|r| u64_at(r, 0) == page_len)?;
    let path = until_nul(&record[MOUNT_POINT_AT..MOUNT_POINT_AT + MOUNT_POINT_LEN])?;
    path.starts_with(b"/").then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_MIB: u64 = 1 << 21;

    #[test]
    fn a_pages_file_is_named_as_its_release_names_it() {
        let cases = [
            (Backing::Numbered, 0, 3, Some(("rtemap_3", 0))),
            (Backing::Numbered, 2, 5, Some(("rtemap_16389", 0))),
            (Backing::ListAndPage, 2, 5, Some(("rtemap_2_5", 0))),
            (Backing::SingleFile, 2, 5, Some(("rtemap_2", 5 * TWO_MIB))),
            (Backing::Legacy, 0, 3, None),
            (Backing::Anonymous, 0, 3, None),
        ];
        for (backing, list, page, expected) in cases {
            let expected = expected.map(|(name, offset)| (name.to_owned(), offset));
            assert_eq!(backing.file("rte", list, page, TWO_MIB), expected, "{backing:?}");
        }
    }

    #[test]
    fn a_mount_point_is_found_by_the_size_of_its_pages() {
        let mut info = vec![0; 12_720];
        for (record, (len, path)) in info.chunks_exact_mut(4240).zip([
            (TWO_MIB, &b"/dev/hugepages"[..]),
            (1 << 30, b"dev/relative"),
            (1 << 14, &[b'/'; 4096]),
        ]) {
            record[..8].copy_from_slice(&len.to_ne_bytes());
            record[8..8 + path.len()].copy_from_slice(path);
        }
        assert_eq!(mount_point(&info, TWO_MIB), Some(&b"/dev/hugepages"[..]));
        let none = [("relative", 1 << 30), ("no end", 1 << 14), ("absent", 1 << 12), ("zero", 0)];
        for (what, len) in none {
            assert_eq!(mount_point(&info, len), None, "{what}");
        }
        assert_eq!(mount_point(&info[..12_300], TWO_MIB), None, "too short for three records");
        assert_eq!(mount_point(&[], TWO_MIB), None);
    }

    #[test]
    fn a_legacy_page_that_is_not_in_use_is_none() {
        let head = |address: u64, len: u64, file: i32| {
            let mut head = [0; LegacyPage::HEAD_LEN];
            head[8..16].copy_from_slice(&address.to_ne_bytes());
            head[24..32].copy_from_slice(&len.to_ne_bytes());
            head[36..].copy_from_slice(&file.to_ne_bytes());
            head
        };
        let page = LegacyPage::parse(&head(0x1_0020_0000, TWO_MIB, 48)).unwrap();
        assert_eq!(page.file_name("rte"), "rtemap_48");
        for unused in [head(0, TWO_MIB, 1), head(TWO_MIB, 0, 1), head(TWO_MIB, TWO_MIB, -1)] {
            assert_eq!(LegacyPage::parse(&unused), None);
        }
    }
}
