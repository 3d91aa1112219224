//! Answers to what went by lane: at once, later, never, and with too many at a time.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rte_mp::{Group, Request, Role};

use super::{Lanes, WINDOW, ask_peer, needle, open_lane, went_by_lane};
use crate::common::{ask, echo, message_with, only, wait_for};

/// Has all requests of an action given to the test.
fn take(group: &Group, name: &str) -> Receiver<Request> {
    let (sender, requests) = channel();
    group.register(name, move |request| sender.send(request).unwrap()).unwrap();
    requests
}

/// Asks with something that went by lane, in a thread.
fn ask_by_lane(
    asker: &Group,
    server: &Group,
    requests: &Receiver<Request>,
) -> (Vec<u8>, Request, thread::JoinHandle<String>) {
    loop {
        open_lane(asker, server.name());
        let needle = needle();
        let (asking, name, param) = (asker.clone(), *server.name(), needle.clone());
        let asked = thread::spawn(move || ask_peer(&asking, &name, "later", &param));
        let request = wait_for(requests);
        if went_by_lane(&needle) {
            return (needle, request, asked);
        }
        request.ignore();
        asked.join().unwrap();
    }
}

#[test]
fn an_answer_comes_from_another_thread_while_the_asker_polls_or_sleeps() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    echo(&primary, "echo");
    let requests = take(&primary, "later");
    for pause in [Duration::ZERO, WINDOW * 2] {
        let (needle, request, asked) = ask_by_lane(&secondary, &primary, &requests);
        assert_eq!(request.param(), needle);
        thread::spawn(move || {
            thread::park_timeout(pause);
            request.reply(b"later").unwrap();
        })
        .join()
        .unwrap();
        assert_eq!(asked.join().unwrap(), "later", "after {pause:?}");
    }
    for pause in [Duration::ZERO, WINDOW * 2] {
        let (_, request, asked) = ask_by_lane(&secondary, &primary, &requests);
        thread::park_timeout(pause);
        drop(request);
        assert_eq!(asked.join().unwrap(), "ignored", "after {pause:?}");
    }
}

#[test]
fn an_answer_with_descriptors_comes_while_the_asker_polls_or_sleeps() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    echo(&primary, "echo");
    let requests = take(&primary, "later");
    for pause in [Duration::ZERO, WINDOW * 2] {
        let (_, request, asked) = ask_by_lane(&secondary, &primary, &requests);
        thread::park_timeout(pause);
        let (reader, _) = std::io::pipe().unwrap();
        request.reply_with(message_with("any", b"a pipe").with_fd(reader).unwrap()).unwrap();
        assert_eq!(asked.join().unwrap(), "a pipe", "after {pause:?}");
    }
}

#[test]
fn a_late_answer_never_meets_another_request() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    echo(&primary, "echo");
    let requests = take(&primary, "later");
    open_lane(&secondary, primary.name());
    let mut held = Vec::new();
    let mut by_lane = 0;
    // More than there are slots, most of them kept for long.
    for round in 0..80_u32 {
        let needle = needle();
        let later = message_with("later", &needle);
        let replies = secondary.request(&later, Some(Duration::from_millis(2))).unwrap();
        assert_eq!(only(&replies), "timedout");
        held.push(wait_for(&requests));
        by_lane += usize::from(went_by_lane(&needle));
        if round % 3 == 0 {
            let late = held.remove(held.len() / 2);
            let answering = thread::spawn(move || drop(late.reply(b"late")));
            let needle = super::needle();
            assert_eq!(ask(&secondary, "echo", &needle), needle);
            answering.join().unwrap();
        }
        let param = round.to_ne_bytes();
        assert_eq!(ask(&secondary, "echo", &param), param);
    }
    assert!(by_lane >= 10, "{by_lane} went by the lane");
    for (round, late) in (0_u32..).zip(held) {
        let _ = late.reply(b"late");
        let param = round.to_ne_bytes();
        assert_eq!(ask(&secondary, "echo", &param), param);
    }
    // All slots are free again.
    for _ in 0..20 {
        open_lane(&secondary, primary.name());
    }
}

#[test]
fn slots_that_are_never_answered_are_free_again() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    echo(&primary, "echo");
    primary.register("silent", |request| request.stay_silent()).unwrap();
    open_lane(&secondary, primary.name());
    for _ in 0..50 {
        let silent = message_with("silent", b"");
        let replies = secondary.request(&silent, Some(Duration::from_millis(1))).unwrap();
        assert_eq!(only(&replies), "timedout");
        assert_eq!(ask(&secondary, "echo", b"and on"), b"and on");
    }
    open_lane(&secondary, primary.name());
}

#[test]
fn many_threads_each_get_their_own_answer() {
    const THREADS: u32 = 32;
    for workers in [0, 3] {
        let lanes = Lanes::new();
        let primary = lanes.builder(Role::Primary).workers(workers).join().unwrap();
        let secondary = lanes.secondary();
        echo(&primary, "echo");
        let requests = take(&primary, "later");
        open_lane(&secondary, primary.name());
        let answering = thread::spawn(move || {
            let mut held = Vec::new();
            for request in requests {
                let request: Request = request;
                held.push(request);
                // Some at a time, the last one first, and the rest when no more come.
                let is_last = held.last().unwrap().param().is_empty();
                if held.len() == 5 || is_last {
                    for request in held.drain(..).rev() {
                        let param = request.param().to_vec();
                        let _ = request.reply(&param);
                    }
                }
            }
        });
        let asking: Vec<_> = (0..THREADS)
            .map(|number| {
                let secondary = secondary.clone();
                thread::spawn(move || {
                    for round in 0..100_u32 {
                        let param = [number.to_ne_bytes(), round.to_ne_bytes()].concat();
                        assert_eq!(ask(&secondary, "echo", &param), param);
                        if number % 8 == 0 && round % 10 == 0 {
                            let later = message_with("later", &param);
                            let short = Some(Duration::from_millis(20));
                            let reply = secondary.request(&later, short).unwrap().into_reply();
                            assert!(reply.is_err() || reply.unwrap().param() == param);
                        }
                    }
                })
            })
            .collect();
        for thread in asking {
            thread.join().unwrap();
        }
        assert_eq!(ask(&secondary, "later", b""), b"");
        open_lane(&secondary, primary.name());
        drop(primary);
        answering.join().unwrap();
    }
}
