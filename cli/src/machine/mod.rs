//! What this machine tells about its groups, without joining any: who they are, and what the kernel says of
//! their processes, sockets and locks.
//!
//! The groups themselves are read by `rte_mp::inspect`. Here is what a library need not know: `/proc`, and the
//! kernel's table of queues. Whatever may not be looked at is simply not known.

pub(crate) mod process;
pub(crate) mod queues;
pub(crate) mod survey;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::escape::Escaped;

/// Shows a path, which anybody may have made, safely.
pub(crate) fn shown(path: &Path) -> String {
    Escaped::bytes(path.as_os_str().as_bytes()).to_string()
}
