//! Memory that the members of a group share: zones, found by their names.
//!
//! `memzones` is what the public API does, on one of two grounds: the arena of a native group
//! (`arena`), which a secondary is handed by the primary (`attach`), or the hugepages of a DPDK
//! primary, of which nothing is read yet. `memzone` is one zone and what may be done with its bytes.

pub(crate) mod arena;
mod attach;
mod ground;
mod memzone;
mod memzones;
mod name;
mod reservation;

pub use self::memzone::{Memzone, MemzoneInfo};
pub use self::memzones::Memzones;
pub use self::name::{ZoneName, ZoneNameError};
pub use self::reservation::Reservation;
pub use crate::sys::shared::Shared;

pub(crate) use self::ground::Memory;
