//! What comes in: batches from the inbox, datagrams from the lanes, in order to their handlers.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rte_mp_proto::trace::{Fate, Path};
use rte_mp_proto::{Door, DropReason, Flavor, Received, dispatch};
use rustix::event::epoll;

use super::{Driver, FIRST_ID, INBOX};
use crate::action::Call;
use crate::incoming::{Request, Way};
use crate::lanes::inlets::is_offer;
use crate::shared::Shared;
use crate::sys::gaps::Credentials;
use crate::transport::lane::{self, End};
use crate::workers::{Job, Workers};

/// How many datagrams of one lane are handled before something else is looked at: all that it holds.
const LANE_BATCH: usize = lane::RING_SLOTS;

impl Driver {
    /// Receives one batch, and has it handled; before that, what came through the lanes earlier.
    pub(super) fn drain_inbox(&mut self) -> bool {
        if self.update_pause() {
            return false;
        }
        self.inlets.note_look();
        let Ok(slots) = self.batch.receive(self.shared.runtime.inbox()) else {
            self.inlets.note_empty();
            return false;
        };
        let mut requests = Vec::with_capacity(slots.len());
        for slot in slots {
            let fds = mem::take(&mut slot.fds);
            let received = slot.received(fds.len());
            let way = Way { path: Path::Socket, back: None };
            requests.extend(admit(&self.shared, received, slot.credentials, fds, way));
        }
        // All of it, though the workers may have enough to do by now: as with this batch itself.
        for index in 0..self.inlets.len() {
            self.drain_lane(index, |_| false);
        }
        self.inlets.give_up_ended();
        for request in requests {
            self.call(request);
        }
        true
    }

    /// Takes what the lanes hold, and has it handled. Tells whether there was anything.
    pub(super) fn drain_lanes(&mut self) -> bool {
        let mut active = false;
        for index in 0..self.inlets.len() {
            active |= self.drain_lane(index, Self::update_pause);
        }
        if active {
            self.inlets.give_up_ended();
        }
        active
    }

    /// Takes what one lane holds, as long as nothing tells to pause.
    fn drain_lane(&mut self, index: usize, pause: impl Fn(&mut Self) -> bool) -> bool {
        for count in 0..LANE_BATCH {
            if pause(self) {
                return count > 0;
            }
            let directory = &self.shared.runtime.directory.path;
            let Some((item, from, credentials)) = self.inlets.take(index, directory) else {
                return count > 0;
            };
            let received = Received {
                bytes: &item.bytes,
                truncated: false,
                from: Some(from),
                uid: Some(credentials.uid),
                fd_count: 0,
            };
            let credentials = Some(credentials);
            let way = Way { path: Path::Lane, back: item.way_back };
            let request = admit(&self.shared, received, credentials, Vec::new(), way);
            if let Some(request) = request {
                self.call(request);
            }
        }
        true
    }

    /// Has the handler called, here or by a worker.
    fn call(&mut self, request: Request) {
        if is_offer(request.name(), request.kind()) {
            self.shared.trace_request(&request, Fate::Received);
            self.accept_lane(request);
            return;
        }
        self.shared.counters.count_received(request.kind());
        if self.shared.left.is_set() {
            // What came before is not handled any more; a request is answered by an ignore.
            self.shared.trace_request(&request, Fate::Dropped(DropReason::NoAction));
            self.shared.counters.count_dropped(DropReason::NoAction, request.fds().len());
            return;
        }
        match (Call::new(request), &self.workers) {
            (Some(call), Some(workers)) => workers.push(Job::Call(Box::new(call))),
            (Some(call), None) => call.run(),
            (None, _) => {}
        }
    }

    /// Takes a lane that is offered.
    fn accept_lane(&mut self, mut offer: Request) {
        if self.shared.left.is_set() || self.shared.runtime.flavor != Flavor::Native {
            return;
        }
        let id = self.shared.next_id();
        let watch = |bell| {
            let data = epoll::EventData::new_u64(FIRST_ID + id);
            Ok(epoll::add(&self.shared.epoll, bell, data, epoll::EventFlags::IN)?)
        };
        if let Err(error) = self.inlets.accept(&mut offer, id).and_then(watch) {
            let peer = offer.peer();
            tracing::debug!(target: "rte_mp::wire", %peer, %error, "refused a lane");
            // Given up with the next that end: the lanes may just be gone through.
            self.inlets.end(id);
        }
    }

    /// Takes what a lane holds that has rung, if `id` is one. If its other end is gone, that was
    /// the last of it.
    pub(super) fn answer_bell(&mut self, id: u64) {
        let Some((index, bell, end)) = self.inlets.hush(id) else { return };
        if end == End::Gone {
            // Not left to its closing: an answer on its way, or a process that was forked off, may
            // keep it open, and it would be readable for ever.
            let _ = epoll::delete(&self.shared.epoll, bell);
            self.inlets.end(id);
        }
        self.drain_lane(index, Self::update_pause);
        self.inlets.give_up_ended();
    }

    /// Leaves inbox and lanes alone while the workers have enough to do: the queues fill, and the
    /// senders wait, each for himself. Tells whether it is so.
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

/// Checks a datagram, and makes a request of it, or drops it together with its descriptors.
fn admit(
    shared: &Arc<Shared>,
    received: Received<'_>,
    credentials: Option<Credentials>,
    fds: Vec<OwnedFd>,
    way: Way,
) -> Option<Request> {
    match dispatch(received, Door::Inbox, |user| shared.trusts(user)) {
        Ok(arrival) => Some(Request::new(Arc::clone(shared), arrival, credentials, fds, way)),
        Err(reason) => {
            let from = received.from;
            tracing::debug!(target: "rte_mp::wire", ?reason, ?from, "dropped a datagram");
            shared.counters.count_dropped(reason, fds.len());
            shared.trace_dropped(way.path, credentials, &received, reason);
            None
        }
    }
}
