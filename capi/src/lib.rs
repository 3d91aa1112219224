//! DPDK's functions for C: EAL start-up, multi-process messages, memory zones.
//!
//! Each module is one header of `include/`, or what several share. A function checks its pointers,
//! calls the library once, and says by its result and `rte_errno` how it went; no panic leaves it.
//! A process has one group here, as C expects it; it is kept in `eal`.
//!
//! This is a static library, made for the linker: its symbols are listed in `rte_mp.map`.

#![expect(unsafe_code, reason = "C gives pointers")]

mod abi;
mod alarm;
mod border;
mod eal;
mod lcore;
mod log;
mod malloc;
mod memzone;
mod mp;
mod strings;
mod thread;
mod time;
mod usage;
mod version;
