//! What is done with that which arrives: never anything that takes time, since it is the group's driver that
//! calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rte_mp::{ActionName, Kind, Request};

use super::exec::{Job, Jobs};
use super::queue::Queue;
use super::records::{Heard, Reply};
use crate::decode::is_dpdk_own;
use crate::payload::{Layout, Param};
use crate::status::chain;

/// What is done with a request.
pub(super) enum Reaction {
    Ignore,
    Echo,
    Reply(Param),
    Exec(Jobs),
}

/// Hears messages and requests.
pub(super) struct Ears {
    reaction: Reaction,
    /// Whether everything is heard, whatever its name.
    hears_all: bool,
    layout: Option<Layout>,
    /// How many more are heard.
    left: Option<AtomicU64>,
    queue: Arc<Queue>,
}

impl Ears {
    pub(super) fn new(
        reaction: Reaction,
        names: &[ActionName],
        layout: Option<Layout>,
        count: Option<u64>,
        queue: &Arc<Queue>,
    ) -> Self {
        let queue = Arc::clone(queue);
        let left = count.map(AtomicU64::new);
        Self { reaction, hears_all: names.is_empty(), layout, left, queue }
    }

    /// Answers, and puts into the queue what came and how it was answered. Who comes too late is ignored.
    pub(super) fn hear(&self, mut request: Request) {
        let take_one = |left: u64| left.checked_sub(1);
        let is_late = |left: &AtomicU64| {
            // Relaxed: each call takes its own one, and nothing else hangs on it.
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_err()
        };
        if self.left.as_ref().is_some_and(is_late) {
            return;
        }
        let heard = Heard::new(&request, self.layout.as_ref());
        // Closed here: as many as may wait for a command could use up all that this process may have.
        let fd_count = request.take_fds().len();
        let is_left_alone = self.hears_all && is_dpdk_own(request.name().as_bytes());
        let reply = match (&self.reaction, request.kind()) {
            (Reaction::Exec(jobs), _) if !is_left_alone => {
                if let Err(job) = jobs.give(Box::new(Job { heard, request, fd_count })) {
                    let Job { heard, request, .. } = *job;
                    let reply = Reply::ignored_as(&request, "too many commands run already");
                    self.queue.push(heard.answered(reply));
                }
                return;
            }
            (Reaction::Echo, Kind::Request) if !is_left_alone => {
                let param = request.param().to_vec();
                reply(request, &param)
            }
            (Reaction::Reply(param), Kind::Request) if !is_left_alone => {
                reply(request, param.as_bytes())
            }
            _ => Reply::ignored(&request),
        };
        self.queue.push(heard.answered(reply));
    }
}

/// Answers a request, and says so; a message is only told of.
pub(super) fn reply(request: Request, param: &[u8]) -> Reply {
    if request.kind() != Kind::Request {
        return Reply::none();
    }
    match request.reply(param) {
        Ok(()) => Reply::replied(param),
        Err(error) => Reply::failed(chain(&error)),
    }
}
