//! Requests whose outcome comes by a callback or a future.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Replies, RequestError, Role};

use crate::common::child::Child;
use crate::common::{
    AT_ONCE, LONG, SHORT, Scene, ask, at_once, block_on, echo, eventually, message, message_with,
    only, wait_for,
};

#[test]
fn a_callback_gets_the_replies_once() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let (sender, news) = channel();
    for number in 0..50_u8 {
        let sender = sender.clone();
        let done = move |replies: Replies| sender.send((number, only(&replies))).unwrap();
        let param = [b'a' + number % 26];
        secondary.request_async(&message_with("echo", &param), Some(LONG), done).unwrap();
    }
    drop(sender);
    for _ in 0..50 {
        let (number, reply) = wait_for(&news);
        assert_eq!(reply.as_bytes(), [b'a' + number % 26]);
    }
    // All callbacks are gone, so there is nobody to send once more.
    assert_eq!(news.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    child.end();
}

#[test]
fn a_callback_runs_on_another_thread_than_the_caller() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let (sender, news) = channel();
    let done = move |_| sender.send(thread::current().name().map(str::to_owned)).unwrap();
    secondary.request_async(&message("echo"), Some(LONG), done).unwrap();
    assert_eq!(wait_for(&news).as_deref(), Some("mp-msg"));
}

#[test]
fn a_callback_is_called_also_if_nobody_is_there_to_be_asked() {
    let scene = Scene::new();
    let primary = scene.primary();
    let (sender, news) = channel();
    let counts = move |replies: Replies| sender.send((replies.sent(), replies.received())).unwrap();
    primary.request_async(&message("any"), Some(LONG), counts).unwrap();
    assert_eq!(at_once("the callback", || wait_for(&news)), (0, 0));
    assert_eq!(news.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    let replies = at_once("the future", || block_on(primary.request_future(&message("any"), None)));
    assert_eq!(replies.unwrap().iter().count(), 0);
}

#[test]
fn each_outcome_comes_by_callback_too() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let child = Child::member(&scene, "secondary");
    let cases = [
        ("echo", "?", Duration::ZERO, LONG),
        ("ignore", "ignored", Duration::ZERO, LONG),
        ("nothing", "ignored", Duration::ZERO, LONG),
        ("silent", "timedout", SHORT, SHORT),
        ("die", "died", Duration::ZERO, LONG),
    ];
    for (action, outcome, least, timeout) in cases {
        let (sender, news) = channel();
        let start = Instant::now();
        let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
        primary.request_async(&message_with(action, b"?"), Some(timeout), done).unwrap();
        assert_eq!(wait_for(&news), outcome, "{action}");
        let took = start.elapsed();
        assert!(took >= least && took < least + AT_ONCE, "{action}: {took:?}");
    }
    drop(child);
}

#[test]
fn a_timeout_of_zero_asks_and_calls_back() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary.register("silent", |request| request.stay_silent()).unwrap();
    let (sender, news) = channel();
    let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
    secondary.request_async(&message("silent"), Some(Duration::ZERO), done).unwrap();
    assert_eq!(at_once("the callback", || wait_for(&news)), "timedout");
    eventually("it was asked", || primary.stats().received.requests == 1);
}

#[test]
fn a_callback_can_ask_again() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let (sender, news) = channel();
    let weak = secondary.downgrade();
    let first = move |_| {
        let group = weak.upgrade().unwrap();
        let sync = ask(&group, "echo", b"sync");
        let done = move |replies: Replies| sender.send((sync, only(&replies))).unwrap();
        group.request_async(&message_with("echo", b"async"), Some(LONG), done).unwrap();
    };
    secondary.request_async(&message("echo"), Some(LONG), first).unwrap();
    assert_eq!(wait_for(&news), (b"sync".to_vec(), "async".to_owned()));
}

#[test]
fn a_callback_that_panics_ends_nothing_else() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let boom = |_: Replies| panic!("this panic is part of the test");
    secondary.request_async(&message("echo"), Some(LONG), boom).unwrap();
    let replies = block_on(secondary.request_future(&message_with("echo", b"fine"), Some(LONG)));
    assert_eq!(only(&replies.unwrap()), "fine");
}

#[test]
fn callbacks_run_on_workers_too() {
    let scene = Scene::new();
    let primary = scene.primary();
    echo(&primary, "echo");
    let secondary = scene.builder(Role::Secondary).workers(2).join().unwrap();
    let (sender, news) = channel();
    let done = move |_| sender.send(thread::current().name().map(str::to_owned)).unwrap();
    secondary.request_async(&message("echo"), Some(LONG), done).unwrap();
    assert!(wait_for(&news).unwrap().starts_with("mp-worker-"));
}

#[test]
fn futures_run_on_any_executor() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let futures: Vec<_> = (b'a'..=b'z')
        .map(|letter| secondary.request_future(&message_with("echo", &[letter]), Some(LONG)))
        .collect();
    // Awaited in the other order than sent.
    for (future, letter) in futures.into_iter().zip(b'a'..=b'z').rev() {
        assert_eq!(only(&block_on(future).unwrap()).as_bytes(), [letter]);
    }
    child.end();
}

#[test]
fn a_future_gives_the_error_of_a_request_that_was_not_sent() {
    let scene = Scene::new();
    let primary = scene.primary();
    let secondary = scene.secondary();
    primary.leave();
    let error = block_on(secondary.request_future(&message("any"), None)).map(drop).unwrap_err();
    assert!(matches!(error, RequestError::NoPrimary { .. }), "{error:?}");
}

#[test]
fn dropping_a_future_gives_the_request_up() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, news) = channel();
    primary.register("keep", move |request| sender.send(request).unwrap()).unwrap();
    let future = secondary.request_future(&message("keep"), Some(LONG));
    let request = wait_for(&news);
    drop(future);
    eventually("it is given up", || secondary.stats().requests.abandoned == 1);
    eventually("its return address is gone", || scene.files().len() == 3);
    let error = request.reply(b"too late").unwrap_err();
    assert!(matches!(error, rte_mp::ReplyError::Unreachable { .. }), "{error:?}");
    // One that is complete leaves nothing to give up.
    echo(&primary, "echo");
    let future = secondary.request_future(&message("echo"), Some(LONG));
    eventually("it is replied to", || secondary.stats().requests.replied == 1);
    drop(future);
    ask(&secondary, "echo", b"still fine");
    assert_eq!(secondary.stats().requests.abandoned, 1);
}

#[test]
fn leaving_abandons_each_request_once() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary.register("silent", |request| request.stay_silent()).unwrap();
    let (sender, news) = channel();
    for _ in 0..10 {
        let sender = sender.clone();
        let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
        secondary.request_async(&message("silent"), Some(LONG), done).unwrap();
    }
    let future = secondary.request_future(&message("silent"), Some(LONG));
    drop(sender);
    eventually("the requests are there", || primary.stats().received.requests == 11);
    at_once("leaving", || secondary.leave());
    let outcomes: Vec<_> = news.iter().collect();
    assert_eq!(outcomes, ["abandoned"; 10]);
    assert_eq!(only(&block_on(future).unwrap()), "abandoned");
}

#[test]
fn whatever_is_asked_while_the_group_is_left_fails_or_calls_back() {
    let scene = Scene::new();
    let primary = scene.primary();
    echo(&primary, "echo");
    for round in 0..100 {
        let secondary = scene.secondary();
        let (asked, called) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let start = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..2 {
                let secondary = secondary.clone();
                let (start, asked, called) = (&start, &asked, &called);
                scope.spawn(move || {
                    start.wait();
                    loop {
                        let called = Arc::clone(called);
                        let done = move |_| {
                            called.fetch_add(1, Ordering::SeqCst);
                        };
                        match secondary.request_async(&message("echo"), Some(LONG), done) {
                            Ok(()) => asked.fetch_add(1, Ordering::SeqCst),
                            Err(RequestError::Left { .. }) => return,
                            Err(error) => panic!("{error}"),
                        };
                    }
                });
            }
            start.wait();
            secondary.clone().leave();
        });
        let [asked, called] = [asked.into_inner(), called.load(Ordering::SeqCst)];
        assert_eq!(called, asked, "round {round}: callbacks of {asked} requests");
    }
}

#[test]
fn a_client_too_busy_to_read_gets_all_its_answers_in_the_end() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let (open, gate) = channel::<()>();
    let (sender, news) = channel();
    let mut gate = Some(gate);
    // More answers than a socket of the usual size has room for. Nobody reads them while we ask:
    // our driver is in the first callback.
    let count = 500_u32;
    for number in 0..count {
        let (sender, gate) = (sender.clone(), gate.take());
        let done = move |replies: Replies| {
            if let Some(gate) = gate {
                let _ = gate.recv();
            }
            let reply = replies.into_reply().map(|reply| reply.param().to_vec());
            sender.send((number, reply)).unwrap();
        };
        let message = message_with("echo", &number.to_ne_bytes());
        secondary.request_async(&message, Some(LONG), done).unwrap();
    }
    drop(open);
    for _ in 0..count {
        let (number, reply) = wait_for(&news);
        assert_eq!(reply.unwrap(), number.to_ne_bytes());
    }
}
