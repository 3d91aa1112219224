//! Why an operation failed: one enum each, with what it is about, and the errno that C would see.

mod group;
mod heap;
mod hugepages;
mod join;
mod memory;
mod message;
mod request;
mod send;
mod service;
mod trace;
mod zones;

use std::io;

use rustix::io::Errno;

pub use group::{DisableError, MembersError, RegisterError};
pub use heap::HeapError;
pub use hugepages::HugepagesError;
pub use join::{JoinError, StartError};
pub use memory::{ArenaError, MemoryError};
pub use message::{MessageError, ParamError};
pub use request::{NoReplyError, RequestError};
pub use send::{ReplyError, SendError};
pub use service::ServiceError;
pub use trace::TraceError;
pub use zones::{DumpError, FreeError, LookupError, ReserveError, ZoneAccessError};

/// The errno of an error from the system, `EIO` if it has none.
pub(crate) fn raw(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or_else(|| Errno::IO.raw_os_error())
}
