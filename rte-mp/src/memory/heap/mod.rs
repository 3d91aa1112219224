//! The heap of a native group: blocks without names, in the arena.
//!
//! The heap takes *units* of 64 KiB from the arena. A unit is a *span* of small blocks of one size,
//! or some of them are one large block. `class` are the sizes, `unit` what a unit is, `grid` where
//! units and the words about them lie, `map` bits for all units; `spans` takes and gives back blocks
//! without a lock, `place` units under the arena's lock, `store` puts this together, and `usage`
//! counts.
//!
//! All of it is shared memory, which other members may be killed over or write rubbish to: each
//! word is read once and checked, an offset always lies in the arena, and every walk ends.
//!
//! DPDK 25.11: `rte_malloc.c`, `malloc_heap.c`.

mod class;
mod grid;
mod map;
#[cfg(all(loom, test))]
mod models;
mod place;
mod spans;
mod store;
mod unit;
mod usage;

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use self::store::{Store, Unresized, Want};
use super::arena::{Arena, Lack};
use super::ground::Ground;
use crate::error::HeapError;
use crate::shared::Shared;

pub use self::usage::HeapUsage;

pub(crate) use self::class::UNIT;
pub(crate) use self::grid::Grid;
pub(crate) use self::place::{gaps, highest};
pub(crate) use self::spans::Spans;
pub(crate) use self::store::Hints;

/// The smallest alignment of a block, in bytes (`RTE_CACHE_LINE_SIZE`).
const CACHE_LINE: usize = 64;

/// What is wanted by who wants no block.
const NOTHING: Want = Want { len: 0, align: 0, zeroed: false };

/// The heap of a native group; made by [`Group::heap`](crate::Group::heap).
///
/// A handle that can be cloned and shared between threads, and used inside of handlers. It does not
/// keep the group from being left, but the memory stays mapped for as long as it lives.
///
/// A block lies at the same address in every member, and any member may use, free or resize it. It
/// stays until one does, also if the member that allocated it ends or is killed. Who wants others to
/// know of it sends them the address, or writes it into a zone; they can check it by
/// [`Heap::find`]. Blocks come out of the memory that zones come out of.
///
/// The pointers are for programs that share memory as C does. What is done with them is unsafe: they
/// are valid for as long as the block is not freed and a handle lives, and other processes may write
/// there at any time. Where zones will do, [`Memzone::shared`](crate::Memzone::shared) is safe.
///
/// A member that is killed while it allocates, frees or resizes loses one block at most, and leaves
/// the heap whole. One that was forked off from a member has the same memory, and may use the heap of
/// its parent.
///
/// Small blocks, of up to 32 KiB, take no lock as a rule. A length is rounded up: to one of 18 sizes
/// from 64 bytes on, or to a multiple of 64 KiB.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let base = tempfile::tempdir()?;
/// use rte_mp::{Group, HeapError, Role};
///
/// let primary = Group::builder().runtime_base(base.path()).role(Role::Primary).join()?;
/// let block = primary.heap().allocate_zeroed(1000, 0)?;
/// let address = block.as_ptr().addr();
/// assert_eq!(address % 64, 0);
///
/// // In another process, or in this one:
/// let secondary = Group::builder().runtime_base(base.path()).role(Role::Secondary).join()?;
/// let heap = secondary.heap();
/// let block = heap.find(address)?;
/// assert_eq!(heap.usable_len(block)?, 1024);
/// heap.free(block)?;
///
/// assert!(matches!(heap.free(block), Err(HeapError::NotABlock { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Heap {
    shared: Arc<Shared>,
}

impl Heap {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// Allocates a block of `len` bytes or more, at a multiple of `align`, a power of two; the least
    /// is 64, so that no two blocks share a cache line, which is also what 0 means. It may hold what
    /// a block before it held.
    ///
    /// A small block blocks only where no span of its size has one left, a large one always, while
    /// other members take memory, for at most the lock timeout; and in a secondary that uses memory
    /// for the first time, while it asks the primary for it, for at most 5 s.
    ///
    /// # Errors
    /// - [`HeapError::Empty`], [`HeapError::Align`]: there can be no such block.
    /// - [`HeapError::NoRoom`]: there is none.
    /// - [`HeapError::Dpdk`]: the group is not a native one.
    /// - [`HeapError::Damaged`], [`HeapError::Memory`]: the group's memory cannot be used.
    ///
    /// DPDK 25.11: `rte_malloc`. Differs from DPDK: it works in native groups only; sizes are rounded
    /// up; a wrong alignment is an error of its own; and who is killed leaves nothing locked.
    pub fn allocate(&self, len: usize, align: usize) -> Result<NonNull<u8>, HeapError> {
        self.allocate_as(len, align, false)
    }

    /// Allocates a block as [`Heap::allocate`] does, filled with zeros up to `len`.
    ///
    /// A large one has them from the kernel, which takes the pages back, unless they are huge.
    ///
    /// # Errors
    /// As [`Heap::allocate`].
    ///
    /// DPDK 25.11: `rte_zmalloc`.
    pub fn allocate_zeroed(&self, len: usize, align: usize) -> Result<NonNull<u8>, HeapError> {
        self.allocate_as(len, align, true)
    }

    fn allocate_as(
        &self,
        len: usize,
        align: usize,
        zeroed: bool,
    ) -> Result<NonNull<u8>, HeapError> {
        let want = want(len, align, zeroed)?;
        let store = self.store()?;
        let offset = store.allocate(want).map_err(|lack| self.lack(lack, want))?;
        Ok(pointer(store.arena, offset))
    }

    /// Frees a block, whoever allocated it.
    ///
    /// Of a small block it does not block; a large one blocks while other members take memory, for at
    /// most the lock timeout. After every few megabytes pages are given back to the system.
    ///
    /// # Errors
    /// - [`HeapError::NotABlock`]: none begins there. Who frees a block twice is told so, unless it
    ///   was allocated anew in between: then that block is freed, and where the place was given to
    ///   blocks of another size at that very moment, perhaps one of those.
    /// - [`HeapError::Dpdk`], [`HeapError::Memory`]: as [`Heap::allocate`].
    ///
    /// DPDK 25.11: `rte_free`. Differs from DPDK: a block that is none is an error, and does no harm;
    /// and what was freed keeps its bytes.
    pub fn free(&self, block: NonNull<u8>) -> Result<(), HeapError> {
        let store = self.store()?;
        let offset = offset(store.arena, block).ok_or(not_a_block(block))?;
        match store.free(offset) {
            Ok(true) => Ok(()),
            Ok(false) => Err(not_a_block(block)),
            Err(lack) => Err(self.lack(lack, NOTHING)),
        }
    }

    /// Makes a block longer or shorter, and aligned to `align`. It keeps what it holds, up to the
    /// shorter of the lengths. It may be elsewhere afterwards: `block` is freed then.
    ///
    /// Blocks as [`Heap::allocate`] and [`Heap::free`] do, one after the other. A block that becomes
    /// shorter always has room.
    ///
    /// # Errors
    /// As [`Heap::allocate`] and [`Heap::free`]; the block is what it was then.
    ///
    /// DPDK 25.11: `rte_realloc`.
    pub fn resize(
        &self,
        block: NonNull<u8>,
        len: usize,
        align: usize,
    ) -> Result<NonNull<u8>, HeapError> {
        let want = want(len, align, false)?;
        let store = self.store()?;
        let offset = offset(store.arena, block).ok_or(not_a_block(block))?;
        match store.resize(offset, want) {
            Ok(offset) => Ok(pointer(store.arena, offset)),
            Err(Unresized::NotABlock) => Err(not_a_block(block)),
            Err(Unresized::Lack(lack)) => Err(self.lack(lack, want)),
        }
    }

    /// Gives how many bytes a block has: as many as were asked for, or more. Blocks only in a
    /// secondary that uses memory for the first time, as [`Heap::allocate`].
    ///
    /// # Errors
    /// As [`Heap::free`].
    ///
    /// DPDK 25.11: `rte_malloc_validate`.
    pub fn usable_len(&self, block: NonNull<u8>) -> Result<usize, HeapError> {
        let store = self.store()?;
        let len = offset(store.arena, block).and_then(|offset| store.len_of(offset));
        // It lies in the mapping, whose length is a `usize`.
        len.map(|len| len as usize).ok_or(not_a_block(block))
    }

    /// Points to the block at an address that another member has named.
    ///
    /// Blocks only in a secondary that uses memory for the first time, as [`Heap::allocate`].
    ///
    /// # Errors
    /// As [`Heap::free`].
    pub fn find(&self, address: usize) -> Result<NonNull<u8>, HeapError> {
        let store = self.store()?;
        let offset = offset_of(store.arena, address).filter(|&at| store.len_of(at).is_some());
        let offset = offset.ok_or(HeapError::NotABlock { address })?;
        Ok(pointer(store.arena, offset))
    }

    /// Counts what is used, about: other members go on meanwhile.
    ///
    /// Blocks while other members take memory, for at most the lock timeout.
    ///
    /// # Errors
    /// [`HeapError::Dpdk`], [`HeapError::Memory`]: as [`Heap::allocate`].
    ///
    /// DPDK 25.11: `rte_malloc_get_socket_stats`.
    pub fn usage(&self) -> Result<HeapUsage, HeapError> {
        let store = self.store()?;
        HeapUsage::of(store.arena, store.timeout).map_err(|lack| self.lack(lack, NOTHING))
    }

    fn store(&self) -> Result<Store<'_>, HeapError> {
        match self.shared.ground().map_err(|source| HeapError::Memory { source })? {
            Ground::Arena(attached) => {
                let timeout = self.shared.runtime.lock_timeout;
                Ok(Store { arena: &attached.arena, timeout })
            }
            Ground::Primary(_) => Err(HeapError::Dpdk { prefix: self.shared.prefix() }),
        }
    }

    fn lack(&self, lack: Lack, want: Want) -> HeapError {
        match lack {
            Lack::Lock(error) => HeapError::Memory { source: self.shared.lock_error(error) },
            // They were made of a `usize`.
            Lack::Room { largest } => {
                HeapError::NoRoom { len: want.len as usize, align: want.align as usize, largest }
            }
            Lack::Damaged => HeapError::Damaged { prefix: self.shared.prefix() },
        }
    }
}

/// Checks what is asked for.
fn want(len: usize, align: usize, zeroed: bool) -> Result<Want, HeapError> {
    if len == 0 {
        return Err(HeapError::Empty);
    }
    if align != 0 && !align.is_power_of_two() {
        return Err(HeapError::Align { align });
    }
    Ok(Want { len: len as u64, align: align.max(CACHE_LINE) as u64, zeroed })
}

fn not_a_block(block: NonNull<u8>) -> HeapError {
    HeapError::NotABlock { address: block.as_ptr().addr() }
}

/// Gives the offset of an address that may lie in the arena.
fn offset_of(arena: &Arena, address: usize) -> Option<u64> {
    (address as u64).checked_sub(arena.base())
}

fn offset(arena: &Arena, block: NonNull<u8>) -> Option<u64> {
    offset_of(arena, block.as_ptr().addr())
}

fn pointer(arena: &Arena, offset: u64) -> NonNull<u8> {
    let pointer = arena.area().pointer(offset as usize);
    NonNull::new(pointer).expect("no arena lies at 0")
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap")
            .field("file_prefix", &self.shared.runtime.directory.prefix)
            .finish_non_exhaustive()
    }
}
