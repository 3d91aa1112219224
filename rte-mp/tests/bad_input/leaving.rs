//! Leaving while requests are open: everybody who waits is told, once, and nothing stays behind.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rte_mp::{Message, Outcome, Replies, RequestError, Role, SendError};

use crate::raw::{IGNORE, PATIENCE, REQUEST, RawPeer, Wire};
use crate::room::{AT_ONCE, Room, question};

/// Wakes a thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future; `None` if it is still pending when patience ends.
fn block_on<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
    }
    None
}

fn are_abandoned(replies: &Replies) -> bool {
    replies.iter().all(|asked| matches!(asked.outcome, Outcome::Abandoned))
}

fn echo() -> Message {
    Message::new("echo").expect("a name")
}

#[test]
fn whoever_waits_is_told_when_the_group_is_left() {
    let room = Room::new();
    let pair = room.pair();
    for role in [Role::Secondary, Role::Primary] {
        let leaver = match role {
            Role::Primary => pair.primary.clone(),
            _ => pair.secondary.clone(),
        };
        let peer = RawPeer::member(leaver.runtime_dir(), "1");
        let name = peer.name();
        let (sender, called) = channel();
        let start = Instant::now();
        let to = || leaver.to(&name);
        thread::scope(|scope| {
            let sync = scope.spawn(|| to().request(&question(b"sync"), None));
            let done = move |replies| sender.send(replies).expect("it is waited for");
            to().request_async(&question(b"async"), None, done).expect("it is there");
            let future = to().request_future(&question(b"future"), None);
            let future = scope.spawn(|| block_on(future));
            let requests = [peer.receive(), peer.receive(), peer.receive()];
            leaver.clone().leave();
            let sync = sync.join().expect("it ends");
            assert!(matches!(sync, Err(RequestError::Left { .. })), "{sync:?}");
            let replies = called.recv_timeout(PATIENCE).expect("the callback is called");
            assert!(are_abandoned(&replies), "{replies:?}");
            let future = future.join().expect("it ends").expect("it is woken");
            let replies = future.expect("it was asked");
            assert!(are_abandoned(&replies), "{replies:?}");
            assert!(start.elapsed() < AT_ONCE);
            for request in requests {
                assert!(!request.from.exists(), "the return address is gone");
            }
            let again = to().request(&question(b"?"), None);
            assert!(matches!(again, Err(RequestError::Left { .. })), "{again:?}");
            let again = to().send(&question(b"?"));
            assert!(matches!(again, Err(SendError::Left { .. })), "{again:?}");
        });
    }
    let left: Vec<_> = fs::read_dir(pair.primary.runtime_dir()).expect("it stays").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_queued_at_a_member_that_leaves_is_answered_by_ignores() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    let (entered, inside) = channel();
    let (go, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let slow = move |request: rte_mp::Request| {
        entered.send(()).expect("the test waits");
        let _ = wait.lock().expect("nobody panics").recv_timeout(PATIENCE);
        request.reply(b"slow")
    };
    pair.primary.register("slow", slow).expect("the name is free");
    let inbox = pair.primary.name().as_path();
    peer.send(inbox, &Wire::new(REQUEST, "slow"));
    inside.recv_timeout(PATIENCE).expect("the handler is called");
    for _ in 0..5 {
        peer.send(inbox, &Wire::new(REQUEST, "echo"));
    }
    thread::scope(|scope| {
        let leaving = scope.spawn(|| pair.primary.clone().leave());
        go.send(()).expect("the handler waits");
        leaving.join().expect("it ends");
    });
    let slow = peer.receive();
    assert_eq!((slow.name(), slow.param()), ("slow", &b"slow"[..]));
    for _ in 0..5 {
        let answer = peer.receive();
        // Those that were received before the group was left are served, the others are told.
        assert_eq!(answer.name(), "echo");
    }
    assert!(peer.try_receive().is_none());
}

#[test]
fn a_deferred_reply_after_leaving_harms_nobody() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    let (sender, deferred) = channel();
    let keep = move |request: rte_mp::Request| sender.send(request).expect("the test waits");
    pair.primary.register("later", keep).expect("the name is free");
    for _ in 0..3 {
        peer.send(pair.primary.name().as_path(), &Wire::new(REQUEST, "later"));
    }
    let mut kept: Vec<_> =
        (0..3).map(|_| deferred.recv_timeout(PATIENCE).expect("it comes")).collect();
    let directory = pair.primary.runtime_dir().to_owned();
    pair.primary.clone().leave();
    // Answered, dropped, and answered when even the handles are gone.
    kept.remove(0).reply(b"late").expect("the peer is still there");
    drop(kept.remove(0));
    drop(pair);
    drop(deferred);
    kept.remove(0).reply(b"later").expect("the peer is still there");
    assert_eq!(peer.receive().param(), b"late");
    assert_eq!(peer.receive().kind(), IGNORE);
    assert_eq!(peer.receive().param(), b"later");
    drop(peer);
    assert_eq!(fs::read_dir(directory).expect("it stays").count(), 0);
}

#[test]
fn each_async_request_that_was_taken_is_called_back_even_while_the_group_is_left() {
    const ROUNDS: usize = 60;
    let room = Room::new();
    let primary = room.join(Role::Primary);
    for round in 0..ROUNDS {
        let group = room.builder(Role::Secondary).join().expect("the room is free");
        let taken = AtomicUsize::new(0);
        let (sender, called) = channel();
        let start = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..2 {
                let sender = sender.clone();
                let (group, start, taken) = (&group, &start, &taken);
                scope.spawn(move || {
                    start.wait();
                    loop {
                        let sender = sender.clone();
                        let done = move |_| sender.send(()).expect("it is waited for");
                        match group.request_async(&echo(), Some(PATIENCE), done) {
                            Ok(()) => taken.fetch_add(1, Ordering::Relaxed),
                            Err(_) => return,
                        };
                    }
                });
            }
            start.wait();
            while taken.load(Ordering::Relaxed) < round {
                thread::yield_now();
            }
            group.clone().leave();
        });
        drop(sender);
        let taken = taken.into_inner();
        // The senders go away with their callbacks, called or not.
        let count = std::iter::from_fn(|| called.recv_timeout(Duration::from_secs(1)).ok()).count();
        assert_eq!(count, taken, "round {round}: callbacks and requests");
    }
    drop(primary);
}

#[test]
fn each_future_ends_even_while_the_group_is_left() {
    const ROUNDS: usize = 60;
    let room = Room::new();
    let primary = room.join(Role::Primary);
    for round in 0..ROUNDS {
        let group = room.builder(Role::Secondary).join().expect("the room is free");
        let start = Barrier::new(2);
        let done = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                loop {
                    let future = group.request_future(&echo(), Some(PATIENCE));
                    let outcome = block_on(future).expect("the future ends");
                    if outcome.is_err() || outcome.is_ok_and(|replies| are_abandoned(&replies)) {
                        return;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
            start.wait();
            while done.load(Ordering::Relaxed) < round / 10 {
                thread::yield_now();
            }
            group.clone().leave();
        });
    }
    drop(primary);
}

#[test]
fn news_of_members_end_even_if_they_are_asked_for_while_the_group_is_left() {
    const ROUNDS: usize = 60;
    let room = Room::new();
    let primary = room.join(Role::Primary);
    for _ in 0..ROUNDS {
        let group = room.builder(Role::Secondary).join().expect("the room is free");
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut followed = Vec::new();
                while let Ok(events) = group.events() {
                    followed.push(events);
                }
                followed
            });
            group.clone().leave();
            for events in asking.join().expect("it ends") {
                loop {
                    match events.recv_timeout(PATIENCE) {
                        Ok(_) => {}
                        Err(RecvTimeoutError::Disconnected) => break,
                        Err(RecvTimeoutError::Timeout) => panic!("the news never end"),
                    }
                }
            }
        });
    }
    drop(primary);
}

#[test]
fn a_send_that_waits_for_a_full_peer_ends_when_the_group_is_left() {
    let room = Room::new();
    let group = room.builder(Role::Primary).send_timeout(PATIENCE * 6).join().expect("free");
    let peer = RawPeer::member(group.runtime_dir(), "1");
    let filler = RawPeer::unbound();
    while filler.try_send(peer.path(), &Wire::new(0, "full")).is_ok() {}
    let (sender, about_to) = channel();
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            sender.send(Instant::now()).expect("the test waits");
            group.send(&echo())
        });
        let start = about_to.recv_timeout(PATIENCE).expect("it begins");
        group.clone().leave();
        sending.join().expect("it ends").expect_err("the peer was full");
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    });
}
