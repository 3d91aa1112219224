//! What stands where in an arena, and the header that says so.
//!
//! ```text
//! 0        header, written once before anybody else sees the file
//! 64       where the heap's directory begins, 0 if there is none
//! 4096     a state word for each slot of the table
//! 36864    an entry for each slot: name, offset, length
//! 299008   the zones
//! ```
//!
//! Nothing else of the layout is ever read from memory that others can change: the header is copied
//! and checked once, everything else is a constant.

use std::ops::Range;

use rte_mp_proto::memory::ZoneName;

/// How many zones an arena holds (`RTE_MAX_MEMZONE`).
pub(crate) const MAX_ZONES: usize = 2560;

/// The slots of the table. More than zones, so that probing finds a free one soon; a power of two.
pub(super) const SLOTS: usize = 4096;

/// The words of an entry: what is known of a zone, on one cache line.
const ENTRY_WORDS: usize = 8;

/// The word that says where the heap's directory begins, in bytes.
pub(super) const HEAP: usize = 8;

/// Where the table begins, in words.
const STATES: usize = HEADER_SIZE / 8;
const ENTRIES: usize = STATES + SLOTS;
/// The words before the zones.
pub(super) const TABLE_END: usize = ENTRIES + SLOTS * ENTRY_WORDS;

/// Where the zones begin, in bytes.
pub(super) const DATA: u64 = TABLE_END as u64 * 8;

const HEADER_SIZE: usize = 4096;

/// The smallest alignment of a zone, in bytes (`RTE_CACHE_LINE_SIZE`).
pub(crate) const CACHE_LINE: u64 = 64;

/// The smallest arena: one with as much for zones as for the table, or more.
pub(super) const MIN_SIZE: u64 = 1 << 20;

/// The highest address that may be asked for, which is where a process's own part ends.
pub(super) const MAX_ADDRESS: u64 = 1 << 47;

/// Gives the word that holds the state of `slot`.
pub(super) const fn state_of(slot: usize) -> usize {
    STATES + slot
}

/// Gives the words that hold the name of the zone in `slot`.
pub(super) const fn name_of(slot: usize) -> Range<usize> {
    let entry = ENTRIES + slot * ENTRY_WORDS;
    entry..entry + ZoneName::WORDS
}

/// Gives the word that holds the offset of the zone in `slot`; its length stands behind it.
pub(super) const fn extent_of(slot: usize) -> usize {
    ENTRIES + slot * ENTRY_WORDS + ZoneName::WORDS
}

/// What an arena is; the same for all who have it mapped, and never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The length of the file, in bytes.
    pub(super) size: u64,
    /// Where every process has it mapped.
    pub(super) base: u64,
    /// Tells it from all others.
    pub(super) id: u64,
}

/// Why a file is no arena that can be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAnArena(pub(super) &'static str);

impl Header {
    pub(super) const LEN: usize = 40;

    const MAGIC: u64 = u64::from_be_bytes(*b"rte-mp\0A");
    const VERSION: u64 = 2;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let words = [Self::MAGIC, Self::VERSION, self.size, self.base, self.id];
        let mut bytes = [0; Self::LEN];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// Reads the header of a file of `len` bytes, and believes nothing of it: what is mapped by it
    /// must lie where a program's memory lies, and be no longer than the file.
    pub(super) fn parse(bytes: [u8; Self::LEN], len: u64) -> Result<Self, NotAnArena> {
        let mut words = bytes.as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
        let mut next = || words.next().unwrap_or_default();
        if next() != Self::MAGIC {
            return Err(NotAnArena("it does not begin as one"));
        }
        if next() != Self::VERSION {
            return Err(NotAnArena("another release of rte-mp made it"));
        }
        let header = Self { size: next(), base: next(), id: next() };
        if header.size != len || len < MIN_SIZE {
            return Err(NotAnArena("its length is not the one that its header names"));
        }
        let end = header.base.checked_add(header.size);
        if header.base < 1 << 16 || end.is_none_or(|end| end > MAX_ADDRESS) {
            return Err(NotAnArena("its address is none of a program's"));
        }
        Ok(header)
    }

    /// Gives the part of the arena that zones may have.
    pub(super) fn data(&self) -> Range<u64> {
        DATA..self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Header = Header { size: 1 << 30, base: 1 << 32, id: 7 };

    #[test]
    fn the_parts_do_not_overlap_and_lie_on_their_lines() {
        assert_eq!(state_of(0) * 8, 4096);
        assert_eq!(state_of(SLOTS), name_of(0).start);
        assert_eq!(name_of(0).start * 8 % 64, 0);
        assert_eq!(name_of(0).end, extent_of(0));
        assert_eq!(name_of(SLOTS).start, TABLE_END);
        assert_eq!((DATA, DATA % 4096), (299_008, 0));
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        assert_eq!(Header::parse(GOOD.to_bytes(), GOOD.size), Ok(GOOD));
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let with = |change: fn(&mut Header)| {
            let mut header = GOOD;
            change(&mut header);
            Header::parse(header.to_bytes(), GOOD.size)
        };
        with(|header| header.size += 4096).expect_err("longer than the file");
        with(|header| header.size -= 4096).expect_err("shorter than the file");
        with(|header| header.base = 0).expect_err("where nothing is ever mapped");
        with(|header| header.base = u64::MAX - 4095).expect_err("past the end of everything");
        with(|header| header.base = MAX_ADDRESS - 4096).expect_err("it leads past a program's end");
        let small = Header { size: DATA, ..GOOD };
        Header::parse(small.to_bytes(), DATA).expect_err("no room for a zone");
        for byte in 0..16 {
            let mut bytes = GOOD.to_bytes();
            bytes[byte] ^= 1;
            Header::parse(bytes, GOOD.size).expect_err("another magic or version");
        }
    }
}
