//! Looking at groups from outside, without joining them and without changing anything.
//!
//! For tools: which groups are there, who leads them, whose sockets are these, and are they alive? An
//! [`Inspector`] reads what stands in a group's directory and asks the kernel about it. Nothing is
//! sent to anybody, so the layout of a group does not matter, and even a group that cannot be joined
//! can be looked at. What cannot be read is part of the answer, never an error of the whole.
//!
//! ```
//! use rte_mp::inspect::{Base, Inspector, State};
//! use rte_mp::{Group, Role};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let base = directory.path();
//! let _primary = Group::builder().runtime_base(base).file_prefix("web").role(Role::Primary).join()?;
//!
//! let mut inspector = Inspector::new();
//! for group in inspector.groups(&Base::new(base))? {
//!     assert_eq!((group.prefix.as_str(), group.state()), ("web", State::Live));
//!     assert_eq!(group.primary_pid(), Some(std::process::id()));
//!     assert_eq!(group.sockets.len(), 1);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The only trace that looking leaves is the shared lock on a group's directory while it is listed,
//! which every member of the group takes for the same purpose. [`remove_stale_sockets`] is the one
//! function here that changes something.

mod base;
mod group;
mod inspector;
mod socket;
mod watch;

pub use base::{Base, bases};
pub use group::{Config, GroupReport, Listing, State};
pub use inspector::{Inspector, remove_stale_sockets};
pub use rte_mp_proto::config::MpStatus;
pub use socket::{SocketKind, SocketReport, SocketState};
pub use watch::Watch;
