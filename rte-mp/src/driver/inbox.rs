//! What comes in: batches from the inbox, in order to their handlers.

use std::mem;
use std::sync::Arc;

use rte_mp_proto::{Door, dispatch};
use rustix::event::epoll;

use super::{Driver, INBOX};
use crate::action::{Call, Request};
use crate::workers::{Job, Workers};

impl Driver {
    /// Receives one batch, and has it handled.
    pub(super) fn drain_inbox(&mut self) -> bool {
        if self.update_pause() {
            return false;
        }
        let Ok(slots) = self.batch.receive(self.shared.runtime.inbox()) else { return false };
        let mut calls = Vec::with_capacity(slots.len());
        for slot in &mut *slots {
            let fds = mem::take(&mut slot.fds);
            let received = slot.received(fds.len());
            match dispatch(received, Door::Inbox, |user| self.shared.trusts(user)) {
                Ok(arrival) => {
                    self.shared.counters.count_received(arrival.datagram.kind);
                    let shared = Arc::clone(&self.shared);
                    calls.push(Request::new(shared, arrival, slot.credentials, fds));
                }
                Err(reason) => {
                    let from = slot.from;
                    tracing::debug!(target: "rte_mp::wire", ?reason, ?from, "dropped a datagram");
                    self.shared.counters.count_dropped(reason, fds.len());
                }
            }
        }
        for request in calls {
            match (Call::new(request), &self.workers) {
                (Some(call), Some(workers)) => workers.push(Job::Call(Box::new(call))),
                (Some(call), None) => call.run(),
                (None, _) => {}
            }
        }
        true
    }

    /// Leaves the inbox alone while the workers have enough to do: the kernel's queue fills, and
    /// the senders wait, each for himself. Tells whether it is so.
    pub(super) fn update_pause(&mut self) -> bool {
        let full = self.workers.as_ref().is_some_and(Workers::is_full);
        if full != self.paused {
            let flags = if full { epoll::EventFlags::empty() } else { epoll::EventFlags::IN };
            let inbox = self.shared.runtime.inbox();
            let data = epoll::EventData::new_u64(INBOX);
            if epoll::modify(&self.shared.epoll, inbox, data, flags).is_ok() {
                self.paused = full;
            }
        }
        full
    }
}
