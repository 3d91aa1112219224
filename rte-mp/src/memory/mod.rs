//! Memory that the members of a group share: zones, found by their names, and a heap.
//!
//! `memzones` is what the public API does, on one of two grounds: the arena of a native group
//! (`arena`), which a secondary is handed by the primary (`attach`), or the hugepages of a DPDK
//! primary (`hugepages`). `memzone` is one zone and what may be done with its bytes. `heap` gives out
//! blocks without names; only an arena has one.

pub(crate) mod arena;
mod attach;
mod ground;
mod heap;
pub(crate) mod hugepages;
mod memzone;
mod memzones;
mod reservation;

pub use self::heap::{Heap, HeapUsage};
pub use self::memzone::{Memzone, MemzoneInfo};
pub use self::memzones::{Memzones, OpenMemzone};
pub use self::reservation::Reservation;
pub use crate::sys::shared::Shared;

pub(crate) use self::ground::Memory;
