//! What a handler gets: a message or a request that has come, and the way to answer it.
//!
//! A request is answered exactly once: by its handler, by whoever the handler gave it to, or by an
//! ignore when it is dropped, so that nobody waits for the deaf.
//!
//! DPDK 25.11: `eal_common_proc.c`, `rte_mp_reply`.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rte_mp_proto::trace::{Fate, Path};
use rte_mp_proto::{ActionName, Arrival, Datagram, DropReason, Kind, Layout, Param, PeerName};
use zerocopy::TryFromBytes;

use crate::error::{ParamError, ReplyError};
use crate::message::{Message, checked_param};
use crate::shared::Shared;
use crate::sys::gaps::Credentials;
use crate::transport::lane::WayBack;

/// How a message or a request has come.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) path: Path,
    /// Where the answer goes if its receiver is still awake; else it goes to who asked.
    pub(crate) back: Option<WayBack>,
}

/// What a handler gets: a message or a request, and the way to answer it.
///
/// It can be moved to another thread and answered later. A request that is dropped unanswered is
/// answered by an ignore (`MP_IGN`), which tells the peer at once that no reply will come.
pub struct Request {
    shared: Arc<Shared>,
    message: Message,
    kind: Kind,
    layout: Layout,
    peer: PeerName,
    credentials: Option<Credentials>,
    way: Way,
    answered: bool,
}

impl Request {
    pub(crate) fn new(
        shared: Arc<Shared>,
        arrival: Arrival,
        credentials: Option<Credentials>,
        fds: Vec<OwnedFd>,
        way: Way,
    ) -> Self {
        let Datagram { kind, name, param, .. } = arrival.datagram;
        Self {
            shared,
            message: Message::from_parts(name, param, fds),
            kind,
            layout: arrival.layout,
            peer: arrival.from,
            credentials,
            way,
            answered: false,
        }
    }

    /// Borrows what came.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Says whether it is a one-way message or a request.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Gives the action's name.
    pub fn name(&self) -> &ActionName {
        self.message.name()
    }

    /// Borrows the parameter.
    pub fn param(&self) -> &[u8] {
        self.message.param()
    }

    /// Reads the parameter as a struct; see [`Message::param_as`].
    ///
    /// # Errors
    /// As there.
    pub fn param_as<T: TryFromBytes>(&self) -> Result<T, ParamError> {
        self.message.param_as()
    }

    /// Borrows the descriptors.
    pub fn fds(&self) -> &[OwnedFd] {
        self.message.fds()
    }

    /// Says where the answer goes: the member's own socket for a message and for a request of a
    /// DPDK process; for a request of an rte-mp process the return address of that request, which
    /// takes nothing but the answer.
    pub fn peer(&self) -> &PeerName {
        &self.peer
    }

    /// Gives the sender's process id in our pid namespace, from the kernel.
    pub fn peer_pid(&self) -> Option<u32> {
        self.credentials.map(|credentials| credentials.pid).filter(|&pid| pid != 0)
    }

    /// Gives the sender's user id, from the kernel.
    pub fn peer_uid(&self) -> Option<u32> {
        self.credentials.map(|credentials| credentials.uid)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn path(&self) -> Path {
        self.way.path
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        self.credentials
    }

    /// Takes the descriptors out.
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        self.message.take_fds()
    }

    /// Answers with `param`, of at most 256 bytes, and no descriptors.
    ///
    /// Does not block: while the peer's queue is full, the answer waits with the driver.
    ///
    /// # Errors
    /// - [`ReplyError::NotARequest`]: a one-way message came.
    /// - [`ReplyError::Message`]: the parameter is too long; the request is answered by an ignore.
    /// - [`ReplyError::Unreachable`]: the peer is gone.
    ///
    /// DPDK 25.11: `rte_mp_reply`.
    pub fn reply(self, param: &[u8]) -> Result<(), ReplyError> {
        match checked_param(param) {
            Ok(param) => self.answer(Kind::Reply, param, Vec::new()),
            Err(source) => Err(ReplyError::Message { action: self.name().to_string(), source }),
        }
    }

    /// Answers with the parameter and the descriptors of `message`, under the request's own name,
    /// whatever the message is called: the peer would not take it otherwise.
    ///
    /// # Errors
    /// As [`Request::reply`]; also if the peer takes fewer descriptors.
    pub fn reply_with(self, mut message: Message) -> Result<(), ReplyError> {
        message.rename(*self.name());
        let param = message.datagram(Kind::Reply).param;
        self.answer(Kind::Reply, param, message.take_fds())
    }

    /// Answers with "count me out" (`MP_IGN`). Does nothing for a one-way message.
    pub fn ignore(self) {
        // Dropping says it.
    }

    /// Never answers: the peer waits for its whole timeout, as for a DPDK process without handler.
    pub fn stay_silent(mut self) {
        self.answered = true;
    }

    fn answer(mut self, kind: Kind, param: Param, fds: Vec<OwnedFd>) -> Result<(), ReplyError> {
        let name = *self.name();
        if self.kind != Kind::Request {
            return Err(ReplyError::NotARequest { action: name.to_string() });
        }
        let layout = self.shared.layout().for_answer(self.layout);
        if fds.len() > layout.fd_max() {
            let source = crate::MessageError::TooManyFds { max: layout.fd_max() };
            return Err(ReplyError::Message { action: name.to_string(), source });
        }
        self.answered = true;
        let datagram = Datagram { kind, name, param, fd_count: fds.len() };
        self.deliver(layout, datagram, fds).map_err(|source| ReplyError::Unreachable {
            peer: self.peer,
            action: name.to_string(),
            source,
        })
    }

    /// Sends the answer, through the lane if its receiver is awake.
    fn deliver(&mut self, layout: Layout, datagram: Datagram, fds: Vec<OwnedFd>) -> io::Result<()> {
        if let Some(way_back) = self.way.back.take().filter(|_| fds.is_empty()) {
            let stamp = self.shared.tracer.stamp();
            let encoded = datagram.encode(layout);
            if way_back.answer(encoded.as_meaningful_bytes()) {
                self.shared.counters.count_sent(datagram.kind);
                let answer = encoded.as_bytes();
                self.shared.trace_out(stamp, Path::Lane, None, &self.peer, answer, Fate::Sent);
                return Ok(());
            }
        }
        self.shared
            .answer(&self.peer, layout, datagram, fds)
            .inspect_err(|_| self.shared.counters.count_dropped(DropReason::Undelivered, 0))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("kind", &self.kind)
            .field("peer", &self.peer)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // A process that was forked off has the requests of its parent, who will answer them.
        if self.kind != Kind::Request || self.answered || !self.shared.runtime.is_ours() {
            return;
        }
        let name = *self.name();
        let datagram = Datagram { kind: Kind::Ignore, name, param: Param::EMPTY, fd_count: 0 };
        let layout = self.shared.layout().for_answer(self.layout);
        // It is counted if it cannot be delivered; there is nobody to tell.
        let _ = self.deliver(layout, datagram, Vec::new());
    }
}
