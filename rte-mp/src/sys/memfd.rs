//! Files in memory whose size nobody can change once it is sealed.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::{Errno, Result};

/// What nobody can undo: the size stays as it is.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Makes an empty one.
pub(crate) fn create(name: &str) -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Where `vm.memfd_noexec` says so, memory must be declared as no program; a kernel before 6.3 does
    // not know that.
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        memory => memory,
    }
}

/// Keeps its size as it is, for good.
pub(crate) fn seal(memory: impl AsFd) -> Result<()> {
    fcntl_add_seals(memory, SEALS)
}

/// Tells whether a file keeps its size for good.
///
/// # Errors
/// `EINVAL` for a file that cannot be sealed at all.
pub(crate) fn is_sealed(file: impl AsFd) -> Result<bool> {
    Ok(fcntl_get_seals(file)?.contains(SEALS))
}
