//! Units taken from the arena and given back to it, under its lock.
//!
//! The heap has whole units, from the end of the arena on downwards, so that zones, which begin at
//! its start, find room in one piece. The words of the units are the truth: one store makes a unit,
//! or a run of them, the heap's, and one makes it free. The map of used units only follows from
//! them, and shows quickly where there is room. Whoever is killed while he changes units leaves a
//! word that says so; who has the lock next makes the map anew, and opens what was closed.

use std::iter;
use std::ops::Range;

use super::class::{Class, UNIT};
use super::grid::{CHANGING, FREED, Map, Words};
use super::spans::{Block, CLOSED, Small, Spans};
use super::unit::Unit;

/// A part of the arena, in bytes from its start.
type Extent = Range<u64>;

/// How much of the heap is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Blocks that are taken, and their bytes.
    pub(crate) blocks: u64,
    pub(crate) used: u64,
    /// Spans with blocks that are not taken, the bytes of those, and of the largest one.
    pub(crate) roomy: u64,
    pub(crate) spare: u64,
    pub(crate) largest_spare: u64,
}

/// Lists what `used` leaves of `data`, the lowest first. `used` may be in any order, and may even
/// overlap.
pub(crate) fn gaps(mut used: Vec<Extent>, data: &Extent) -> Vec<Extent> {
    used.sort_unstable_by_key(|extent| extent.start);
    let mut gaps = Vec::new();
    let mut start = data.start;
    for extent in used.into_iter().chain(iter::once(data.end..data.end)) {
        if start < extent.start {
            gaps.push(start..extent.start);
        }
        start = start.max(extent.end);
    }
    gaps
}

/// Gives the highest place for `len` bytes in the last gap that has one, on a multiple of `align`.
/// Addresses are aligned, not offsets: the arena begins at `base`.
///
/// # Errors
/// The most bytes of that alignment that there is room for.
pub(crate) fn highest(gaps: &[Extent], base: u64, len: u64, align: u64) -> Result<u64, u64> {
    let mut largest = 0;
    for gap in gaps.iter().rev() {
        let end = base + gap.end;
        let Some(lowest) = (base + gap.start).checked_next_multiple_of(align) else { continue };
        let start = end.saturating_sub(len) / align * align;
        if start >= lowest {
            return Ok(start - base);
        }
        largest = largest.max(end.saturating_sub(lowest));
    }
    Err(largest)
}

impl<W: Words + ?Sized> Spans<'_, W> {
    /// Lists what of the arena is the heap's.
    pub(crate) fn extents(&self) -> Vec<Extent> {
        let mut extents: Vec<Extent> = Vec::new();
        for unit in self.marked(Map::Used, 0..self.grid.count) {
            let extent = self.grid.extent_of(unit, 1);
            match extents.last_mut() {
                Some(last) if last.end == extent.start => last.end = extent.end,
                _ => extents.push(extent),
            }
        }
        extents
    }

    /// Sees to what one has left who died over the units. To be called by who gets the lock.
    pub(crate) fn repair(&self) {
        if self.words.load(CHANGING) == 0 {
            return;
        }
        let mut unit = 0;
        while unit < self.grid.count {
            let (units, is_used) = match self.unit(unit) {
                Some(Unit::Run { units }) => (units, true),
                Some(Unit::Span(class)) => {
                    self.open(unit, class);
                    (1, true)
                }
                Some(Unit::Free) | None => (1, false),
            };
            if is_used {
                self.mark(Map::Used, unit..unit + units);
            } else {
                self.unmark(Map::Used, unit..unit + units);
            }
            unit += units;
        }
        self.words.store(CHANGING, 0);
    }

    /// Makes so many units from `unit` on spans, and takes a block of the first one.
    pub(crate) fn make_spans(&self, unit: usize, units: usize, class: Class) -> Small {
        // The first one last: if somebody dies over it, the others are known to have room.
        for spare in (unit + 1..unit + units).rev() {
            self.make_span(spare, class, 0);
        }
        self.make_span(unit, class, 1);
        Small::new(unit, class, 0)
    }

    /// Makes a unit a span whose first `taken` blocks are taken, of which there is one at most.
    ///
    /// The words of its bits are opened last, and no others: one who meant to take a block of an
    /// earlier span there may still be at it, and finds them closed as long as the unit is no span.
    /// Whoever is killed before they are all open leaves that to [`Spans::repair`].
    fn make_span(&self, unit: usize, class: Class, taken: u64) {
        let bitmap = self.grid.bitmap_of(unit);
        let rows = class.bits().count();
        // Those of a unit that never was a span are open, but nobody has ever meant them.
        (bitmap..bitmap + rows).for_each(|at| self.words.store(at, CLOSED));
        self.words.store(CHANGING, 1);
        self.mark(Map::Used, unit..unit + 1);
        self.words.store(self.grid.word_of(unit), Unit::Span(class).word());
        self.words.store(bitmap, taken);
        (bitmap + 1..bitmap + rows).for_each(|at| self.words.store(at, 0));
        self.mark(Map::Roomy(class), unit..unit + 1);
        self.words.store(CHANGING, 0);
    }

    /// Makes so many units from `unit` on one block.
    pub(crate) fn make_run(&self, unit: usize, units: usize) -> Block {
        self.make(unit, units, Unit::Run { units });
        Block::Large { unit, units }
    }

    fn make(&self, unit: usize, units: usize, what: Unit) {
        self.words.store(CHANGING, 1);
        self.mark(Map::Used, unit..unit + units);
        self.words.store(self.grid.word_of(unit), what.word());
        self.words.store(CHANGING, 0);
    }

    /// Frees a large block, or the units of it behind those that are `kept`. Says whether it was
    /// there.
    pub(crate) fn cut(&self, unit: usize, units: usize, kept: usize) -> bool {
        if self.unit(unit) != Some(Unit::Run { units }) {
            return false;
        }
        let left = if kept == 0 { Unit::Free } else { Unit::Run { units: kept } };
        self.words.store(CHANGING, 1);
        self.free(unit, left, unit + kept..unit + units);
        self.words.store(CHANGING, 0);
        true
    }

    /// Makes all spans in which nothing is taken free units, and says how many there were.
    pub(crate) fn retire_all(&self) -> usize {
        let units = self.marked(Map::Used, 0..self.grid.count);
        units.filter(|&unit| self.retire(unit)).count()
    }

    fn retire(&self, unit: usize) -> bool {
        let Some(Unit::Span(class)) = self.unit(unit) else { return false };
        if !self.is_empty(unit, class) {
            return false;
        }
        self.words.store(CHANGING, 1);
        let bitmap = self.grid.bitmap_of(unit);
        let is_closed =
            class.bits().enumerate().all(|(row, _)| self.words.exchange(bitmap + row, 0, CLOSED));
        if is_closed {
            self.free(unit, Unit::Free, unit..unit + 1);
        } else {
            // Somebody has taken a block meanwhile.
            self.open(unit, class);
        }
        self.words.store(CHANGING, 0);
        is_closed
    }

    /// Opens the words of a span that stays one. Who has seen them closed may have taken it for full.
    fn open(&self, unit: usize, class: Class) {
        let bitmap = self.grid.bitmap_of(unit);
        for (row, _) in class.bits().enumerate() {
            if self.words.exchange(bitmap + row, CLOSED, 0) {
                self.mark(Map::Roomy(class), unit..unit + 1);
            }
        }
    }

    fn free(&self, unit: usize, what: Unit, freed: Range<usize>) {
        self.words.store(self.grid.word_of(unit), what.word());
        self.mark(Map::Touched, freed.clone());
        self.unmark(Map::Used, freed);
    }

    /// Notes that so many units were freed or could be, and gives how many that are by now. What two
    /// note at once may be noted once: it only says when it is worth while to give pages back.
    pub(crate) fn note_freed(&self, units: usize) -> u64 {
        let freed = self.words.load(FREED).saturating_add(units as u64);
        self.words.store(FREED, freed);
        freed
    }

    /// Gives the pages of units back, by `give_back`, that lie in `gaps`: what nobody has, the lowest
    /// first.
    pub(crate) fn trim(&self, gaps: &[Extent], mut give_back: impl FnMut(Extent)) {
        self.words.store(FREED, 0);
        let is_free = |&unit: &usize| {
            let extent = self.grid.extent_of(unit, 1);
            let at = gaps.partition_point(|gap| gap.end <= extent.start);
            gaps.get(at).is_some_and(|gap| gap.start <= extent.start && extent.end <= gap.end)
        };
        let mut units = self.marked(Map::Touched, 0..self.grid.count).filter(is_free).peekable();
        while let Some(first) = units.next() {
            let mut end = first + 1;
            while units.next_if_eq(&end).is_some() {
                end += 1;
            }
            give_back(self.grid.extent_of(first, end - first));
            self.unmark(Map::Touched, first..end);
        }
    }

    /// Counts what is taken, while others may be at work.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for unit in self.marked(Map::Used, 0..self.grid.count) {
            match self.unit(unit) {
                Some(Unit::Span(class)) => {
                    let taken = self.taken(unit, class);
                    let spare = class.capacity() as u64 - taken;
                    tally.blocks += taken;
                    tally.used += taken * class.size();
                    if spare > 0 {
                        tally.roomy += 1;
                        tally.spare += spare * class.size();
                        tally.largest_spare = tally.largest_spare.max(class.size());
                    }
                }
                Some(Unit::Run { units }) => {
                    tally.blocks += 1;
                    tally.used += units as u64 * UNIT;
                }
                // What follows in a run.
                Some(Unit::Free) | None => {}
            }
        }
        tally
    }
}
