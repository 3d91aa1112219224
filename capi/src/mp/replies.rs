//! What a request brought, as C has it: `struct rte_mp_reply`.

use std::ffi::c_int;
use std::ptr;

use rte_mp::{Outcome, Replies};

use crate::abi::{Layout, Reply};
use crate::border::Errno;

/// Where the answers to a sync request go.
#[derive(Debug)]
pub(super) struct Slot<'a, M> {
    reply: &'a mut Reply<M>,
}

impl<M: Layout> Slot<'_, M> {
    /// Takes the place that C offers, and empties it.
    ///
    /// # Safety
    /// `reply` is null or points to one that nobody else uses for as long as the slot lives.
    pub(super) unsafe fn new(reply: *mut Reply<M>) -> Result<Self, Errno> {
        if reply.is_null() {
            return Err(Errno::INVALID);
        }
        let empty = Reply { nb_sent: 0, nb_received: 0, msgs: ptr::null_mut() };
        // SAFETY: it is no null pointer, and the caller says that it points to one.
        unsafe { reply.write(empty) };
        // SAFETY: as before; it was just set.
        Ok(Self { reply: unsafe { &mut *reply } })
    }

    /// Says how many were asked.
    pub(super) fn set_sent(&mut self, sent: usize) {
        self.reply.nb_sent = count(sent);
    }

    /// Gives the messages away, in memory that C frees by `free`.
    pub(super) fn set_messages(&mut self, messages: Vec<M>) -> Result<(), Errno> {
        if messages.is_empty() {
            return Ok(());
        }
        // SAFETY: it only takes two sizes, and fails if their product is none.
        let array = unsafe { libc::calloc(messages.len(), size_of::<M>()) }.cast::<M>();
        if array.is_null() {
            for message in messages {
                message.close();
            }
            return Err(Errno::NO_MEMORY);
        }
        // SAFETY: there is room for as many in what was just allocated, apart from the vector and
        // aligned as malloc does, which is at least as for `M`.
        unsafe { ptr::copy_nonoverlapping(messages.as_ptr(), array, messages.len()) };
        self.reply.nb_received = count(messages.len());
        self.reply.msgs = array;
        Ok(())
    }
}

/// Takes the replies out. One with more descriptors than C has room for is as none; they are closed.
pub(super) fn received<M: Layout>(replies: Replies) -> Vec<M> {
    let messages = replies.into_iter().filter_map(|asked| match asked.outcome {
        Outcome::Replied(message) => Some(message),
        _ => None,
    });
    messages
        .filter_map(|mut message| {
            let fds = message.take_fds();
            M::received(&message, fds)
        })
        .collect()
}

/// Counts peers, of which there are never so many that it would not fit.
pub(super) fn count(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}
