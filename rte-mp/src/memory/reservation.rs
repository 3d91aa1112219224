//! A zone that is to be reserved: how long, how aligned, within which bound, filled with zeros or not.
//!
//! DPDK 22.11 and 25.11: `eal_common_memzone.c`, `memzone_reserve_aligned_thread_unsafe`, whose order
//! of checks is kept: too many zones, a name that is taken, the alignment, the length, the bound, and
//! room last. Only a name that is none is told first.

use super::Memzones;
use super::arena::{Amount, CACHE_LINE, Failure, MAX_ZONES, Order, Refusal};
use super::memzone::Memzone;
use crate::error::{MemoryError, ReserveError};
use rte_mp_proto::memory::{ZoneName, ZoneNameError};

/// The smallest alignment of a zone, and what its memory is a multiple of, in bytes.
const LINE: usize = CACHE_LINE as usize;

/// Says how to reserve a memory zone; made by [`Memzones::reserve`] and
/// [`Memzones::reserve_largest`].
#[derive(Debug, Clone)]
#[must_use = "nothing is reserved before `commit`"]
pub struct Reservation<'a> {
    zones: &'a Memzones,
    name: Result<ZoneName, (Vec<u8>, ZoneNameError)>,
    /// In bytes; the largest free block if there is none.
    len: Option<usize>,
    align: usize,
    bound: usize,
    zeroed: bool,
}

impl<'a> Reservation<'a> {
    pub(super) fn new(zones: &'a Memzones, name: &[u8], len: Option<usize>) -> Self {
        let name = ZoneName::new(name).map_err(|error| (name.to_owned(), error));
        Self { zones, name, len, align: LINE, bound: 0, zeroed: false }
    }

    /// Has it begin at a multiple of `align` bytes, a power of two. Default, and at least: 64, so
    /// that no two zones share a cache line.
    pub fn align(mut self, align: usize) -> Self {
        self.align = align;
        self
    }

    /// Has no multiple of `bound` bytes lie inside of it: a power of two, not less than the zone's
    /// whole cache lines. Addresses count, which are the same in every member. Default: 0, no bound.
    pub fn bound(mut self, bound: usize) -> Self {
        self.bound = bound;
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
    /// DPDK 25.11: `rte_memzone_reserve_bounded`. Differs from DPDK: a length of 0 is refused, where
    /// DPDK does what [`Memzones::reserve_largest`] does; so is an alignment of 0, where DPDK takes a
    /// cache line; a zone has the length that was asked for, where DPDK rounds it up to whole cache
    /// lines, which are the zone's here too.
    pub fn commit(self) -> Result<Memzone, ReserveError> {
        let order = match self.order() {
            Ok(order) => order,
            // What stands in the way of any zone of this name is told rather than what is wrong
            // with this one.
            Err(wrong) => return Err(self.possible().err().unwrap_or(wrong)),
        };
        self.zones.reserve_now(&order).map_err(|error| self.error(order.name, error))
    }

    /// Tells whether it could be reserved, were there room, and does not reserve it: for who has
    /// more to check, of which nothing is told while this fails.
    ///
    /// Blocks as [`Reservation::commit`] does, but for the lock, which is not taken.
    ///
    /// # Errors
    /// Those of [`Reservation::commit`], but for [`ReserveError::NoRoom`] and
    /// [`ReserveError::Zero`]; in the same order.
    pub fn check(&self) -> Result<(), ReserveError> {
        self.possible()?;
        self.order().map(drop)
    }

    /// Tells whether there could be a zone of this name.
    fn possible(&self) -> Result<(), ReserveError> {
        let name = self.name()?;
        self.zones.check_now(&name).map_err(|error| self.error(name, error))
    }

    /// Checks everything that does not depend on the zones that there are.
    fn order(&self) -> Result<Order, ReserveError> {
        let name = self.name()?;
        let Self { len, align, bound, zeroed, .. } = *self;
        if len == Some(0) {
            return Err(ReserveError::Empty { name });
        }
        if !align.is_power_of_two() {
            return Err(ReserveError::Align { name, align });
        }
        // Of the largest block it is only known that it has a cache line.
        let wanted = len.unwrap_or(LINE);
        let least = wanted.checked_next_multiple_of(LINE);
        let least = least.ok_or(ReserveError::TooLong { name, len: wanted })?;
        if bound != 0 && (bound < least || !bound.is_power_of_two()) {
            return Err(ReserveError::Bound { name, len: wanted, bound, least });
        }
        let amount = len.map_or(Amount::Largest, |len| Amount::Exactly(len as u64));
        let bound = (bound != 0).then_some(bound as u64);
        Ok(Order { name, amount, align: align.max(LINE) as u64, bound, zeroed })
    }

    fn name(&self) -> Result<ZoneName, ReserveError> {
        self.name.clone().map_err(|(name, source)| ReserveError::Name { name, source })
    }

    fn error(&self, name: ZoneName, error: Undone) -> ReserveError {
        match error {
            Undone::Memory(source) => ReserveError::Memory { name, source },
            Undone::Failed(Failure::Lock(source)) => {
                ReserveError::Memory { name, source: self.zones.lock_error(source) }
            }
            Undone::Failed(Failure::Zero(source)) => ReserveError::Zero { name, source },
            Undone::Failed(Failure::Refused(refusal)) => match refusal {
                Refusal::Exists => ReserveError::Exists { name },
                Refusal::TooMany => ReserveError::TooMany { name, max: MAX_ZONES },
                Refusal::NoRoom { largest } => ReserveError::NoRoom {
                    name,
                    len: self.len.unwrap_or(LINE),
                    align: self.align.max(LINE),
                    bound: self.bound,
                    largest,
                },
            },
        }
    }
}

/// Why nothing was reserved.
pub(super) enum Undone {
    Memory(MemoryError),
    Failed(Failure),
}
