//! Blocks taken and given back without any lock.
//!
//! The word of a span says how many of its blocks are taken, its bits say which. Whoever takes one
//! counts first and then sets a bit, which must be there to be set; whoever gives one back clears
//! the bit and then counts. So **a span whose count is 0 has no block that is taken, or is being
//! taken or freed**, and one exchange of that word makes it a free unit.
//!
//! Who is killed between the two leaves a count that is one too high: his block is lost, and the
//! span stays a span of its size. Nobody waits for anybody: each step is tried a limited number of
//! times, since others may write what they like.

use super::class::{Class, UNIT};
use super::grid::{BITMAP, Grid, Map, Words};
use super::unit::{ONE, Unit, has_room, has_taken};

/// How often a word that others keep changing is tried.
const TRIES: usize = 1000;
/// How often a span is looked through for the block that its count has promised.
const LOOKS: usize = 4;

/// The heap of an arena, on the words of its directory.
#[derive(Debug)]
pub(crate) struct Spans<'a, W: ?Sized> {
    pub(super) words: &'a W,
    pub(super) grid: Grid,
}

/// A block that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// One of a span.
    Small(Small),
    /// One of its own.
    Large { unit: usize, units: usize },
}

/// A block of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Small {
    pub(crate) unit: usize,
    pub(crate) class: Class,
    pub(super) index: usize,
}

impl<'a, W: Words + ?Sized> Spans<'a, W> {
    /// Has a heap on `words`, of which there must be as many as `grid` says.
    pub(crate) fn new(words: &'a W, grid: Grid) -> Self {
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
        self.marked(Map::Used, 0..self.grid.count).find_map(|unit| self.take_of(unit, class))
    }

    /// Takes a block out of `unit`, if it is a span of this size that has one.
    pub(crate) fn take_of(&self, unit: usize, class: Class) -> Option<Small> {
        if !self.count_one(unit, class) {
            return None;
        }
        let index = self.set_one(unit, class);
        if index.is_none() {
            self.discount_one(unit, class);
        }
        Some(Small { unit, class, index: index? })
    }

    /// Gives a block back, and says how many are left in its unit: or nothing, if it was not taken.
    pub(crate) fn give_back(&self, small: Small) -> Option<usize> {
        let Small { unit, class, index } = small;
        let (at, bit) = self.bit(unit, index);
        if self.words.clear(at, bit) & bit == 0 {
            return None;
        }
        // If others do not let us count, the block is lost, as by one who died.
        let left = self.discount_one(unit, class).unwrap_or(1);
        if left + 1 == class.capacity() {
            self.mark(Map::Roomy(class), unit..unit + 1);
        }
        Some(left)
    }

    /// Tells whether `unit` is a span of this size with a block to take.
    pub(crate) fn has_room(&self, unit: usize, class: Class) -> bool {
        unit < self.grid.count && has_room(self.words.load(self.grid.word_of(unit)), class)
    }

    /// Finds the block that begins at `offset` and is taken.
    pub(crate) fn block_at(&self, offset: u64) -> Option<Block> {
        let (unit, inside) = self.grid.unit_at(offset)?;
        match self.unit(unit)? {
            Unit::Span { class, .. } => {
                let index = (inside / class.size()) as usize;
                let (at, bit) = self.bit(unit, index);
                let is_block = inside % class.size() == 0 && index < class.capacity();
                let is_taken = is_block && self.words.load(at) & bit != 0;
                is_taken.then_some(Block::Small(Small { unit, class, index }))
            }
            Unit::Run { units } => (inside == 0).then_some(Block::Large { unit, units }),
            Unit::Free => None,
        }
    }

    /// Gives where a block begins, in bytes from the start of the arena.
    pub(crate) fn offset_of(&self, block: Block) -> u64 {
        match block {
            Block::Small(Small { unit, class, index }) => {
                self.grid.offset_of(unit) + index as u64 * class.size()
            }
            Block::Large { unit, .. } => self.grid.offset_of(unit),
        }
    }

    /// Reads what a unit is: a run does not lead past the last one.
    pub(super) fn unit(&self, unit: usize) -> Option<Unit> {
        let what = Unit::parse(self.words.load(self.grid.word_of(unit)))?;
        match what {
            Unit::Run { units } if units > self.grid.count - unit => None,
            Unit::Free | Unit::Span { .. } | Unit::Run { .. } => Some(what),
        }
    }

    fn count_one(&self, unit: usize, class: Class) -> bool {
        if unit >= self.grid.count {
            return false;
        }
        let at = self.grid.word_of(unit);
        for _ in 0..TRIES {
            let word = self.words.load(at);
            if !has_room(word, class) {
                return false;
            }
            if self.words.exchange(at, word, word + ONE) {
                return true;
            }
        }
        false
    }

    /// Counts a block less, and says how many are left.
    fn discount_one(&self, unit: usize, class: Class) -> Option<usize> {
        let at = self.grid.word_of(unit);
        for _ in 0..TRIES {
            let word = self.words.load(at);
            if !has_taken(word, class) {
                return None;
            }
            if self.words.exchange(at, word, word - ONE) {
                return Some((word / ONE) as usize - 1);
            }
        }
        None
    }

    /// Sets the bit of a block that is not taken. There is one, since it was counted; but others
    /// may take one that we have not come to, and free one that we have passed.
    fn set_one(&self, unit: usize, class: Class) -> Option<usize> {
        let bitmap = self.grid.bitmap_of(unit);
        let rows = class.capacity().div_ceil(64);
        for row in (0..rows).cycle().take(LOOKS * rows) {
            let bits_here = (class.capacity() - row * 64).min(64);
            let all = u64::MAX >> (64 - bits_here);
            let mut free = !self.words.load(bitmap + row) & all;
            while free != 0 {
                let bit = free & free.wrapping_neg();
                if self.words.set(bitmap + row, bit) & bit == 0 {
                    return Some(row * 64 + bit.trailing_zeros() as usize);
                }
                free &= !bit;
            }
        }
        None
    }

    /// Gives the word and the bit of a block; any index has one of the unit's.
    fn bit(&self, unit: usize, index: usize) -> (usize, u64) {
        (self.grid.bitmap_of(unit) + index / 64 % BITMAP, 1 << (index % 64))
    }
}

impl Block {
    /// Gives how many bytes it has.
    pub(crate) fn len(self) -> u64 {
        match self {
            Self::Small(small) => small.class.size(),
            Self::Large { units, .. } => units as u64 * UNIT,
        }
    }
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
