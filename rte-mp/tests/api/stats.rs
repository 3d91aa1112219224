//! What a member counts.

use std::sync::mpsc::channel;

use rte_mp::{ByKind, ByOutcome, Kind, Layout, Stats};

use crate::common::child::Child;
use crate::common::raw::{RawPeer, datagram};
use crate::common::{LONG, SHORT, Scene, ask, block_on, echo, eventually, message, wait_for};

#[test]
fn a_new_member_has_counted_nothing() {
    let scene = Scene::new();
    let primary = scene.primary();
    assert_eq!(primary.stats(), Stats::default());
    let secondary = scene.secondary();
    assert_eq!(secondary.stats(), Stats::default());
}

#[test]
fn messages_are_counted_by_kind_on_both_sides() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let (sender, news) = channel();
    primary.register("note", move |_| sender.send(()).unwrap()).unwrap();
    for _ in 0..3 {
        ask(&secondary, "echo", b"");
    }
    for _ in 0..2 {
        secondary.request(&message("nothing"), Some(LONG)).unwrap();
        secondary.send(&message("note")).unwrap();
        wait_for(&news);
    }
    let expect = |stats: ByKind, messages, requests, replies, ignores| {
        let found = [stats.messages, stats.requests, stats.replies, stats.ignores];
        assert_eq!(found, [messages, requests, replies, ignores]);
    };
    expect(secondary.stats().sent, 2, 5, 0, 0);
    expect(secondary.stats().received, 0, 0, 3, 2);
    expect(primary.stats().sent, 0, 0, 3, 2);
    expect(primary.stats().received, 2, 5, 0, 0);
    assert_eq!(primary.stats().dropped.no_action, 2);
    assert_eq!(primary.stats().dropped.total(), 2);
    assert_eq!(secondary.stats().dropped.total(), 0);
}

#[test]
fn a_broadcast_counts_each_peer() {
    let scene = Scene::new();
    let primary = scene.primary();
    let members = [scene.secondary(), scene.secondary(), scene.secondary()];
    primary.send(&message("any")).unwrap();
    primary.request(&message("any"), Some(LONG)).unwrap();
    assert_eq!(primary.stats().sent.messages, 3);
    assert_eq!(primary.stats().sent.requests, 3);
    assert_eq!(primary.stats().requests.ignored, 3);
    drop(members);
}

#[test]
fn requests_are_counted_by_outcome() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let child = Child::member(&scene, "secondary");
    let full = RawPeer::bind(scene.path("full"));
    full.fill();
    for (action, timeout) in [("echo", LONG), ("ignore", LONG), ("silent", SHORT)] {
        primary.request(&message(action), Some(timeout)).unwrap();
    }
    primary.to(&full.name()).request(&message("any"), Some(SHORT)).unwrap();
    drop(primary.request_future(&message("silent"), Some(LONG)));
    eventually("it is given up", || primary.stats().requests.abandoned == 1);
    primary.request(&message("die"), Some(LONG)).unwrap();
    let ByOutcome { replied, ignored, timed_out, died, unsendable, abandoned, .. } =
        primary.stats().requests;
    assert_eq!([replied, ignored, timed_out, died, unsendable, abandoned], [1; 6]);
    drop(child);
}

#[test]
fn drops_are_counted_by_reason() {
    let scene = Scene::new();
    let primary = scene.primary();
    let peer = RawPeer::bind(scene.path("mp_socket_1_1"));
    let to = scene.path("mp_socket");
    peer.socket.send_to(b"short", &to).unwrap();
    let good = datagram(Kind::Message, "any", b"").encode(Layout::DPDK_25_11);
    let mut bad = good.as_bytes().to_vec();
    bad[0] = 9;
    peer.socket.send_to(&bad, &to).unwrap();
    let unbound = std::os::unix::net::UnixDatagram::unbound().unwrap();
    unbound.send_to(good.as_bytes(), &to).unwrap();
    let mut fds = datagram(Kind::Message, "any", b"");
    fds.fd_count = 1;
    peer.send(&to, Layout::DPDK_25_11, fds);
    peer.send(&to, Layout::DPDK_25_11, datagram(Kind::Reply, "any", b""));
    peer.send(&to, Layout::DPDK_25_11, datagram(Kind::Message, "any", b""));
    eventually("all are dropped", || primary.stats().dropped.total() == 6);
    let dropped = primary.stats().dropped;
    let found = [
        dropped.length,
        dropped.malformed,
        dropped.unbound,
        dropped.fd_count,
        dropped.stray_answer,
        dropped.no_action,
    ];
    assert_eq!(found, [1; 6]);
    assert_eq!(primary.stats().received.messages, 1, "only the last keeps all rules");
}

#[test]
fn a_snapshot_can_be_taken_from_anywhere() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let weak = primary.downgrade();
    primary
        .register("stats", move |request| {
            let stats = weak.upgrade().unwrap().stats();
            request.reply(&stats.received.requests.to_ne_bytes())
        })
        .unwrap();
    for number in 1..=5_u64 {
        let future = secondary.request_future(&message("stats"), Some(LONG));
        let reply = block_on(future).unwrap().into_reply().unwrap();
        assert_eq!(reply.param_as::<u64>().unwrap(), number);
    }
}
