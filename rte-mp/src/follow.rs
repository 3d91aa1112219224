//! Following the members: inotify on the group's directory, pidfds, and probes for the rest.
//!
//! Only while somebody listens. A change in the directory or a death leads to a new listing;
//! `rte_mp_proto::Members` tells what is new in it.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use rte_mp_proto::{Event, Member, Members, PeerName, path};
use rustix::event::epoll;
use rustix::fs::inotify;

use crate::runtime::liveness::{Liveness, Owners};
use crate::shared::Shared;

/// How often members are probed whose process is not known.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How soon a listing is tried again while somebody joins, and how long that grows.
const FIRST_RETRY: Duration = Duration::from_millis(1);
/// How much news waits for a reader before he loses the rest.
const MAX_NEWS: usize = 16 * 1024;

pub(crate) type Subscriber = SyncSender<Event>;

/// The news of a group: who joins and who leaves. Begins with those who are there.
///
/// Ends when the group is left. At most 16384 pieces of news wait for their reader; for one who
/// lets more come together the news ends, too.
///
/// The driver makes the news: in a group that is driven by the caller, [`Events::recv`] on the
/// thread that drives would wait for ever.
#[derive(Debug)]
#[must_use = "news that nobody reads ends"]
pub struct Events {
    receiver: Receiver<Event>,
}

impl Events {
    pub(crate) fn channel() -> (Subscriber, Self) {
        let (sender, receiver) = sync_channel(MAX_NEWS);
        (sender, Self { receiver })
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
    retry: Duration,
}

impl Follower {
    /// Begins to watch the directory; nothing is listed yet.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        let inotify =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let changes = inotify::WatchFlags::CREATE
            | inotify::WatchFlags::DELETE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MOVED_FROM
            | inotify::WatchFlags::ONLYDIR;
        inotify::add_watch(&inotify, directory, changes)?;
        Ok(Self {
            inotify,
            members: Members::default(),
            watched: HashMap::new(),
            subscribers: Vec::new(),
            next_listing: None,
            retry: FIRST_RETRY,
        })
    }

    /// Has `epoll` tell when there is news.
    pub(crate) fn watch(&self, epoll: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        watch(epoll, self.inotify.as_fd(), token)
    }

    /// Adds somebody who listens, and tells him who is there.
    pub(crate) fn add(&mut self, subscriber: Subscriber) {
        let told = self.members.iter().all(|member| subscriber.try_send(member.joined()).is_ok());
        if told {
            self.subscribers.push(subscriber);
        }
    }

    /// Tells whether nobody listens any more.
    pub(crate) fn is_unheard(&self) -> bool {
        self.subscribers.is_empty()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_listing
    }

    pub(crate) fn handle_timeout(&mut self, shared: &Shared, token: u64, now: Instant) {
        if self.next_listing.is_some_and(|due| due <= now) {
            self.update(shared, token, now);
        }
    }

    /// Lists the members anew if a member's socket has come or gone, or a member has ended.
    pub(crate) fn handle_readable(&mut self, shared: &Shared, token: u64, now: Instant) {
        let somebody_ended = self.watched.values().any(Liveness::has_ended);
        if self.read_notices() || somebody_ended {
            self.update(shared, token, now);
        }
    }

    /// Lists the members anew, and tells what has changed.
    pub(crate) fn update(&mut self, shared: &Shared, token: u64, now: Instant) {
        let epoll = shared.epoll.as_fd();
        let mut alive = match shared.runtime.list_members(Duration::ZERO) {
            Ok(alive) => alive,
            Err(error) => {
                tracing::debug!(target: "rte_mp::members", %error, "cannot list the members");
                self.next_listing = Some(now + self.retry);
                self.retry = (self.retry * 2).min(PROBE_INTERVAL);
                return;
            }
        };
        self.retry = FIRST_RETRY;
        // Closing a pidfd takes it out of the epoll set.
        self.watched.retain(|key, _| alive.iter().any(|member| key_of(member) == *key));
        let mut owners = Owners::default();
        let mut all_known = true;
        alive.retain(|member| {
            let liveness = self.watched.entry(key_of(member)).or_insert_with(|| {
                let liveness = Liveness::of(&member.name, None, member.pid, &mut owners);
                match liveness.pidfd().map(|pidfd| watch(epoll, pidfd, token)) {
                    Some(Err(_)) => Liveness::Probe,
                    Some(Ok(())) | None => liveness,
                }
            });
            all_known &= liveness.pidfd().is_some();
            // A child may keep the socket of a dead member open; the member is gone all the same.
            let dead = liveness.has_ended();
            if let (true, Some(pidfd)) = (dead, liveness.pidfd()) {
                // It is out already if this is not the first look at it.
                let _ = epoll::delete(epoll, pidfd);
            }
            !dead
        });
        self.members.handle_listing(&alive);
        self.next_listing = (!all_known).then(|| now + PROBE_INTERVAL);
        while let Some(event) = self.members.poll_event() {
            self.subscribers.retain(|subscriber| subscriber.try_send(event).is_ok());
        }
    }

    /// Reads what has changed in the directory, and tells whether it concerns a member.
    fn read_notices(&self) -> bool {
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut notices = inotify::Reader::new(&self.inotify, &mut space);
        let mut concerned = false;
        while let Ok(notice) = notices.next() {
            let file = notice.file_name().map(|name| name.to_bytes());
            // Without a name it is about the directory itself, or notices were lost.
            concerned |= file.is_none_or(|file| {
                path::is_secondary_socket(file) || file == path::PRIMARY_SOCKET.as_bytes()
            });
        }
        concerned
    }
}

fn key_of(member: &Member) -> (PeerName, u64) {
    (member.name, member.incarnation)
}

fn watch(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
    match epoll::add(epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN) {
        // A process that joined more than once has one pidfd.
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
