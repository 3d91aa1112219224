//! What a unit is: one word, so that one atomic store changes it. Only who has the arena's lock does.

use super::class::Class;

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// None of the heap's, or a part of the run that begins before it.
    Free,
    /// Blocks of one size; its bits say which of them are taken.
    Span(Class),
    /// A block of its own begins here, of so many units.
    Run { units: usize },
}

const FREE: u64 = 0;
const SPAN: u64 = 1;
const RUN: u64 = 2;

impl Unit {
    /// Reads a word, and believes only what [`Unit::word`] could have written.
    pub(super) fn parse(word: u64) -> Option<Self> {
        let number = word >> 8;
        match word & 0xff {
            FREE if number == 0 => Some(Self::Free),
            SPAN => Class::new(number).map(Self::Span),
            RUN if number > 0 => Some(Self::Run { units: usize::try_from(number).ok()? }),
            _ => None,
        }
    }

    /// Gives the word that says this.
    pub(super) fn word(self) -> u64 {
        match self {
            Self::Free => FREE,
            Self::Span(class) => SPAN | (class.number() as u64) << 8,
            Self::Run { units } => RUN | (units as u64) << 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_written() {
        let class = Class::new(3).unwrap();
        let units = [Unit::Free, Unit::Span(class), Unit::Run { units: 1 }];
        for unit in units.into_iter().chain([Unit::Run { units: 1 << 40 }]) {
            assert_eq!(Unit::parse(unit.word()), Some(unit));
        }
        assert_eq!(Unit::parse(0), Some(Unit::Free), "as memory begins");
    }

    #[test]
    fn a_word_that_cannot_be_is_none() {
        let cases = [
            ("no such kind", 3),
            ("no such class", SPAN | 18 << 8),
            ("a class far out", SPAN | 256 << 8),
            ("a run of nothing", RUN),
            ("a free one with a number", 1 << 8),
            ("all bits", u64::MAX),
        ];
        for (what, word) in cases {
            assert_eq!(Unit::parse(word), None, "{what}");
        }
    }
}
