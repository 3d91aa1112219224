//! The wire protocol of DPDK's multi-process IPC (`rte_mp_*`), without I/O.
//!
//! A DPDK application runs as one *primary* and any number of *secondaries*, found by a *file
//! prefix*. They exchange datagrams of one fixed size over Unix sockets: one-way *messages*,
//! *requests*, *replies*, and *ignores* ("count me out"). This crate knows the bytes and the
//! rules; it opens no socket, reads no clock, and starts no thread:
//!
//! - [`ActionName`], [`Param`], [`PeerName`] and [`Kind`] are the checked parts of a message;
//! - [`Layout`] is how a DPDK release lays a datagram out, and [`Flavor`] which release it is;
//! - [`Datagram`] encodes and decodes;
//! - [`Exchange`] is one request: who was asked, and what became of each;
//! - [`dispatch`] says what an incoming datagram is, or why it is dropped;
//! - [`Members`] follows who joins and leaves;
//! - [`path`] and [`config`] are the names and the bytes that a group has on disk;
//! - [`memory`] reads where a DPDK primary keeps its memory;
//! - [`trace`] is what can be recorded of a member's messages, and how.

pub mod config;
mod dispatch;
mod exchange;
mod inline;
mod layout;
mod members;
pub mod memory;
mod message;
pub mod path;
pub mod trace;
mod wire;

pub use dispatch::{Arrival, Door, DropReason, Received, dispatch};
pub use exchange::{AskError, Asked, Exchange, MAX_ASKED, Outcome, Stray};
pub use layout::{Flavor, Layout, Version, VersionError};
pub use members::{Event, MAX_MEMBERS, Member, Members, Role};
pub use message::{ActionName, Kind, NameError, Param, ParamError, PeerName, PeerNameError};
pub use wire::{Datagram, DecodeError, Encoded};
