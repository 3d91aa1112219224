//! A zone that is to be reserved: how long, how aligned, filled with zeros or not.

use super::Memzones;
use super::arena::{Failure, MAX_ZONES, Order, Refusal};
use super::memzone::Memzone;
use crate::error::ReserveError;
use rte_mp_proto::memory::{ZoneName, ZoneNameError};

/// The smallest alignment of a zone, in bytes (`RTE_CACHE_LINE_SIZE`).
const CACHE_LINE: usize = 64;

/// Says how to reserve a memory zone; made by [`Memzones::reserve`].
#[derive(Debug, Clone)]
#[must_use = "nothing is reserved before `commit`"]
pub struct Reservation<'a> {
    zones: &'a Memzones,
    name: Result<ZoneName, (Vec<u8>, ZoneNameError)>,
    len: usize,
    align: usize,
    zeroed: bool,
}

impl<'a> Reservation<'a> {
    pub(super) fn new(zones: &'a Memzones, name: &[u8], len: usize) -> Self {
        let name = ZoneName::new(name).map_err(|error| (name.to_owned(), error));
        Self { zones, name, len, align: CACHE_LINE, zeroed: false }
    }

    /// Has it begin at a multiple of `align` bytes, a power of two. Default, and at least: 64, so
    /// that no two zones share a cache line.
    pub fn align(mut self, align: usize) -> Self {
        self.align = align;
        self
    }

    /// Has it filled with zeros. Default: it may hold what a zone before it held, as with DPDK.
    pub fn zeroed(mut self) -> Self {
        self.zeroed = true;
        self
    }

    /// Reserves the zone. It is there for all members at once, with its zeros, or not at all.
    ///
    /// Blocks while other members reserve or free, for at most the lock timeout; and in a secondary
    /// that uses memory for the first time, while it asks the primary for it, for at most 5 s.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing was reserved then.
    ///
    /// DPDK 25.11: `rte_memzone_reserve_aligned`. Differs from DPDK: a length of 0 is refused, where
    /// DPDK takes the largest free block; alignments are refused that are no power of two, 0 too.
    pub fn commit(self) -> Result<Memzone, ReserveError> {
        let Self { zones, name, len, align, zeroed } = self;
        let name = name.map_err(|(name, source)| ReserveError::Name { name, source })?;
        if len == 0 {
            return Err(ReserveError::Empty { name });
        }
        if !align.is_power_of_two() {
            return Err(ReserveError::Align { name, align });
        }
        let align = align.max(CACHE_LINE);
        let order = Order { name, len: len as u64, align: align as u64, zeroed };
        zones.reserve_now(&order).map_err(|error| match error {
            Undone::Memory(source) => ReserveError::Memory { name, source },
            Undone::Failed(Failure::Lock(source)) => {
                ReserveError::Memory { name, source: zones.lock_error(source) }
            }
            Undone::Failed(Failure::Zero(source)) => ReserveError::Zero { name, source },
            Undone::Failed(Failure::Refused(refusal)) => match refusal {
                Refusal::Exists => ReserveError::Exists { name },
                Refusal::TooMany => ReserveError::TooMany { name, max: MAX_ZONES },
                Refusal::NoRoom { largest } => ReserveError::NoRoom { name, len, align, largest },
            },
        })
    }
}

/// Why nothing was reserved.
pub(super) enum Undone {
    Memory(crate::error::MemoryError),
    Failed(Failure),
}
