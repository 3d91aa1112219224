//! Numbers that nobody else has.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// Gives a number for the name of a socket, which tells it from all others of this process, and of
/// one that has the same process id in another pid namespace or had it before. DPDK takes the time
/// stamp counter.
pub(crate) fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}
