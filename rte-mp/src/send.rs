//! One-way messages: to one or to all, with a deadline and without a lock.
//!
//! All receivers are tried at once; those whose queues are full are waited for side by side.
//!
//! DPDK 25.11: `eal_common_proc.c`, `rte_mp_sendmsg`, `mp_send`.

use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::slice;
use std::time::{Duration, Instant};

use rte_mp_proto::trace::{Fate, Path};
use rte_mp_proto::{Encoded, Kind, PeerName};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::error::{SendError, raw};
use crate::message::Message;
use crate::route::{Route, Target};
use crate::shared::Shared;
use crate::time::{deadline_after, timespec_until};
use crate::transport::lane::Push;
use crate::transport::socket;
use crate::transport::spin::Spin;

/// How long to pause where nothing tells when to try again.
const PAUSE: Duration = Duration::from_millis(1);

/// Sends a one-way message; blocks for at most the send timeout while queues are full.
pub(crate) fn send(shared: &Shared, target: Target, message: &Message) -> Result<(), SendError> {
    let deadline = deadline_after(Instant::now(), shared.settings.send_timeout);
    let route = shared.begin(target, message, deadline)?;
    if send_by_lane(shared, &route, message, deadline) {
        return Ok(());
    }
    let mut delivery = Delivery {
        shared,
        encoded: message.datagram(Kind::Message).encode(shared.layout()),
        fds: message.borrowed_fds(),
        waiting: Vec::new(),
        failures: Vec::new(),
    };
    let peers = match &route {
        Route::Primary(primary) => {
            shared.check_primary()?;
            slice::from_ref(primary)
        }
        Route::Peer(peer) => slice::from_ref(peer),
        Route::Secondaries(peers) => peers,
    };
    delivery.run(peers, deadline);
    let mut failures = delivery.failures;
    if !failures.is_empty() && shared.left.is_set() {
        return Err(SendError::Left { prefix: shared.prefix() });
    }
    match (route, failures.first()) {
        (Route::Secondaries(_), None) => Ok(()),
        (Route::Primary(peer) | Route::Peer(peer), None) => {
            shared.wish_for_lane(&peer);
            Ok(())
        }
        (Route::Primary(peer), Some((_, error))) if socket::is_absent(error) => {
            shared.outlets.forget(&peer);
            let errno = socket::absent_errno(error);
            Err(SendError::NoPrimary { prefix: shared.prefix(), errno })
        }
        (Route::Peer(peer), Some((_, error))) if socket::is_absent(error) => {
            shared.outlets.forget(&peer);
            Err(SendError::NoPeer { peer, errno: socket::absent_errno(error) })
        }
        (Route::Primary(_) | Route::Peer(_), Some(_)) => Err(SendError::Undelivered { failures }),
        (Route::Secondaries(_), Some(_)) => {
            failures.retain(|(peer, error)| !shared.forget_if_absent(peer, error));
            if failures.is_empty() { Ok(()) } else { Err(SendError::Undelivered { failures }) }
        }
    }
}

/// Sends through a lane; `false` where there is none, or its other end does not poll.
fn send_by_lane(shared: &Shared, route: &Route, message: &Message, deadline: Instant) -> bool {
    let (Route::Primary(peer) | Route::Peer(peer)) = route else { return false };
    let Some(outlet) = shared.outlets.find(peer).filter(|_| message.fds().is_empty()) else {
        return false;
    };
    let encoded = message.datagram(Kind::Message).encode(shared.layout());
    loop {
        let stamp = shared.tracer.stamp();
        match outlet.send(encoded.as_meaningful_bytes()) {
            Push::In(()) => {
                shared.counters.count_sent(Kind::Message);
                let bytes = encoded.as_bytes();
                shared.trace_out(stamp, Path::Lane, None, peer, bytes, Fate::Sent);
                return true;
            }
            // The other end polls: soon it has taken what is in, and received what went by socket.
            Push::Later if Instant::now() < deadline && !shared.left.is_set() => {
                rustix::thread::sched_yield();
            }
            Push::Later | Push::Socket => return false,
        }
    }
}

/// One message on its way to several peers.
struct Delivery<'a> {
    shared: &'a Shared,
    encoded: Encoded,
    fds: Vec<BorrowedFd<'a>>,
    /// Those whose queues are full.
    waiting: Vec<PeerName>,
    /// Those that will not get it.
    failures: Vec<(PeerName, io::Error)>,
}

impl Delivery<'_> {
    fn run(&mut self, peers: &[PeerName], deadline: Instant) {
        for peer in peers {
            self.try_one(*peer);
        }
        if self.waiting.is_empty() {
            return;
        }
        let mut spin = Spin::new(self.shared.settings.busy_poll, &self.shared.pace);
        spin.restart();
        let mut pause = None;
        while !self.waiting.is_empty() {
            if !spin.again_later() {
                if !self.wait_for_room(deadline, pause) {
                    break;
                }
                // A peer that had room, and that we could not send to all the same: our own buffer
                // is full of what others have not read.
                pause = Some(PAUSE);
            }
            for peer in mem::take(&mut self.waiting) {
                self.try_again(peer);
            }
        }
        for peer in mem::take(&mut self.waiting) {
            self.fail(peer, Errno::TIMEDOUT.into());
        }
    }

    /// As [`Delivery::try_one`], later: another primary may have taken the place of ours.
    fn try_again(&mut self, peer: PeerName) {
        let is_primary = peer == self.shared.runtime.primary_name();
        if is_primary && self.shared.check_primary().is_err() {
            self.fail(peer, Errno::CONNREFUSED.into());
        } else {
            self.try_one(peer);
        }
    }

    fn try_one(&mut self, peer: PeerName) {
        let inbox = self.shared.runtime.inbox();
        let (stamp, bytes) = (self.shared.tracer.stamp(), self.encoded.as_bytes());
        match socket::send_to(inbox, &peer, bytes, &self.fds) {
            Ok(()) => {
                self.shared.counters.count_sent(Kind::Message);
                self.shared.trace_out(stamp, Path::Socket, None, &peer, bytes, Fate::Sent);
                self.shared.outlets.note_socket(&peer);
            }
            Err(error) if socket::is_full(&error) => self.waiting.push(peer),
            Err(error) => self.fail(peer, error),
        }
    }

    fn fail(&mut self, peer: PeerName, error: io::Error) {
        let (stamp, bytes) = (self.shared.tracer.stamp(), self.encoded.as_bytes());
        let failed = Fate::Failed(raw(&error));
        self.shared.trace_out(stamp, Path::Socket, None, &peer, bytes, failed);
        self.failures.push((peer, error));
    }

    /// Blocks until one of those that are waited for may have room, but at least for `pause`;
    /// `false` at the deadline and when the group is left.
    fn wait_for_room(&self, deadline: Instant, pause: Option<Duration>) -> bool {
        let left = &self.shared.left;
        if let Some(pause) = pause {
            let until = deadline.min(Instant::now() + pause);
            wait(&mut [PollFd::new(left, PollFlags::IN)], until);
        }
        // Who gives no waiter has ended, which the next try tells, or the descriptors have run out.
        let waiters: Vec<_> = self.waiting.iter().map(socket::waiter).collect();
        let until = match waiters.iter().all(Result::is_ok) {
            true => deadline,
            false => deadline.min(Instant::now() + PAUSE),
        };
        let mut fds = vec![PollFd::new(left, PollFlags::IN)];
        let waiters = waiters.iter().flatten();
        fds.extend(waiters.map(|waiter| PollFd::new(waiter, PollFlags::OUT)));
        wait(&mut fds, until);
        !left.is_set() && Instant::now() < deadline
    }
}

/// Blocks until one of `fds` is ready or the time has come.
fn wait(fds: &mut [PollFd<'_>], until: Instant) {
    while let Some(timeout) = timespec_until(until, Instant::now()) {
        match poll(fds, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return,
        }
    }
}
