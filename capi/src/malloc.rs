//! Memory without names: `rte_malloc` and its family, on the heap that the group shares.
//!
//! The names of what is allocated, and the nodes that it is wanted on, are not looked at.
//!
//! DPDK 22.11: `rte_malloc.c`.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::{self, NonNull};

use rte_mp::{Heap, HeapError};

use crate::abi::{BAD_IOVA, MallocSocketStats};
use crate::border::{Errno, enter};
use crate::{eal, log};

fn heap() -> Result<Heap, Errno> {
    Ok(eal::any_group()?.heap())
}

fn errno(error: HeapError) -> Errno {
    Errno(error.errno())
}

/// Allocates; nothing for no bytes, without an error.
fn allocate(len: usize, align: c_uint, zeroed: bool) -> *mut c_void {
    enter(ptr::null_mut(), || {
        if len == 0 {
            return Ok(ptr::null_mut());
        }
        let (heap, align) = (heap()?, align as usize);
        let allocate = if zeroed { Heap::allocate_zeroed } else { Heap::allocate };
        Ok(allocate(&heap, len, align).map_err(errno)?.as_ptr().cast())
    })
}

/// Allocates an array of zeros.
fn allocate_array(count: usize, len: usize, align: c_uint) -> *mut c_void {
    match count.checked_mul(len) {
        Some(len) => allocate(len, align, true),
        None => enter(ptr::null_mut(), || Err(Errno::NO_MEMORY)),
    }
}

/// Makes a block longer or shorter; the first of its life, or none any more.
fn resize(block: *mut c_void, len: usize, align: c_uint) -> *mut c_void {
    let Some(block) = NonNull::new(block.cast()) else { return allocate(len, align, false) };
    enter(ptr::null_mut(), || {
        let heap = heap()?;
        if len == 0 {
            heap.free(block).map_err(errno)?;
            return Ok(ptr::null_mut());
        }
        Ok(heap.resize(block, len, align as usize).map_err(errno)?.as_ptr().cast())
    })
}

macro_rules! export {
    ($($plain:ident, $on_socket:ident: fn($($argument:ident: $type:ty),*) = $call:expr;)*) => {$(
        /// See the header.
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $plain($($argument: $type),*) -> *mut c_void {
            $call
        }

        /// See the header.
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $on_socket($($argument: $type,)* _socket: c_int) -> *mut c_void {
            $call
        }
    )*};
}

export! {
    rte_malloc, rte_malloc_socket: fn(_name: *const c_char, len: usize, align: c_uint)
        = allocate(len, align, false);
    rte_zmalloc, rte_zmalloc_socket: fn(_name: *const c_char, len: usize, align: c_uint)
        = allocate(len, align, true);
    rte_calloc, rte_calloc_socket: fn(_name: *const c_char, count: usize, len: usize, align: c_uint)
        = allocate_array(count, len, align);
    rte_realloc, rte_realloc_socket: fn(block: *mut c_void, len: usize, align: c_uint)
        = resize(block, len, align);
}

/// Frees a block. `rte_free`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_free(block: *mut c_void) {
    let Some(block) = NonNull::new(block.cast()) else { return };
    enter((), || {
        heap()?.free(block).map_err(|error| {
            log::failure("rte_free", &error);
            errno(error)
        })
    });
}

/// Says whether there is such a block, and its length. `rte_malloc_validate`.
///
/// # Safety
/// `len` is null or points to a length.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_malloc_validate(
    block: *const c_void,
    len: *mut usize,
) -> c_int {
    enter(-1, || {
        let block = NonNull::new(block.cast_mut().cast()).ok_or(Errno::INVALID)?;
        let usable = heap()?.usable_len(block).map_err(errno)?;
        if !len.is_null() {
            // SAFETY: it is no null pointer, and the caller says that it points to a length.
            unsafe { len.write(usable) };
        }
        Ok(0)
    })
}

/// Counts what is used of a node's memory, of which there is one. `rte_malloc_get_socket_stats`.
///
/// # Safety
/// `stats` is null or points to a place for them.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_malloc_get_socket_stats(
    socket: c_int,
    stats: *mut MallocSocketStats,
) -> c_int {
    enter(-1, || {
        if socket != 0 || stats.is_null() {
            return Err(Errno::INVALID);
        }
        let counted = count()?;
        // SAFETY: it is no null pointer, and the caller says that it points to a place for them.
        unsafe { stats.write(counted) };
        Ok(0)
    })
}

fn count() -> Result<MallocSocketStats, Errno> {
    let usage = heap()?.usage().map_err(errno)?;
    let number = |count: u64| c_uint::try_from(count).unwrap_or(c_uint::MAX);
    Ok(MallocSocketStats {
        heap_totalsz_bytes: usage.total as usize,
        heap_freesz_bytes: usage.free as usize,
        greatest_free_size: usage.largest_free as usize,
        free_count: number(usage.free_places),
        alloc_count: number(usage.blocks),
        heap_allocsz_bytes: usage.used as usize,
    })
}

/// Writes down what is used. `rte_malloc_dump_stats`.
///
/// # Safety
/// `file` is null or a stream that may be written to.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_malloc_dump_stats(file: *mut libc::FILE, _name: *const c_char) {
    enter((), || {
        let stats = count()?;
        let text = format!(
            "heap of node 0: {} bytes, {} in {} blocks, {} free in {} places, {} in one\n",
            stats.heap_totalsz_bytes,
            stats.heap_allocsz_bytes,
            stats.alloc_count,
            stats.heap_freesz_bytes,
            stats.free_count,
            stats.greatest_free_size,
        );
        // SAFETY: the caller says that it is null or a stream.
        unsafe { crate::border::write(file, text.as_bytes()) }
    });
}

/// Gives the address at which devices find a block: none. `rte_malloc_virt2iova`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_malloc_virt2iova(_block: *const c_void) -> u64 {
    BAD_IOVA
}
