//! Threads that run handlers and callbacks beside the driver (`workers(n)`).
//!
//! The queue has a limit: when it is reached, the driver leaves the inbox alone.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use crate::action::{Call, survives};
use crate::driver::Done;
use crate::engine::thread_for_handlers;
use crate::replies::Replies;
use crate::shared::Shared;
use crate::stats::Counters;
use crate::sync::lock;

/// How many jobs may wait before no more are taken in.
const MAX_WAITING: usize = 256;

/// Something of the user's that is to be run.
pub(crate) enum Job {
    /// A handler.
    Call(Box<Call>),
    /// The callback of an async request.
    Done { done: Done, replies: Replies },
}

impl Job {
    /// Runs it. A panic ends the job and nothing else, and is counted.
    pub(crate) fn run(self, counters: &Counters) {
        match self {
            Self::Call(call) => call.run(),
            Self::Done { done, replies } => {
                if !survives(|| done(replies)) {
                    counters.count_panic();
                    tracing::debug!(target: "rte_mp::request", "a callback panicked");
                }
            }
        }
    }
}

/// The worker threads of one member.
pub(crate) struct Workers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Workers {
    /// Starts `count` threads.
    pub(crate) fn start(shared: &Arc<Shared>, count: usize) -> io::Result<Self> {
        let shared = Arc::clone(shared);
        let queue = Arc::new(Queue { state: Mutex::default(), changed: Condvar::new(), shared });
        let mut workers = Self { queue, threads: Vec::with_capacity(count) };
        for number in 0..count {
            let queue = Arc::clone(&workers.queue);
            let builder = thread_for_handlers(format!("mp-worker-{number}"));
            workers.threads.push(builder.spawn(move || queue.work())?);
        }
        Ok(workers)
    }

    /// Lists the threads.
    pub(crate) fn thread_ids(&self) -> impl Iterator<Item = ThreadId> {
        self.threads.iter().map(|thread| thread.thread().id())
    }

    /// Gives a job to the first thread that has time.
    pub(crate) fn push(&self, job: Job) {
        lock(&self.queue.state).jobs.push_back(job);
        self.queue.changed.notify_one();
    }

    /// Tells whether no more should be pushed.
    pub(crate) fn is_full(&self) -> bool {
        lock(&self.queue.state).jobs.len() >= MAX_WAITING
    }
}

impl Queue {
    fn work(&self) {
        let mut state = lock(&self.state);
        loop {
            match state.jobs.pop_front() {
                Some(job) => {
                    let has_room_again = state.jobs.len() + 1 == MAX_WAITING;
                    drop(state);
                    if has_room_again {
                        self.shared.wake().set();
                    }
                    job.run(&self.shared.counters);
                    state = lock(&self.state);
                }
                None if state.closed => return,
                None => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl Drop for Workers {
    /// Waits for the jobs that are there.
    fn drop(&mut self) {
        lock(&self.queue.state).closed = true;
        self.queue.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A worker that drops the last handle of its group leaves it from here.
            if thread.thread().id() != thread::current().id() {
                // It cannot have panicked: jobs are caught.
                let _ = thread.join();
            }
        }
    }
}
