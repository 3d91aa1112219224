//! Where the heap's units lie in an arena, and where the words stand that say what they are.
//!
//! The words are the *directory*. It lies apart from the blocks, so that who writes past the end of
//! a block garbles another block and not the heap, and so that blocks are aligned as their sizes
//! are.
//!
//! ```text
//! 0     whether units are being changed
//! 8     about how many units were freed since pages were given back
//! 16    maps, with a bit for each unit: see `Map`
//!       a word for each unit: what it is
//!       16 words for each unit: a bit for each block of a span, set if it is taken; the last bit
//!       of each word says that it is closed
//! ```
//!
//! All of it follows from the arena's header. Nothing of it is read from memory that others can
//! change, but for the one word that says where the directory is.

use std::ops::Range;

use super::class::{BITMAP, Class, UNIT};

/// The words of an arena's heap, as a test may watch them being changed.
pub(crate) trait Words {
    fn load(&self, at: usize) -> u64;
    fn store(&self, at: usize, value: u64);
    /// Puts `new` where `old` stands, and says whether it did.
    fn exchange(&self, at: usize, old: u64, new: u64) -> bool;
    /// Sets bits, and gives what stood there.
    fn set(&self, at: usize, bits: u64) -> u64;
    /// Clears bits, and gives what stood there.
    fn clear(&self, at: usize, bits: u64) -> u64;
}

macro_rules! words_of {
    ($atomic:ty, $ordering:ty) => {
        impl Words for [$atomic] {
            fn load(&self, at: usize) -> u64 {
                // Acquire: pairs with the Release of all that change a word. Who sees what a unit
                // is, sees its bits as they were made for it.
                self[at].load(<$ordering>::Acquire)
            }

            fn store(&self, at: usize, value: u64) {
                // Release: pairs with the Acquires here.
                self[at].store(value, <$ordering>::Release);
            }

            fn exchange(&self, at: usize, old: u64, new: u64) -> bool {
                // AcqRel: pairs with itself and with `store`. Who takes a block comes after who freed
                // it and who made the span, and who takes a unit after all who freed blocks in it.
                self[at]
                    .compare_exchange(old, new, <$ordering>::AcqRel, <$ordering>::Relaxed)
                    .is_ok()
            }

            fn set(&self, at: usize, bits: u64) -> u64 {
                // AcqRel: as for `exchange`.
                self[at].fetch_or(bits, <$ordering>::AcqRel)
            }

            fn clear(&self, at: usize, bits: u64) -> u64 {
                // AcqRel: as for `exchange`.
                self[at].fetch_and(!bits, <$ordering>::AcqRel)
            }
        }
    };
}

words_of!(std::sync::atomic::AtomicU64, std::sync::atomic::Ordering);
#[cfg(loom)]
words_of!(crate::sync::atomic::AtomicU64, crate::sync::atomic::Ordering);

/// The word that says whether units are being changed, by who has the arena's lock.
pub(super) const CHANGING: usize = 0;
/// The word that says about how many units were freed since pages were given back.
pub(super) const FREED: usize = 8;

const MAPS: usize = 16;

/// A bit for each unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    /// The unit is the heap's. It follows from what the units are.
    Used,
    /// The unit was freed, and its pages were not given back since. It may be used again.
    Touched,
    /// The unit may be a span of this size with a block to take. Where the bit is not set, there
    /// may be one all the same if somebody died; it is found when memory gets scarce.
    Roomy(Class),
}

impl Map {
    const COUNT: usize = 2 + Class::COUNT;

    fn number(self) -> usize {
        match self {
            Self::Used => 0,
            Self::Touched => 1,
            Self::Roomy(class) => 2 + class.number(),
        }
    }
}

/// The words of a cache line.
const LINE: usize = 8;

/// Where the heap of an arena has its units and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Where the first unit begins, in bytes from the start of the arena.
    first: u64,
    /// How many units there are.
    pub(super) count: usize,
    /// Where the words of the units begin, and their bits.
    units: usize,
    bits: usize,
}

impl Grid {
    /// Finds the units that lie in `data`, a part of the arena that begins at the address `base`.
    pub(crate) fn new(base: u64, data: &Range<u64>) -> Self {
        let first = (base + data.start).next_multiple_of(UNIT) - base;
        let count = (data.end.saturating_sub(first) / UNIT) as usize;
        let units = MAPS + Map::COUNT * map_len(count);
        let bits = (units + count).next_multiple_of(LINE);
        Self { first, count, units, bits }
    }

    /// Gives how many words the directory has.
    pub(crate) fn words(&self) -> usize {
        self.bits + self.count * BITMAP
    }

    /// Gives the words of a map.
    pub(super) fn map(&self, map: Map) -> Range<usize> {
        let start = MAPS + map.number() * map_len(self.count);
        start..start + self.count.div_ceil(64)
    }

    /// Gives the word that says what `unit` is.
    pub(super) fn word_of(&self, unit: usize) -> usize {
        self.units + unit
    }

    /// Gives the first word of the bits of `unit`.
    pub(super) fn bitmap_of(&self, unit: usize) -> usize {
        self.bits + unit * BITMAP
    }

    /// Gives where `unit` begins, in bytes from the start of the arena.
    pub(super) fn offset_of(&self, unit: usize) -> u64 {
        self.first + unit as u64 * UNIT
    }

    /// Gives what so many units from `unit` on cover.
    pub(super) fn extent_of(&self, unit: usize, units: usize) -> Range<u64> {
        self.offset_of(unit)..self.offset_of(unit + units)
    }

    /// Gives the unit that begins at `offset`, where it is known that one does.
    pub(crate) fn unit_of(&self, offset: u64) -> usize {
        debug_assert_eq!(self.unit_at(offset).map(|(_, inside)| inside), Some(0));
        ((offset - self.first) / UNIT) as usize
    }

    /// Finds the unit that `offset` lies in, and where in it.
    pub(super) fn unit_at(&self, offset: u64) -> Option<(usize, u64)> {
        let inside = offset.checked_sub(self.first)?;
        let unit = usize::try_from(inside / UNIT).ok()?;
        (unit < self.count).then_some((unit, inside % UNIT))
    }
}

/// How many words a map has, whole cache lines.
fn map_len(count: usize) -> usize {
    count.div_ceil(64).next_multiple_of(LINE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn grid(count: usize) -> Grid {
        Grid::new(1 << 32, &(0..count as u64 * UNIT))
    }

    #[test]
    fn every_word_has_its_own_place() {
        for count in [0, 1, 7, 8, 9, 64, 65, 100, 1000] {
            let grid = grid(count);
            assert_eq!(grid.count, count);
            let classes = (0..).map_while(Class::new).map(Map::Roomy);
            let maps = [Map::Used, Map::Touched].into_iter().chain(classes);
            let maps: Vec<_> = maps.flat_map(|map| grid.map(map)).collect();
            let units = (0..count).map(|unit| grid.word_of(unit));
            let bits = (0..count).flat_map(|unit| grid.bitmap_of(unit)..grid.bitmap_of(unit + 1));
            let all = maps.iter().copied().chain(units).chain(bits).chain([CHANGING, FREED]);
            let words: BTreeSet<_> = all.collect();
            assert_eq!(words.len(), maps.len() + count + count * BITMAP + 2, "{count} units");
            assert!(words.iter().all(|&word| word < grid.words()));
        }
    }

    #[test]
    fn the_bits_of_spans_share_no_cache_line() {
        for count in [1, 7, 8, 9, 100] {
            let grid = grid(count);
            let mut bits = (0..count).map(|unit| grid.bitmap_of(unit));
            assert!(bits.all(|at| at.is_multiple_of(LINE)), "{count} units");
        }
    }

    #[test]
    fn units_lie_inside_and_on_multiples_of_their_size() {
        const BASE: u64 = 0x1_0000_0000 + 4096;
        let grid = Grid::new(BASE, &(300_000..1 << 20));
        assert_eq!(((BASE + grid.first) % UNIT, grid.count), (0, 11));
        assert!(grid.first >= 300_000 && grid.offset_of(grid.count) <= 1 << 20);
        assert_eq!(grid.unit_at(grid.first - 1), None);
        assert_eq!(grid.unit_at(grid.first), Some((0, 0)));
        assert_eq!(grid.unit_at(grid.first + UNIT + 7), Some((1, 7)));
        assert_eq!(grid.unit_at(grid.offset_of(grid.count)), None);
        assert_eq!(grid.unit_at(u64::MAX), None);
        assert_eq!(Grid::new(BASE, &(300_000..301_000)).count, 0);
        assert_eq!(Grid::new(BASE, &(300_000..300_000)).count, 0);
    }
}
