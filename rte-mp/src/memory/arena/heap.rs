//! What the heap has of an arena: its directory, units, and pages.
//!
//! The directory is made when the heap is first used. The header's page then says where it is, by
//! one word that is written once, after the directory was filled with zeros. So whoever is killed
//! leaves no directory, or a whole one.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::layout::{CACHE_LINE, HEAP, Header};
use super::lock::{self, Held};
use super::space::Extent;
use super::{Arena, PAGE, PUNCH_FROM, whole_pages};
use crate::memory::heap::{Grid, Hints, Spans, UNIT, gaps, highest};

/// What this process knows of an arena's heap.
#[derive(Debug)]
pub(super) struct Known {
    grid: Grid,
    /// Where the directory begins, in bytes. It stays there.
    directory: OnceLock<u64>,
    hints: Hints,
}

impl Known {
    pub(super) fn new(header: &Header) -> Self {
        let grid = Grid::new(header.base, &header.data());
        Self { grid, directory: OnceLock::new(), hints: Hints::default() }
    }
}

/// What the header's page says of the directory.
enum Directory {
    /// There is none yet.
    None,
    At(u64),
    /// It cannot be there.
    Damaged,
}

/// Why the heap did not get what it needs.
#[derive(Debug)]
pub(crate) enum Lack {
    Lock(io::Error),
    /// There is room for so many bytes.
    Room {
        largest: u64,
    },
    /// What tells where the directory is, was overwritten.
    Damaged,
}

/// An arena, locked: zones and units are taken by nobody else.
pub(crate) struct Locked<'a> {
    arena: &'a Arena,
    _held: Held,
}

impl Arena {
    /// Borrows the heap, if there is one.
    #[inline] // Else it is handed over in memory, which costs a small block half as much again.
    pub(crate) fn heap(&self) -> Option<Spans<'_, [AtomicU64]>> {
        Some(Spans::new(self.words_of_heap()?, &self.heap.grid))
    }

    fn words_of_heap(&self) -> Option<&[AtomicU64]> {
        let offset = match self.heap.directory.get() {
            Some(offset) => *offset,
            None => match self.directory() {
                Directory::At(offset) => *self.heap.directory.get_or_init(|| offset),
                Directory::None | Directory::Damaged => return None,
            },
        };
        // It lies in the mapping, whose length is a `usize`.
        Some(self.area.words_at(offset as usize, self.heap.grid.words()))
    }

    /// Says where the heap's units lie.
    pub(crate) fn grid(&self) -> &Grid {
        &self.heap.grid
    }

    /// Says what this process remembers of the heap.
    pub(crate) fn hints(&self) -> &Hints {
        &self.heap.hints
    }

    /// Gives the address of the first byte.
    pub(crate) fn base(&self) -> u64 {
        self.header.base
    }

    /// Locks it for the heap. Blocks for at most `timeout`.
    pub(crate) fn lock(&self, timeout: Duration) -> Result<Locked<'_>, Lack> {
        let held = self.hold(timeout).map_err(Lack::Lock)?;
        Ok(Locked { arena: self, _held: held })
    }

    /// Takes the lock of the table and of the heap, and sees to what one has left who died over the
    /// heap. Blocks for at most `timeout`.
    pub(super) fn hold(&self, timeout: Duration) -> io::Result<Held> {
        let held = lock::take(&self.backing.file, timeout)?;
        if let Some(heap) = self.heap() {
            heap.repair();
        }
        Ok(held)
    }

    /// Fills the first `len` bytes of a block with zeros, or all of it.
    pub(crate) fn zero_block(&self, block: &Extent, len: u64) {
        // The kernel gives them by whole pages, of all of the block.
        let is_punched = !self.backing.is_huge() && block.end - block.start >= PUNCH_FROM;
        let end = if is_punched { block.end } else { block.start + len };
        self.zero_for_sure(&(block.start..end));
    }

    /// Lists what the heap takes of the arena.
    pub(super) fn extents_of_heap(&self) -> Vec<Extent> {
        let mut extents = Vec::new();
        if let Some(heap) = self.heap() {
            extents = heap.extents();
        }
        extents.extend(self.directory_extent());
        extents
    }

    /// Gives units in which nothing is taken back to the arena, and says whether there were any.
    pub(super) fn shrink_heap(&self) -> bool {
        self.heap().is_some_and(|heap| heap.retire_all() > 0)
    }

    fn zero_for_sure(&self, extent: &Extent) {
        if self.zero(extent).is_err() {
            self.clear(extent.clone());
        }
    }

    fn directory(&self) -> Directory {
        // Once it was found, nobody can have it elsewhere.
        if let Some(offset) = self.heap.directory.get() {
            return Directory::At(*offset);
        }
        // Acquire: pairs with the Release in `make`, so that who sees where it is sees its zeros.
        let start = self.area.words(HEAP + 1)[HEAP].load(Ordering::Acquire);
        let data = self.header.data();
        let end = start.checked_add(self.directory_len());
        match start {
            0 => Directory::None,
            _ if start.is_multiple_of(CACHE_LINE)
                && start >= data.start
                && end.is_some_and(|end| end <= data.end) =>
            {
                Directory::At(start)
            }
            _ => Directory::Damaged,
        }
    }

    fn directory_extent(&self) -> Option<Extent> {
        match self.directory() {
            Directory::At(start) => Some(start..start + self.directory_len()),
            Directory::None | Directory::Damaged => None,
        }
    }

    fn directory_len(&self) -> u64 {
        (self.heap.grid.words() as u64 * 8).next_multiple_of(CACHE_LINE)
    }
}

impl<'a> Locked<'a> {
    /// Borrows the heap, and makes it if there is none.
    pub(crate) fn heap(&self) -> Result<Spans<'a, [AtomicU64]>, Lack> {
        match self.arena.directory() {
            Directory::At(_) => {}
            Directory::None => self.make()?,
            Directory::Damaged => return Err(Lack::Damaged),
        }
        self.arena.heap().ok_or(Lack::Damaged)
    }

    /// Finds the first of so many units in a row that nobody has, at a multiple of `align`.
    pub(crate) fn units(&self, count: u64, align: u64) -> Result<usize, Lack> {
        let len = count.saturating_mul(UNIT);
        let align = align.max(UNIT);
        let offset = match self.highest(len, align) {
            Err(_) if self.arena.shrink_heap() => self.highest(len, align),
            found => found,
        }
        .map_err(|largest| Lack::Room { largest: largest / UNIT * UNIT })?;
        Ok(self.arena.heap.grid.unit_of(offset))
    }

    /// Lists what neither zones nor the heap have.
    pub(crate) fn gaps(&self) -> Vec<Extent> {
        let mut used = self.arena.table(|table| table.extents());
        used.extend(self.arena.extents_of_heap());
        gaps(used, &self.arena.header.data())
    }

    /// Gives the pages of what the heap has freed back to the system.
    pub(crate) fn trim(&self) {
        let Some(heap) = self.arena.heap() else { return };
        heap.retire_all();
        heap.trim(&self.gaps(), |extent| {
            // If it fails, the pages stay with the arena, and who takes them next has them.
            let _ = self.arena.punch(&whole_pages(&extent));
        });
    }

    fn highest(&self, len: u64, align: u64) -> Result<u64, u64> {
        highest(&self.gaps(), self.arena.header.base, len, align)
    }

    fn make(&self) -> Result<(), Lack> {
        let len = self.arena.directory_len();
        let start = self.highest(len, PAGE).map_err(|largest| Lack::Room { largest })?;
        self.arena.zero_for_sure(&(start..start + len));
        // Release: pairs with the Acquire in `directory`.
        self.arena.area.words(HEAP + 1)[HEAP].store(start, Ordering::Release);
        Ok(())
    }
}
