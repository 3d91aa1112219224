//! Each way that a datagram can take leaves its record, in order, with all that is known of it.

use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rte_mp::trace::{Direction, Fate, Path};
use rte_mp::{Group, Kind, Layout, PeerName, Trace};
use rustix::io::Errno;

use super::{find, next, trace, words};
use crate::common::child::Child;
use crate::common::raw::{RawPeer, datagram};
use crate::common::{
    LONG, SHORT, Scene, ask, echo, eventually, message, message_with, only, wait_for,
};

/// The next records, each in a few words.
fn lines(trace: &Trace, count: usize) -> Vec<String> {
    (0..count).map(|_| words(&next(trace))).collect()
}

#[test]
fn a_request_and_its_reply_are_recorded_at_both_ends() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let (server, client) = (trace(&primary), trace(&secondary));
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let file = std::fs::File::open("/dev/null").unwrap();
    let question = message_with("echo", b"hello").with_fd(file).unwrap();
    drop(secondary.request(&question, Some(LONG)).unwrap());

    let (asked, answered) = (next(&client), next(&client));
    assert_eq!(words(&asked), "out request echo: sent");
    assert_eq!((asked.param.as_bytes(), asked.fd_count, asked.len), (&b"hello"[..], 1, 340));
    assert_eq!((asked.peer, asked.process_id, asked.user_id), (Some(*primary.name()), None, None));
    assert!(asked.local.file_name().to_string_lossy().starts_with("mp_reply_"));
    assert_eq!(words(&answered), "in reply echo: received");
    assert_eq!((answered.local, answered.peer), (asked.local, asked.peer));
    assert_eq!((answered.param.as_bytes(), answered.fd_count), (&b"hello"[..], 1));
    let us = (Some(process::id()), Some(rustix::process::getuid().as_raw()));
    assert_eq!((answered.process_id, answered.user_id), us);

    let record = server.recv_timeout(LONG).unwrap();
    let (came, went) = (super::datagram(&record).unwrap(), next(&server));
    assert_eq!((record.sequence, record.time_ns >= before), (1, true));
    assert_eq!(words(&came), "in request echo: received");
    assert_eq!((came.local, came.peer), (*primary.name(), Some(asked.local)));
    assert_eq!((came.process_id, came.user_id, came.fd_count, came.len), (us.0, us.1, 1, 340));
    assert_eq!(words(&went), "out reply echo: sent");
    assert_eq!((went.local, went.peer), (came.local, came.peer));
}

#[test]
fn one_way_messages_are_recorded_for_each_peer() {
    let scene = Scene::new();
    let primary = scene.primary();
    let (one, other) = (scene.secondary(), scene.secondary());
    let (sender, receiver) = (trace(&primary), trace(&one));
    primary.send(&message_with("news", b"all")).unwrap();
    let mut peers = [next(&sender), next(&sender)].map(|traced| {
        assert_eq!(words(&traced), "out message news: sent");
        assert_eq!(traced.local, *primary.name());
        traced.peer.unwrap()
    });
    peers.sort();
    let mut expected = [*one.name(), *other.name()];
    expected.sort();
    assert_eq!(peers, expected);
    assert_eq!(lines(&receiver, 1), ["in message news: dropped NoAction"]);
}

#[test]
fn a_request_that_nobody_handles_is_recorded_as_dropped_and_ignored() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (server, client) = (trace(&primary), trace(&secondary));
    assert_eq!(only(&secondary.request(&message("deaf"), Some(LONG)).unwrap()), "ignored");
    assert_eq!(lines(&client, 2), ["out request deaf: sent", "in ignore deaf: received"]);
    let expected = ["in request deaf: dropped NoAction", "out ignore deaf: sent"];
    assert_eq!(lines(&server, 2), expected);
}

#[test]
fn what_goes_by_lane_is_recorded_as_such() {
    let scene = Scene::new();
    let window = Duration::from_millis(100);
    let join = |role| scene.builder(role).busy_poll(window).join().unwrap();
    let (primary, secondary) = (join(rte_mp::Role::Primary), join(rte_mp::Role::Secondary));
    echo(&primary, "echo");
    let (server, client) = (trace(&primary), trace(&secondary));
    let by_lane = |trace: &Trace| {
        let taken: Vec<_> = std::iter::from_fn(|| trace.try_recv().ok()).collect();
        let traced: Vec<_> = taken.iter().filter_map(super::datagram).collect();
        let lane = |direction| {
            traced.iter().find(|t| t.path == Path::Lane && t.direction == direction).copied()
        };
        lane(Direction::Out).zip(lane(Direction::In))
    };
    let (mut ours, mut theirs) = (None, None);
    while ours.is_none() || theirs.is_none() {
        ask(&secondary, "echo", b"hello");
        ours = ours.or(by_lane(&client));
        theirs = theirs.or(by_lane(&server));
    }
    let (asked, answered) = ours.unwrap();
    let expected = ["out request echo by lane: sent", "in reply echo by lane: received"];
    assert_eq!([words(&asked), words(&answered)], expected);
    assert_eq!((asked.param.as_bytes(), asked.len), (&b"hello"[..], 340));
    assert_eq!((asked.local, asked.peer), (answered.local, answered.peer));
    let (replied, came) = theirs.unwrap();
    let expected = ["in request echo by lane: received", "out reply echo by lane: sent"];
    assert_eq!([words(&came), words(&replied)], expected);
    assert_eq!((came.process_id, replied.peer), (Some(process::id()), came.peer));
    assert!(came.peer.unwrap().file_name().to_string_lossy().starts_with("mp_reply_"));
    // One-way messages, once what went by socket was received.
    let message = message_with("one-way", b"x");
    let mut found = None;
    while found.is_none() {
        ask(&secondary, "echo", b"hello");
        secondary.send(&message).unwrap();
        let name = |t: &rte_mp::trace::Traced| t.name.is_some_and(|n| n.as_bytes() == b"one-way");
        let sent = find(&client, name);
        found = (sent.path == Path::Lane).then_some(sent);
    }
    assert_eq!(words(&found.unwrap()), "out message one-way by lane: sent");
}

#[test]
fn the_offer_of_a_lane_is_recorded() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let (server, client) = (trace(&primary), trace(&secondary));
    for _ in 0..8 {
        ask(&secondary, "echo", b"");
    }
    let is_offer = |t: &rte_mp::trace::Traced| t.name.is_some_and(|name| name.is_reserved());
    assert_eq!(words(&find(&client, is_offer)), "out message rte-mp/lane: sent");
    assert_eq!(words(&find(&server, is_offer)), "in message rte-mp/lane: received");
}

#[test]
fn what_is_dropped_is_recorded_with_the_reason() {
    let scene = Scene::new();
    let primary = scene.primary();
    let server = trace(&primary);
    let raw = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_raw"));
    let to = primary.name().as_path();
    raw.socket.send_to(b"not one of ours", to).unwrap();
    let short = next(&server);
    assert_eq!(words(&short), "in unknown -: dropped Length");
    assert_eq!((short.param.as_bytes(), short.len), (&b"not one of ours"[..], 15));
    assert_eq!((short.peer, short.process_id), (Some(raw.name()), Some(process::id())));
    raw.socket.send_to(&[0xff; 340], to).unwrap();
    let odd = next(&server);
    assert_eq!(words(&odd), "in unknown -: dropped Malformed");
    assert_eq!((odd.param.as_bytes(), odd.len), (&[0xff; 256][..], 340));
    raw.send(to, Layout::DPDK_25_11, datagram(Kind::Reply, "hello", b"late"));
    let stray = next(&server);
    assert_eq!(words(&stray), "in reply hello: dropped StrayAnswer");
    let unbound = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let bytes = datagram(Kind::Message, "hello", b"").encode(Layout::DPDK_18_05);
    unbound.send_to(bytes.as_bytes(), to).unwrap();
    let unbound = next(&server);
    assert_eq!(words(&unbound), "in message hello: dropped Unbound");
    assert_eq!((unbound.peer, unbound.len), (None, 332));
}

#[test]
fn answers_of_others_at_a_return_address_are_recorded() {
    let scene = Scene::new();
    let primary = scene.primary();
    let client = trace(&primary);
    let raw = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_raw"));
    let (sender, replies) = std::sync::mpsc::channel();
    let done = move |replies| sender.send(replies).unwrap();
    primary.to(&raw.name()).request_async(&message("hello"), Some(LONG), done).unwrap();
    let (_, _, from) = raw.receive();
    raw.send(&from, Layout::DPDK_25_11, datagram(Kind::Reply, "other", b""));
    raw.send(&from, Layout::DPDK_25_11, datagram(Kind::Reply, "hello", b""));
    drop(wait_for(&replies));
    let expected = [
        "out request hello: sent",
        "in reply other: dropped StrayAnswer",
        "in reply hello: received",
    ];
    assert_eq!(lines(&client, 3), expected);
}

#[test]
fn a_request_without_an_answer_is_recorded_with_its_end() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let client = trace(&primary);
    let silent = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_silent"));
    let to = primary.to(&silent.name());
    assert_eq!(only(&to.request(&message("hello"), Some(SHORT)).unwrap()), "timedout");
    assert_eq!(lines(&client, 2), ["out request hello: sent", "out request hello: timedout"]);
    let name = silent.name();
    silent.close();
    assert!(primary.to(&name).request(&message("hello"), Some(LONG)).is_err());
    let refused = Errno::CONNREFUSED.raw_os_error();
    assert_eq!(lines(&client, 1), [format!("out request hello: failed {refused}")]);
    assert!(primary.to(&name).send(&message("hello")).is_err());
    assert_eq!(lines(&client, 1), [format!("out message hello: failed {refused}")]);
    std::fs::remove_file(name.as_path()).unwrap();

    let mut child = Child::member(&scene, "secondary");
    let member = primary.members().unwrap()[0].name;
    let (sender, replies) = std::sync::mpsc::channel();
    let done = move |replies| sender.send(replies).unwrap();
    primary.to(&member).request_async(&message("hold"), Some(LONG), done).unwrap();
    child.expect("held");
    child.kill();
    drop(wait_for(&replies));
    assert_eq!(lines(&client, 2), ["out request hold: sent", "out request hold: died"]);
}

#[test]
fn a_full_peer_is_recorded_as_one_that_could_not_be_asked() {
    let scene = Scene::new();
    let primary = scene.builder(rte_mp::Role::Primary).send_timeout(SHORT).join().unwrap();
    let client = trace(&primary);
    let full = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_full"));
    full.fill();
    assert!(primary.to(&full.name()).send(&message("hello")).is_err());
    let timed_out = Errno::TIMEDOUT.raw_os_error();
    assert_eq!(lines(&client, 1), [format!("out message hello: failed {timed_out}")]);
    drop(primary.to(&full.name()).request(&message("hello"), Some(SHORT)).unwrap());
    assert_eq!(lines(&client, 1), [format!("out request hello: failed {timed_out}")]);
}

/// Asks from a socket without room for the answer, and waits until it waits.
fn answer_that_waits(primary: &Group, server: &Trace) -> (RawPeer, usize) {
    echo(primary, "echo");
    let raw = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_raw"));
    let count = raw.fill();
    raw.send(primary.name().as_path(), Layout::DPDK_25_11, datagram(Kind::Request, "echo", b""));
    assert_eq!(lines(server, 2), ["in request echo: received", "out reply echo: waiting"]);
    (raw, count)
}

#[test]
fn an_answer_that_waits_is_recorded_when_it_begins_to_and_when_it_is_sent() {
    let scene = Scene::new();
    let primary = scene.primary();
    let server = trace(&primary);
    let (raw, count) = answer_that_waits(&primary, &server);
    raw.discard(count);
    assert_eq!(lines(&server, 1), ["out reply echo: sent"]);
    assert_eq!(raw.receive().1.kind, Kind::Reply);
}

#[test]
fn an_answer_that_is_given_up_is_recorded_as_dropped() {
    let scene = Scene::new();
    let primary = scene.builder(rte_mp::Role::Primary).send_timeout(SHORT).join().unwrap();
    let server = trace(&primary);
    let (_raw, _) = answer_that_waits(&primary, &server);
    assert_eq!(lines(&server, 1), ["out reply echo: dropped Undelivered"]);
}

#[test]
fn an_answer_to_a_path_is_recorded() {
    let scene = Scene::new();
    let primary = scene.primary();
    let server = trace(&primary);
    let raw = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_raw"));
    primary.reply_to(&raw.name(), message("hello")).unwrap();
    let gone = PeerName::new(primary.runtime_dir().join("mp_socket_2_gone")).unwrap();
    assert!(primary.reply_to(&gone, message("hello")).is_err());
    let absent = Errno::NOENT.raw_os_error();
    let expected =
        ["out reply hello: sent".to_owned(), format!("out reply hello: failed {absent}")];
    assert_eq!(lines(&server, 2), expected);
}

#[test]
fn recording_ends_with_the_group_and_with_its_reader() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let first = trace(&secondary);
    drop(trace(&secondary));
    secondary.send(&message("hello")).unwrap();
    assert_eq!(words(&next(&first)), "out message hello: sent");
    let handle = secondary.clone();
    secondary.leave();
    let last: Vec<_> = first.collect();
    assert!(matches!(
        last[..],
        [rte_mp::trace::Record { content: rte_mp::trace::Content::Left, .. }]
    ));
    let error = handle.trace().unwrap_err();
    assert!(matches!(error, rte_mp::TraceError::Left { .. }), "{error}");
    assert_eq!(error.errno(), Errno::SHUTDOWN.raw_os_error());
    eventually("the message was received", || primary.stats().dropped.no_action == 1);
}

#[test]
fn a_request_that_the_group_is_left_over_is_recorded_as_abandoned() {
    let scene = Scene::new();
    let primary = scene.primary();
    let client = trace(&primary);
    let silent = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_silent"));
    primary.to(&silent.name()).request_async(&message("hello"), Some(LONG), drop).unwrap();
    assert_eq!(next(&client).fate, Fate::Sent);
    primary.leave();
    assert_eq!(words(&next(&client)), "out request hello: abandoned");
}
