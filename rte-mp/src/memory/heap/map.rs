//! Maps, with a bit for each unit.

use std::ops::Range;

use super::grid::{Map, Words};
use super::spans::Spans;

impl<W: Words + ?Sized> Spans<'_, W> {
    /// Sets the bits of so many units.
    pub(super) fn mark(&self, map: Map, units: Range<usize>) {
        for (at, bits) in self.parts(map, units) {
            self.words.set(at, bits);
        }
    }

    /// Clears the bits of so many units.
    pub(super) fn unmark(&self, map: Map, units: Range<usize>) {
        for (at, bits) in self.parts(map, units) {
            self.words.clear(at, bits);
        }
    }

    /// Lists the units whose bits are set, in order.
    pub(super) fn marked(&self, map: Map, units: Range<usize>) -> impl Iterator<Item = usize> {
        let mut words = self.parts(map, units);
        let first = self.grid.map(map).start;
        let (mut start, mut left) = (0, 0);
        std::iter::from_fn(move || {
            while left == 0 {
                let (at, bits) = words.next()?;
                start = (at - first) * 64;
                left = self.words.load(at) & bits;
            }
            let unit = start + left.trailing_zeros() as usize;
            left &= left - 1;
            Some(unit)
        })
    }

    /// Gives the words of a map that so many units are in, and their bits there.
    fn parts(&self, map: Map, units: Range<usize>) -> impl Iterator<Item = (usize, u64)> + use<W> {
        let first = self.grid.map(map).start;
        let Range { start, end } = units.start..units.end.min(self.grid.count);
        let words = if start < end { start / 64..end.div_ceil(64) } else { 0..0 };
        words.map(move |word| {
            let below = |unit: usize| match unit.saturating_sub(word * 64) {
                0 => 0,
                bits => u64::MAX >> (64 - bits.min(64)),
            };
            (first + word, below(end) & !below(start))
        })
    }
}
