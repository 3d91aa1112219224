//! The sizes of small blocks.
//!
//! Each span holds blocks of one size, side by side. A length is rounded up to the next size, of which
//! there are two to each doubling, as a rule; and they fill a span but for a sixteenth of it at most.

use std::num::NonZeroU8;

/// The bytes of a unit, which is what the heap takes of the arena: a span of small blocks is one, a
/// large block is some. It lies on a multiple of its size.
pub(crate) const UNIT: u64 = 64 << 10;

/// How many words of bits a span has, and of how many blocks each word has a bit. The last bit of a
/// word is none of a block's.
pub(super) const BITMAP: usize = 16;
pub(super) const PER_WORD: usize = 63;

const SIZES: [u64; Class::COUNT] = [
    64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12_288, 16_384,
    21_824, 32_768,
];

/// One of the sizes, by its number from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(NonZeroU8);

impl Class {
    pub(crate) const COUNT: usize = 18;

    /// Lists the sizes that a block of `len` bytes fits, on a multiple of `align`, a power of two, the
    /// smallest first. There is none for large blocks.
    pub(crate) fn fitting(len: u64, align: u64) -> impl Iterator<Item = Self> {
        let all = (1..=Self::COUNT as u8).filter_map(|number| NonZeroU8::new(number).map(Self));
        all.filter(move |class| class.size() >= len && class.size() & (align - 1) == 0)
    }

    /// Gives the one of this number, from 0 on, if there is one.
    pub(super) fn new(number: u64) -> Option<Self> {
        let number =
            u8::try_from(number).ok().filter(|&number| usize::from(number) < Self::COUNT)?;
        NonZeroU8::new(number + 1).map(Self)
    }

    /// Gives its number, from 0 on.
    pub(crate) fn number(self) -> usize {
        usize::from(self.0.get()) - 1
    }

    /// Gives how many bytes a block has.
    pub(crate) fn size(self) -> u64 {
        SIZES[self.number()]
    }

    /// Gives how many blocks a span has: no more than there are bits.
    pub(crate) fn capacity(self) -> usize {
        ((UNIT / self.size()) as usize).min(BITMAP * PER_WORD)
    }

    /// Gives the bits of each word that are blocks.
    pub(super) fn bits(self) -> impl Iterator<Item = u64> {
        let words = (0..self.capacity()).step_by(PER_WORD);
        words.map(move |first| (1 << (self.capacity() - first).min(PER_WORD)) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_for(len: u64, align: u64) -> Option<u64> {
        Class::fitting(len, align).next().map(Class::size)
    }

    #[test]
    fn a_block_has_the_smallest_size_that_is_long_enough_and_aligned() {
        let cases = [
            (1, 64, Some(64)),
            (64, 64, Some(64)),
            (65, 64, Some(128)),
            (1, 4096, Some(4096)),
            (130, 128, Some(256)),
            (130, 64, Some(192)),
            (4097, 4096, Some(8192)),
            (16_385, 64, Some(21_824)),
            (16_385, 128, Some(32_768)),
            (32_768, 32_768, Some(32_768)),
            (32_769, 64, None),
            (1, 65_536, None),
            (u64::MAX, 64, None),
            (1, 1 << 63, None),
        ];
        for (len, align, expected) in cases {
            assert_eq!(size_for(len, align), expected, "{len} bytes aligned to {align}");
        }
    }

    #[test]
    fn sizes_grow_and_waste_little() {
        for pair in SIZES.windows(2) {
            assert!(pair[0] < pair[1] && pair[1] <= 2 * pair[0], "{pair:?}");
        }
        for class in (0..).map_while(Class::new) {
            assert!(class.size().is_multiple_of(64));
            let rest = UNIT - class.size() * class.capacity() as u64;
            assert!(rest <= UNIT / 16, "{class:?}: {rest} bytes are left over");
            assert!(class.capacity() >= 2);
            let bits: Vec<_> = class.bits().collect();
            assert!(bits.len() <= BITMAP && bits.iter().all(|bits| bits >> PER_WORD == 0));
            let count: u32 = bits.iter().map(|bits| bits.count_ones()).sum();
            assert_eq!(count as usize, class.capacity());
        }
    }

    #[test]
    fn there_are_no_others() {
        assert_eq!((0..).map_while(Class::new).count(), Class::COUNT);
        assert_eq!(Class::new(u64::MAX), None);
        assert_eq!(Class::new(256), None);
    }
}
