//! How much of the heap is used.

use super::class::UNIT;
use crate::memory::arena::{Arena, Lack};
use std::time::Duration;

/// How much of a heap is used; made by [`Heap::usage`](super::Heap::usage).
///
/// A block counts with all bytes that it has, which may be more than were asked for.
///
/// DPDK 25.11: `struct rte_malloc_socket_stats`, whose fields are named below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeapUsage {
    /// The bytes that blocks have or could have (`heap_totalsz_bytes`).
    pub total: u64,
    /// The bytes that blocks have (`heap_allocsz_bytes`).
    pub used: u64,
    /// The bytes that blocks could have, all of the arena that no zone has (`heap_freesz_bytes`).
    pub free: u64,
    /// The bytes of the longest block that there is room for (`greatest_free_size`).
    pub largest_free: u64,
    /// How many blocks there are (`alloc_count`).
    pub blocks: u64,
    /// In how many places there is room for blocks (`free_count`).
    pub free_places: u64,
}

impl HeapUsage {
    /// Counts. Blocks for at most `timeout`, while others take units or zones.
    pub(super) fn of(arena: &Arena, timeout: Duration) -> Result<Self, Lack> {
        let locked = arena.lock(timeout)?;
        let tally = arena.heap().map(|heap| heap.tally()).unwrap_or_default();
        let base = arena.base();
        let whole_units = |gap: std::ops::Range<u64>| {
            let start = (base + gap.start).next_multiple_of(UNIT);
            ((base + gap.end) / UNIT * UNIT).saturating_sub(start)
        };
        let gaps: Vec<u64> = locked.gaps().into_iter().map(whole_units).collect();
        let free = gaps.iter().sum::<u64>() + tally.spare;
        let largest_gap = gaps.iter().copied().max().unwrap_or_default();
        Ok(Self {
            total: tally.used + free,
            used: tally.used,
            free,
            largest_free: largest_gap.max(tally.largest_spare),
            blocks: tally.blocks,
            free_places: gaps.iter().filter(|&&gap| gap > 0).count() as u64 + tally.roomy,
        })
    }
}
