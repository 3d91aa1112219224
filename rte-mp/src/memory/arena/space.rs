//! Where a new zone goes: the first gap between the zones that there are.
//!
//! Free space is not kept anywhere. It is what the published zones leave over, so that there is
//! nothing to mend after a crash, and two neighbours that were freed are one gap by themselves.

use std::ops::Range;

/// A part of the arena, in bytes from its start.
pub(super) type Extent = Range<u64>;

/// How much is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So many bytes, where they fit first.
    Exactly(u64),
    /// As many as fit anywhere.
    Largest,
}

/// What is wanted of a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub(super) amount: Amount,
    /// It begins at a multiple of this, a power of two.
    pub(super) align: u64,
    /// It crosses no multiple of this, a power of two that is not less than what is wanted.
    pub(super) bound: Option<u64>,
}

#[cfg(test)]
impl Want {
    pub(super) fn exactly(len: u64, align: u64) -> Self {
        Self { amount: Amount::Exactly(len), align, bound: None }
    }
}

/// No gap is large enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom {
    /// The longest zone of the wanted alignment and bound that there is room for, in bytes.
    pub(super) largest: u64,
}

/// Finds the lowest place for `want` in `data` that no extent of `used` touches. Addresses are
/// aligned and bounded, not offsets: the arena begins at `base`.
///
/// `used` may be in any order, and may even overlap: then what any of them covers counts as used.
pub(super) fn find(
    used: &mut [Extent],
    data: &Extent,
    base: u64,
    want: Want,
) -> Result<Extent, NoRoom> {
    used.sort_unstable_by_key(|extent| extent.start);
    let mut largest = 0..0;
    let mut gap = data.start;
    let end = data.end..data.end;
    for extent in used.iter().chain([&end]) {
        for room in rooms(base, gap..extent.start.min(data.end), want) {
            match want.amount {
                Amount::Exactly(len) if len <= len_of(&room) => {
                    return Ok(room.start..room.start + len);
                }
                _ if len_of(&room) > len_of(&largest) => largest = room,
                _ => {}
            }
        }
        gap = gap.max(extent.end);
    }
    match want.amount {
        Amount::Largest if !largest.is_empty() => Ok(largest),
        Amount::Largest | Amount::Exactly(_) => Err(NoRoom { largest: len_of(&largest) }),
    }
}

/// Gives the places in a gap that begin as they should and cross no bound: the first one, and the one
/// behind it. Any further one is no longer than these.
fn rooms(base: u64, gap: Extent, Want { align, bound, .. }: Want) -> impl Iterator<Item = Extent> {
    let room_from = move |offset: u64| {
        let start = align_up(base, offset, align)?;
        let end = bound.and_then(|bound| align_up(base, start.checked_add(1)?, bound));
        Some(start..end.map_or(gap.end, |end| end.min(gap.end)))
    };
    let first = room_from(gap.start);
    let second = bound.and(first.as_ref()).and_then(|first| room_from(first.end));
    first.into_iter().chain(second).filter(|room| !room.is_empty())
}

/// Gives the first offset from `offset` on whose address is a multiple of `align`.
fn align_up(base: u64, offset: u64, align: u64) -> Option<u64> {
    let address = base.checked_add(offset)?.checked_next_multiple_of(align)?;
    Some(address - base)
}

fn len_of(extent: &Extent) -> u64 {
    extent.end.saturating_sub(extent.start)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use proptest::prelude::*;

    use super::*;

    const BASE: u64 = 0x1_0000_0000;

    fn place(used: &[Extent], len: u64, align: u64) -> Result<Extent, u64> {
        found(used, Want::exactly(len, align))
    }

    fn found(used: &[Extent], want: Want) -> Result<Extent, u64> {
        let mut used = used.to_vec();
        find(&mut used, &(1000..10_000), BASE, want).map_err(|error| error.largest)
    }

    #[test]
    fn the_first_gap_that_is_large_enough_is_taken() {
        type Case<'a> = (&'a str, &'a [Extent], u64, u64, Result<Extent, u64>);
        let cases: &[Case] = &[
            ("nothing is used", &[], 100, 1, Ok(1000..1100)),
            ("aligned by address", &[], 100, 64, Ok(1024..1124)),
            ("all of it", &[], 9000, 1, Ok(1000..10_000)),
            ("more than all of it", &[], 9001, 1, Err(9000)),
            ("any gap will do", &[1000..2000, 3000..4000], 500, 1, Ok(2000..2500)),
            ("exactly the gap", &[1000..2000, 3000..4000], 1000, 1, Ok(2000..3000)),
            ("past a gap that is small", &[1000..2000, 3000..4000], 1001, 1, Ok(4000..5001)),
            ("in any order", &[3000..4000, 1000..2000], 1001, 1, Ok(4000..5001)),
            ("the largest is told", &[1000..2000, 9000..10_000], 8000, 1, Err(7000)),
            ("as it can be aligned", &[1000..2000, 9000..10_000], 8000, 2048, Err(6952)),
            ("all is used", &[1000..2000, 2000..10_000], 1, 1, Err(0)),
            ("zones that overlap", &[1000..5000, 2000..3000, 4000..6000], 10, 1, Ok(6000..6010)),
            ("an alignment past the end", &[], 1, 1 << 40, Err(0)),
            ("an alignment past everything", &[], 1, 1 << 63, Err(0)),
            ("a length past everything", &[], u64::MAX, 64, Err(8976)),
        ];
        for (what, used, len, align, expected) in cases {
            assert_eq!(place(used, *len, *align), *expected, "{what}");
        }
    }

    #[test]
    fn neighbours_that_are_freed_are_one_gap() {
        let full = [1000..4000, 4000..7000, 7000..10_000];
        assert_eq!(place(&full, 1, 1), Err(0));
        assert_eq!(place(&full[2..], 6000, 1), Ok(1000..7000));
    }

    #[test]
    fn no_bound_is_crossed() {
        type Case<'a> = (&'a str, &'a [Extent], u64, u64, u64, Result<Extent, u64>);
        let cases: &[Case] = &[
            ("before the bound", &[], 24, 1, 1024, Ok(1000..1024)),
            ("behind the bound", &[], 25, 1, 1024, Ok(1024..1049)),
            ("all between two bounds", &[], 1024, 1, 1024, Ok(1024..2048)),
            ("in the next gap", &[1024..1500, 1600..2500], 600, 1, 1024, Ok(3072..3672)),
            ("larger alignment than bound", &[], 64, 2048, 64, Ok(2048..2112)),
            ("aligned behind the bound", from_ref(&(1000..2040)), 16, 32, 2048, Ok(2048..2064)),
            ("up to the end", from_ref(&(1000..9216)), 784, 1, 1024, Ok(9216..10_000)),
            ("more than there is between bounds", from_ref(&(1000..9217)), 800, 1, 1024, Err(783)),
            ("only on both sides of one", &[1000..2000, 2100..10_000], 60, 1, 1024, Err(52)),
            ("a bound past everything", &[], 9000, 1, 1 << 63, Ok(1000..10_000)),
            ("a bound at the start", &[], 1, 1, 1 << 32, Ok(1000..1001)),
        ];
        for (what, used, len, align, bound, expected) in cases {
            let (amount, bound) = (Amount::Exactly(*len), Some(*bound));
            assert_eq!(found(used, Want { amount, align: *align, bound }), *expected, "{what}");
        }
    }

    #[test]
    fn the_largest_place_is_the_first_of_those_that_are_as_long() {
        type Case<'a> = (&'a str, &'a [Extent], u64, Option<u64>, Result<Extent, u64>);
        let cases: &[Case] = &[
            ("nothing is used", &[], 1, None, Ok(1000..10_000)),
            ("aligned", &[], 64, None, Ok(1024..10_000)),
            ("between zones", &[1000..2000, 6000..7000], 1, None, Ok(2000..6000)),
            ("the first of two", from_ref(&(4000..7000)), 1, None, Ok(1000..4000)),
            ("what alignment leaves", &[1000..2000, 4000..7050], 2048, None, Ok(2048..4000)),
            ("between bounds", &[], 1, Some(4096), Ok(4096..8192)),
            ("behind the only bound", &[], 1, Some(8192), Ok(1000..8192)),
            ("no more than a bound", &[], 1, Some(64), Ok(1024..1088)),
            ("all is used", from_ref(&(1000..10_000)), 1, None, Err(0)),
            ("nothing is aligned", from_ref(&(1000..9000)), 8192, None, Err(0)),
        ];
        for (what, used, align, bound, expected) in cases {
            let want = Want { amount: Amount::Largest, align: *align, bound: *bound };
            assert_eq!(found(used, want), *expected, "{what}");
        }
    }

    /// Tries every place there is.
    fn search(used: &[Extent], data: &Extent, base: u64, want: Want) -> Result<Extent, u64> {
        let is_free = |at: u64| data.contains(&at) && !used.iter().any(|used| used.contains(&at));
        let room_at = |start: u64| {
            if !(base + start).is_multiple_of(want.align) {
                return 0;
            }
            let bound = want.bound.unwrap_or(u64::MAX);
            let same = |at: &u64| (base + at) / bound == (base + start) / bound;
            (start..data.end).take_while(same).take_while(|&at| is_free(at)).count() as u64
        };
        let rooms = || data.clone().map(|start| (start, room_at(start)));
        let (start, largest) =
            rooms().fold((0, 0), |best, room| if room.1 > best.1 { room } else { best });
        match want.amount {
            Amount::Exactly(len) => {
                let first = rooms().find(|(_, room)| *room >= len);
                first.map(|(start, _)| start..start + len).ok_or(largest)
            }
            Amount::Largest if largest > 0 => Ok(start..start + largest),
            Amount::Largest => Err(0),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_place_is_the_one_that_a_search_through_all_finds(
            used in prop::collection::vec((0..300_u64, 1..60_u64), 0..8),
            base in 0..4_u64,
            align in 0..7_u32,
            bound in prop::option::of(0..9_u32),
            len in prop::option::of(1..300_u64),
        ) {
            let used: Vec<Extent> = used.into_iter().map(|(at, len)| at..at + len).collect();
            let data = 10..250;
            let bound = bound.map(|bits| 1 << bits);
            // Longer than the bound nothing is ever asked for.
            let len = len.map(|len: u64| len.min(bound.unwrap_or(u64::MAX)));
            let amount = len.map_or(Amount::Largest, Amount::Exactly);
            let want = Want { amount, align: 1 << align, bound };
            let found = find(&mut used.clone(), &data, base * 16, want).map_err(|error| error.largest);
            prop_assert_eq!(found, search(&used, &data, base * 16, want));
        }
    }
}
