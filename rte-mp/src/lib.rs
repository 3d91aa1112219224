//! DPDK's multi-process IPC (`rte_mp_*`) in Rust.
//!
//! A DPDK application is a group of processes: one *primary*, many *secondaries*, found by a *file
//! prefix*. They exchange named messages of up to 256 bytes with descriptors. With this crate a
//! program becomes a member of such a group, without libdpdk, hugepages or root of its own:
//!
//! - beside a real DPDK primary (19.08 to 26.07), as one more secondary;
//! - or in a native group, whose primary is an rte-mp process too.
//!
//! [`Group`] is the way in. See its documentation for a first example, and the README for how this
//! differs from DPDK's own IPC.

mod action;
mod answers;
mod args;
mod builder;
mod driver;
mod engine;
mod error;
mod flight;
mod follow;
mod future;
mod group;
mod incoming;
pub mod inspect;
mod lanes;
mod memory;
mod message;
mod replies;
mod request;
mod route;
mod runtime;
mod send;
mod services;
mod shared;
mod stats;
mod sync;
mod sys;
mod time;
mod to;
#[cfg(feature = "tokio")]
mod tokio_drive;
pub mod trace;
mod transport;
mod unique;
mod workers;

pub use action::HandlerResult;
pub use args::{ArgsError, EalArgs, Information, Lcore, Pages, SharedConfig};
pub use builder::{Drive, GroupBuilder};
pub use error::{
    ArenaError, DisableError, DumpError, FreeError, HeapError, HugepagesError, JoinError,
    LookupError, MembersError, MemoryError, MessageError, NoReplyError, ParamError, RegisterError,
    ReplyError, RequestError, ReserveError, SendError, ServiceError, StartError, TraceError,
    ZoneAccessError,
};
pub use follow::Events;
pub use future::ReplyFuture;
pub use group::{Group, WeakGroup};
pub use incoming::Request;
pub use memory::{
    Heap, HeapUsage, Memzone, MemzoneInfo, Memzones, OpenMemzone, Reservation, Shared,
};
pub use message::Message;
pub use replies::{PeerReply, Replies};
pub use rte_mp_proto::memory::{ZoneName, ZoneNameError};
pub use rte_mp_proto::{
    ActionName, DropReason, Event, Flavor, Kind, Layout, Member, NameError, PeerName,
    PeerNameError, Role, Version, VersionError,
};
pub use runtime::{default_runtime_base, primary_is_alive};
pub use stats::{ByKind, ByOutcome, ByReason, Stats};
pub use to::To;
pub use trace::{Trace, TraceStream};

/// What became of one peer that was asked.
pub type Outcome = rte_mp_proto::Outcome<Message>;

/// The README's examples, which run as this crate's doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
