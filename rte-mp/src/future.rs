//! The outcome of a request as a future, for any executor.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::driver::Command;
use crate::error::RequestError;
use crate::message::Message;
use crate::replies::Replies;
use crate::request::request_async;
use crate::route::Target;
use crate::shared::Shared;
use crate::sync::lock;

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

impl fmt::Debug for ReplyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyFuture").finish_non_exhaustive()
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
            // A driver that has ended has given it up already.
            let _ = self.shared.post(Command::Cancel { id: *id });
        }
    }
}
