//! Async requests: each is a flight that the driver brings to its end.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use rustix::event::{PollFlags, epoll};

use super::{Done, Driver, FIRST_ID};
use crate::flight::Flight;
use crate::workers::Job;

/// The async requests that are open.
#[derive(Default)]
pub(super) struct Tasks {
    open: HashMap<u64, Task>,
    /// When each is to be looked at, the earliest first.
    timers: BTreeSet<(Instant, u64)>,
}

/// An async request, and when it is to be looked at even if its descriptors say nothing.
struct Task {
    flight: Box<Flight>,
    done: Done,
    due: Instant,
}

impl Tasks {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Gives the time at which the first one is to be looked at.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Gives the first one that is to be looked at by `now`.
    pub(super) fn poll_due(&self, now: Instant) -> Option<u64> {
        self.timers.first().filter(|(due, _)| *due <= now).map(|(_, id)| *id)
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.open.keys().copied().collect()
    }

    fn insert(&mut self, id: u64, task: Task) {
        self.timers.insert((task.due, id));
        self.open.insert(id, task);
    }

    fn remove(&mut self, id: u64) -> Option<Task> {
        let task = self.open.remove(&id)?;
        self.timers.remove(&(task.due, id));
        Some(task)
    }
}

impl Driver {
    /// Looks at an async request, if it is still there.
    pub(super) fn look_at(&mut self, id: u64) {
        if let Some((flight, done)) = self.remove(id) {
            self.advance(id, flight, done);
        }
    }

    /// Does for an async request what can be done, and keeps it if there is more to come.
    pub(super) fn advance(&mut self, id: u64, mut flight: Box<Flight>, done: Done) {
        let now = Instant::now();
        while flight.receive(&self.shared) {}
        flight.send_unsent(&self.shared, now);
        if flight.somebody_has_ended() {
            flight.look_after_peers(&self.shared, now);
        }
        flight.handle_timeout(&self.shared, now);
        match flight.poll_timeout() {
            Some(due) => {
                self.watch(id, &flight);
                self.tasks.insert(id, Task { flight, done, due });
            }
            None => {
                let job = Job::Done { done, replies: flight.finish(&self.shared) };
                match &self.workers {
                    Some(workers) => workers.push(job),
                    None => job.run(&self.shared.counters),
                }
            }
        }
    }

    /// Takes an async request out, with its timer and its descriptors.
    pub(super) fn remove(&mut self, id: u64) -> Option<(Box<Flight>, Done)> {
        let Task { flight, done, .. } = self.tasks.remove(id)?;
        for (fd, _) in flight.socket().into_iter().chain(flight.processes()) {
            // It is not in the set if it could not be added.
            let _ = epoll::delete(&self.shared.epoll, fd);
        }
        Some((flight, done))
    }

    fn watch(&self, id: u64, flight: &Flight) {
        for (fd, flags) in flight.socket().into_iter().chain(flight.processes()) {
            let flags = match flags.contains(PollFlags::OUT) {
                true => epoll::EventFlags::IN | epoll::EventFlags::OUT,
                false => epoll::EventFlags::IN,
            };
            let data = epoll::EventData::new_u64(FIRST_ID + id);
            match epoll::add(&self.shared.epoll, fd, data, flags) {
                // A process that was asked more than once has one pidfd.
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                // The deadline still ends it.
                Err(error) => {
                    tracing::debug!(target: "rte_mp::request", %error, "cannot watch a descriptor");
                }
            }
        }
    }

    pub(super) fn abandon(&self, mut flight: Box<Flight>, done: Done) {
        flight.abandon();
        let replies = flight.finish(&self.shared);
        Job::Done { done, replies }.run(&self.shared.counters);
    }
}
