//! One memory zone: what it is, and what may be done with its bytes.
//!
//! Every member may change them at any time, so that there is no `&[u8]` to be had: only values made
//! of atomics, and copies.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use super::Shared;
use super::arena::Zone;
use crate::error::ZoneAccessError;
use crate::sys::area::Area;
use crate::sys::pages::Access;
use rte_mp_proto::memory::{MemzoneEntry, ZoneName};

/// What DPDK writes down for memory that no device finds (`RTE_BAD_IOVA`).
const BAD_IOVA: u64 = u64::MAX;

/// What a memory zone is (`struct rte_memzone`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemzoneInfo {
    name: ZoneName,
    len: usize,
    address: u64,
    page_len: u64,
    socket: i32,
    flags: u32,
    iova: Option<u64>,
}

impl MemzoneInfo {
    /// Says what a zone of an arena is, whose pages have `page_len` bytes.
    pub(super) fn in_arena(name: ZoneName, len: usize, address: u64, page_len: u64) -> Self {
        Self { name, len, address, page_len, socket: 0, flags: 0, iova: None }
    }

    /// Says what a DPDK primary's zone is.
    pub(super) fn of_primary(entry: &MemzoneEntry) -> Self {
        let MemzoneEntry { name, address, page_len, socket, flags, .. } = *entry;
        // A length that no process of ours could map is a primary's of another kind.
        let len = usize::try_from(entry.len).unwrap_or(usize::MAX);
        let iova = Some(entry.iova).filter(|&iova| iova != BAD_IOVA);
        Self { name, len, address, page_len, socket, flags, iova }
    }

    /// Borrows its name.
    pub fn name(&self) -> &ZoneName {
        &self.name
    }

    /// Gives its length in bytes, as it was reserved.
    #[expect(clippy::len_without_is_empty, reason = "no zone is empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Gives its address in the primary; in a native group it is the same in every member.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Gives the size of the pages that it lies in, in bytes (`hugepage_sz`): 4096 in a native
    /// group whose memory is no huge pages.
    pub fn page_len(&self) -> u64 {
        self.page_len
    }

    /// Gives the NUMA node of its memory as the primary has written it down (`socket_id`); negative
    /// if any (`SOCKET_ID_ANY`).
    ///
    /// In a native group it is 0 and says nothing: the memory is bound to no node. DPDK says 0 of its
    /// memory without hugepages, too, and programs take the number for an index.
    pub fn socket(&self) -> i32 {
        self.socket
    }

    /// Gives its flags as the primary has written them down. In a native group they are 0, as those
    /// that DPDK 22.11 and 25.11 write down.
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Gives the address at which devices find it, if there is one; in a native group there is none
    /// (`RTE_BAD_IOVA`).
    pub fn iova(&self) -> Option<u64> {
        self.iova
    }
}

/// A memory zone, mapped. It stays mapped for as long as this or a clone of it lives, also after the
/// group was left or its primary has died.
///
/// A zone that somebody freed may be given to another: who still holds the old one then shares the
/// memory of the new one, as with DPDK. That is a mistake in the program, and can garble what the
/// zones hold, but never touches memory that is not there.
#[derive(Clone)]
pub struct Memzone {
    info: MemzoneInfo,
    area: Arc<Area>,
    /// Where it lies in the area.
    offset: usize,
    origin: Origin,
}

/// What a zone must know to be freed.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    Arena {
        id: u64,
        zone: Zone,
    },
    /// A DPDK primary's zones are not ours to free.
    Primary,
}

impl Memzone {
    /// The zone must lie inside of the area.
    pub(super) fn new(info: MemzoneInfo, area: Arc<Area>, offset: usize, origin: Origin) -> Self {
        debug_assert!(offset + info.len <= area.len());
        Self { info, area, offset, origin }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Gives what it is.
    pub fn info(&self) -> MemzoneInfo {
        self.info
    }

    /// Borrows its name.
    pub fn name(&self) -> &ZoneName {
        &self.info.name
    }

    /// Gives its length in bytes, as it was reserved.
    #[expect(clippy::len_without_is_empty, reason = "no zone is empty")]
    pub fn len(&self) -> usize {
        self.info.len
    }

    /// Gives its address in the primary; in a native group it is the same in every member.
    pub fn address(&self) -> u64 {
        self.info.address
    }

    /// Points to its first byte in this process, valid for as long as the zone or a clone lives.
    ///
    /// Other processes may write there at any time: what is done with the pointer must be atomic, or
    /// agreed on with them. Writing to a zone that may only be read ends the process, unless it shares
    /// a page with one that may be written.
    pub fn as_ptr(&self) -> *mut u8 {
        self.area.pointer(self.offset)
    }

    /// Tells whether it may be written: a zone of a DPDK primary only if it was asked for, others
    /// always.
    pub fn is_writable(&self) -> bool {
        self.area.access() == Access::Writable
    }

    /// Takes the beginning of the zone for a value made of atomics. Its bytes are used as they are;
    /// those of a zone that was reserved with zeros are zeros.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let base = tempfile::tempdir()?;
    /// use rte_mp::{Group, Role};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let group = Group::builder().runtime_base(base.path()).role(Role::Primary).join()?;
    /// let zone = group.memzones().reserve("counters", 64).zeroed().commit()?;
    /// let counters: &[AtomicU64; 8] = zone.shared()?;
    /// counters[3].fetch_add(1, Ordering::Relaxed);
    /// assert!(zone.shared::<[AtomicU64; 9]>().is_err(), "it has 64 bytes");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ZoneAccessError::TooSmall`], [`ZoneAccessError::Misaligned`]; and
    /// [`ZoneAccessError::ReadOnly`], since whoever has atomics can store to them.
    pub fn shared<T: Shared>(&self) -> Result<&T, ZoneAccessError> {
        self.check_writable()?;
        let (size, align) = (size_of::<T>(), align_of::<T>());
        let (name, wanted) = (self.info.name, type_name::<T>());
        if size > self.info.len {
            return Err(ZoneAccessError::TooSmall { name, wanted, size, len: self.info.len });
        }
        let address = self.as_ptr().addr();
        self.area.value(self.offset).ok_or(ZoneAccessError::Misaligned {
            name,
            wanted,
            align,
            address,
        })
    }

    /// Copies the bytes at `offset` out. Others may change them meanwhile; an aligned value of 1, 2,
    /// 4 or 8 bytes that is read on its own is read in one piece.
    ///
    /// # Errors
    /// [`ZoneAccessError::OutOfBounds`]; nothing was read then.
    pub fn read_at(&self, offset: usize, bytes: &mut [u8]) -> Result<(), ZoneAccessError> {
        self.check_bounds(offset, bytes.len())?;
        self.area.read(self.offset + offset, bytes);
        Ok(())
    }

    /// Copies `bytes` in at `offset`. Others may see some of them before the others; an aligned value
    /// of 1, 2, 4 or 8 bytes that is written on its own is written in one piece.
    ///
    /// # Errors
    /// [`ZoneAccessError::OutOfBounds`], [`ZoneAccessError::ReadOnly`]; nothing was written then.
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> Result<(), ZoneAccessError> {
        self.check_writable()?;
        self.check_bounds(offset, bytes.len())?;
        self.area.write(self.offset + offset, bytes);
        Ok(())
    }

    fn check_writable(&self) -> Result<(), ZoneAccessError> {
        match self.area.access() {
            Access::Writable => Ok(()),
            Access::ReadOnly => Err(ZoneAccessError::ReadOnly { name: self.info.name }),
        }
    }

    fn check_bounds(&self, offset: usize, len: usize) -> Result<(), ZoneAccessError> {
        let zone_len = self.info.len;
        match offset.checked_add(len) {
            Some(end) if end <= zone_len => Ok(()),
            _ => Err(ZoneAccessError::OutOfBounds { name: self.info.name, offset, len, zone_len }),
        }
    }
}

impl fmt::Debug for Memzone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memzone")
            .field("name", &self.info.name)
            .field("len", &self.info.len)
            .field("address", &format_args!("{:#x}", self.info.address))
            .finish_non_exhaustive()
    }
}
