//! Sync, async and future requests: who drives an exchange.
//!
//! A [`Flight`] is an exchange together with its return address. A sync request drives its own on
//! the calling thread and never touches the driver; the driver drives those of async requests. A
//! peer is watched for its death only if it has not answered within a millisecond, so that a
//! quick answer costs nothing but itself.
//!
//! DPDK 25.11: `eal_common_proc.c`, `rte_mp_request_sync`, `rte_mp_request_async`.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rte_mp_proto::{Door, DropReason, Encoded, Exchange, Kind, PeerName, Received, dispatch};
use rustix::event::{PollFd, PollFlags, poll};

use crate::driver::Command;
use crate::error::RequestError;
use crate::message::Message;
use crate::replies::Replies;
use crate::runtime::PrimaryError;
use crate::runtime::liveness::{Liveness, MAX_PROBE_INTERVAL};
use crate::shared::{GONE, Route, Shared, Target};
use crate::sync::lock;
use crate::time::{DEFAULT_TIMEOUT, deadline_after, timespec_until};
use crate::transport::return_address::ReturnAddress;
use crate::transport::socket;
use crate::transport::spin::Spin;

/// How long a peer may take before it is watched for its death.
const UNWATCHED: Duration = Duration::from_millis(1);

/// Asks, waits for all answers on the calling thread, and says what became of each peer.
pub(crate) fn request(
    shared: &Shared,
    target: Target,
    message: &Message,
    timeout: Option<Duration>,
) -> Result<Replies, RequestError> {
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    let mut flight = Flight::launch(shared, target, message, timeout)?;
    let mut spin = Spin::new(shared.settings.busy_poll.min(timeout));
    spin.restart();
    loop {
        flight.receive(shared);
        if flight.is_complete() {
            break;
        }
        if spin.again() {
            continue;
        }
        flight.handle_timeout(shared, Instant::now());
        if flight.is_complete() {
            break;
        }
        if let Err(source) = flight.block(shared) {
            flight.abandon();
            flight.finish(shared);
            return Err(RequestError::Wait { source });
        }
        if shared.left.is_set() {
            flight.abandon();
            flight.finish(shared);
            return Err(RequestError::Left { prefix: shared.runtime.directory.prefix.clone() });
        }
    }
    Ok(flight.finish(shared))
}

/// Asks, and leaves the waiting to the driver, which calls `done` exactly once.
pub(crate) fn request_async(
    shared: &Shared,
    target: Target,
    message: &Message,
    timeout: Option<Duration>,
    done: Box<dyn FnOnce(Replies) + Send>,
) -> Result<u64, RequestError> {
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    let flight = Flight::launch(shared, target, message, timeout)?;
    let id = shared.next_id();
    shared.post(Command::Drive { id, flight: Box::new(flight), done });
    Ok(id)
}

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
    fn launch(
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
    fn look_after_peers(&mut self, shared: &Shared, now: Instant) {
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

    /// Lists everything that is to be waited for, and what for: the address first, then the
    /// waiters, then the processes that were asked.
    pub(crate) fn fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let blocked = self.exchange.poll_transmit().is_some();
        self.address.iter().flat_map(move |address| {
            let flags = match blocked && address.is_connected() {
                true => PollFlags::IN | PollFlags::OUT,
                false => PollFlags::IN,
            };
            let waiters = self.waiters.iter().map(|waiter| (waiter.as_fd(), PollFlags::OUT));
            let pidfds = address.liveness.values().filter_map(Liveness::pidfd);
            std::iter::once((address.as_fd(), flags))
                .chain(waiters)
                .chain(pidfds.map(|pidfd| (pidfd, PollFlags::IN)))
        })
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

    /// Blocks until something may have happened: an answer, room in a full queue, a death, the
    /// time to look, the group being left.
    fn block(&mut self, shared: &Shared) -> io::Result<()> {
        let Some(due) = self.poll_timeout() else { return Ok(()) };
        let Some(timeout) = timespec_until(due, Instant::now()) else { return Ok(()) };
        self.prepare_waiters();
        let mut fds = vec![PollFd::new(&shared.left, PollFlags::IN)];
        fds.extend(self.fds().map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Behind our own latch, the address and the waiters stand the processes.
        let sockets = 2 + self.waiters.len();
        if fds.iter().skip(sockets).any(|fd| !fd.revents().is_empty()) {
            self.next_look = Some(Instant::now());
        }
        Ok(())
    }

    /// Notes that some watched process may have ended.
    pub(crate) fn look_now(&mut self, shared: &Shared, now: Instant) {
        if self.address.as_ref().is_some_and(|address| !address.liveness.is_empty()) {
            self.look_after_peers(shared, now);
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

/// The outcome of a request, once it is there: a future for any executor.
///
/// The request was sent when the future was made. Dropping it gives the request up.
#[must_use = "a future does nothing unless it is awaited, and dropping it gives the request up"]
pub struct ReplyFuture {
    shared: Arc<Shared>,
    state: FutureState,
}

enum FutureState {
    /// Nobody could be asked.
    Failed(Option<RequestError>),
    /// The driver will fill the slot.
    Pending { id: u64, slot: Arc<Mutex<Slot>> },
    /// The outcome was given out.
    Done,
}

#[derive(Default)]
struct Slot {
    replies: Option<Replies>,
    waker: Option<Waker>,
}

impl ReplyFuture {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        target: Target,
        message: &Message,
        timeout: Option<Duration>,
    ) -> Self {
        let slot = Arc::new(Mutex::new(Slot::default()));
        let filled = Arc::clone(&slot);
        let done = Box::new(move |replies| {
            let mut slot = lock(&filled);
            slot.replies = Some(replies);
            let waker = slot.waker.take();
            drop(slot);
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        let state = match request_async(shared, target, message, timeout, done) {
            Ok(id) => FutureState::Pending { id, slot },
            Err(error) => FutureState::Failed(Some(error)),
        };
        Self { shared: Arc::clone(shared), state }
    }
}

impl Future for ReplyFuture {
    type Output = Result<Replies, RequestError>;

    /// # Panics
    /// If it is polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match &mut self.state {
            FutureState::Failed(error) => error.take().map(Err),
            FutureState::Pending { slot, .. } => {
                let mut slot = lock(slot);
                if slot.replies.is_none() {
                    slot.waker = Some(context.waker().clone());
                    return Poll::Pending;
                }
                slot.replies.take().map(Ok)
            }
            FutureState::Done => None,
        };
        self.state = FutureState::Done;
        Poll::Ready(outcome.expect("a future is not polled after it was ready"))
    }
}

impl Drop for ReplyFuture {
    fn drop(&mut self) {
        if let FutureState::Pending { id, .. } = &self.state {
            self.shared.post(Command::Cancel { id: *id });
        }
    }
}
