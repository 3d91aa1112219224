//! Memory zones: what they are called, and a DPDK primary's as its runtime files describe them: which
//! there are, in which pages they lie, and which file holds each page.
//!
//! Bytes in, checked values out; the files are opened, read and mapped elsewhere. What stands in
//! them is not believed: every offset, length and count is checked before it is used. Nothing is
//! locked either, so that what was read may be half written: whoever reads compares two readings.
//!
//! - [`MemoryConfig`] is the config file: where the tables are, and how pages are kept;
//! - [`Fbarray`] is a table in a file of its own, with a [`Mask`] of the elements in use;
//! - [`ZoneName`] is the name of a zone, in any group;
//! - [`MemzoneEntry`] is a zone, an element of the table of zones;
//! - [`Pages`] are the pages of a zone, each a [`Memseg`] of the table of pages;
//! - [`Backing`], [`LegacyPage`] and [`mount_point`] lead from a page to its file.
//!
//! DPDK 19.08 to 26.07: `eal_memcfg.h`, `rte_fbarray.h`, `rte_memzone.h`, `rte_memory.h`,
//! `eal_filesystem.h`, `eal_hugepages.h`.

mod config;
mod fbarray;
mod files;
mod memseg;
mod memzone;
mod name;

pub use config::{ConfigError, FindError, MemoryConfig};
pub use fbarray::{Fbarray, Mask, TableError};
pub use files::{Backing, HUGEPAGE_DATA, HUGEPAGE_INFO, LegacyPage, mount_point};
pub use memseg::{Memseg, Pages};
pub use memzone::MemzoneEntry;
pub use name::{ZoneName, ZoneNameError};

/// Reads a word; `at` is a constant that lies within every record of its kind.
fn u32_at(record: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&record[at..at + 4]);
    u32::from_ne_bytes(word)
}

/// Reads a double word; `at` is a constant that lies within every record of its kind.
fn u64_at(record: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&record[at..at + 8]);
    u64::from_ne_bytes(word)
}

/// Cuts a field at its NUL; nothing if it has none.
fn until_nul(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|&byte| byte == 0)?;
    Some(&field[..end])
}

/// Tells whether pages can have this size: a power of two, from 4 KiB to 64 GiB.
fn is_page_len(len: u64) -> bool {
    len.is_power_of_two() && (1 << 12..=1 << 36).contains(&len)
}
