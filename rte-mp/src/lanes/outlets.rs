//! The lanes to those to whom we send much.

use std::os::fd::{AsFd, OwnedFd};
use std::process;
use std::sync::{Arc, Mutex};

use rte_mp_proto::trace::{Fate, Path};
use rte_mp_proto::{Datagram, Kind, PeerName};

use super::{action, offer};
use crate::error::raw;
use crate::shared::Shared;
use crate::sync::lock;
use crate::transport::lane::{BySocket, Outlet};
use crate::transport::socket;

/// After how many datagrams that a lane could have taken a member is offered one.
const OFFER_AFTER: u32 = 8;
/// With how many members there may be a lane or the prospect of one; who is new takes the place of
/// who has been there for longest.
const MAX_CONVERSATIONS: usize = 64;

/// The lanes of one member.
#[derive(Debug)]
pub(crate) struct Outlets {
    /// Nothing where there are to be no lanes.
    conversations: Option<Mutex<Vec<Conversation>>>,
    /// Who made them.
    process: u32,
}

#[derive(Debug)]
struct Conversation {
    peer: PeerName,
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many datagrams went there by socket that a lane could have taken.
    Sockets(u32),
    Lane(Arc<Outlet>),
}

impl Outlets {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { conversations: wanted.then(Mutex::default), process: process::id() }
    }

    /// Gives the lane to `peer`. A process that was forked off has none: the server would take what
    /// both put in for what one did.
    pub(crate) fn find(&self, peer: &PeerName) -> Option<Arc<Outlet>> {
        let conversations = lock(self.conversations.as_ref()?);
        let conversation = conversations.iter().find(|conversation| conversation.peer == *peer)?;
        match &conversation.state {
            State::Sockets(_) => None,
            State::Lane(outlet) => (process::id() == self.process).then(|| Arc::clone(outlet)),
        }
    }

    /// Gives up the lane to `peer`: it is gone.
    pub(crate) fn forget(&self, peer: &PeerName) {
        self.retain(|conversation| conversation.peer != *peer);
    }

    /// Gives up all lanes.
    pub(crate) fn close(&self) {
        self.retain(|_| false);
    }

    fn retain(&self, keep: impl Fn(&Conversation) -> bool) {
        let Some(conversations) = &self.conversations else { return };
        let gone = |conversation: &mut Conversation| !keep(conversation);
        let gone: Vec<_> = lock(conversations).extract_if(.., gone).collect();
        drop(gone);
    }

    /// Begins to send something to `peer` by socket. If there is a lane, that gives what its answer is
    /// noted on.
    pub(crate) fn before_socket(&self, peer: &PeerName) -> Option<BySocket> {
        self.find(peer).map(Outlet::before_socket)
    }

    /// Notes that something has just gone to `peer` by socket.
    pub(crate) fn note_socket(&self, peer: &PeerName) {
        if let Some(outlet) = self.find(peer) {
            outlet.note_socket();
        }
    }

    /// Counts what a lane could have taken, and tells whether to offer one.
    fn note_wish(&self, peer: &PeerName) -> bool {
        let Some(conversations) = &self.conversations else { return false };
        let mut conversations = lock(conversations);
        let known = conversations.iter_mut().find(|conversation| conversation.peer == *peer);
        let Some(conversation) = known else {
            let is_full = conversations.len() == MAX_CONVERSATIONS;
            let outlived = is_full.then(|| conversations.remove(0));
            conversations.push(Conversation { peer: *peer, state: State::Sockets(1) });
            drop(conversations);
            drop(outlived);
            return false;
        };
        match &mut conversation.state {
            State::Sockets(count) => {
                *count += 1;
                *count == OFFER_AFTER
            }
            State::Lane(outlet) => {
                if outlet.is_broken() {
                    conversation.state = State::Sockets(0);
                }
                false
            }
        }
    }

    fn open(&self, peer: &PeerName, outlet: Outlet) {
        let Some(conversations) = &self.conversations else { return };
        let mut conversations = lock(conversations);
        if let Some(conversation) = conversations.iter_mut().find(|c| c.peer == *peer) {
            conversation.state = State::Lane(Arc::new(outlet));
        }
    }
}

impl Shared {
    /// Notes that something went to `peer` by socket that a lane could have taken. If that happens
    /// often, the peer is offered one.
    pub(crate) fn wish_for_lane(&self, peer: &PeerName) {
        if self.outlets.note_wish(peer)
            && let Err(error) = self.offer_lane(peer)
        {
            // Another try later.
            self.outlets.forget(peer);
            tracing::debug!(target: "rte_mp::wire", %peer, %error, "cannot offer a lane");
        }
    }

    fn offer_lane(&self, peer: &PeerName) -> std::io::Result<()> {
        let (outlet, fds) = Outlet::create()?;
        let fds = fds.each_ref().map(OwnedFd::as_fd);
        // What goes by socket from now on is noted there, so that nothing overtakes it.
        outlet.note_socket();
        self.outlets.open(peer, outlet);
        let param = offer(process::id());
        let datagram = Datagram { kind: Kind::Message, name: action(), param, fd_count: fds.len() };
        let encoded = datagram.encode(self.layout());
        let (stamp, bytes) = (self.tracer.stamp(), encoded.as_bytes());
        let sent = socket::send_to(self.runtime.inbox(), peer, bytes, &fds);
        let fate = sent.as_ref().map_or_else(|error| Fate::Failed(raw(error)), |()| Fate::Sent);
        self.trace_out(stamp, Path::Socket, None, peer, bytes, fate);
        sent?;
        // An idle address may be connected to somebody who was there before. Who reads the offer
        // could not answer to it.
        self.pool.forget(peer);
        Ok(())
    }
}
