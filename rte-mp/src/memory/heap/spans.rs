//! Blocks taken and given back without any lock.
//!
//! A block is taken by who sets its bit, and given back by who clears it: one atomic operation each.
//! Who is killed before or after it has the block or has it not; nobody else is concerned.
//!
//! A span in which nothing is taken is made a free unit by who has the arena's lock. He first closes
//! all words of its bits, each by an exchange from 0; from then on no bit of them can be set. When the
//! unit becomes a span again, perhaps of another size, the words of its own bits are opened, and no
//! others. **So who sets a bit keeps the unit the span that it is**, and only has to look then whether
//! it is the one that he meant.
//!
//! Nobody waits for anybody: each step is tried a limited number of times, since others may write
//! what they like.

use super::class::{BITMAP, Class, PER_WORD, UNIT};
use super::grid::{Grid, Map, Words};
use super::unit::Unit;

/// How often a span that others take from is looked through for a block.
const LOOKS: usize = 16;

/// What stands in a word of bits that is closed.
pub(super) const CLOSED: u64 = 1 << PER_WORD;

/// The heap of an arena, on the words of its directory.
#[derive(Debug)]
pub(crate) struct Spans<'a, W: ?Sized> {
    pub(super) words: &'a W,
    pub(super) grid: &'a Grid,
}

/// A block that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// One of a span.
    Small(Small),
    /// One of its own.
    Large { unit: usize, units: usize },
}

const _: () = assert!(size_of::<Option<Small>>() == 8);

/// A block of a span; also one that may not be there fits into a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Small {
    unit: u32,
    index: u16,
    pub(crate) class: Class,
}

impl<'a, W: Words + ?Sized> Spans<'a, W> {
    /// Has a heap on `words`, of which there must be as many as `grid` says.
    pub(crate) fn new(words: &'a W, grid: &'a Grid) -> Self {
        Self { words, grid }
    }

    /// Takes a block of this size out of any span that is known to have one, `first` and those
    /// above it first.
    pub(crate) fn take(&self, class: Class, first: usize) -> Option<Small> {
        let (map, count) = (Map::Roomy(class), self.grid.count);
        let first = first.min(count);
        let mut units = self.marked(map, first..count).chain(self.marked(map, 0..first));
        units.find_map(|unit| {
            let small = self.take_of(unit, class);
            if small.is_none() && !self.has_room(unit, class) {
                self.unmark(map, unit..unit + 1);
                // Who has given one back meanwhile has perhaps set the bit before it was cleared.
                if self.has_room(unit, class) {
                    self.mark(map, unit..unit + 1);
                }
            }
            small
        })
    }

    /// Takes a block of this size out of any span, also of those that somebody who died has left
    /// without a mark. It takes longer than [`Spans::take`].
    pub(crate) fn search(&self, class: Class) -> Option<Small> {
        let mut units = self.marked(Map::Used, 0..self.grid.count);
        units.find_map(|unit| {
            let small = self.take_of(unit, class)?;
            // The mark that was lost: others need not search for what is left.
            self.mark(Map::Roomy(class), unit..unit + 1);
            Some(small)
        })
    }

    /// Takes a block out of `unit`, if it is a span of this size that has one.
    pub(crate) fn take_of(&self, unit: usize, class: Class) -> Option<Small> {
        if !self.is_span(unit, class) {
            return None;
        }
        let bitmap = self.grid.bitmap_of(unit);
        for _ in 0..LOOKS {
            let mut has_room = false;
            for (row, bits) in class.bits().enumerate() {
                let word = self.words.load(bitmap + row);
                let Some(bit) = free_bit(word, bits) else { continue };
                if self.words.exchange(bitmap + row, word, word | bit) {
                    return self.settle(unit, class, row, bit);
                }
                // Who was faster goes on there; we try the next word.
                has_room = true;
            }
            if !has_room {
                return None;
            }
        }
        None
    }

    /// Keeps a block whose bit was set, if the unit is the span that was meant.
    fn settle(&self, unit: usize, class: Class, row: usize, bit: u64) -> Option<Small> {
        if self.is_span(unit, class) {
            let index = row * PER_WORD + bit.trailing_zeros() as usize;
            return Some(Small::new(unit, class, index));
        }
        // It was retired meanwhile, and has become or becomes another one, which it stays until this
        // is undone. Somebody may have taken that for full.
        self.words.clear(self.grid.bitmap_of(unit) + row, bit);
        if let Some(Unit::Span(other)) = self.unit(unit) {
            self.mark(Map::Roomy(other), unit..unit + 1);
        }
        None
    }

    /// Gives a block back, and says whether it was taken.
    pub(crate) fn give_back(&self, small: Small) -> bool {
        let (unit, class, index) = (small.unit(), small.class, small.index());
        let (at, bit) = self.bit(unit, index);
        let word = self.words.clear(at, bit);
        // Who has seen the word full may take the span for full, and take the mark away.
        if class.bits().nth(index / PER_WORD).is_some_and(|bits| word & bits == bits) {
            self.mark(Map::Roomy(class), unit..unit + 1);
        }
        word & bit != 0
    }

    /// Tells whether `unit` is a span of this size with a block to take.
    pub(crate) fn has_room(&self, unit: usize, class: Class) -> bool {
        self.is_span(unit, class)
            && self.rows(unit, class).any(|(word, bits)| free_bit(word, bits).is_some())
    }

    /// Tells whether in `unit`, which is a span of this size, nothing is taken.
    pub(crate) fn is_empty(&self, unit: usize, class: Class) -> bool {
        self.rows(unit, class).all(|(word, bits)| word & bits == 0)
    }

    /// Counts the blocks that are taken in `unit`, which is a span of this size.
    pub(super) fn taken(&self, unit: usize, class: Class) -> u64 {
        self.rows(unit, class).map(|(word, bits)| u64::from((word & bits).count_ones())).sum()
    }

    /// The words of a span, and their bits that are blocks.
    fn rows(&self, unit: usize, class: Class) -> impl Iterator<Item = (u64, u64)> {
        let bitmap = self.grid.bitmap_of(unit);
        class.bits().enumerate().map(move |(row, bits)| (self.words.load(bitmap + row), bits))
    }

    /// Finds the block that begins at `offset` and is taken.
    pub(crate) fn block_at(&self, offset: u64) -> Option<Block> {
        let (unit, inside) = self.grid.unit_at(offset)?;
        match self.unit(unit)? {
            Unit::Span(class) => {
                let index = (inside / class.size()) as usize;
                let (at, bit) = self.bit(unit, index);
                let is_block = inside % class.size() == 0 && index < class.capacity();
                let is_taken = is_block && self.words.load(at) & bit != 0;
                is_taken.then_some(Block::Small(Small::new(unit, class, index)))
            }
            Unit::Run { units } => (inside == 0).then_some(Block::Large { unit, units }),
            Unit::Free => None,
        }
    }

    /// Reads what a unit is: a run does not lead past the last one.
    pub(super) fn unit(&self, unit: usize) -> Option<Unit> {
        let what = Unit::parse(self.words.load(self.grid.word_of(unit)))?;
        match what {
            Unit::Run { units } if units > self.grid.count - unit => None,
            Unit::Free | Unit::Span(_) | Unit::Run { .. } => Some(what),
        }
    }

    fn is_span(&self, unit: usize, class: Class) -> bool {
        let span = Unit::Span(class).word();
        unit < self.grid.count && self.words.load(self.grid.word_of(unit)) == span
    }

    /// Gives the word and the bit of a block; any index has one of the unit's.
    fn bit(&self, unit: usize, index: usize) -> (usize, u64) {
        (self.grid.bitmap_of(unit) + index / PER_WORD % BITMAP, 1 << (index % PER_WORD))
    }
}

impl Small {
    /// The block of this number; there are no more units than fit into an address space.
    pub(super) fn new(unit: usize, class: Class, index: usize) -> Self {
        Self { unit: unit as u32, index: index as u16, class }
    }

    pub(crate) fn unit(self) -> usize {
        self.unit as usize
    }

    fn index(self) -> usize {
        usize::from(self.index)
    }
}

impl Block {
    /// Gives where it begins, in bytes from the start of the arena.
    pub(crate) fn offset(self, grid: &Grid) -> u64 {
        match self {
            Self::Small(small) => {
                grid.offset_of(small.unit()) + small.index() as u64 * small.class.size()
            }
            Self::Large { unit, .. } => grid.offset_of(unit),
        }
    }

    /// Gives how many bytes it has.
    pub(crate) fn len(self) -> u64 {
        match self {
            Self::Small(small) => small.class.size(),
            Self::Large { units, .. } => units as u64 * UNIT,
        }
    }
}

/// Gives the first of `bits` that is not set in a word, unless that is closed.
fn free_bit(word: u64, bits: u64) -> Option<u64> {
    let free = if word & CLOSED == 0 { !word & bits } else { 0 };
    (free != 0).then_some(free & free.wrapping_neg())
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
