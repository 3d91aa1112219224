//! Lanes: datagrams through shared memory.
//!
//! A lane leads from one member, who asks, to another, who serves. It carries the very datagrams
//! that the sockets carry, without their zeros at the end, and nothing rests on it: where it is
//! full, where descriptors are to be sent along, or where it has broken, there are the sockets.
//!
//! * Who is awake is not woken: that takes no system call. The server says until when it polls. It
//!   takes that back before it sleeps, and then looks once more; who has put a datagram in looks
//!   then whether the server polls, and rings if not. So one of the two sees the other. A time that
//!   has passed says nothing: the server may be busy, or dead.
//! * An answer comes to its own slot. An asker who does not poll any more has the server ring; one
//!   who has waited for longer has the answer sent to the return address, where he can wait for
//!   more than one thing. A slot is used again when the server has done with it, so that a late
//!   answer never meets the next request.
//! * What one member sends another stays in order. The server takes what is in the lanes before it
//!   handles what it has received from the inbox. After a datagram by the socket the asker comes
//!   back to the lane only once he knows that it was received: it was answered, or the server has
//!   found its inbox empty since.
//!
//! The memory is hostile: each word is read once and then checked, and where to go on is known to
//! each side from its own memory alone.

#[cfg_attr(loom, path = "bell_model.rs")]
mod bell;
mod inlet;
#[cfg(all(loom, test))]
mod models;
mod outlet;
mod ring;
mod slots;

pub(crate) use bell::End;
pub(crate) use inlet::{Inlet, Item, WayBack};
pub(crate) use outlet::{BySocket, Outlet, Push, Ticket, Whereabouts};
pub(crate) use slots::Answer;

use crate::sync::atomic::{AtomicU64, Ordering};

/// How many datagrams a lane holds that the server has not taken. As all sizes here, it is small
/// where loom tries out every order of events.
pub(crate) const RING_SLOTS: usize = if cfg!(loom) { 2 } else { 64 };
/// How many requests may be under way through a lane.
const ANSWER_SLOTS: usize = if cfg!(loom) { 2 } else { 16 };

/// Where things stand, in words. What different sides write lies on different cache lines.
const SERVER: usize = 0;
const LOOKS: usize = 16;
const EMPTIED: usize = 17;
const RING: usize = 32;
const SLOT: usize = if cfg!(loom) { 4 } else { 48 };
const ANSWERS: usize = RING + RING_SLOTS * SLOT;
/// How many words a lane has: eight pages.
pub(crate) const WORDS: usize = if cfg!(loom) { 48 } else { 4096 };
const _: () = assert!(ANSWERS + ANSWER_SLOTS * SLOT <= WORDS, "everything has its place");

/// Room for a datagram.
pub(crate) const MAX_LEN: usize = if cfg!(loom) { 16 } else { rte_mp_proto::Layout::MAX_LEN };
const DATA_WORDS: usize = MAX_LEN.div_ceil(8);

/// Copies `bytes` into shared words.
fn write(words: &[AtomicU64], bytes: &[u8]) {
    let chunks = bytes.chunks(8);
    for (word, chunk) in words.iter().zip(chunks) {
        let mut value = [0; 8];
        value[..chunk.len()].copy_from_slice(chunk);
        // Relaxed: what announces the datagram is stored later, with Release.
        word.store(u64::from_ne_bytes(value), Ordering::Relaxed);
    }
}

/// Copies shared words into `bytes`.
fn read(words: &[AtomicU64], bytes: &mut [u8]) {
    for (word, chunk) in words.iter().zip(bytes.chunks_mut(8)) {
        // Relaxed: what announced the datagram was loaded before, with Acquire.
        let value = word.load(Ordering::Relaxed).to_ne_bytes();
        chunk.copy_from_slice(&value[..chunk.len()]);
    }
}
