//! Requests: `rte_mp_request_sync`, `rte_mp_request_async`.

use std::time::Duration;

use rte_mp::{Outcome, PeerReply, Replies};

use super::AsyncReply;
use super::replies::{self, Slot};
use crate::abi::{Layout, Reply};
use crate::border::Errno;
use crate::eal;

/// Reads how long to wait; nothing is said by a null pointer.
///
/// # Safety
/// `timeout` is null or points to one that is set.
pub(super) unsafe fn timeout(timeout: *const libc::timespec) -> Result<Option<Duration>, Errno> {
    // SAFETY: the caller says so.
    let Some(timeout) = (unsafe { timeout.as_ref() }) else { return Ok(None) };
    match (u64::try_from(timeout.tv_sec), u32::try_from(timeout.tv_nsec)) {
        (Ok(seconds), Ok(nanoseconds)) => {
            let nanoseconds = Duration::from_nanos(nanoseconds.into());
            Ok(Some(Duration::from_secs(seconds).saturating_add(nanoseconds)))
        }
        _ => Err(Errno::INVALID),
    }
}

/// Asks, waits, and puts what came into `answer`.
pub(super) fn ask<M: Layout>(
    request: &M,
    timeout: Option<Duration>,
    mut answer: Slot<'_, M>,
) -> Result<(), Errno> {
    let group = eal::shared_group()?;
    let replies =
        group.request(&request.to_message()?, timeout).map_err(|error| Errno(error.errno()))?;
    let (failure, sent, asked) = (failure(&replies), replies.sent(), asked(&replies));
    let messages = replies::received(replies);
    if let Some(errno) = failure
        && messages.is_empty()
    {
        answer.set_sent(sent);
        return Err(errno);
    }
    answer.set_sent(asked);
    answer.set_messages(messages)
}

/// Counts those who should have answered: also those who could not be asked.
fn asked(replies: &Replies) -> usize {
    let unsendable = |asked: &&PeerReply| matches!(asked.outcome, Outcome::Unsendable { .. });
    replies.sent() + replies.iter().filter(unsendable).count()
}

/// Says why somebody did not answer, if anybody should have.
fn failure(replies: &Replies) -> Option<Errno> {
    let each = replies.iter().filter_map(|asked| match asked.outcome {
        Outcome::Ignored => None,
        Outcome::Unsendable { errno } => Some(Errno(errno)),
        // DPDK does not see that a peer dies, and waits. A reply that C has no room for is as none.
        _ => Some(Errno(libc::ETIMEDOUT)),
    });
    // A peer that kept silent counts more than one that could not be asked.
    each.max_by_key(|errno| *errno == Errno(libc::ETIMEDOUT))
}

/// Asks, and has `done` called once with what came.
pub(super) fn ask_async<M: Layout>(
    request: M,
    timeout: Option<Duration>,
    done: Option<AsyncReply<M>>,
) -> Result<(), Errno> {
    let done = done.ok_or(Errno::INVALID)?;
    let group = eal::shared_group()?;
    let message = request.to_message()?;
    let finish = move |replies: Replies| {
        let sent = asked(&replies);
        let mut messages = replies::received(replies);
        let reply = Reply {
            nb_sent: replies::count(sent),
            nb_received: replies::count(messages.len()),
            msgs: if messages.is_empty() { std::ptr::null_mut() } else { messages.as_mut_ptr() },
        };
        if eal::is_exiting() {
            messages.into_iter().for_each(Layout::close);
            return;
        }
        // SAFETY: whoever asked says that it may be called so; all three live until it returns.
        unsafe { done(&raw const request, &raw const reply) };
    };
    group.request_async(&message, timeout, finish).map_err(|error| Errno(error.errno()))
}
