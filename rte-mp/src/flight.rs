//! A request in flight: an exchange together with its return address.
//!
//! Nothing here blocks. Whoever drives a [`Flight`], a sync request on its own thread or the driver
//! for an async one, waits for its descriptors and its next deadline. A peer is watched for its
//! death only if it has not answered within a millisecond, so that a quick answer costs nothing
//! but itself.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rte_mp_proto::{Door, DropReason, Encoded, Exchange, Kind, PeerName, Received, dispatch};
use rustix::event::PollFlags;

use crate::error::RequestError;
use crate::message::Message;
use crate::replies::Replies;
use crate::runtime::PrimaryError;
use crate::runtime::liveness::{Liveness, MAX_PROBE_INTERVAL};
use crate::shared::{GONE, Route, Shared, Target};
use crate::time::deadline_after;
use crate::transport::return_address::ReturnAddress;
use crate::transport::socket;

/// How long a peer may take before it is watched for its death.
const UNWATCHED: Duration = Duration::from_millis(1);

/// A request in flight: who was asked, and the socket that the answers come to.
pub(crate) struct Flight {
    exchange: Exchange<Message>,
    /// Gone only in a request that is for nobody.
    address: Option<ReturnAddress>,
    encoded: Encoded,
    /// The request's descriptors, kept only while some peer has not got them.
    fds: Vec<OwnedFd>,
    /// Sockets that poll as writable when a full peer has room.
    waiters: Vec<OwnedFd>,
    /// When to look after the peers: first to begin to watch them, then to probe.
    next_look: Option<Instant>,
    /// How long after a look the next one is due, if there is one.
    look_interval: Duration,
}

impl Flight {
    /// Sends the request to everybody it is for, as far as their queues have room.
    pub(crate) fn launch(
        shared: &Shared,
        target: Target,
        message: &Message,
        timeout: Duration,
    ) -> Result<Self, RequestError> {
        if shared.left.is_set() {
            return Err(RequestError::Left { prefix: shared.runtime.directory.prefix.clone() });
        }
        let (count, max) = (message.fds().len(), shared.layout().fd_max());
        if count > max {
            return Err(RequestError::TooManyFds { count, max });
        }
        let route = shared.route(target).map_err(|source| RequestError::List {
            directory: shared.runtime.directory.path.clone(),
            source,
        })?;
        let now = Instant::now();
        let mut flight = Self {
            exchange: Exchange::new(*message.name(), deadline_after(now, timeout)),
            address: None,
            encoded: message.datagram(Kind::Request).encode(shared.layout()),
            fds: Vec::new(),
            waiters: Vec::new(),
            next_look: Some(now + UNWATCHED),
            look_interval: UNWATCHED,
        };
        let fds = message.borrowed_fds();
        match route {
            Route::Primary(peer) | Route::Peer(peer) => flight.ask_one(shared, peer, &fds)?,
            Route::Secondaries(peers) => flight.ask_all(shared, &peers, &fds)?,
        }
        if flight.exchange.poll_transmit().is_some() {
            flight.keep_fds(&fds).map_err(|source| return_address(shared, source))?;
        }
        Ok(flight)
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
        while let Some(address) = shared.pool.take_idle(Some(peer)) {
            let sent = address.send(&peer, self.encoded.as_bytes(), fds);
            if !sent.as_ref().is_err_and(socket::is_absent) {
                self.address = Some(address);
                self.note_sent(shared, &peer, sent);
                return Ok(());
            }
            shared.pool.forget(&peer);
        }
        if peer == shared.runtime.primary_name() {
            let prefix = || shared.runtime.directory.prefix.clone();
            shared.runtime.check_primary().map_err(|error| match error {
                PrimaryError::Gone => {
                    RequestError::NoPrimary { prefix: prefix(), errno: GONE.raw_os_error() }
                }
                PrimaryError::Another => RequestError::OtherPrimary { prefix: prefix() },
            })?;
        }
        let address =
            shared.pool.bind(Some(peer)).map_err(|error| unreachable(shared, peer, error))?;
        let sent = address.send(&peer, self.encoded.as_bytes(), fds);
        self.address = Some(address);
        match sent {
            Err(error) if socket::is_absent(&error) => Err(unreachable(shared, peer, error)),
            sent => {
                self.note_sent(shared, &peer, sent);
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
            match address.send(peer, self.encoded.as_bytes(), fds) {
                Err(error) if shared.forget_if_absent(peer, &error) => {
                    self.exchange.handle_absent(peer);
                }
                sent => self.note_sent(shared, peer, sent),
            }
        }
        self.address = Some(address);
        Ok(())
    }

    /// Notes what became of a try to send.
    fn note_sent(&mut self, shared: &Shared, peer: &PeerName, sent: io::Result<()>) {
        match sent {
            Ok(()) => {
                shared.counters.count_sent(Kind::Request);
                self.exchange.handle_sent(peer);
            }
            Err(error) if socket::is_full(&error) => {}
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(GONE.raw_os_error());
                self.exchange.handle_unsendable(peer, errno);
            }
        }
    }

    fn keep_fds(&mut self, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.fds = fds.iter().map(|fd| fd.try_clone_to_owned()).collect::<io::Result<_>>()?;
        Ok(())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.exchange.is_complete()
    }

    /// Takes in what has come, and sends what can be sent now. Does not block.
    pub(crate) fn receive(&mut self, shared: &Shared) {
        if let Some(address) = &mut self.address {
            let (socket, batch) = address.receiver();
            if let Ok(slots) = batch.receive(socket) {
                for slot in slots {
                    let fds = mem::take(&mut slot.fds);
                    let received = Received {
                        bytes: slot.bytes(),
                        truncated: slot.truncated,
                        from: slot.from,
                        uid: slot.credentials.map(|credentials| credentials.uid),
                        fd_count: fds.len(),
                    };
                    take_answer(shared, &mut self.exchange, received, fds);
                }
            }
        }
        if self.exchange.poll_transmit().is_some() {
            self.send_unsent(shared);
        }
    }

    fn send_unsent(&mut self, shared: &Shared) {
        let Some(address) = self.address.take() else { return };
        let fds = mem::take(&mut self.fds);
        let borrowed: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
        for peer in self.exchange.unsent().collect::<Vec<_>>() {
            match address.send(&peer, self.encoded.as_bytes(), &borrowed) {
                Err(error) if socket::is_absent(&error) => self.exchange.handle_peer_died(&peer),
                sent => self.note_sent(shared, &peer, sent),
            }
        }
        if self.exchange.poll_transmit().is_some() {
            self.fds = fds;
        }
        self.address = Some(address);
    }

    /// Gives the time at which [`Flight::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.exchange.poll_timeout()?;
        Some(self.next_look.map_or(deadline, |look| look.min(deadline)))
    }

    /// Looks after the peers when it is time, and gives up on the silent ones at the deadline.
    pub(crate) fn handle_timeout(&mut self, shared: &Shared, now: Instant) {
        if self.next_look.is_some_and(|look| look <= now) {
            self.look_after_peers(shared, now);
        }
        self.exchange.handle_timeout(now);
    }

    /// Finds who of those that are waited for is dead, and how the death of the others is noticed.
    pub(crate) fn look_after_peers(&mut self, shared: &Shared, now: Instant) {
        let Some(address) = &mut self.address else { return };
        let waited_for: Vec<_> = self.exchange.awaited().chain(self.exchange.unsent()).collect();
        address.liveness.retain(|peer, _| waited_for.contains(peer));
        self.next_look = None;
        for peer in waited_for {
            let liveness = address.liveness.entry(peer).or_insert(Liveness::Probe);
            if liveness.pidfd().is_none() {
                *liveness = Liveness::of(&peer, shared.runtime.claimed_pid(&peer));
            }
            if liveness.is_dead(&peer) {
                self.exchange.handle_peer_died(&peer);
            } else if liveness.pidfd().is_none() {
                self.next_look = Some(now + self.look_interval);
            }
        }
        // Often at first: a process that is ending owns nothing any more, and refuses soon.
        self.look_interval = (self.look_interval * 2).min(MAX_PROBE_INTERVAL);
    }

    /// Lists the sockets that are to be waited for, and what for.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let blocked = self.exchange.poll_transmit().is_some();
        let address = self.address.iter().map(move |address| {
            let flags = match blocked && address.is_connected() {
                true => PollFlags::IN | PollFlags::OUT,
                false => PollFlags::IN,
            };
            (address.as_fd(), flags)
        });
        address.chain(self.waiters.iter().map(|waiter| (waiter.as_fd(), PollFlags::OUT)))
    }

    /// Lists the processes that are watched: each polls as readable when it has ended, and then
    /// it is time for [`Flight::look_after_peers`].
    pub(crate) fn processes(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let liveness = self.address.iter().flat_map(|address| address.liveness.values());
        liveness.filter_map(Liveness::pidfd).map(|pidfd| (pidfd, PollFlags::IN))
    }

    /// Makes what tells when a full peer has room; an address that asks one peer tells it itself.
    pub(crate) fn prepare_waiters(&mut self) {
        self.waiters.clear();
        if self.exchange.poll_transmit().is_some()
            && self.address.as_ref().is_some_and(|address| !address.is_connected())
        {
            // A peer without waiter is dead or full for good; the deadline ends it.
            self.waiters
                .extend(self.exchange.unsent().filter_map(|peer| socket::waiter(&peer).ok()));
        }
    }

    /// Gives up on everybody who is silent.
    pub(crate) fn abandon(&mut self) {
        self.exchange.handle_abandon();
    }

    /// Ends the request: counts its outcomes, and keeps its return address if nothing more can
    /// come to it.
    pub(crate) fn finish(self, shared: &Shared) -> Replies {
        if let Some(mut address) = self.address
            && self.exchange.is_clean()
            && !shared.left.is_set()
        {
            address.liveness.retain(|_, liveness| liveness.pidfd().is_some());
            shared.pool.put_back(address);
        }
        let action = *self.exchange.action();
        let peers = self.exchange.into_outcomes();
        for asked in &peers {
            shared.counters.count_outcome(&asked.outcome);
        }
        Replies::new(action, peers)
    }
}

/// Gives an answer to its exchange, or drops it together with its descriptors.
fn take_answer(
    shared: &Shared,
    exchange: &mut Exchange<Message>,
    received: Received<'_>,
    fds: Vec<OwnedFd>,
) {
    let fd_count = fds.len();
    let taken =
        dispatch(received, Door::ReturnAddress, |user| shared.trusts(user)).and_then(|arrival| {
            let datagram = arrival.datagram;
            shared.counters.count_received(datagram.kind);
            match datagram.kind {
                Kind::Ignore => exchange.handle_ignore(&arrival.from, &datagram.name).is_ok(),
                Kind::Reply | Kind::Message | Kind::Request => {
                    let reply = Message::from_parts(datagram.name, datagram.param, fds);
                    exchange.handle_reply(&arrival.from, &datagram.name, reply).is_ok()
                }
            }
            .then_some(())
            .ok_or(DropReason::StrayAnswer)
        });
    if let Err(reason) = taken {
        tracing::debug!(target: "rte_mp::wire", ?reason, from = ?received.from, "dropped an answer");
        shared.counters.count_dropped(reason, fd_count);
    }
}

fn return_address(shared: &Shared, source: io::Error) -> RequestError {
    RequestError::ReturnAddress { directory: shared.runtime.directory.path.clone(), source }
}

/// Says that the only peer that was to be asked cannot be.
fn unreachable(shared: &Shared, peer: PeerName, error: io::Error) -> RequestError {
    if !socket::is_absent(&error) {
        return return_address(shared, error);
    }
    let errno = socket::absent_errno(&error);
    if peer == shared.runtime.primary_name() {
        RequestError::NoPrimary { prefix: shared.runtime.directory.prefix.clone(), errno }
    } else {
        RequestError::NoPeer { peer, errno }
    }
}
