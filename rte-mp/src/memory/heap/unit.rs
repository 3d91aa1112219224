//! What a unit is: one word, so that one atomic store or exchange changes it.

use super::class::Class;

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// None of the heap's, or a part of the run that begins before it.
    Free,
    /// Blocks of one size. `count` of them are taken, or are just being taken or freed.
    Span { class: Class, count: usize },
    /// A block of its own begins here, of so many units.
    Run { units: usize },
}

const FREE: u64 = 0;
const SPAN: u64 = 1;
const RUN: u64 = 2;

/// What each block that is taken adds to the word of a span.
pub(super) const ONE: u64 = 1 << 32;

impl Unit {
    /// Reads a word, and believes only what [`Unit::word`] could have written.
    pub(super) fn parse(word: u64) -> Option<Self> {
        let number = (word / ONE) as usize;
        let unit = match word & 0xff {
            FREE => Self::Free,
            SPAN => {
                let class = Class::new((word >> 8) & 0xff)?;
                Self::Span { class, count: number }
            }
            RUN => Self::Run { units: number },
            _ => return None,
        };
        let can_be = match unit {
            Self::Free => true,
            Self::Span { class, count } => count <= class.capacity(),
            Self::Run { units } => units > 0,
        };
        (can_be && unit.word() == word).then_some(unit)
    }

    /// Gives the word that says this.
    pub(super) fn word(self) -> u64 {
        match self {
            Self::Free => FREE,
            Self::Span { class, count } => span(class) + count as u64 * ONE,
            Self::Run { units } => RUN + units as u64 * ONE,
        }
    }
}

/// The word of a span in which nothing is taken.
pub(super) fn span(class: Class) -> u64 {
    SPAN | (class.number() as u64) << 8
}

/// Tells whether a word says that it is a span of this class, with a block to take.
pub(super) fn has_room(word: u64, class: Class) -> bool {
    word % ONE == span(class) && word / ONE < class.capacity() as u64
}

/// Tells whether a word says that it is a span of this class, with a block to free.
pub(super) fn has_taken(word: u64, class: Class) -> bool {
    word % ONE == span(class) && word >= ONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_written() {
        let class = Class::new(3).unwrap();
        for unit in [
            Unit::Free,
            Unit::Span { class, count: 0 },
            Unit::Span { class, count: class.capacity() },
            Unit::Run { units: 1 },
            Unit::Run { units: u32::MAX as usize },
        ] {
            assert_eq!(Unit::parse(unit.word()), Some(unit));
        }
        assert_eq!(Unit::parse(0), Some(Unit::Free), "as memory begins");
    }

    #[test]
    fn a_word_that_cannot_be_is_none() {
        let class = Class::new(3).unwrap();
        let full = Unit::Span { class, count: class.capacity() }.word();
        let cases = [
            ("no such kind", 3),
            ("no such class", SPAN | 18 << 8),
            ("more than there are", full + ONE),
            ("a run of nothing", RUN),
            ("bits that mean nothing", full | 1 << 16),
            ("a free one with a number", ONE),
            ("all bits", u64::MAX),
        ];
        for (what, word) in cases {
            assert_eq!(Unit::parse(word), None, "{what}");
            assert!(!has_room(word, class), "{what}");
        }
        assert!(!has_room(full, class));
        assert!(has_room(full - ONE, class));
        assert!(has_taken(full, class) && !has_taken(span(class), class));
    }
}
