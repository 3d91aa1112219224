//! Answers that come when nobody waits for them any more, and many questions of one name.

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::time::Duration;

use rte_mp::{Kind, Layout, Replies, Request};
use rte_mp_proto::Datagram;

use crate::common::raw::{RawPeer, datagram};
use crate::common::{
    LONG, SHORT, Scene, block_on, eventually, message, message_with, only, wait_for,
};

#[test]
fn a_late_reply_never_answers_the_next_request() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, requests) = channel::<Request>();
    primary.register("ask", move |request| sender.send(request).unwrap()).unwrap();
    let mut late = Vec::new();
    for round in 0..20_u8 {
        let first = message_with("ask", &[b'a' + round]);
        let replies = secondary.request(&first, Some(Duration::from_millis(5))).unwrap();
        assert_eq!(only(&replies), "timedout");
        late.push(wait_for(&requests));
        // The next one is in flight while the late answer comes.
        let next = secondary.request_future(&message_with("ask", &[b'A' + round]), Some(LONG));
        let request = wait_for(&requests);
        for late in late.drain(..) {
            let _ = late.reply(b"late");
        }
        let param = request.param().to_vec();
        request.reply(&param).unwrap();
        assert_eq!(only(&block_on(next).unwrap()).as_bytes(), [b'A' + round]);
    }
}

#[test]
fn a_late_reply_never_answers_the_next_broadcast() {
    let scene = Scene::new();
    let primary = scene.primary();
    let peer = RawPeer::bind(scene.path("mp_socket_1_1"));
    let answer = |to: &std::path::Path, param: &[u8]| {
        let reply = datagram(Kind::Reply, "ask", param).encode(Layout::DPDK_25_11);
        let _ = peer.socket.send_to(reply.as_bytes(), to);
    };
    for _ in 0..10 {
        let replies = primary.request(&message("ask"), Some(Duration::from_millis(5))).unwrap();
        assert_eq!(only(&replies), "timedout");
        let (_, _, late) = peer.receive();
        let next = primary.request_future(&message("ask"), Some(LONG));
        let (_, _, from) = peer.receive();
        assert_ne!(late, from);
        answer(&late, b"late");
        answer(&from, b"right");
        assert_eq!(only(&block_on(next).unwrap()), "right");
    }
}

#[test]
fn a_second_answer_is_a_stray() {
    let scene = Scene::new();
    let primary = scene.primary();
    let peers = [1, 2].map(|n| RawPeer::bind(scene.path(&format!("mp_socket_1_{n}"))));
    let future = primary.request_future(&message("ask"), Some(LONG));
    let (_, _, from) = peers[0].receive();
    let reply = |name: &str, param: &[u8]| datagram(Kind::Reply, name, param);
    peers[0].send(&from, Layout::DPDK_25_11, reply("other", b"other name"));
    peers[0].send(&from, Layout::DPDK_25_11, reply("ask", b"first"));
    peers[0].send(&from, Layout::DPDK_25_11, reply("ask", b"second"));
    peers[0].send(&from, Layout::DPDK_25_11, datagram(Kind::Ignore, "ask", b""));
    // One who was not asked.
    let stranger = RawPeer::bind(scene.path("stranger"));
    stranger.send(&from, Layout::DPDK_25_11, reply("ask", b"strange"));
    // A question at a return address.
    peers[0].send(&from, Layout::DPDK_25_11, datagram(Kind::Request, "ask", b""));
    peers[1].answer_one(Kind::Reply, b"first");
    let replies = block_on(future).unwrap();
    assert_eq!((replies.sent(), replies.received()), (2, 2));
    assert!(replies.messages().all(|reply| reply.param() == b"first"));
    assert_eq!(primary.stats().dropped.stray_answer, 4);
    assert_eq!(primary.stats().dropped.wrong_door, 1);
}

#[test]
fn an_answer_at_the_inbox_is_a_stray() {
    let scene = Scene::new();
    let primary = scene.primary();
    let peer = RawPeer::bind(scene.path("mp_socket_1_1"));
    let future = primary.request_future(&message("ask"), Some(LONG));
    let (_, _, from) = peer.receive();
    let reply = datagram(Kind::Reply, "ask", b"forged");
    peer.send(scene.path("mp_socket"), Layout::DPDK_25_11, reply);
    eventually("it is dropped", || primary.stats().dropped.stray_answer == 1);
    peer.send(from, Layout::DPDK_25_11, datagram(Kind::Reply, "ask", b"right"));
    assert_eq!(only(&block_on(future).unwrap()), "right");
}

#[test]
fn many_requests_of_one_name_each_get_their_own_answer() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, requests) = channel::<Request>();
    primary.register("ask", move |request| sender.send(request).unwrap()).unwrap();
    let (told, answers) = channel();
    for number in 0..128_u8 {
        let told = told.clone();
        let done = move |replies: Replies| {
            let reply = replies.into_reply().map(|reply| reply.param().to_vec());
            told.send((number, reply)).unwrap();
        };
        secondary.request_async(&message_with("ask", &[number]), Some(LONG), done).unwrap();
    }
    // Answered in an order of their own.
    let mut held: HashMap<u8, Request> = HashMap::new();
    for _ in 0..128 {
        let request = wait_for(&requests);
        held.insert(request.param()[0], request);
    }
    for (number, request) in held {
        request.reply(&[number, number]).unwrap();
    }
    for _ in 0..128 {
        let (number, reply) = wait_for(&answers);
        assert_eq!(reply.unwrap(), [number, number]);
    }
}

#[test]
fn a_request_that_timed_out_leaves_no_return_address() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary.register("silent", |request| request.stay_silent()).unwrap();
    for _ in 0..3 {
        secondary.request(&message("silent"), Some(SHORT / 10)).unwrap();
        block_on(secondary.request_future(&message("silent"), Some(SHORT / 10))).unwrap();
    }
    let addresses: Vec<_> =
        scene.files().into_iter().filter(|file| file.starts_with("mp_reply_")).collect();
    assert_eq!(addresses, [""; 0]);
}

#[test]
fn old_return_addresses_of_the_dead_are_removed() {
    let scene = Scene::new();
    let dir = scene.make_dir();
    let stale = dir.join("mp_reply_1_1");
    drop(std::os::unix::net::UnixDatagram::bind(&stale).unwrap());
    // Young ones may be of somebody who is binding right now.
    drop(scene.primary());
    assert!(stale.exists());
    // Ages are counted in whole seconds.
    let (_keep, never) = channel::<()>();
    let _ = never.recv_timeout(Duration::from_millis(4100));
    drop(scene.primary());
    assert!(!stale.exists());
}

#[test]
fn the_reply_to_a_request_is_matched_by_its_bytes() {
    let scene = Scene::new();
    let primary = scene.primary();
    let peer = RawPeer::bind(scene.path("mp_socket_1_1"));
    let name = "n".repeat(63);
    let future = primary.request_future(&message(&name), Some(LONG));
    let (_, request, from) = peer.receive();
    let shorter = datagram(Kind::Reply, &name[..62], b"shorter name");
    peer.send(&from, Layout::DPDK_25_11, shorter);
    let reply = Datagram { kind: Kind::Reply, ..request };
    peer.send(&from, Layout::DPDK_25_11, reply);
    assert_eq!(only(&block_on(future).unwrap()), "");
    assert_eq!(primary.stats().dropped.stray_answer, 1);
}
