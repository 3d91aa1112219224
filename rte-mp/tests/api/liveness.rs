//! Peers that end while they are asked: noticed at once, whatever they look like.

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Kind, Layout, Replies};
use rte_mp_proto::Datagram;

use crate::common::child::Child;
use crate::common::raw::{RawPeer, datagram};
use crate::common::{
    LONG, Scene, ask, at_once, block_on, eventually, is_root, message, message_with, only, wait_for,
};

#[test]
fn a_peer_killed_in_mid_request_is_noticed_at_once() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    for round in 0..5 {
        let mut child = Child::start(&scene);
        child.tell("join secondary");
        let peer = rte_mp::PeerName::new(child.expect("joined secondary")).unwrap();
        let to = primary.to(&peer);
        // The first request is from a new address, later ones from a pooled one.
        if round % 2 == 1 {
            to.request(&message("echo"), Some(LONG)).unwrap();
        }
        let future = to.request_future(&message("hold"), Some(LONG));
        child.expect("held");
        let (sender, news) = channel();
        let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
        to.request_async(&message("hold"), Some(LONG), done).unwrap();
        child.expect("held");
        thread::scope(|scope| {
            let sync = scope.spawn(|| to.request(&message("hold"), Some(LONG)).unwrap());
            child.expect("held");
            child.kill();
            let outcomes = at_once("noticing", || {
                let sync = sync.join().unwrap();
                [only(&sync), wait_for(&news), only(&block_on(future).unwrap())]
            });
            assert_eq!(outcomes, ["died"; 3], "round {round}");
        });
    }
    assert_eq!(primary.stats().requests.died, 15);
}

#[test]
fn a_primary_killed_in_mid_request_is_noticed_at_once() {
    let scene = Scene::with_killed();
    let primary = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let replies = at_once("noticing", || secondary.request(&message("die"), Some(LONG)).unwrap());
    assert_eq!(only(&replies), "died");
    assert_eq!((replies.sent(), replies.received()), (1, 0));
    let errno = replies.into_reply().unwrap_err().errno();
    assert_eq!(errno, rustix::io::Errno::CONNRESET.raw_os_error());
    drop(primary);
}

#[test]
fn a_peer_that_was_quick_to_die_is_noticed() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    for _ in 0..20 {
        let _child = Child::member(&scene, "secondary");
        let replies = at_once("noticing", || primary.request(&message("die"), Some(LONG)).unwrap());
        assert_eq!(only(&replies), "died");
    }
}

#[test]
fn a_peer_with_a_false_process_id_is_probed() {
    let scene = Scene::new();
    let primary = scene.primary();
    for is_async in [false, true] {
        // Process 1 is alive, and this is not its socket.
        let peer = RawPeer::bind(scene.path("mp_socket_1_1"));
        let name = peer.name();
        thread::scope(|scope| {
            let primary = &primary;
            let asks = scope.spawn(move || {
                let to = primary.to(&name);
                match is_async {
                    false => to.request(&message("ask"), Some(LONG)).unwrap(),
                    true => block_on(to.request_future(&message("ask"), Some(LONG))).unwrap(),
                }
            });
            peer.receive();
            // It was seen alive several times before it ends.
            let (_keep, never) = channel::<()>();
            let _ = never.recv_timeout(Duration::from_millis(120));
            assert!(!asks.is_finished());
            drop(peer);
            let replies = at_once("noticing", || asks.join().unwrap());
            assert_eq!(only(&replies), "died", "async: {is_async}");
        });
    }
}

#[test]
fn a_peer_of_another_pid_namespace_is_probed() {
    if !is_root() {
        println!("left out: only root can make a pid namespace");
        return;
    }
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let mut child = Child::start_elsewhere(&scene);
    child.tell("join secondary");
    child.expect("joined");
    assert_eq!(only(&primary.request(&message("pid"), Some(LONG)).unwrap()), "1");
    let future = primary.request_future(&message("hold"), Some(LONG));
    child.expect("held");
    child.kill();
    let replies = at_once("noticing", || block_on(future).unwrap());
    assert_eq!(only(&replies), "died");
}

#[test]
fn a_primary_of_another_pid_namespace_is_probed() {
    if !is_root() {
        println!("left out: only root can make a pid namespace");
        return;
    }
    let scene = Scene::with_killed();
    let mut child = Child::start_elsewhere(&scene);
    child.tell("join primary");
    child.expect("joined");
    let secondary = scene.secondary();
    assert_eq!(ask(&secondary, "pid", b""), b"1");
    let future = secondary.request_future(&message("hold"), Some(LONG));
    child.expect("held");
    child.kill();
    let replies = at_once("noticing", || block_on(future).unwrap());
    assert_eq!(only(&replies), "died");
}

#[test]
fn a_slow_peer_of_another_pid_namespace_that_leaves_still_answers() {
    if !is_root() {
        println!("left out: only root can make a pid namespace");
        return;
    }
    let scene = Scene::new();
    let primary = scene.primary();
    let mut child = Child::start_elsewhere(&scene);
    child.tell("join secondary");
    child.expect("joined");
    let future = primary.request_future(&message("slow"), Some(LONG));
    child.expect("working");
    child.tell("leave");
    let replies = at_once("the answer", || block_on(future).unwrap());
    assert_eq!(only(&replies), "slow");
    child.expect("left");
    child.end();
}

#[test]
fn an_answer_that_was_sent_before_the_end_is_taken() {
    let scene = Scene::new();
    let primary = scene.primary();
    let path = scene.path("mp_socket_1_1");
    // Peers are looked after a millisecond after they were asked; around then these answer and end.
    for round in 0..400_u64 {
        let socket = UnixDatagram::bind(&path).unwrap();
        let pause = Duration::from_micros(800 + 2 * round);
        let peer = thread::spawn(move || {
            let mut bytes = [0; 512];
            let (len, from) = socket.recv_from(&mut bytes).unwrap();
            let start = Instant::now();
            while start.elapsed() < pause {
                std::hint::spin_loop();
            }
            let request = Datagram::decode(Layout::of_len(len).unwrap(), &bytes[..len]).unwrap();
            let reply = Datagram { kind: Kind::Reply, ..request };
            let to = from.as_pathname().unwrap();
            socket.send_to(reply.encode(Layout::DPDK_25_11).as_bytes(), to).unwrap();
        });
        let asked = primary.to(&rte_mp::PeerName::new(&path).unwrap());
        let replies = asked.request(&message_with("ask", b"in time"), Some(LONG)).unwrap();
        peer.join().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(only(&replies), "in time", "round {round}: it answered before it ended");
    }
}

#[test]
fn a_peer_that_closes_its_socket_but_lives_on_is_noticed() {
    let scene = Scene::new();
    let primary = scene.primary();
    // This very process owns the socket, as its name says, and goes on when it is closed.
    let path = scene.path(&format!("mp_socket_{}_1", std::process::id()));
    for removed in [false, true] {
        let peer = RawPeer::bind(&path);
        let future = primary.to(&peer.name()).request_future(&message("ask"), Some(LONG));
        peer.receive();
        // It was seen alive before it ends.
        let (_keep, never) = channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(20));
        match removed {
            true => drop(peer),
            false => peer.close(),
        }
        let replies = at_once("noticing", || block_on(future).unwrap());
        assert_eq!(only(&replies), "died", "removed: {removed}");
        let _ = std::fs::remove_file(&path);
    }
}

#[test]
fn a_peer_that_dies_with_a_full_queue_is_noticed() {
    let scene = Scene::new();
    let primary = scene.primary();
    let path = scene.path("mp_socket_1_1");
    for is_async in [false, true] {
        let peer = RawPeer::bind(&path);
        peer.fill();
        thread::scope(|scope| {
            let name = peer.name();
            let primary = &primary;
            let asks = scope.spawn(move || match is_async {
                false => primary.to(&name).request(&message("ask"), Some(LONG)).unwrap(),
                true => {
                    let future = primary.to(&name).request_future(&message("ask"), Some(LONG));
                    block_on(future).unwrap()
                }
            });
            let (_keep, never) = channel::<()>();
            // Time enough to begin to wait for room.
            let _ = never.recv_timeout(Duration::from_millis(20));
            drop(peer);
            let replies = at_once("noticing", || asks.join().unwrap());
            assert_eq!(only(&replies), "died", "async: {is_async}");
        });
    }
}

#[test]
fn a_stopped_peer_is_not_dead() {
    let scene = Scene::new();
    let primary = scene.primary();
    let child = Child::member(&scene, "secondary");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.pid()).unwrap()).unwrap();
    let signal = |signal| rustix::process::kill_process(pid, signal).unwrap();
    signal(rustix::process::Signal::STOP);
    // The signal is sent before its threads have all stopped.
    let is_stopped = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap();
        stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T"))
    };
    eventually("all its threads have stopped", || {
        let mut tasks = std::fs::read_dir(format!("/proc/{}/task", child.pid())).unwrap();
        tasks.all(|task| is_stopped(task.unwrap()))
    });
    let future = primary.request_future(&message_with("echo", b"awake"), Some(LONG));
    let message = message("echo");
    let short = primary.request(&message, Some(crate::common::SHORT)).unwrap();
    assert_eq!(only(&short), "timedout");
    signal(rustix::process::Signal::CONT);
    assert_eq!(only(&block_on(future).unwrap()), "awake");
    child.end();
}

#[test]
fn a_client_that_reads_no_answers_harms_no_other() {
    let scene = Scene::new();
    let primary = scene.primary();
    crate::common::echo(&primary, "echo");
    let secondary = scene.secondary();
    // Each connected to the primary, so that no queue limit counts for their answers. So many fill
    // the primary's socket unless it asks for more room than the default.
    let deaf: Vec<_> = (0..300)
        .map(|n| {
            let peer = RawPeer::bind(scene.path(&format!("mp_reply_1_{n}")));
            peer.socket.connect(scene.path("mp_socket")).unwrap();
            peer
        })
        .collect();
    let question = datagram(Kind::Request, "echo", &[7; 256]).encode(Layout::DPDK_25_11);
    for peer in &deaf {
        peer.socket.send(question.as_bytes()).unwrap();
    }
    eventually("all questions are read", || primary.stats().received.requests == 300);
    for round in 0..20 {
        let replies =
            secondary.request(&message_with("echo", b"me too"), Some(Duration::from_secs(2)));
        assert_eq!(only(&replies.unwrap()), "me too", "round {round}");
    }
    // Whoever reads after all finds his answer.
    for (n, peer) in deaf.iter().enumerate() {
        assert_eq!(peer.receive().1.kind, Kind::Reply, "client {n}");
    }
}
