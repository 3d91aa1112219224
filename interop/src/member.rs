//! Shorthands for what nearly every test does with the public API of rte-mp.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use rte_mp::{Message, Replies};

/// A message whose param is text.
pub fn message(name: &str, param: &str) -> Message {
    let message = Message::new(name).expect("a good name");
    message.with_param(param.as_bytes()).expect("a short param")
}

/// A message's param, as text.
pub fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.param()).into_owned()
}

/// The param of the one reply to a request to one peer, as text.
pub fn reply_text(replies: Replies) -> String {
    assert_eq!((replies.sent(), replies.received()), (1, 1), "{replies:?}");
    text(&replies.into_reply().expect("one reply was counted"))
}

/// Runs a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
