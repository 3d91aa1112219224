//! Requests of the primary to all secondaries at once.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Kind, Replies, Role};

use crate::common::child::Child;
use crate::common::raw::RawPeer;
use crate::common::{AT_ONCE, LONG, Scene, at_once, block_on, echo, message, message_with, word};

/// What became of each peer, by the file name of its socket.
fn by_peer(replies: &Replies) -> BTreeMap<String, String> {
    replies
        .iter()
        .map(|asked| {
            let name = asked.peer.file_name().to_str().unwrap().to_owned();
            (name, word(&asked.outcome))
        })
        .collect()
}

#[test]
fn everybody_is_asked_and_answers() {
    let scene = Scene::new();
    let primary = scene.primary();
    let children: Vec<_> = (0..3).map(|_| Child::member(&scene, "secondary")).collect();
    let replies = primary.request(&message("pid"), Some(LONG)).unwrap();
    assert_eq!((replies.sent(), replies.received()), (3, 3));
    let mut pids: Vec<u32> = replies
        .messages()
        .map(|reply| String::from_utf8_lossy(reply.param()).parse().unwrap())
        .collect();
    let mut expected: Vec<_> = children.iter().map(Child::pid).collect();
    pids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(pids, expected);
    for asked in &replies {
        assert!(expected.contains(&asked.peer.process_id().unwrap()));
    }
    children.into_iter().for_each(Child::end);
}

#[test]
fn more_peers_answer_than_a_queue_holds() {
    let scene = Scene::new();
    let primary = scene.primary();
    let members: Vec<_> = (0..40).map(|_| scene.secondary()).collect();
    for member in &members {
        echo(member, "echo");
    }
    for round in 0..10_u8 {
        let replies = primary.request(&message_with("echo", &[round]), Some(LONG)).unwrap();
        assert_eq!((replies.sent(), replies.received()), (40, 40), "round {round}");
        assert!(replies.messages().all(|reply| reply.param() == [round]));
    }
}

#[test]
fn slow_deaf_ignoring_killed_and_full_peers_stand_side_by_side() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let timeout = Duration::from_secs(1);
    let member = |name: &str, how: fn(rte_mp::Request)| {
        let group = scene.secondary();
        group.register("ask", how).unwrap();
        (group.name().file_name().to_str().unwrap().to_owned(), name.to_owned(), group)
    };
    let members = [
        member("quick", |request| request.reply(b"quick").unwrap()),
        member("ignored", |request| request.ignore()),
        member("timedout", |request| request.stay_silent()),
        member("slow", |request| {
            // Nobody sends: the work takes this long.
            let (_keep, never) = std::sync::mpsc::channel::<()>();
            let _ = never.recv_timeout(Duration::from_millis(300));
            request.reply(b"slow").unwrap();
        }),
    ];
    let deaf = scene.secondary();
    let deaf_name = deaf.name().file_name().to_str().unwrap().to_owned();
    let full = RawPeer::bind(scene.path("mp_socket_1_full"));
    full.fill();
    let stale = scene.path("mp_socket_1_stale");
    drop(UnixDatagram::bind(&stale).unwrap());
    let no_socket = scene.path("mp_socket_1_file");
    fs::write(&no_socket, "").unwrap();

    let start = Instant::now();
    let replies = primary.request(&message("ask"), Some(timeout)).unwrap();
    let took = start.elapsed();
    assert!(took >= timeout && took < timeout + AT_ONCE, "one deadline for all: {took:?}");
    let mut expected: BTreeMap<_, _> =
        members.iter().map(|(file, what, _)| (file.clone(), what.clone())).collect();
    expected.insert(deaf_name, "ignored".to_owned());
    let timed_out = rustix::io::Errno::TIMEDOUT.raw_os_error();
    expected.insert("mp_socket_1_full".to_owned(), format!("unsendable {timed_out}"));
    assert_eq!(by_peer(&replies), expected);
    // Those that ignored or could not be asked do not count, as in DPDK.
    assert_eq!((replies.sent(), replies.received()), (3, 2));
    assert!(!stale.exists(), "a stale socket was never there");
    assert!(no_socket.exists());
    fs::remove_file(&no_socket).unwrap();
}

#[test]
fn a_killed_peer_ends_its_part_only() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let mut killed = Child::member(&scene, "secondary");
    let slow = scene.secondary();
    slow.register("hold", |request| {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(300));
        request.reply(b"slow")
    })
    .unwrap();
    let asks = thread::scope(|scope| {
        let asks = scope.spawn(|| {
            at_once("the answers", || primary.request(&message("hold"), Some(LONG)).unwrap())
        });
        killed.expect("held");
        killed.kill();
        asks.join().unwrap()
    });
    let mut outcomes: Vec<_> = by_peer(&asks).into_values().collect();
    outcomes.sort();
    assert_eq!(outcomes, ["died", "slow"]);
    assert_eq!((asks.sent(), asks.received()), (2, 1));
}

#[test]
fn a_full_peer_that_reads_in_time_is_asked() {
    let scene = Scene::new();
    let primary = scene.primary();
    let full = RawPeer::bind(scene.path("mp_socket_1_full"));
    for is_async in [false, true] {
        let count = full.fill();
        let ask = || match is_async {
            false => primary.request(&message("ask"), Some(LONG)).unwrap(),
            true => block_on(primary.request_future(&message("ask"), Some(LONG))).unwrap(),
        };
        let replies = thread::scope(|scope| {
            let asks = scope.spawn(ask);
            full.discard(count);
            full.answer_one(Kind::Reply, b"at last");
            asks.join().unwrap()
        });
        assert_eq!(crate::common::only(&replies), "at last", "async: {is_async}");
    }
}

#[test]
fn the_sends_count_against_the_deadline() {
    let scene = Scene::new();
    let primary = scene.primary();
    let full: Vec<_> =
        (0..5).map(|n| RawPeer::bind(scene.path(&format!("mp_socket_1_{n}")))).collect();
    for peer in &full {
        peer.fill();
    }
    let timeout = Duration::from_millis(300);
    for is_async in [false, true] {
        let start = Instant::now();
        let replies = match is_async {
            false => primary.request(&message("ask"), Some(timeout)).unwrap(),
            true => block_on(primary.request_future(&message("ask"), Some(timeout))).unwrap(),
        };
        let took = start.elapsed();
        assert!(took >= timeout && took < timeout + AT_ONCE, "async {is_async}: {took:?}");
        assert_eq!((replies.sent(), replies.iter().count()), (0, 5));
    }
}

#[test]
fn many_slow_peers_take_as_long_as_one() {
    let scene = Scene::new();
    let primary = scene.primary();
    let members: Vec<_> = (0..8).map(|_| scene.secondary()).collect();
    let work = Duration::from_millis(500);
    for member in &members {
        member
            .register("work", move |request| {
                let (_keep, never) = std::sync::mpsc::channel::<()>();
                let _ = never.recv_timeout(work);
                request.reply(b"done")
            })
            .unwrap();
    }
    let start = Instant::now();
    let replies = primary.request(&message("work"), Some(LONG)).unwrap();
    assert_eq!((replies.sent(), replies.received()), (8, 8));
    let took = start.elapsed();
    assert!(took < 4 * work, "{took:?}: one after the other would be {:?}", 8 * work);
}

#[test]
fn members_join_while_a_broadcast_waits() {
    let scene = Scene::new();
    let primary = scene.primary();
    let holder = Child::member(&scene, "secondary");
    thread::scope(|scope| {
        let asks = scope.spawn(|| primary.request(&message("block"), Some(LONG)).unwrap());
        holder.expect("blocked");
        let builder = scene.builder(Role::Secondary).lock_timeout(Duration::from_secs(5));
        let joined = at_once("joining", || builder.join().unwrap());
        assert!(!asks.is_finished());
        drop(joined);
        let mut holder = holder;
        holder.tell("open block");
        let replies = asks.join().unwrap();
        assert_eq!(crate::common::only(&replies), "unblocked");
        holder.end();
    });
}

#[test]
fn a_broadcast_to_those_who_all_ignore_it_is_over_at_once() {
    let scene = Scene::new();
    let primary = scene.primary();
    let _members = [scene.secondary(), scene.secondary()];
    let replies = at_once("it", || primary.request(&message("nobody"), Some(LONG)).unwrap());
    assert_eq!((replies.sent(), replies.received(), replies.iter().count()), (0, 0, 2));
}

#[test]
fn several_broadcasts_of_one_name_run_at_once() {
    let scene = Scene::new();
    let primary = scene.primary();
    let _children: Vec<_> = (0..2).map(|_| Child::member(&scene, "secondary")).collect();
    thread::scope(|scope| {
        for thread in 0..4_u8 {
            let primary = &primary;
            scope.spawn(move || {
                for round in 0..50_u8 {
                    let message = message_with("echo", &[thread, round]);
                    let replies = primary.request(&message, Some(LONG)).unwrap();
                    assert_eq!(replies.received(), 2);
                    assert!(replies.messages().all(|reply| reply.param() == [thread, round]));
                }
            });
        }
    });
    _children.into_iter().for_each(Child::end);
}
