//! A native group's memory: one file that every member has mapped at the same address.
//!
//! The primary makes it and hands it out; who has it may change its zones. `layout` says what
//! stands where, `table` which zones there are, `space` where the next one goes, `lock` who may
//! change the table, `file` what the arena is made of, `place` where it lies, and `heap` what the heap
//! has of it.

mod file;
mod heap;
mod layout;
mod lock;
mod place;
mod space;
mod table;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};

use self::file::{Backing, PAGE, Unfit};
use self::layout::{Header, MAX_ADDRESS, MIN_SIZE, NotAnArena, TABLE_END};
use self::space::{Extent, Want};
use self::table::{Table, Ticket};
use crate::error::{ArenaError, MemoryError};
use crate::sys::area::Area;
use rte_mp_proto::memory::ZoneName;

pub(crate) use self::heap::Lack;
pub(crate) use self::layout::{CACHE_LINE, MAX_ZONES};
pub(crate) use self::space::Amount;
pub(crate) use self::table::{Refusal, Zone};

/// From this length on, zeros come from the kernel, which takes the pages back.
const PUNCH_FROM: u64 = 64 << 10;
/// From this length on, the pages of a zone that is freed are given back.
const GIVE_BACK_FROM: u64 = 1 << 20;

/// What a primary wants its arena to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// In bytes; rounded up to whole pages.
    pub(crate) size: Option<u64>,
    /// The mount of a hugetlbfs; ordinary pages if there is none.
    pub(crate) huge_dir: Option<PathBuf>,
    /// The address; one is chosen if there is none.
    pub(crate) base: Option<u64>,
}

/// An arena, mapped.
#[derive(Debug)]
pub(crate) struct Arena {
    area: Arc<Area>,
    backing: Backing,
    header: Header,
    heap: heap::Known,
}

/// What a zone is to be, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) name: ZoneName,
    /// More than zero.
    pub(crate) amount: Amount,
    /// A power of two.
    pub(crate) align: u64,
    /// A power of two, and as many whole cache lines as the zone, or more.
    pub(crate) bound: Option<u64>,
    pub(crate) zeroed: bool,
}

/// Why there is no new zone.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    Lock(io::Error),
    Zero(io::Error),
}

/// How much of an arena is used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) base: u64,
    pub(crate) size: u64,
    /// The length of the longest zone that there is room for.
    pub(crate) largest_free: u64,
}

impl Arena {
    /// The size of an arena if nothing is said. Only what is touched takes memory.
    pub(crate) const DEFAULT_SIZE: u64 = 1 << 30;

    /// Makes one, and maps it.
    pub(crate) fn create(wish: &Wish, id: u64) -> Result<Self, ArenaError> {
        let huge_dir = wish.huge_dir.as_deref();
        let backing = Backing::create(huge_dir)?;
        // Huge pages are taken at once: no more than there are, unless that was asked for.
        let usual = backing.free().map_or(Self::DEFAULT_SIZE, |free| free.min(Self::DEFAULT_SIZE));
        let wanted = wish.size.unwrap_or(usual.max(backing.page));
        let size = wanted
            .checked_next_multiple_of(backing.page)
            .filter(|size| (MIN_SIZE..MAX_ADDRESS).contains(size))
            .ok_or(ArenaError::Size { size: wanted, min: MIN_SIZE })?;
        if let Some(address) = wish.base
            && (address % backing.page != 0 || !(1 << 16..MAX_ADDRESS - size).contains(&address))
        {
            return Err(ArenaError::Address { address, page: backing.page });
        }
        backing.set_len(size, huge_dir)?;
        let (area, base) = settle(&backing.file, size, wish.base)?;
        let header = Header { size, base, id };
        // Through the mapping: a hugetlbfs takes no writes.
        area.write(0, &header.to_bytes());
        Ok(Self { area, backing, header, heap: heap::Known::new(&header) })
    }

    /// Maps the one that a primary handed out as the arena `id`.
    pub(crate) fn attach(file: File, id: u64) -> Result<Self, MemoryError> {
        let (backing, header) = file::check(file).map_err(|unfit| match unfit {
            Unfit::Not(NotAnArena(reason)) => MemoryError::NotAnArena { reason },
            Unfit::Io(source) => MemoryError::Io { action: "look at", source },
        })?;
        if header.id != id {
            return Err(MemoryError::NotAnArena { reason: "it is not the one of this primary" });
        }
        let (Ok(len), Ok(base)) = (usize::try_from(header.size), usize::try_from(header.base))
        else {
            return Err(MemoryError::NotAnArena { reason: "it is larger than the address space" });
        };
        let area = place::map(&backing.file, len, base).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => {
                let by = place::what_lies_at(base, len);
                MemoryError::Occupied { address: header.base, len: header.size, by }
            }
            _ => MemoryError::Io { action: "map", source },
        })?;
        Ok(Self { area, backing, header, heap: heap::Known::new(&header) })
    }

    /// Gives the number that tells it from all others.
    pub(crate) fn id(&self) -> u64 {
        self.header.id
    }

    /// Borrows the mapping.
    pub(crate) fn area(&self) -> &Arc<Area> {
        &self.area
    }

    /// Borrows the file, to be handed out.
    pub(crate) fn file(&self) -> &File {
        &self.backing.file
    }

    /// Gives the size of the pages that it is made of, in bytes.
    pub(crate) fn page_len(&self) -> u64 {
        self.backing.page
    }

    /// Gives the address of a zone, the same in every process.
    pub(crate) fn address_of(&self, zone: &Zone) -> u64 {
        self.header.base + zone.offset
    }

    /// Finds a zone. Takes no lock, and does not block.
    pub(crate) fn lookup(&self, name: &ZoneName) -> Option<Zone> {
        self.table(|table| table.find(name))
    }

    /// Lists the zones as they were at one moment. Takes the lock only if they change all the time.
    pub(crate) fn zones(&self, timeout: Duration) -> io::Result<Vec<Zone>> {
        if let Some(zones) = self.table(|table| table.snapshot()) {
            return Ok(zones);
        }
        let _held = lock::take(&self.backing.file, timeout)?;
        Ok(self.table(|table| table.zones()))
    }

    /// Says how much of it `zones` and the heap leave over.
    pub(crate) fn usage(&self, zones: &[Zone]) -> Usage {
        let Header { size, base, .. } = self.header;
        let mut used: Vec<_> = zones.iter().map(Zone::extent).collect();
        used.extend(self.extents_of_heap());
        let largest = Want { amount: Amount::Largest, align: CACHE_LINE, bound: None };
        let found = space::find(&mut used, &self.header.data(), base, largest);
        let largest_free = found.map_or(0, |extent| extent.end - extent.start);
        Usage { base, size, largest_free }
    }

    /// Tells whether a zone of this name could be reserved, were there room. Takes no lock.
    pub(crate) fn check(&self, name: &ZoneName) -> Result<(), Refusal> {
        self.table(|table| table.check(name))
    }

    /// Reserves a zone. Blocks for at most `timeout`, while others change the table.
    pub(crate) fn reserve(&self, order: &Order, timeout: Duration) -> Result<Zone, Failure> {
        let _held = self.hold(timeout).map_err(Failure::Lock)?;
        let Order { amount, align, bound, .. } = *order;
        let want = Want { amount, align, bound };
        let plan =
            || self.table(|table| table.beside(self.extents_of_heap()).plan(order.name, want));
        let plan = match plan() {
            Err(Refusal::NoRoom { .. }) if self.shrink_heap() => plan(),
            planned => planned,
        }
        .map_err(Failure::Refused)?;
        if order.zeroed {
            self.zero(&plan.extent).map_err(Failure::Zero)?;
        }
        Ok(self.table(|table| table.publish(&plan)))
    }

    /// Frees a zone, and says whether it was there. Blocks for at most `timeout`, while others
    /// change the table.
    pub(crate) fn free(&self, ticket: Ticket, timeout: Duration) -> io::Result<bool> {
        let _held = lock::take(&self.backing.file, timeout)?;
        let Some(extent) = self.table(|table| table.withdraw(ticket)) else { return Ok(false) };
        if extent.end - extent.start >= GIVE_BACK_FROM {
            // Still under the lock, since the space may be somebody's as soon as that is given up.
            // If it fails the pages stay with the arena, and the next zone there has them.
            let _ = self.punch(&whole_pages(&extent));
        }
        Ok(true)
    }

    fn table<T>(&self, act: impl FnOnce(Table<'_, [std::sync::atomic::AtomicU64]>) -> T) -> T {
        act(Table::new(self.area.words(TABLE_END), self.header.data(), self.header.base))
    }

    /// Fills with zeros, without touching more pages than have been touched before.
    fn zero(&self, extent: &Extent) -> io::Result<()> {
        let pages = whole_pages(extent);
        if self.backing.is_huge() || pages.end.saturating_sub(pages.start) < PUNCH_FROM {
            self.clear(extent.clone());
            return Ok(());
        }
        self.clear(extent.start..pages.start);
        self.clear(pages.end..extent.end);
        self.punch(&pages)
    }

    fn clear(&self, extent: Extent) {
        // The extent lies in the mapping, whose length is a `usize`.
        self.area.clear(extent.start as usize, (extent.end - extent.start) as usize);
    }

    /// Gives whole pages back, which then read as zeros. Huge pages are kept: who touches one that
    /// was given back is killed if somebody else has taken it.
    fn punch(&self, pages: &Range<u64>) -> io::Result<()> {
        if self.backing.is_huge() {
            return Ok(());
        }
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&self.backing.file, how, pages.start, pages.end - pages.start)?)
    }
}

/// The whole pages inside of `extent`; if there is none, the range is empty or ends before it
/// starts.
fn whole_pages(extent: &Extent) -> Range<u64> {
    extent.start.next_multiple_of(PAGE)..extent.end / PAGE * PAGE
}

/// Maps a new arena: at `base` if one is given, else at the first address that is free in this
/// process and likely to be free in all.
fn settle(file: &File, size: u64, base: Option<u64>) -> Result<(Arc<Area>, u64), ArenaError> {
    let mut occupied = None;
    for base in base.map_or_else(usual_addresses, |base| vec![base]) {
        let (Ok(len), Ok(at)) = (usize::try_from(size), usize::try_from(base)) else { continue };
        match place::map(file, len, at) {
            Ok(area) => return Ok((area, base)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                occupied = occupied.or_else(|| Some((base, place::what_lies_at(at, len))));
            }
            Err(source) => return Err(ArenaError::Map { size, source }),
        }
    }
    let (address, by) = occupied.unwrap_or_default();
    Err(ArenaError::Occupied { address, len: size, by })
}

/// Where arenas lie if nothing is said. DPDK's own address first (`get_base_virtaddr`), then others
/// that neither programs nor their libraries, heaps and stacks lie at; those from 32 TiB on are free
/// under AddressSanitizer too.
fn usual_addresses() -> Vec<u64> {
    let steps = |start: u64| (0..16).map(move |step| start + (step << 36));
    std::iter::once(1 << 32).chain(steps(1 << 36)).chain(steps(1 << 45)).collect()
}

#[cfg(test)]
mod tests;
