//! Where a new zone goes: the first gap between the zones that there are.
//!
//! Free space is not kept anywhere. It is what the published zones leave over, so that there is
//! nothing to mend after a crash, and two neighbours that were freed are one gap by themselves.

use std::ops::Range;

/// A part of the arena, in bytes from its start.
pub(super) type Extent = Range<u64>;

/// What is wanted of a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub(super) len: u64,
    /// A power of two.
    pub(super) align: u64,
}

/// No gap is large enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom {
    /// The longest zone of the wanted alignment that there is room for, in bytes.
    pub(super) largest: u64,
}

/// Finds the lowest place for `want` in `data` that no extent of `used` touches. Addresses are
/// aligned, not offsets: the arena begins at `base`.
///
/// `used` may be in any order, and may even overlap: then what any of them covers counts as used.
pub(super) fn find(
    used: &mut [Extent],
    data: &Extent,
    base: u64,
    want: Want,
) -> Result<Extent, NoRoom> {
    used.sort_unstable_by_key(|extent| extent.start);
    let mut largest = 0;
    let mut gap_start = data.start;
    let end = data.end..data.end;
    for extent in used.iter().chain([&end]) {
        if let Some(start) = align_up(base, gap_start, want.align) {
            let room = extent.start.saturating_sub(start);
            if room >= want.len {
                return Ok(start..start + want.len);
            }
            largest = largest.max(room);
        }
        gap_start = gap_start.max(extent.end);
    }
    Err(NoRoom { largest })
}

/// Gives the first offset from `offset` on whose address is a multiple of `align`.
fn align_up(base: u64, offset: u64, align: u64) -> Option<u64> {
    let address = base.checked_add(offset)?.checked_next_multiple_of(align)?;
    Some(address - base)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x1_0000_0000;

    fn place(used: &[Extent], len: u64, align: u64) -> Result<Extent, u64> {
        let mut used = used.to_vec();
        find(&mut used, &(1000..10_000), BASE, Want { len, align }).map_err(|error| error.largest)
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
}
