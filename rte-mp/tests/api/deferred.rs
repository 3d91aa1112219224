//! Requests that are answered later, elsewhere, or never.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rte_mp::{Group, PeerName, ReplyError, Request};
use rustix::io::Errno;

use crate::common::{
    LONG, SHORT, Scene, ask, at_once, block_on, echo, message, message_with, only, wait_for,
};

/// Has all requests of an action given to the test.
fn take(group: &Group, name: &str) -> Receiver<Request> {
    let (sender, requests) = channel();
    group.register(name, move |request| sender.send(request).unwrap()).unwrap();
    requests
}

#[test]
fn a_request_is_answered_later_from_another_thread() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let requests = take(&primary, "later");
    echo(&primary, "echo");
    let future = secondary.request_future(&message_with("later", b"?"), Some(LONG));
    let request = wait_for(&requests);
    // The handler has returned long since, and others are served.
    assert_eq!(ask(&secondary, "echo", b"meanwhile"), b"meanwhile");
    thread::spawn(move || {
        assert_eq!(request.param(), b"?");
        request.reply(b"later").unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(only(&block_on(future).unwrap()), "later");
}

#[test]
fn requests_are_answered_in_any_order() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let requests = take(&primary, "later");
    let futures: Vec<_> = (0..20_u8)
        .map(|n| secondary.request_future(&message_with("later", &[b'a' + n]), Some(LONG)))
        .collect();
    let mut taken: Vec<_> = (0..20).map(|_| wait_for(&requests)).collect();
    while let Some(request) = taken.pop() {
        let param = request.param().to_vec();
        request.reply(&param).unwrap();
    }
    for (future, n) in futures.into_iter().zip(0..20_u8) {
        assert_eq!(only(&block_on(future).unwrap()).as_bytes(), [b'a' + n]);
    }
}

#[test]
fn a_request_that_is_dropped_is_ignored_at_once() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let requests = take(&primary, "later");
    let ends: [fn(Request); 2] = [drop, Request::ignore];
    for end in ends {
        let future = secondary.request_future(&message("later"), Some(LONG));
        end(wait_for(&requests));
        let replies = at_once("the ignore", || block_on(future).unwrap());
        assert_eq!(only(&replies), "ignored");
    }
}

#[test]
fn a_request_that_stays_silent_lets_the_peer_wait() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let requests = take(&primary, "later");
    let start = Instant::now();
    let future = secondary.request_future(&message("later"), Some(SHORT));
    wait_for(&requests).stay_silent();
    assert_eq!(only(&block_on(future).unwrap()), "timedout");
    assert!(start.elapsed() >= SHORT);
    assert_eq!(primary.stats().sent.ignores, 0);
}

#[test]
fn an_answer_to_one_who_is_gone_is_an_error_that_names_him() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let requests = take(&primary, "later");
    let future = secondary.request_future(&message("later"), Some(LONG));
    let request = wait_for(&requests);
    let peer = *request.peer();
    secondary.leave();
    assert_eq!(only(&block_on(future).unwrap()), "abandoned");
    let error = request.reply(b"hello?").unwrap_err();
    assert!(matches!(&error, ReplyError::Unreachable { peer: p, .. } if *p == peer), "{error:?}");
    assert!(error.to_string().contains("later"), "{error}");
}

#[test]
fn an_answer_after_we_left_still_arrives() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let requests = take(&primary, "later");
    let futures = [
        secondary.request_future(&message("later"), Some(LONG)),
        secondary.request_future(&message("later"), Some(LONG)),
    ];
    let [first, second] = [wait_for(&requests), wait_for(&requests)];
    at_once("leaving", || primary.leave());
    first.reply(b"bye").unwrap();
    drop(second);
    let outcomes = at_once("the answers", || futures.map(|f| only(&block_on(f).unwrap())));
    assert_eq!(outcomes, ["bye", "ignored"]);
}

#[test]
fn a_reply_to_a_path_reaches_whoever_asked_from_there() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let requests = take(&primary, "later");
    let future = secondary.request_future(&message("later"), Some(LONG));
    let request = wait_for(&requests);
    let peer = *request.peer();
    request.stay_silent();
    primary.reply_to(&peer, message_with("later", b"by path")).unwrap();
    assert_eq!(only(&block_on(future).unwrap()), "by path");
}

#[test]
fn a_reply_to_a_path_where_nobody_is_says_so() {
    let scene = Scene::new();
    let primary = scene.primary();
    let cases = [
        (scene.path("mp_socket_1_1"), Errno::NOENT),
        (std::env::temp_dir().join("mp_socket"), Errno::INVAL),
    ];
    for (path, expected) in cases {
        let error = primary.reply_to(&PeerName::new(&path).unwrap(), message("x")).unwrap_err();
        assert_eq!(error.errno(), expected.raw_os_error(), "{path:?}: {error}");
    }
}

#[test]
fn a_kept_request_knows_its_sender() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let requests = take(&primary, "later");
    let future = secondary.request_future(&message("later"), Some(LONG));
    let request = wait_for(&requests);
    assert_eq!(request.kind(), rte_mp::Kind::Request);
    assert_eq!(request.peer_pid(), Some(std::process::id()));
    assert_eq!(request.peer_uid(), Some(rustix::process::geteuid().as_raw()));
    assert_eq!(request.name().to_string(), "later");
    assert!(format!("{request:?}").contains("later"));
    drop(request);
    block_on(future).unwrap();
}
