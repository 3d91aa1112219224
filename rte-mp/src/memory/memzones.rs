//! The memory zones of a group: reserve, look up, free, list.
//!
//! Each operation is a match on what the zones stand on: an arena, or a DPDK primary's hugepages.
//!
//! DPDK 25.11: `eal_common_memzone.c`.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::vec;

use super::arena::{Arena, Failure, MAX_ZONES, Order, Zone};
use super::ground::{Ground, Primary};
use super::hugepages::{Access, Placement};
use super::memzone::{Memzone, MemzoneInfo, Origin};
use super::reservation::{Reservation, Undone};
use crate::error::{DumpError, FreeError, HugepagesError, LookupError, MemoryError};
use crate::shared::Shared;
use rte_mp_proto::memory::{ZoneName, ZoneNameError};

/// The memory zones of a group; made by [`Group::memzones`](crate::Group::memzones).
///
/// A handle that can be cloned and shared between threads, and used inside of handlers. It does not
/// keep the group from being left. In a native group any member may reserve, look up and free zones,
/// also those of others; a DPDK primary's zones are found, listed and read, or written where that is
/// asked for, and nothing of the primary's is locked or waited for.
///
/// A native primary has its memory from joining on. A secondary asks the primary for it at its first use;
/// that fails, like any request, while the primary's own handlers wait for this member.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let base = tempfile::tempdir()?;
/// use rte_mp::{Group, Role};
///
/// let primary = Group::builder().runtime_base(base.path()).role(Role::Primary).join()?;
/// primary.memzones().reserve("greeting", 5).commit()?.write_at(0, b"hello")?;
///
/// // In another process, or in this one:
/// let secondary = Group::builder().runtime_base(base.path()).role(Role::Secondary).join()?;
/// let zone = secondary.memzones().lookup("greeting")?;
/// let mut text = [0; 5];
/// zone.read_at(0, &mut text)?;
/// assert_eq!(&text, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Memzones {
    shared: Arc<Shared>,
}

impl Memzones {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// Begins to describe a zone of `len` bytes to reserve, in whole cache lines of its own. Its name
    /// has 1 to 31 bytes.
    pub fn reserve(&self, name: impl AsRef<[u8]>, len: usize) -> Reservation<'_> {
        Reservation::new(self, name.as_ref(), Some(len))
    }

    /// Begins to describe a zone that takes the largest free block there is when it is reserved, as
    /// it is aligned and within its bound. Its length is a multiple of 64.
    ///
    /// It leaves no such block for any other zone. Nothing of it takes memory before it is touched,
    /// but where the group's memory is huge pages.
    ///
    /// DPDK 25.11: `rte_memzone_reserve_bounded` with a length of 0. Differs from DPDK: with a bound
    /// it takes the largest block within that, too, where DPDK takes one of just the bound's length,
    /// or none; that is `reserve(name, bound).bound(bound)`.
    pub fn reserve_largest(&self, name: impl AsRef<[u8]>) -> Reservation<'_> {
        Reservation::new(self, name.as_ref(), None)
    }

    /// Finds the zone of this name; one of a DPDK primary may then only be read.
    ///
    /// Takes no lock and does not block, but for a native secondary that uses memory for the first
    /// time: it asks the primary for it, for at most 5 s.
    ///
    /// # Errors
    /// - [`LookupError::NotFound`]: there is none.
    /// - [`LookupError::Name`]: there can be none.
    /// - [`LookupError::Memory`]: the group's memory cannot be used.
    ///
    /// DPDK 25.11: `rte_memzone_lookup`.
    pub fn lookup(&self, name: impl AsRef<[u8]>) -> Result<Memzone, LookupError> {
        self.open(name).lookup()
    }

    /// Begins to say how to map a zone of a DPDK primary.
    pub fn open(&self, name: impl AsRef<[u8]>) -> OpenMemzone<'_> {
        OpenMemzone::new(self, name.as_ref())
    }

    /// Frees a zone, whoever reserved it. The space is merged with what is free beside it; pages of
    /// large zones go back to the system.
    ///
    /// Blocks while other members reserve or free, for at most the lock timeout. Members that still
    /// hold the zone keep their mapping, and share the memory with the next zone there.
    ///
    /// # Errors
    /// - [`FreeError::Freed`]: it was freed before.
    /// - [`FreeError::Foreign`]: it is one of another group.
    /// - [`FreeError::Memory`]: the group's memory cannot be used.
    ///
    /// DPDK 25.11: `rte_memzone_free`.
    pub fn free(&self, zone: Memzone) -> Result<(), FreeError> {
        let name = *zone.name();
        let unusable = |source| FreeError::Memory { name, source };
        match (self.shared.ground().map_err(unusable)?, zone.origin()) {
            (Ground::Arena(attached), Origin::Arena { id, .. }) if id != attached.arena.id() => {
                Err(FreeError::Foreign { name, prefix: self.shared.prefix() })
            }
            (Ground::Arena(attached), Origin::Arena { zone, .. }) => {
                let timeout = self.shared.runtime.lock_timeout;
                match attached.arena.free(zone.ticket, timeout) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(FreeError::Freed { name }),
                    Err(error) => Err(unusable(self.lock_error(error))),
                }
            }
            (Ground::Arena(_), Origin::Primary) => {
                Err(FreeError::Foreign { name, prefix: self.shared.prefix() })
            }
            (Ground::Primary(_), _) => Err(unusable(self.not_ours())),
        }
    }

    /// Lists all zones as they were at one moment, by their address.
    ///
    /// Does not block as a rule: only if other members reserve and free all the time, for at most the
    /// lock timeout.
    ///
    /// # Errors
    /// [`MemoryError`]: the group's memory cannot be used.
    ///
    /// DPDK 25.11: `rte_memzone_walk`. Differs from DPDK: nobody is kept from reserving meanwhile.
    pub fn iter(&self) -> Result<vec::IntoIter<MemzoneInfo>, MemoryError> {
        let mut infos: Vec<_> = match self.shared.ground()? {
            Ground::Arena(attached) => {
                let arena = &attached.arena;
                self.zones(arena)?.iter().map(|zone| info(arena, zone)).collect()
            }
            Ground::Primary(primary) => primarys_zones(primary)?,
        };
        infos.sort_unstable_by_key(MemzoneInfo::address);
        Ok(infos.into_iter())
    }

    /// Writes down all zones, one on each line, and how much memory there is.
    ///
    /// Blocks as [`Memzones::iter`] does.
    ///
    /// # Errors
    /// [`DumpError`]: the group's memory cannot be used, or the writer fails.
    ///
    /// DPDK 25.11: `rte_memzone_dump`.
    pub fn dump(&self, writer: &mut impl io::Write) -> Result<(), DumpError> {
        let unusable = |source| DumpError::Memory { source };
        let (heading, infos) = match self.shared.ground().map_err(unusable)? {
            Ground::Arena(attached) => {
                let arena = &attached.arena;
                let zones = self.zones(arena).map_err(unusable)?;
                let usage = arena.usage(&zones);
                let heading = format!(
                    "{} of {MAX_ZONES} memory zones in {} bytes at {:#x}; \
                     there is room for one of {} bytes",
                    zones.len(),
                    usage.size,
                    usage.base,
                    usage.largest_free
                );
                (heading, zones.iter().map(|zone| info(arena, zone)).collect::<Vec<_>>())
            }
            Ground::Primary(primary) => {
                let infos = primarys_zones(primary).map_err(unusable)?;
                (format!("{} memory zones of a DPDK primary", infos.len()), infos)
            }
        };
        write_lines(writer, &heading, infos).map_err(|source| DumpError::Write { source })
    }

    pub(super) fn reserve_now(&self, order: &Order) -> Result<Memzone, Undone> {
        match self.shared.ground().map_err(Undone::Memory)? {
            Ground::Arena(attached) => {
                let arena = &attached.arena;
                let zone = arena.reserve(order, self.shared.runtime.lock_timeout);
                Ok(memzone(arena, zone.map_err(Undone::Failed)?))
            }
            Ground::Primary(_) => Err(Undone::Memory(self.not_ours())),
        }
    }

    /// Tells whether a zone of this name could be reserved, were there room.
    pub(super) fn check_now(&self, name: &ZoneName) -> Result<(), Undone> {
        match self.shared.ground().map_err(Undone::Memory)? {
            Ground::Arena(attached) => {
                let checked = attached.arena.check(name);
                checked.map_err(|refusal| Undone::Failed(Failure::Refused(refusal)))
            }
            Ground::Primary(_) => Err(Undone::Memory(self.not_ours())),
        }
    }

    /// Says that a DPDK primary's memory is not ours to change.
    fn not_ours(&self) -> MemoryError {
        MemoryError::Dpdk { prefix: self.shared.prefix() }
    }

    /// Says why the lock of the memory was not had.
    pub(super) fn lock_error(&self, source: io::Error) -> MemoryError {
        self.shared.lock_error(source)
    }

    fn zones(&self, arena: &Arena) -> Result<Vec<Zone>, MemoryError> {
        arena.zones(self.shared.runtime.lock_timeout).map_err(|error| self.lock_error(error))
    }
}

/// Says how to map a zone of a DPDK primary; made by [`Memzones::open`]. A native group's zones can
/// always be written, and lie at the same address in every member.
#[derive(Debug, Clone)]
#[must_use = "nothing is mapped before `lookup`"]
pub struct OpenMemzone<'a> {
    zones: &'a Memzones,
    name: Result<ZoneName, (Vec<u8>, ZoneNameError)>,
    access: Access,
    placement: Placement,
}

impl<'a> OpenMemzone<'a> {
    fn new(zones: &'a Memzones, name: &[u8]) -> Self {
        let name = ZoneName::new(name).map_err(|error| (name.to_owned(), error));
        Self { zones, name, access: Access::ReadOnly, placement: Placement::Anywhere }
    }

    /// Maps it for writing, too.
    ///
    /// What is written goes straight into the primary's memory, which nothing protects: a wrong
    /// value can end the primary, or send its devices to any address. Write only what the program
    /// that owns the zone expects to be written, and by atomics.
    pub fn writable(mut self) -> Self {
        self.access = Access::Writable;
        self
    }

    /// Maps it where the primary has it, so that pointers in it, also those into other zones that are
    /// mapped so, can be followed. Default: anywhere.
    ///
    /// Zones that lie in one page share it here too, whoever in this process looks them up, and it
    /// goes with the last of them. If any of them was to be writable, nothing but
    /// [`Memzone::is_writable`] keeps the others from being written through their pointers. Nothing
    /// is ever mapped over: if this process has something else at one of the addresses, be it a zone
    /// whose page the primary has given back and taken anew since, the lookup fails
    /// ([`HugepagesError::AddressTaken`], [`HugepagesError::AddressHeld`]).
    ///
    /// The first zone in a page costs a reading of the primary's `/proc/PID/maps`; those after it
    /// cost much less, for as long as the page is mapped.
    pub fn same_address(mut self) -> Self {
        self.placement = Placement::SameAddress;
        self
    }

    /// Finds the zone and maps it.
    ///
    /// Blocks as [`Memzones::lookup`] does, and in a DPDK group for as long as it takes to open the
    /// files of the zone's pages.
    ///
    /// # Errors
    /// As [`Memzones::lookup`].
    pub fn lookup(self) -> Result<Memzone, LookupError> {
        let Self { zones, name, access, placement } = self;
        let name = name.map_err(|(name, source)| LookupError::Name { name, source })?;
        let unusable = |source| LookupError::Memory { name, source };
        let not_found = || LookupError::NotFound { name, prefix: zones.shared.prefix() };
        match zones.shared.ground().map_err(unusable)? {
            Ground::Arena(attached) => {
                let zone = attached.arena.lookup(&name).ok_or_else(not_found)?;
                Ok(memzone(&attached.arena, zone))
            }
            Ground::Primary(primary) => {
                let found = primary.with(|hugepages| {
                    let zone = hugepages.lookup(&name)?;
                    Ok((zone, hugepages.map(&zone, access, placement)?))
                });
                let (zone, area) = found.map_err(|error| match error {
                    HugepagesError::NotFound { .. } | HugepagesError::Freed { .. } => not_found(),
                    source => unusable(MemoryError::Hugepages { source }),
                })?;
                let info = MemzoneInfo::of_primary(&zone.entry);
                Ok(Memzone::new(info, Arc::new(area), 0, Origin::Primary))
            }
        }
    }
}

fn primarys_zones(primary: &Primary) -> Result<Vec<MemzoneInfo>, MemoryError> {
    let zones = primary
        .with(|hugepages| hugepages.zones())
        .map_err(|source| MemoryError::Hugepages { source })?;
    Ok(zones.iter().map(|zone| MemzoneInfo::of_primary(&zone.entry)).collect())
}

fn info(arena: &Arena, zone: &Zone) -> MemzoneInfo {
    // It lies in the mapping, whose length is a `usize`.
    let len = zone.len as usize;
    MemzoneInfo::in_arena(zone.name, len, arena.address_of(zone), arena.page_len())
}

fn memzone(arena: &Arena, zone: Zone) -> Memzone {
    let origin = Origin::Arena { id: arena.id(), zone };
    Memzone::new(info(arena, &zone), Arc::clone(arena.area()), zone.offset as usize, origin)
}

fn write_lines(
    writer: &mut impl io::Write,
    heading: &str,
    mut infos: Vec<MemzoneInfo>,
) -> io::Result<()> {
    infos.sort_unstable_by_key(MemzoneInfo::address);
    writeln!(writer, "{heading}")?;
    for zone in infos {
        writeln!(writer, "{:#x}: {} bytes, {:?}", zone.address(), zone.len(), zone.name())?;
    }
    Ok(())
}

impl fmt::Debug for Memzones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memzones")
            .field("file_prefix", &self.shared.runtime.directory.prefix)
            .finish_non_exhaustive()
    }
}
