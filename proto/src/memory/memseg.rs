//! Pages of memory: the list that they stand in, and the record of each.
//!
//! A list is a range of addresses, cut into pages of one size; element `i` of its table is the page
//! at `base + i * page_len`, if that is in use.
//!
//! DPDK 19.08 to 26.07: `rte_memory.h`, `struct rte_memseg`; `eal_memcfg.h` and
//! `eal_memalloc.h`, `struct rte_memseg_list`.

use std::ops::Range;

use super::fbarray::{Fbarray, TableError};
use super::files::Backing;
use super::memzone::MemzoneEntry;
use super::{is_page_len, u32_at, u64_at};

/// How many bytes the record of a list has.
pub(super) const LIST_LEN: usize = 136;

const BASE_AT: usize = 0;
const PAGE_LEN_AT: usize = 8;
const LEN_AT: usize = 24;
const EXTERNAL_AT: usize = 32;
const TABLE_AT: usize = 40;

/// One list of pages, as the config file has 128 of them (`struct rte_memseg_list`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemsegList<'a> {
    record: &'a [u8; LIST_LEN],
}

impl<'a> MemsegList<'a> {
    pub(super) fn new(record: &'a [u8; LIST_LEN]) -> Self {
        Self { record }
    }

    /// Tells whether `address` lies in its range. A list that is not in use has none.
    pub(super) fn holds(&self, address: u64) -> bool {
        let base = u64_at(self.record, BASE_AT);
        base != 0 && address.checked_sub(base).is_some_and(|at| at < u64_at(self.record, LEN_AT))
    }

    /// Tells whether its memory was brought along by the program (`rte_malloc_heap_memory_add`),
    /// so that no file of DPDK's holds it.
    pub(super) fn is_external(&self) -> bool {
        u32_at(self.record, EXTERNAL_AT) != 0
    }

    /// Reads the header of its table.
    pub(super) fn table(&self) -> Result<Fbarray, TableError> {
        let mut header = [0; Fbarray::HEADER_LEN];
        header.copy_from_slice(&self.record[TABLE_AT..]);
        Fbarray::parse(&header, Memseg::LEN)
    }

    /// Finds the pages of a zone whose address it holds; nothing if the zone ends beyond them.
    pub(super) fn pages(
        &self,
        zone: &MemzoneEntry,
        index: u32,
        backing: Backing,
    ) -> Result<Option<Pages>, TableError> {
        let table = self.table()?;
        let (base, page_len) = (u64_at(self.record, BASE_AT), u64_at(self.record, PAGE_LEN_AT));
        if !is_page_len(page_len) {
            return Err(TableError::PageLen(page_len));
        }
        let find = || {
            let start = zone.address.checked_sub(base)?;
            let last = start.checked_add(zone.len.checked_sub(1)?)?;
            let first = u32::try_from(start / page_len).ok()?;
            let end = u32::try_from(last / page_len).ok()?.checked_add(1)?;
            // So that no address of a page runs over, either.
            base.checked_add(u64::from(end).checked_mul(page_len)?)?;
            (end <= table.len()).then_some(first..end)
        };
        Ok(find().map(|pages| Pages { list: index, table, base, page_len, pages, backing }))
    }
}

/// The pages of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    list: u32,
    table: Fbarray,
    base: u64,
    page_len: u64,
    pages: Range<u32>,
    backing: Backing,
}

impl Pages {
    /// Gives the number of the list that they stand in.
    pub fn list(&self) -> u32 {
        self.list
    }

    /// Gives the table of that list; its elements are [`Memseg`]s.
    pub fn table(&self) -> &Fbarray {
        &self.table
    }

    /// Gives which elements of the table they are.
    pub fn range(&self) -> Range<u32> {
        self.pages.clone()
    }

    /// Gives the size of each, in bytes: a power of two.
    pub fn page_len(&self) -> u64 {
        self.page_len
    }

    /// Gives how the primary keeps them.
    pub fn backing(&self) -> Backing {
        self.backing
    }

    /// Gives the primary's address of one of them.
    pub fn address_of(&self, page: u32) -> u64 {
        // Up to the last page of the range it does not run over: that was checked.
        self.base.saturating_add(u64::from(page).saturating_mul(self.page_len))
    }

    /// Gives the primary's addresses of them all.
    pub fn addresses(&self) -> Range<u64> {
        self.address_of(self.pages.start)..self.address_of(self.pages.end)
    }

    /// Tells whether `record` is what stands in the table for `page`.
    pub fn is_record_of(&self, page: u32, record: &Memseg) -> bool {
        *record == Memseg { address: self.address_of(page), len: self.page_len }
    }
}

/// A page in the table of its list (`struct rte_memseg`), as far as it leads to its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memseg {
    /// Its address in the primary.
    pub address: u64,
    /// How many bytes it has.
    pub len: u64,
}

impl Memseg {
    /// How many bytes a record has.
    pub const LEN: usize = 48;

    /// Reads a record.
    pub fn parse(record: &[u8; Self::LEN]) -> Self {
        Self { address: u64_at(record, 8), len: u64_at(record, 16) }
    }
}
