//! A request in flight: an exchange together with its return address.
//!
//! Nothing here blocks. Whoever drives a [`Flight`], a sync request on its own thread or the driver
//! for an async one, waits for its descriptors and its next deadline. A peer is watched for its
//! death only if it has not answered within a millisecond, so that a quick answer costs nothing
//! but itself.

use std::collections::HashSet;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rte_mp_proto::trace::{Fate, Path};
use rte_mp_proto::{
    Door, DropReason, Encoded, Exchange, Flavor, Kind, Outcome, PeerName, Received, dispatch,
};
use rustix::event::PollFlags;

use crate::error::{RequestError, raw};
use crate::message::Message;
use crate::replies::{PeerReply, Replies};
use crate::route::Route;
use crate::runtime::liveness::{Liveness, MAX_PROBE_INTERVAL, Owners, SURE_PROBE_INTERVAL};
use crate::shared::Shared;
use crate::trace::{Seen, Stamp};
use crate::transport::lane::BySocket;
use crate::transport::return_address::ReturnAddress;
use crate::transport::socket;

/// How long a peer may take before it is watched for its death.
const UNWATCHED: Duration = Duration::from_millis(1);
/// Until when it is tried again to find the process of a peer, in terms of the interval of looks.
const UNSURE: Duration = Duration::from_millis(4);
/// How long until full peers are tried again that are asked from one address.
const RETRY: Duration = Duration::from_millis(1);

/// A request in flight: who was asked, and the socket that the answers come to.
pub(crate) struct Flight {
    exchange: Exchange<Message>,
    /// Gone only in a request that is for nobody.
    address: Option<ReturnAddress>,
    encoded: Encoded,
    /// The request's descriptors, kept only while some peer has not got them.
    fds: Vec<OwnedFd>,
    /// When to look after the peers: first to begin to watch them, then to probe.
    next_look: Instant,
    /// How long after a look the next one is due, while some peer has to be probed.
    look_interval: Duration,
    /// When to try again to send to those whose queues are full.
    next_send: Option<Instant>,
    /// What to note when the one peer answers to whom there is a lane.
    by_socket: Option<BySocket>,
    /// How it went out.
    path: Path,
}

impl Flight {
    /// Sends the request to everybody it is for, as far as their queues have room.
    pub(crate) fn launch(
        shared: &Shared,
        route: Route,
        message: &Message,
        deadline: Instant,
    ) -> Result<Self, RequestError> {
        let now = Instant::now();
        let mut flight = Self::new(shared, message, deadline, now);
        let fds = message.borrowed_fds();
        match route {
            Route::Primary(peer) | Route::Peer(peer) => flight.ask_one(shared, peer, &fds)?,
            Route::Secondaries(peers) => flight.ask_all(shared, &peers, &fds)?,
        }
        if flight.exchange.poll_transmit().is_some() {
            flight.wait_for_room(&fds, now);
        }
        Ok(flight)
    }

    /// Takes over a request that went to `peer` through a lane, and whose answer can come to
    /// `address`.
    pub(crate) fn sent_by_lane(
        shared: &Shared,
        peer: &PeerName,
        message: &Message,
        deadline: Instant,
        address: ReturnAddress,
    ) -> Self {
        let mut flight = Self::new(shared, message, deadline, Instant::now());
        if flight.exchange.ask(*peer).is_ok() {
            flight.address = Some(address);
            flight.path = Path::Lane;
            flight.exchange.handle_sent(peer);
            shared.counters.count_sent(Kind::Request);
        }
        flight
    }

    fn new(shared: &Shared, message: &Message, deadline: Instant, now: Instant) -> Self {
        Self {
            exchange: Exchange::new(*message.name(), deadline),
            address: None,
            encoded: message.datagram(Kind::Request).encode(shared.layout()),
            fds: Vec::new(),
            next_look: now + UNWATCHED,
            look_interval: UNWATCHED,
            next_send: None,
            by_socket: None,
            path: Path::Socket,
        }
    }

    /// Asks one peer, from an address that is connected to it. A pooled one may be connected to a
    /// process that ended; then whoever took its place is asked.
    fn ask_one(
        &mut self,
        shared: &Shared,
        peer: PeerName,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), RequestError> {
        if self.exchange.ask(peer).is_err() {
            return Ok(());
        }
        self.by_socket = shared.outlets.before_socket(&peer);
        while let Some(mut address) = shared.pool.take_idle(Some(peer)) {
            // A DPDK handler can answer twice; a second answer must not be taken for the next one.
            if shared.runtime.flavor != Flavor::Native && address.has_mail() {
                continue;
            }
            let stamp = shared.tracer.stamp();
            let sent = address.send(&peer, self.encoded.as_bytes(), fds);
            if !sent.as_ref().is_err_and(socket::is_absent) {
                self.note_sent(shared, stamp, &address, &peer, sent);
                self.address = Some(address);
                return Ok(());
            }
            shared.pool.forget(&peer);
            shared.outlets.forget(&peer);
        }
        // Connected first and checked then: a new primary says that it is not ready before it binds.
        let address = match shared.pool.bind(Some(peer)) {
            Err(error) => return Err(self.unreachable(shared, peer, error)),
            Ok(address) => address,
        };
        if peer == shared.runtime.primary_name() {
            shared.check_primary()?;
        }
        let stamp = shared.tracer.stamp();
        let sent = address.send(&peer, self.encoded.as_bytes(), fds);
        match sent {
            Err(error) if socket::is_absent(&error) => Err(self.unreachable(shared, peer, error)),
            sent => {
                self.note_sent(shared, stamp, &address, &peer, sent);
                self.address = Some(address);
                Ok(())
            }
        }
    }

    /// Asks all peers side by side, from one address.
    fn ask_all(
        &mut self,
        shared: &Shared,
        peers: &[PeerName],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), RequestError> {
        for peer in peers {
            // More than an exchange takes, or twice the same: not asked.
            let _ = self.exchange.ask(*peer);
        }
        if self.exchange.is_complete() {
            return Ok(());
        }
        let address = match shared.pool.take_idle(None) {
            Some(address) => address,
            None => shared.pool.bind(None).map_err(|source| return_address(shared, source))?,
        };
        for peer in peers {
            let stamp = shared.tracer.stamp();
            match address.send(peer, self.encoded.as_bytes(), fds) {
                Err(error) if shared.forget_if_absent(peer, &error) => {
                    self.trace_failed(shared, peer, &error);
                    self.exchange.handle_absent(peer);
                }
                sent => self.note_sent(shared, stamp, &address, peer, sent),
            }
        }
        self.address = Some(address);
        Ok(())
    }

    /// Notes what became of a try to send.
    fn note_sent(
        &mut self,
        shared: &Shared,
        stamp: Stamp,
        address: &ReturnAddress,
        peer: &PeerName,
        sent: io::Result<()>,
    ) {
        match sent {
            Ok(()) => {
                shared.counters.count_sent(Kind::Request);
                let (local, bytes) = (Some(address.name()), self.encoded.as_bytes());
                shared.trace_out(stamp, Path::Socket, local, peer, bytes, Fate::Sent);
                shared.outlets.note_socket(peer);
                self.exchange.handle_sent(peer);
            }
            Err(error) if socket::is_full(&error) => {}
            Err(error) => {
                self.exchange.handle_unsendable(peer, raw(&error));
            }
        }
    }

    /// Keeps what those still need who had no room, and sees to another try.
    fn wait_for_room(&mut self, fds: &[BorrowedFd<'_>], now: Instant) {
        match fds.iter().map(|fd| fd.try_clone_to_owned()).collect() {
            Ok(fds) => {
                self.fds = fds;
                self.next_send = self.retry_at(now);
            }
            Err(error) => {
                for peer in self.exchange.unsent().collect::<Vec<_>>() {
                    self.exchange.handle_unsendable(&peer, raw(&error));
                }
            }
        }
    }

    /// Says when to try again to send. A connected address tells itself when there is room.
    fn retry_at(&self, now: Instant) -> Option<Instant> {
        let told = self.address.as_ref().is_some_and(ReturnAddress::is_connected);
        (!told && self.exchange.poll_transmit().is_some()).then(|| now + RETRY)
    }

    /// Takes in an answer that came from `peer` through a lane.
    pub(crate) fn handle_lane(&mut self, shared: &Shared, peer: PeerName, bytes: &[u8]) {
        let received = Received {
            bytes,
            truncated: false,
            from: Some(peer),
            // The lane was offered to the owner of the peer's socket, and to nobody else.
            uid: Some(0),
            fd_count: 0,
        };
        let seen = shared.tracer.stamp().zip(self.address.as_ref()).map(|(time, address)| Seen {
            time,
            path: Path::Lane,
            local: *address.name(),
            credentials: None,
        });
        take_answer(shared, &mut self.exchange, received, Vec::new(), seen.as_ref());
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.exchange.is_complete()
    }

    /// Takes in what has come first, and tells whether there was anything. Does not block.
    pub(crate) fn receive(&mut self, shared: &Shared) -> bool {
        let Some(address) = &mut self.address else { return false };
        let (socket, batch, name) = address.receiver();
        let Ok(slots) = batch.receive(socket) else { return false };
        let stamp = shared.tracer.stamp();
        let mut strays = false;
        for slot in slots {
            let fds = mem::take(&mut slot.fds);
            let (path, credentials) = (Path::Socket, slot.credentials);
            let seen = stamp.map(|time| Seen { time, path, local: *name, credentials });
            let received = slot.received(fds.len());
            strays |= !take_answer(shared, &mut self.exchange, received, fds, seen.as_ref());
        }
        if strays {
            address.spoil();
        }
        true
    }

    /// Sends to those who had no room before, as far as they have it now.
    pub(crate) fn send_unsent(&mut self, shared: &Shared, now: Instant) {
        if self.exchange.poll_transmit().is_none() {
            return;
        }
        let Some(address) = self.address.take() else { return };
        let fds = mem::take(&mut self.fds);
        let borrowed: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
        for peer in self.exchange.unsent().collect::<Vec<_>>() {
            let stamp = shared.tracer.stamp();
            match address.send(&peer, self.encoded.as_bytes(), &borrowed) {
                Err(error) if socket::is_absent(&error) => self.exchange.handle_peer_died(&peer),
                sent => self.note_sent(shared, stamp, &address, &peer, sent),
            }
        }
        if self.exchange.poll_transmit().is_some() {
            self.fds = fds;
        }
        self.address = Some(address);
        self.next_send = self.retry_at(now);
    }

    /// Gives the time at which [`Flight::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.exchange.poll_timeout()?;
        self.next_send.into_iter().chain([self.next_look, deadline]).min()
    }

    /// Does what it is time for: tries full peers again, looks after the silent ones, and gives up
    /// on them at the deadline.
    pub(crate) fn handle_timeout(&mut self, shared: &Shared, now: Instant) {
        if self.next_send.is_some_and(|send| send <= now) {
            self.send_unsent(shared, now);
        }
        if self.next_look <= now {
            self.look_after_peers(shared, now);
        }
        self.exchange.handle_timeout(now);
    }

    /// Finds who of those that are waited for is dead, and how the death of the others is noticed.
    /// What somebody sent before his death counts.
    pub(crate) fn look_after_peers(&mut self, shared: &Shared, now: Instant) {
        let Some(address) = &mut self.address else { return };
        let waited_for: HashSet<_> =
            self.exchange.awaited().chain(self.exchange.unsent()).collect();
        address.liveness.retain(|peer, _| waited_for.contains(peer));
        let file = address.peer_file.as_ref();
        let mut owners = Owners::default();
        let mut dead = Vec::new();
        let mut all_known = true;
        for peer in waited_for {
            let known = address.liveness.get(&peer);
            // A process that has just begun or is ending owns nothing yet, or any more.
            if known.is_none_or(|l| l.pidfd().is_none() && self.look_interval <= UNSURE) {
                let pid = shared.runtime.claimed_pid(&peer);
                address.liveness.insert(peer, Liveness::of(&peer, file, pid, &mut owners));
            }
            match address.liveness.get(&peer) {
                Some(liveness) if liveness.is_dead(&peer, file, &mut owners) => dead.push(peer),
                Some(Liveness::Process(_)) => {}
                Some(Liveness::Probe) | None => all_known = false,
            }
        }
        let interval = if all_known { SURE_PROBE_INTERVAL } else { self.look_interval };
        self.next_look = now + interval;
        // Often at first: a process that is ending refuses soon.
        self.look_interval = (self.look_interval * 2).min(MAX_PROBE_INTERVAL);
        if !dead.is_empty() {
            while self.receive(shared) {}
        }
        for peer in dead {
            self.exchange.handle_peer_died(&peer);
        }
    }

    /// Gives the socket that is to be waited for, and what for.
    pub(crate) fn socket(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let address = self.address.as_ref()?;
        let blocked = address.is_connected() && self.exchange.poll_transmit().is_some();
        let flags = if blocked { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        Some((address.as_fd(), flags))
    }

    /// Tells whether a process that is watched has ended, so that it is time for
    /// [`Flight::look_after_peers`].
    pub(crate) fn somebody_has_ended(&self) -> bool {
        self.address.iter().any(|address| address.liveness.values().any(Liveness::has_ended))
    }

    /// Lists the processes that are watched: each polls as readable when it has ended.
    pub(crate) fn processes(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let liveness = self.address.iter().flat_map(|address| address.liveness.values());
        liveness.filter_map(Liveness::pidfd).map(|pidfd| (pidfd, PollFlags::IN))
    }

    /// Gives up on everybody who is silent.
    pub(crate) fn abandon(&mut self) {
        self.exchange.handle_abandon();
    }

    /// Records that nothing went out to `peer`.
    fn trace_failed(&self, shared: &Shared, peer: &PeerName, error: &io::Error) {
        let (stamp, bytes) = (shared.tracer.stamp(), self.encoded.as_bytes());
        shared.trace_out(stamp, Path::Socket, None, peer, bytes, Fate::Failed(raw(error)));
    }

    /// Says that the only peer that was to be asked cannot be.
    fn unreachable(&self, shared: &Shared, peer: PeerName, error: io::Error) -> RequestError {
        self.trace_failed(shared, &peer, &error);
        unreachable(shared, peer, error)
    }

    /// Ends the request: counts its outcomes, and keeps its return address if nothing more can
    /// come to it.
    pub(crate) fn finish(self, shared: &Shared) -> Replies {
        let recorded = shared.tracer.stamp().map(|_| self.address.as_ref().map(|a| *a.name()));
        if let Some(mut address) = self.address
            && self.exchange.is_clean()
            && !address.is_spoiled()
        {
            address.liveness.retain(|_, liveness| liveness.pidfd().is_some());
            shared.pool.put_back(address);
        }
        let action = *self.exchange.action();
        let peers = self.exchange.into_outcomes();
        if let ([asked], Some(by_socket)) = (&peers[..], self.by_socket)
            && matches!(asked.outcome, Outcome::Replied(_) | Outcome::Ignored)
        {
            by_socket.note_answered();
        }
        for asked in &peers {
            shared.counters.count_outcome(&asked.outcome);
            if matches!(asked.outcome, Outcome::Died) {
                shared.outlets.forget(&asked.peer);
            }
            if let Some(local) = &recorded {
                trace_outcome(shared, self.path, local.as_ref(), self.encoded.as_bytes(), asked);
            }
        }
        Replies::new(action, peers)
    }
}

/// Gives an answer to its exchange, or drops it together with its descriptors; says whether
/// somebody waited for it.
fn take_answer(
    shared: &Shared,
    exchange: &mut Exchange<Message>,
    received: Received<'_>,
    fds: Vec<OwnedFd>,
    seen: Option<&Seen>,
) -> bool {
    let fd_count = fds.len();
    let take = || {
        let arrival = dispatch(received, Door::ReturnAddress, |user| shared.trusts(user))?;
        let datagram = arrival.datagram;
        shared.counters.count_received(datagram.kind);
        let taken = match datagram.kind {
            Kind::Ignore => exchange.handle_ignore(&arrival.from, &datagram.name).is_ok(),
            Kind::Reply | Kind::Message | Kind::Request => {
                let reply = Message::from_parts(datagram.name, datagram.param, fds);
                exchange.handle_reply(&arrival.from, &datagram.name, reply).is_ok()
            }
        };
        if taken { Ok(()) } else { Err(DropReason::StrayAnswer) }
    };
    let taken = take();
    if let Some(seen) = seen {
        let fate = taken.map_or_else(Fate::Dropped, |()| Fate::Received);
        shared.record_seen(seen, &received, fate);
    }
    taken
        .inspect_err(|&reason| {
            let from = received.from;
            tracing::debug!(target: "rte_mp::wire", ?reason, ?from, "dropped an answer");
            shared.counters.count_dropped(reason, fd_count);
        })
        .is_ok()
}

/// Records how a request ended for a peer that did not answer.
#[cold]
fn trace_outcome(
    shared: &Shared,
    path: Path,
    local: Option<&PeerName>,
    bytes: &[u8],
    asked: &PeerReply,
) {
    let fate = match asked.outcome {
        Outcome::TimedOut => Fate::TimedOut,
        Outcome::Died => Fate::Died,
        Outcome::Unsendable { errno } => Fate::Failed(errno),
        Outcome::Abandoned => Fate::Abandoned,
        // What came is recorded.
        _ => return,
    };
    shared.trace_out(shared.tracer.stamp(), path, local, &asked.peer, bytes, fate);
}

fn return_address(shared: &Shared, source: io::Error) -> RequestError {
    RequestError::ReturnAddress { directory: shared.runtime.directory.path.clone(), source }
}

/// Says that the only peer that was to be asked cannot be.
fn unreachable(shared: &Shared, peer: PeerName, error: io::Error) -> RequestError {
    if !socket::is_absent(&error) {
        return return_address(shared, error);
    }
    shared.outlets.forget(&peer);
    let errno = socket::absent_errno(&error);
    if peer == shared.runtime.primary_name() {
        RequestError::NoPrimary { prefix: shared.prefix(), errno }
    } else {
        RequestError::NoPeer { peer, errno }
    }
}
