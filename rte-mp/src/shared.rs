//! What all threads of one member share, and how anything leaves it.
//!
//! Sends never hold a lock. What cannot be sent at once waits with its sender under a deadline, or,
//! if it is an answer, with the driver, so that a full peer holds up nobody else.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use rte_mp_proto::{Datagram, Encoded, Kind, Layout, PeerName, Role};
use rustix::event::{PollFd, PollFlags, epoll, poll};

use crate::action::Actions;
use crate::driver::Command;
use crate::error::SendError;
use crate::message::Message;
use crate::runtime::{PrimaryError, Runtime, sockets};
use crate::stats::Counters;
use crate::sync::{Signal, lock};
use crate::time::{deadline_after, timespec_until};
use crate::transport::return_address::Pool;
use crate::transport::socket;
use crate::transport::spin::Spin;

/// How many answers may wait for full peers; a peer that never reads is no reason to keep more.
const MAX_WAITING_ANSWERS: usize = 1024;

/// How long to wait for our own buffer before a full peer is tried again.
const OWN_BUFFER_PAUSE: Duration = Duration::from_millis(1);

/// What a member was told about its behaviour.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) busy_poll: Duration,
    pub(crate) send_timeout: Duration,
    /// User ids that are heard besides our own and root.
    pub(crate) trusted: Vec<u32>,
}

/// One member's state.
pub(crate) struct Shared {
    pub(crate) runtime: Runtime,
    pub(crate) settings: Settings,
    pub(crate) actions: Actions,
    pub(crate) pool: Pool,
    pub(crate) counters: Counters,
    /// What the driver waits for; polls as readable when the driver has something to do.
    pub(crate) epoll: OwnedFd,
    /// Set once, when the group is left.
    pub(crate) left: Signal,
    leaving: Once,
    /// Set when there is something in the mailbox.
    wake: Signal,
    mailbox: Mutex<Vec<Command>>,
    waiting_answers: AtomicUsize,
    next_id: AtomicU64,
    user: u32,
}

/// Who a message or a request is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// As DPDK does it: a secondary's go to the primary, the primary's to all secondaries.
    Default,
    /// One member.
    Peer(PeerName),
}

/// Where that leads to.
pub(crate) enum Route {
    Primary(PeerName),
    Peer(PeerName),
    Secondaries(Vec<PeerName>),
}

/// An answer that a full peer had no room for yet.
pub(crate) struct WaitingAnswer {
    pub(crate) peer: PeerName,
    pub(crate) kind: Kind,
    pub(crate) encoded: Encoded,
    pub(crate) fds: Vec<OwnedFd>,
    pub(crate) waiter: OwnedFd,
    pub(crate) deadline: Instant,
}

impl Shared {
    pub(crate) fn new(runtime: Runtime, settings: Settings) -> io::Result<Self> {
        Ok(Self {
            pool: Pool::new(runtime.directory.path.clone()),
            runtime,
            settings,
            actions: Actions::default(),
            counters: Counters::default(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            left: Signal::new()?,
            leaving: Once::new(),
            wake: Signal::new()?,
            mailbox: Mutex::default(),
            waiting_answers: AtomicUsize::new(0),
            next_id: AtomicU64::new(0),
            user: rustix::process::geteuid().as_raw(),
        })
    }

    /// Tells whether datagrams of this user are heard at all.
    pub(crate) fn trusts(&self, user: u32) -> bool {
        user == self.user || user == 0 || self.settings.trusted.contains(&user)
    }

    /// Leaves the group: nobody finds us any more, and whoever waits is told.
    pub(crate) fn leave(&self) {
        self.leaving.call_once(|| {
            self.runtime.leave();
            self.left.set();
            self.pool.clear();
        });
    }

    /// Gives a number that nothing else has that the driver drives.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands something to the driver.
    pub(crate) fn post(&self, command: Command) {
        lock(&self.mailbox).push(command);
        self.wake.set();
    }

    /// Wakes the driver, to look at what else has changed.
    pub(crate) fn wake(&self) -> &Signal {
        &self.wake
    }

    /// Takes what was posted.
    pub(crate) fn take_mail(&self) -> Vec<Command> {
        self.wake.clear();
        std::mem::take(&mut *lock(&self.mailbox))
    }

    pub(crate) fn layout(&self) -> Layout {
        self.runtime.layout
    }

    /// Finds who is meant. Lists the directory for a primary's broadcast.
    pub(crate) fn route(&self, target: Target) -> io::Result<Route> {
        match (target, self.runtime.role) {
            (Target::Peer(peer), _) if peer == self.runtime.primary_name() => {
                Ok(Route::Primary(peer))
            }
            (Target::Peer(peer), _) => Ok(Route::Peer(peer)),
            (Target::Default, Role::Primary) => {
                Ok(Route::Secondaries(self.runtime.list_secondaries()?))
            }
            (Target::Default, Role::Secondary | Role::Auto) => {
                Ok(Route::Primary(self.runtime.primary_name()))
            }
        }
    }

    /// Sends a one-way message; blocks for at most the send timeout while queues are full.
    pub(crate) fn send(&self, target: Target, message: &Message) -> Result<(), SendError> {
        let prefix = || self.runtime.directory.prefix.clone();
        if self.left.is_set() {
            return Err(SendError::Left { prefix: prefix() });
        }
        let (count, max) = (message.fds().len(), self.layout().fd_max());
        if count > max {
            return Err(SendError::TooManyFds { count, max });
        }
        let route = self.route(target).map_err(|source| SendError::List {
            directory: self.runtime.directory.path.clone(),
            source,
        })?;
        let encoded = message.datagram(Kind::Message).encode(self.layout());
        let fds = message.borrowed_fds();
        match route {
            Route::Primary(primary) => {
                self.runtime.check_primary().map_err(|error| match error {
                    PrimaryError::Gone => {
                        SendError::NoPrimary { prefix: prefix(), errno: GONE.raw_os_error() }
                    }
                    PrimaryError::Another => SendError::OtherPrimary { prefix: prefix() },
                })?;
                match self.deliver(&[primary], &encoded, &fds).pop() {
                    None => Ok(()),
                    Some((_, error)) if socket::is_absent(&error) => Err(SendError::NoPrimary {
                        prefix: prefix(),
                        errno: socket::absent_errno(&error),
                    }),
                    Some(failure) => Err(SendError::Undelivered { failures: vec![failure] }),
                }
            }
            Route::Peer(peer) => undelivered(self.deliver(&[peer], &encoded, &fds)),
            Route::Secondaries(peers) => {
                let mut failures = self.deliver(&peers, &encoded, &fds);
                failures.retain(|(peer, error)| !self.forget_if_absent(peer, error));
                undelivered(failures)
            }
        }
    }

    /// Sends to all of `peers` side by side, and gives those that did not get it.
    fn deliver(
        &self,
        peers: &[PeerName],
        encoded: &Encoded,
        fds: &[BorrowedFd<'_>],
    ) -> Vec<(PeerName, io::Error)> {
        let inbox = self.runtime.inbox();
        let mut failures = Vec::new();
        let mut waiting = Vec::new();
        let mut send_or_keep = |peer: PeerName, waiting: &mut Vec<PeerName>| match socket::send_to(
            inbox,
            &peer,
            encoded.as_bytes(),
            fds,
        ) {
            Ok(()) => self.counters.count_sent(Kind::Message),
            Err(error) if socket::is_full(&error) => waiting.push(peer),
            Err(error) => failures.push((peer, error)),
        };
        for peer in peers {
            send_or_keep(*peer, &mut waiting);
        }
        if waiting.is_empty() {
            return failures;
        }
        let deadline = deadline_after(Instant::now(), self.settings.send_timeout);
        let mut spin = Spin::new(self.settings.busy_poll);
        spin.restart();
        let mut tries = 0;
        while !waiting.is_empty() {
            if !spin.again() {
                if !self.wait_for_room(&waiting, deadline, tries) {
                    break;
                }
                tries += 1;
            }
            for peer in std::mem::take(&mut waiting) {
                send_or_keep(peer, &mut waiting);
            }
        }
        let timed_out = |peer| (peer, rustix::io::Errno::TIMEDOUT.into());
        failures.extend(waiting.into_iter().map(timed_out));
        failures
    }

    /// Blocks until one of `peers` may have room; `false` at the deadline and when we leave.
    fn wait_for_room(&self, peers: &[PeerName], deadline: Instant, tries: u32) -> bool {
        // A peer that ended meanwhile gives no waiter; the next try to send to it tells why.
        let waiters: Result<Vec<_>, _> = peers.iter().map(socket::waiter).collect();
        let Ok(waiters) = waiters else { return Instant::now() < deadline };
        let mut fds = vec![PollFd::new(&self.left, PollFlags::IN)];
        if tries > 0 {
            // The peer had room and we could not send: our own buffer is full of what others have
            // not read. It polls as writable only when most of it is read, so not for long.
            let pause = deadline.min(Instant::now() + OWN_BUFFER_PAUSE);
            let inbox = self.runtime.inbox();
            fds.push(PollFd::from_borrowed_fd(inbox, PollFlags::OUT));
            let _ = timespec_until(pause, Instant::now()).map(|t| poll(&mut fds, Some(&t)));
            fds.pop();
        }
        fds.extend(waiters.iter().map(|waiter| PollFd::new(waiter, PollFlags::OUT)));
        loop {
            let Some(timeout) = timespec_until(deadline, Instant::now()) else { return false };
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(_) => return false,
            }
        }
        !self.left.is_set()
    }

    /// Treats a failed broadcast to a socket that nobody owns as DPDK does: it is removed, and was
    /// never there.
    pub(crate) fn forget_if_absent(&self, peer: &PeerName, error: &io::Error) -> bool {
        let absent = socket::is_absent(error);
        if absent {
            sockets::remove_if_stale(peer);
        }
        absent
    }

    /// Sends an answer, or leaves it with the driver while the peer's queue is full.
    pub(crate) fn answer(
        &self,
        peer: &PeerName,
        layout: Layout,
        datagram: Datagram,
        fds: Vec<OwnedFd>,
    ) -> io::Result<()> {
        let encoded = datagram.encode(layout);
        let kind = datagram.kind;
        let borrowed: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
        match socket::send_to(self.runtime.inbox(), peer, encoded.as_bytes(), &borrowed) {
            Ok(()) => {
                self.counters.count_sent(kind);
                Ok(())
            }
            Err(error) if socket::is_full(&error) => {
                if self.waiting_answers.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING_ANSWERS {
                    self.answer_settled();
                    return Err(error);
                }
                let waiter = socket::waiter(peer).inspect_err(|_| self.answer_settled())?;
                let deadline = deadline_after(Instant::now(), self.settings.send_timeout);
                let peer = *peer;
                let answer = WaitingAnswer { peer, kind, encoded, fds, waiter, deadline };
                self.post(Command::Deliver(Box::new(answer)));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Notes that a waiting answer was sent or given up.
    pub(crate) fn answer_settled(&self) {
        self.waiting_answers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What DPDK gives for a primary that was killed.
pub(crate) const GONE: rustix::io::Errno = rustix::io::Errno::CONNREFUSED;

fn undelivered(failures: Vec<(PeerName, io::Error)>) -> Result<(), SendError> {
    if failures.is_empty() { Ok(()) } else { Err(SendError::Undelivered { failures }) }
}
