//! Memory zones: `rte_memzone_*`.
//!
//! C has a zone as a pointer to its description, which is the same for as long as the zone is there.
//! So descriptions are kept here, each with the mapping that it stands for. One that another process
//! frees stays: whoever still has the pointer can read it, as with DPDK.
//!
//! DPDK 22.11: `eal_common_memzone.c`.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rte_mp::{Group, ReserveError};

use crate::abi;
use crate::border::{Errno, bytes, enter, negative, write};
use crate::eal;

/// DPDK counts zones in whole cache lines (`RTE_CACHE_LINE_SIZE`).
const CACHE_LINE: usize = 64;
/// Any node (`SOCKET_ID_ANY`).
const ANY_SOCKET: c_int = -1;
/// How many bytes a name has with its NUL (`RTE_MEMZONE_NAMESIZE`).
const NAME_SIZE: usize = 32;
/// Which pages to take, and how to lay them out (`RTE_MEMZONE_*`): nothing here, but no other is right.
const KNOWN_FLAGS: c_uint = 0x001f_0307;

/// `rte_memzone_walk`'s function.
type Visit = unsafe extern "C" fn(zone: *const abi::Memzone, argument: *mut c_void);

/// What C has pointers to. It outlives the group: programs look at their zones to the end.
static KNOWN: Mutex<Zones> = Mutex::new(Zones::NONE);

fn known() -> MutexGuard<'static, Zones> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The zones that were looked up or reserved here.
#[derive(Debug)]
struct Zones {
    /// By their addresses in the primary, where no two zones are at once.
    here: BTreeMap<u64, Known>,
    /// What is known of those that another process freed.
    #[expect(clippy::vec_box, reason = "C has pointers to them")]
    gone: Vec<Box<abi::Memzone>>,
}

/// A zone, and what C knows of it.
#[derive(Debug)]
struct Known {
    zone: rte_mp::Memzone,
    description: Box<abi::Memzone>,
}

impl Zones {
    const NONE: Self = Self { here: BTreeMap::new(), gone: Vec::new() };
}

/// Reserves a zone. `rte_memzone_reserve`.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_memzone_reserve(
    name: *const c_char,
    len: usize,
    socket: c_int,
    flags: c_uint,
) -> *const abi::Memzone {
    // SAFETY: the caller says that it is a C string.
    reserve(unsafe { bytes(name) }, len, (socket, flags), CACHE_LINE, 0)
}

/// Reserves a zone that begins at a multiple of `align`. `rte_memzone_reserve_aligned`.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_memzone_reserve_aligned(
    name: *const c_char,
    len: usize,
    socket: c_int,
    flags: c_uint,
    align: c_uint,
) -> *const abi::Memzone {
    // SAFETY: the caller says that it is a C string.
    reserve(unsafe { bytes(name) }, len, (socket, flags), align as usize, 0)
}

/// Reserves a zone that does not cross a multiple of `bound`. `rte_memzone_reserve_bounded`.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_memzone_reserve_bounded(
    name: *const c_char,
    len: usize,
    socket: c_int,
    flags: c_uint,
    align: c_uint,
    bound: c_uint,
) -> *const abi::Memzone {
    // SAFETY: the caller says that it is a C string.
    reserve(unsafe { bytes(name) }, len, (socket, flags), align as usize, bound as usize)
}

fn reserve(
    name: Option<&[u8]>,
    len: usize,
    (socket, flags): (c_int, c_uint),
    align: usize,
    bound: usize,
) -> *const abi::Memzone {
    enter(ptr::null(), || {
        let name = name.ok_or(Errno::INVALID)?;
        let group = eal::any_group()?;
        let zones = group.memzones();
        let errno = |error: ReserveError| Errno(error.errno());
        // What cannot be rounded up is told among the other mistakes.
        let rounded = len.checked_next_multiple_of(CACHE_LINE).unwrap_or(len);
        let reservation = match (rounded, bound) {
            (0, 0) => zones.reserve_largest(name),
            (0, bound) => zones.reserve(name, bound),
            (rounded, _) => zones.reserve(name, rounded),
        };
        // A program may count on zeros: DPDK clears what is freed.
        let reservation = reservation.align(align.max(1)).bound(bound).zeroed();
        if socket < ANY_SOCKET || flags & !KNOWN_FLAGS != 0 {
            reservation.check().map_err(errno)?;
            return Err(Errno::INVALID);
        }
        Ok(describe(reservation.commit().map_err(errno)?))
    })
}

/// Finds a zone. `rte_memzone_lookup`.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_memzone_lookup(name: *const c_char) -> *const abi::Memzone {
    enter(ptr::null(), || {
        // SAFETY: the caller says that it is a C string.
        let name = unsafe { bytes(name) }.ok_or(Errno::INVALID)?;
        let group = eal::any_group()?;
        // A name that no zone can have is one that no zone has.
        if name.is_empty() || name.len() >= NAME_SIZE {
            return Err(Errno(libc::ENOENT));
        }
        lookup(&group, name)
    })
}

/// Finds a zone: where the primary has it, and to be written, as DPDK's processes have it.
fn lookup(group: &Group, name: &[u8]) -> Result<*const abi::Memzone, Errno> {
    let zones = group.memzones();
    let find = || zones.open(name).writable().same_address().lookup();
    let found = find().or_else(|error| match error.errno() {
        // A zone that the primary has freed meanwhile may lie in its place here.
        libc::EEXIST if let_go_of_the_freed(group) => find(),
        _ => Err(error),
    });
    Ok(describe(found.map_err(|error| Errno(error.errno()))?))
}

/// Unmaps the zones that are the group's no more, and says whether there were any.
fn let_go_of_the_freed(group: &Group) -> bool {
    let Ok(zones) = group.memzones().iter() else { return false };
    let zones: Vec<_> = zones.collect();
    let mut known = known();
    let (here, freed): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut known.here)
        .into_iter()
        .partition(|(_, known)| zones.contains(&known.zone.info()));
    known.here = here;
    let some = !freed.is_empty();
    known.gone.extend(freed.into_values().map(|known| known.description));
    some
}

/// Gives the description of a zone: the one that C has already, or a new one.
fn describe(zone: rte_mp::Memzone) -> *const abi::Memzone {
    let mut known = known();
    if let Some(old) = known.here.get_mut(&zone.address())
        && old.zone.info() == zone.info()
    {
        // It may have been freed and reserved anew at the same place.
        old.zone = zone;
        return &raw const *old.description;
    }
    let mut name = [0; NAME_SIZE];
    for (slot, byte) in name.iter_mut().zip(zone.name().as_bytes()) {
        *slot = *byte as c_char;
    }
    let info = zone.info();
    let description = Box::new(abi::Memzone {
        name,
        iova: info.iova().unwrap_or(abi::BAD_IOVA),
        addr: zone.as_ptr().addr() as u64,
        len: zone.len(),
        hugepage_sz: info.page_len(),
        socket_id: info.socket(),
        flags: info.flags(),
    });
    let pointer = &raw const *description;
    let old = known.here.insert(zone.address(), Known { zone, description });
    known.gone.extend(old.map(|old| old.description));
    pointer
}

/// Frees a zone. `rte_memzone_free`.
///
/// # Safety
/// Nobody uses the zone any more.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_memzone_free(zone: *const abi::Memzone) -> c_int {
    negative(|| free(zone))
}

fn free(description: *const abi::Memzone) -> Result<(), Errno> {
    if description.is_null() {
        return Err(Errno::INVALID);
    }
    let group = eal::any_group()?;
    let is_meant = |known: &&Known| ptr::eq(&raw const *known.description, description);
    let zone = known().here.values().find(is_meant).map(|known| known.zone.clone());
    let zone = zone.ok_or(Errno::INVALID)?;
    let address = zone.address();
    // Not under the lock: other members may be in the way for a while.
    group.memzones().free(zone).map_err(|error| Errno(error.errno()))?;
    let mut known = known();
    if known.here.get(&address).is_some_and(|known| is_meant(&known)) {
        known.here.remove(&address);
    }
    Ok(())
}

/// Calls `visit` for each zone. `rte_memzone_walk`.
///
/// # Safety
/// `visit` is null or a function that may be called with `argument`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_memzone_walk(visit: Option<Visit>, argument: *mut c_void) {
    enter((), || {
        let visit = visit.ok_or(Errno::INVALID)?;
        let group = eal::any_group()?;
        for info in group.memzones().iter().map_err(|error| Errno(error.errno()))? {
            // One that was freed meanwhile, or cannot be mapped, is left out.
            if let Ok(zone) = lookup(&group, info.name().as_bytes()) {
                // SAFETY: the caller says that it may be called so.
                unsafe { visit(zone, argument) };
            }
        }
        Ok(())
    });
}

/// Writes down all zones. `rte_memzone_dump`.
///
/// # Safety
/// `file` is null or a stream that may be written to.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_memzone_dump(file: *mut libc::FILE) {
    enter((), || {
        let mut text = Vec::new();
        eal::any_group()?.memzones().dump(&mut text).map_err(|error| Errno(error.errno()))?;
        // SAFETY: the caller says that it is null or a stream.
        unsafe { write(file, &text) }
    });
}
