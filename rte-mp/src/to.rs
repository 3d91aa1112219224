//! Talking to one member, whoever it is.

use std::time::Duration;

use crate::error::{RequestError, SendError};
use crate::future::ReplyFuture;
use crate::group::Group;
use crate::message::Message;
use crate::replies::Replies;
use crate::request;
use crate::route::Target;
use crate::send;

/// One member that is talked to; made by [`Group::to`].
#[derive(Debug, Clone, Copy)]
#[must_use = "it does nothing by itself"]
pub struct To<'a> {
    pub(crate) group: &'a Group,
    pub(crate) target: Target,
}

impl To<'_> {
    /// Sends it a one-way message; see [`Group::send`].
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send(&self, message: &Message) -> Result<(), SendError> {
        send::send(self.group.shared(), self.target, message)
    }

    /// Asks it and waits for the reply; see [`Group::request`].
    ///
    /// # Errors
    /// [`RequestError::NoPeer`] if it does not run.
    pub fn request(
        &self,
        message: &Message,
        timeout: Option<Duration>,
    ) -> Result<Replies, RequestError> {
        request::request(self.group.shared(), self.target, message, timeout)
    }

    /// Asks it and has `done` called once; see [`Group::request_async`].
    ///
    /// # Errors
    /// [`RequestError::NoPeer`] if it does not run.
    pub fn request_async(
        &self,
        message: &Message,
        timeout: Option<Duration>,
        done: impl FnOnce(Replies) + Send + 'static,
    ) -> Result<(), RequestError> {
        let (shared, done) = (self.group.shared(), Box::new(done));
        request::request_async(shared, self.target, message, timeout, done).map(drop)
    }

    /// Asks it and gives a future of the outcome; see [`Group::request_future`].
    pub fn request_future(&self, message: &Message, timeout: Option<Duration>) -> ReplyFuture {
        ReplyFuture::new(self.group.shared(), self.target, message, timeout)
    }
}
