//! A member's event loop: its inbox and lanes, async requests, answers that wait, members' news.
//!
//! One driver per member. It runs on a thread of its own, or in the caller's event loop: it offers
//! a descriptor, its next deadline, and [`Driver::process`]. Nothing here blocks but [`Driver::run`].

mod inbox;
mod tasks;

use std::hint;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::epoll;

use self::tasks::Tasks;
use crate::flight::Flight;
use crate::follow::{Follower, Subscriber};
use crate::lanes::inlets::Inlets;
use crate::replies::Replies;
use crate::shared::Shared;
use crate::sys::gaps::Batch;
use crate::time::timespec_until;
use crate::transport::spin::{Pace, Spin};
use crate::workers::Workers;

/// What is asked of the driver from other threads.
pub(crate) enum Command {
    /// Drive an async request, and call `done` once.
    Drive { id: u64, flight: Box<Flight>, done: Done },
    /// Give an async request up; nobody wants its outcome.
    Cancel { id: u64 },
    /// Tell who joins and leaves.
    Follow(Box<Follower>, Subscriber),
}

pub(crate) type Done = Box<dyn FnOnce(Replies) + Send>;

/// Tokens of the epoll set; what has an id of its own stands above them.
const INBOX: u64 = 0;
const WAKE: u64 = 1;
const LEFT: u64 = 2;
const MEMBERS: u64 = 3;
const FIRST_ID: u64 = 16;
/// How many events are taken in at once.
const EVENTS: usize = 16;

/// How many turns of polling pass before the descriptors are looked at that are not the inbox.
const TURNS_PER_LOOK: u32 = 64;
/// How many turns pass before the inbox is looked at, while the lanes bring something at each, or
/// somebody who uses them may be waiting for the core.
const TURNS_PER_INBOX: u32 = 8;

/// A member's event loop.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    workers: Option<Workers>,
    batch: Batch,
    inlets: Inlets,
    tasks: Tasks,
    follower: Option<Box<Follower>>,
    /// Whether inbox and lanes are left alone, because the workers have enough to do.
    paused: bool,
    turns: u32,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, workers: Option<Workers>) -> io::Result<Self> {
        let add = |fd: BorrowedFd<'_>, token| {
            epoll::add(&shared.epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN)
        };
        add(shared.runtime.inbox(), INBOX)?;
        add(shared.wake().as_fd(), WAKE)?;
        add(shared.left.as_fd(), LEFT)?;
        Ok(Self {
            shared,
            workers,
            batch: Batch::new(),
            inlets: Inlets::new(),
            tasks: Tasks::default(),
            follower: None,
            paused: false,
            turns: 0,
        })
    }

    /// Runs until the group is left: polls for a short window after activity, then blocks.
    pub(crate) fn run(mut self) {
        let pace = Pace::new();
        let window = self.shared.settings.busy_poll;
        let mut spin = Spin::new(window, &pace);
        while !self.shared.left.is_set() {
            let active = if spin.again() {
                self.inlets.stay_awake(window);
                Ok(self.turn(&spin))
            } else {
                self.sleep()
            };
            match active {
                Ok(true) => spin.restart(),
                Ok(false) => {}
                // Only a broken descriptor can be the reason, and that would be our own fault.
                Err(error) => {
                    tracing::debug!(target: "rte_mp::request", %error, "cannot wait any more");
                    break;
                }
            }
        }
    }

    /// Tells whether the group was left, so that nothing more is to be done.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_over(&self) -> bool {
        self.shared.left.is_set()
    }

    /// Gives the time at which [`Driver::process`] is due even if the descriptor says nothing.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let task = self.tasks.next_due();
        let members = self.follower.as_ref().and_then(|follower| follower.poll_timeout());
        [task, members, self.shared.next_retry()].into_iter().flatten().min()
    }

    /// Polls once, and tells whether there was anything to do. While nothing but lanes and inbox is
    /// waited for, that is one system call, or none.
    fn turn(&mut self, spin: &Spin<'_>) -> bool {
        self.turns = self.turns.wrapping_add(1);
        let active = self.poll_lanes(spin.looks());
        let woken = self.shared.wake().is_set();
        let lanes_first = active || (spin.is_crowded() && self.inlets.len() > 0);
        if lanes_first && !woken && !self.turns.is_multiple_of(TURNS_PER_INBOX) {
            return active;
        }
        if woken || !self.tasks.is_empty() || self.turns.is_multiple_of(TURNS_PER_LOOK) {
            return self.process() || active;
        }
        self.drain_inbox() || active
    }

    /// Looks at the lanes for a while, and tells whether there was anything.
    fn poll_lanes(&mut self, looks: u32) -> bool {
        self.inlets.len() > 0
            && (0..looks).any(|_| {
                hint::spin_loop();
                self.drain_lanes()
            })
    }

    /// Blocks until there is something to do, and does it.
    fn sleep(&mut self) -> io::Result<bool> {
        // What has come just now, from somebody who saw us awake, did not ring.
        let came = !self.inlets.fall_asleep() && self.drain_lanes();
        let deadline = if came { Some(Instant::now()) } else { self.next_deadline() };
        Ok(self.look(deadline)? || came)
    }

    /// Does all there is to do without blocking, and tells whether there was anything.
    pub(crate) fn process(&mut self) -> bool {
        let active = self.look(Some(Instant::now())).unwrap_or(false);
        if self.shared.left.is_set() {
            self.wind_down();
            return false;
        }
        active
    }

    /// Waits for the descriptors until `deadline`, and does what they announce and what is due.
    fn look(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        let mut room = [MaybeUninit::uninit(); EVENTS];
        let zero = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = deadline.map(|due| timespec_until(due, Instant::now()).unwrap_or(zero));
        let events = match epoll::wait(&self.shared.epoll, &mut room, timeout.as_ref()) {
            Ok((events, _)) => &*events,
            Err(rustix::io::Errno::INTR) => &[],
            Err(error) => return Err(error.into()),
        };
        let mut active = false;
        for event in events {
            match event.data.u64() {
                INBOX => {
                    active |= self.drain_inbox();
                    // Who sends by socket comes back to his lane once nothing of his is left here.
                    if self.inlets.len() > 0 {
                        self.drain_inbox();
                    }
                }
                WAKE => {
                    self.read_mail();
                    if !self.update_pause() {
                        // What waited there while we paused does not ring again.
                        self.drain_lanes();
                    }
                    active = true;
                }
                LEFT => {}
                MEMBERS => {
                    active = true;
                    if let Some(follower) = &mut self.follower {
                        follower.handle_readable(&self.shared, MEMBERS, Instant::now());
                    }
                }
                token => {
                    let id = token - FIRST_ID;
                    self.look_at(id);
                    self.answer_bell(id);
                    active = true;
                }
            }
        }
        if self.next_deadline().is_some_and(|due| due <= Instant::now()) {
            self.handle_timeouts(Instant::now());
            active = true;
        }
        Ok(active)
    }

    fn read_mail(&mut self) {
        for command in self.shared.take_mail() {
            match command {
                Command::Drive { id, flight, done } => self.advance(id, flight, done),
                Command::Cancel { id } => {
                    if let Some((mut flight, _)) = self.remove(id) {
                        flight.abandon();
                        drop(flight.finish(&self.shared));
                    }
                }
                Command::Follow(follower, subscriber) => self.follow(follower, subscriber),
            }
        }
    }

    /// Adds somebody who listens. The first one brings the follower; of later ones it is not
    /// needed.
    fn follow(&mut self, follower: Box<Follower>, subscriber: Subscriber) {
        if self.follower.is_none()
            && let Err(error) = follower.watch(self.shared.epoll.as_fd(), MEMBERS)
        {
            // The subscriber is dropped, and its receiver sees the end of the news.
            tracing::debug!(target: "rte_mp::members", %error, "cannot follow the members");
            return;
        }
        let follower = self.follower.get_or_insert(follower);
        follower.add(subscriber);
        follower.update(&self.shared, MEMBERS, Instant::now());
    }

    fn handle_timeouts(&mut self, now: Instant) {
        self.shared.retry_answers(now);
        while let Some(id) = self.tasks.poll_due(now) {
            self.look_at(id);
        }
        if let Some(follower) = &mut self.follower {
            follower.handle_timeout(&self.shared, MEMBERS, now);
            if follower.is_unheard() {
                self.follower = None;
            }
        }
    }

    /// Ends everything that is open: callbacks are called, and requests that nobody will handle
    /// any more are answered by an ignore. Leaves the group first if nobody did. Further calls do
    /// nothing.
    pub(crate) fn wind_down(&mut self) {
        self.shared.leave();
        let inbox = self.shared.runtime.inbox();
        let ours = [inbox, self.shared.wake().as_fd(), self.shared.left.as_fd()];
        for fd in ours.into_iter().chain(self.inlets.bells()) {
            // Nobody is to wait for them any more; they are out already in a further call.
            let _ = epoll::delete(&self.shared.epoll, fd);
        }
        for command in self.shared.close_mailbox() {
            if let Command::Drive { flight, done, .. } = command {
                self.abandon(flight, done);
            }
        }
        for id in self.tasks.ids() {
            if let Some((flight, done)) = self.remove(id) {
                self.abandon(flight, done);
            }
        }
        self.follower = None;
        // Dropping the workers waits for what they are doing.
        self.workers = None;
        self.shared.actions.clear();
        self.inlets.close();
        while self.drain_inbox() {}
        self.drain_lanes();
        self.inlets = Inlets::new();
        self.shared.drop_answers();
        self.shared.tracer.close();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.wind_down();
    }
}
