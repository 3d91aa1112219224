//! Following the members: inotify on the group's directory, pidfds, and probes for the rest.
//!
//! Only while somebody listens. A change in the directory or a death leads to a new listing;
//! `rte_mp_proto::Members` tells what is new in it.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use rte_mp_proto::{Event, Member, Members, PeerName};
use rustix::event::epoll;
use rustix::fs::inotify;

use crate::runtime::liveness::Liveness;
use crate::shared::Shared;

/// How often members are probed whose process is not known.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How soon a listing is tried again while somebody joins.
const RETRY: Duration = Duration::from_millis(1);

pub(crate) type Subscriber = Sender<Event>;

/// The news of a group: who joins and who leaves. Begins with those who are there.
///
/// Ends when the group is left.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
}

impl Events {
    pub(crate) fn new(receiver: Receiver<Event>) -> Self {
        Self { receiver }
    }

    /// Waits for the next piece of news; `None` once the group is left.
    pub fn recv(&self) -> Option<Event> {
        self.receiver.recv().ok()
    }

    /// Waits for the next piece of news for at most `timeout`.
    ///
    /// # Errors
    /// Says whether the time is over or the group was left.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Event, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout)
    }

    /// Gives the next piece of news if there is one already.
    ///
    /// # Errors
    /// Says whether there is none yet or the group was left.
    pub fn try_recv(&self) -> Result<Event, TryRecvError> {
        self.receiver.try_recv()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}

/// Follows the members for those who listen.
pub(crate) struct Follower {
    inotify: OwnedFd,
    members: Members,
    /// By name and incarnation: a primary that was restarted has the name of the former one.
    watched: HashMap<(PeerName, u64), Liveness>,
    subscribers: Vec<Subscriber>,
    next_listing: Option<Instant>,
}

impl Follower {
    pub(crate) fn start(shared: &Shared, epoll: BorrowedFd<'_>, token: u64) -> io::Result<Self> {
        let inotify =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let changes = inotify::WatchFlags::CREATE
            | inotify::WatchFlags::DELETE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MOVED_FROM
            | inotify::WatchFlags::ONLYDIR;
        inotify::add_watch(&inotify, &shared.runtime.directory.path, changes)?;
        watch(epoll, inotify.as_fd(), token)?;
        Ok(Self {
            inotify,
            members: Members::default(),
            watched: HashMap::new(),
            subscribers: Vec::new(),
            next_listing: None,
        })
    }

    /// Adds somebody who listens, and tells him who is there.
    pub(crate) fn add(&mut self, subscriber: Subscriber) {
        for member in self.members.iter() {
            // Nobody listens any more; the next piece of news finds that out.
            let _ = subscriber.send(member.joined());
        }
        self.subscribers.push(subscriber);
    }

    /// Tells whether nobody listens any more.
    pub(crate) fn is_unheard(&self) -> bool {
        self.subscribers.is_empty()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_listing
    }

    pub(crate) fn handle_timeout(
        &mut self,
        shared: &Shared,
        epoll: BorrowedFd<'_>,
        token: u64,
        now: Instant,
    ) {
        if self.next_listing.is_some_and(|due| due <= now) {
            self.handle_readable(shared, epoll, token);
        }
    }

    /// Lists the members anew, and tells what has changed.
    pub(crate) fn handle_readable(&mut self, shared: &Shared, epoll: BorrowedFd<'_>, token: u64) {
        self.drain();
        let now = Instant::now();
        let Ok(mut alive) = shared.runtime.list_members(Duration::ZERO) else {
            self.next_listing = Some(now + RETRY);
            return;
        };
        // Closing a pidfd takes it out of the epoll set.
        self.watched.retain(|key, _| alive.iter().any(|member| key_of(member) == *key));
        let mut all_known = true;
        alive.retain(|member| {
            let liveness = self.watched.entry(key_of(member)).or_insert_with(|| {
                let liveness = Liveness::of(&member.name, member.pid);
                match liveness.pidfd().map(|pidfd| watch(epoll, pidfd, token)) {
                    Some(Err(_)) => Liveness::Probe,
                    Some(Ok(())) | None => liveness,
                }
            });
            all_known &= liveness.pidfd().is_some();
            // A child may keep the socket of a dead member open; the member is gone all the same.
            let dead = liveness.is_dead(&member.name);
            if let (true, Some(pidfd)) = (dead, liveness.pidfd()) {
                // It is out already if this is not the first look at it.
                let _ = epoll::delete(epoll, pidfd);
            }
            !dead
        });
        self.members.handle_listing(&alive);
        self.next_listing = (!all_known).then(|| now + PROBE_INTERVAL);
        while let Some(event) = self.members.poll_event() {
            self.subscribers.retain(|subscriber| subscriber.send(event).is_ok());
        }
    }

    /// Reads the notices away: they say only that something has changed.
    fn drain(&self) {
        let mut space = [MaybeUninit::uninit(); 4096];
        while rustix::io::read(&self.inotify, &mut space).is_ok_and(|(read, _)| !read.is_empty()) {}
    }
}

fn key_of(member: &Member) -> (PeerName, u64) {
    (member.name, member.incarnation)
}

fn watch(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
    Ok(epoll::add(epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?)
}
