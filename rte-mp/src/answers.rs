//! Answers on their way out: replies and ignores, sent at once or when their receiver has room.
//!
//! A full receiver holds up nobody else. Its answers wait here, in order and limited in number, and
//! the driver tries again, soon at first and then less often. Nothing would tell when to: where the
//! receiver is connected to us, it is our own buffer that is full of what others have not read.
//!
//! DPDK 25.11: `eal_common_proc.c`, `rte_mp_reply`. Differs from DPDK: it never blocks.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rte_mp_proto::trace::{Fate, Path};
use rte_mp_proto::{Datagram, DropReason, Encoded, Kind, Layout, PeerName};
use rustix::io::Errno;

use crate::error::{MessageError, ReplyError, raw};
use crate::message::Message;
use crate::runtime::PrimaryError;
use crate::shared::Shared;
use crate::sync::lock;
use crate::time::deadline_after;
use crate::transport::socket;

/// How many answers may wait for one receiver, and in all.
const MAX_PER_PEER: usize = 32;
const MAX_WAITING: usize = 1024;
/// How soon those that wait are tried again, at first and at last.
const FIRST_RETRY: Duration = Duration::from_millis(1);
const LAST_RETRY: Duration = Duration::from_millis(16);

/// The answers that wait.
#[derive(Default)]
pub(crate) struct Answers {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    queues: HashMap<PeerName, VecDeque<Answer>>,
    count: usize,
    /// When to try again, and how long the last pause was.
    retry: Option<(Instant, Duration)>,
}

struct Answer {
    kind: Kind,
    encoded: Encoded,
    fds: Vec<OwnedFd>,
    deadline: Instant,
}

/// Sends a reply to a path, whatever was asked from there.
pub(crate) fn reply_to(
    shared: &Shared,
    peer: &PeerName,
    mut message: Message,
) -> Result<(), ReplyError> {
    let action = message.name().to_string();
    let unreachable = |action, source| ReplyError::Unreachable { peer: *peer, action, source };
    if shared.left.is_set() {
        return Err(unreachable(action, Errno::SHUTDOWN.into()));
    }
    if peer.as_path().parent() != Some(&shared.runtime.directory.path) {
        return Err(unreachable(action, Errno::INVAL.into()));
    }
    let layout = shared.layout();
    if message.fds().len() > layout.fd_max() {
        let source = MessageError::TooManyFds { max: layout.fd_max() };
        return Err(ReplyError::Message { action, source });
    }
    let datagram = message.datagram(Kind::Reply);
    shared
        .answer(peer, layout, datagram, message.take_fds())
        .map_err(|source| unreachable(action, source))
}

impl Shared {
    /// Sends an answer, or leaves it with the driver while its receiver has no room.
    pub(crate) fn answer(
        &self,
        peer: &PeerName,
        layout: Layout,
        datagram: Datagram,
        fds: Vec<OwnedFd>,
    ) -> io::Result<()> {
        let deadline = deadline_after(Instant::now(), self.settings.send_timeout);
        let encoded = datagram.encode(layout);
        let answer = Answer { kind: datagram.kind, encoded, fds, deadline };
        let must_queue_up = lock(&self.answers.waiting).queues.contains_key(peer);
        if !must_queue_up {
            match self.try_answer(peer, &answer) {
                Err(error) if socket::is_full(&error) => {}
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.trace_answer(peer, &answer, Fate::Failed(raw(&error)));
                    return Err(error);
                }
            }
        }
        let mut waiting = lock(&self.answers.waiting);
        let for_peer = waiting.queues.get(peer).map_or(0, VecDeque::len);
        let is_full = waiting.count >= MAX_WAITING || for_peer >= MAX_PER_PEER;
        if is_full || self.left.is_set() {
            drop(waiting);
            self.trace_answer(peer, &answer, Fate::Failed(Errno::AGAIN.raw_os_error()));
            return Err(Errno::AGAIN.into());
        }
        // Under the lock, so that the record of its sending comes later.
        self.trace_answer(peer, &answer, Fate::Waiting);
        waiting.queues.entry(*peer).or_default().push_back(answer);
        waiting.count += 1;
        waiting.retry = Some((Instant::now() + FIRST_RETRY, FIRST_RETRY));
        drop(waiting);
        self.wake().set();
        Ok(())
    }

    fn try_answer(&self, peer: &PeerName, answer: &Answer) -> io::Result<()> {
        if *peer == self.runtime.primary_name() {
            match self.runtime.check_asking_primary() {
                Ok(()) => {}
                Err(PrimaryError::Gone { errno }) => {
                    return Err(io::Error::from_raw_os_error(errno));
                }
                // It has taken the place of the one that asked, and may die of a wrong length.
                Err(PrimaryError::Another) => return Err(Errno::CONNREFUSED.into()),
            }
        }
        let fds: Vec<_> = answer.fds.iter().map(OwnedFd::as_fd).collect();
        let (stamp, bytes) = (self.tracer.stamp(), answer.encoded.as_bytes());
        socket::send_to(self.runtime.inbox(), peer, bytes, &fds)?;
        self.counters.count_sent(answer.kind);
        self.trace_out(stamp, Path::Socket, None, peer, bytes, Fate::Sent);
        Ok(())
    }

    /// Gives the time at which [`Shared::retry_answers`] is due.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        lock(&self.answers.waiting).retry.map(|(due, _)| due)
    }

    /// Tries the answers that wait, if it is time.
    pub(crate) fn retry_answers(&self, now: Instant) {
        let mut waiting = lock(&self.answers.waiting);
        let Some((_, pause)) = waiting.retry.filter(|(due, _)| *due <= now) else { return };
        // The queues stay in place, empty, so that newer answers line up behind.
        let queues: Vec<_> =
            waiting.queues.iter_mut().map(|(peer, queue)| (*peer, std::mem::take(queue))).collect();
        drop(waiting);
        let mut rest = Vec::new();
        for (peer, mut queue) in queues {
            while let Some(answer) = queue.front() {
                match self.try_answer(&peer, answer) {
                    Err(error) if socket::is_full(&error) && now < answer.deadline => break,
                    Err(_) => self.give_up(&peer, answer),
                    Ok(()) => {}
                }
                queue.pop_front();
            }
            rest.push((peer, queue));
        }
        let mut waiting = lock(&self.answers.waiting);
        for (peer, mut older) in rest {
            if let Some(queue) = waiting.queues.get_mut(&peer) {
                older.append(queue);
                *queue = older;
            }
        }
        waiting.queues.retain(|_, queue| !queue.is_empty());
        waiting.count = waiting.queues.values().map(VecDeque::len).sum();
        let pause = (pause * 2).min(LAST_RETRY);
        waiting.retry = (waiting.count > 0).then(|| (now + pause, pause));
    }

    /// Gives up all that wait: the group was left.
    pub(crate) fn drop_answers(&self) {
        let waiting = std::mem::take(&mut *lock(&self.answers.waiting));
        for (peer, queue) in &waiting.queues {
            for answer in queue {
                self.give_up(peer, answer);
            }
        }
    }

    fn give_up(&self, peer: &PeerName, answer: &Answer) {
        self.counters.count_dropped(DropReason::Undelivered, answer.fds.len());
        self.trace_answer(peer, answer, Fate::Dropped(DropReason::Undelivered));
    }

    fn trace_answer(&self, peer: &PeerName, answer: &Answer, fate: Fate) {
        let bytes = answer.encoded.as_bytes();
        self.trace_out(self.tracer.stamp(), Path::Socket, None, peer, bytes, fate);
    }
}
