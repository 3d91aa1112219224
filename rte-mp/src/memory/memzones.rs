//! The memory zones of a group: reserve, look up, free, list.
//!
//! Each operation is a match on what the zones stand on; a DPDK primary's hugepages will be another
//! arm.
//!
//! DPDK 25.11: `eal_common_memzone.c`.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::vec;

use super::arena::{Arena, MAX_ZONES, Order, Zone};
use super::ground::Ground;
use super::memzone::{Memzone, MemzoneInfo, Origin};
use super::name::ZoneName;
use super::reservation::{Reservation, Undone};
use crate::error::{DumpError, FreeError, LookupError, MemoryError};
use crate::shared::Shared;

/// The memory zones of a group; made by [`Group::memzones`](crate::Group::memzones).
///
/// A handle that can be cloned and shared between threads, and used inside of handlers. It does not
/// keep the group from being left. Any member may reserve, look up and free zones, also those of
/// others.
///
/// A primary has its memory from joining on. A secondary asks the primary for it at its first use;
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

    /// Begins to describe a zone of `len` bytes to reserve. Its name has 1 to 31 bytes.
    pub fn reserve(&self, name: impl AsRef<[u8]>, len: usize) -> Reservation<'_> {
        Reservation::new(self, name.as_ref(), len)
    }

    /// Finds the zone of this name.
    ///
    /// Takes no lock and does not block, but for a secondary that uses memory for the first time: it
    /// asks the primary for it, for at most 5 s.
    ///
    /// # Errors
    /// - [`LookupError::NotFound`]: there is none.
    /// - [`LookupError::Name`]: there can be none.
    /// - [`LookupError::Memory`]: the group's memory cannot be used.
    ///
    /// DPDK 25.11: `rte_memzone_lookup`.
    pub fn lookup(&self, name: impl AsRef<[u8]>) -> Result<Memzone, LookupError> {
        let name = name.as_ref();
        let name = ZoneName::new(name)
            .map_err(|source| LookupError::Name { name: name.to_owned(), source })?;
        let ground = self.shared.ground().map_err(|source| LookupError::Memory { name, source })?;
        let found = match ground {
            Ground::Arena(attached) => {
                attached.arena.lookup(&name).map(|zone| memzone(&attached.arena, zone))
            }
        };
        found.ok_or_else(|| LookupError::NotFound { name, prefix: self.shared.prefix() })
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
        }
    }

    /// Says why the lock of the zones was not had.
    pub(super) fn lock_error(&self, source: io::Error) -> MemoryError {
        match source.kind() {
            io::ErrorKind::TimedOut => {
                MemoryError::Locked { waited: self.shared.runtime.lock_timeout }
            }
            _ => MemoryError::Io { action: "lock the zones of", source },
        }
    }

    fn zones(&self, arena: &Arena) -> Result<Vec<Zone>, MemoryError> {
        arena.zones(self.shared.runtime.lock_timeout).map_err(|error| self.lock_error(error))
    }
}

fn info(arena: &Arena, zone: &Zone) -> MemzoneInfo {
    // It lies in the mapping, whose length is a `usize`.
    MemzoneInfo::new(zone.name, zone.len as usize, arena.address_of(zone))
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
