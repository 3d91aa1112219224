//! When a lane is used, when not, and that nobody can tell but by looking into it.

use std::process;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rte_mp::{ByKind, Drive, Group, PeerName, Role, Stats};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    Lanes, WINDOW, is_in_lane, lane_count, mapped, needle, open_lane, open_lane_by_messages,
    went_by_lane,
};
use crate::common::{
    AT_ONCE, LONG, ask, block_on, descriptors, echo, eventually, message, message_with, only,
    wait_for,
};

#[test]
fn two_members_of_a_process_use_a_lane_both_ways() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    echo(&primary, "echo");
    echo(&secondary, "echo");
    open_lane(&secondary, primary.name());
    assert_eq!(lane_count(process::id()), 2, "its two ends are in this process");
    open_lane(&primary, secondary.name());
    assert_eq!(lane_count(process::id()), 4, "and those of another one back");
}

#[test]
fn two_processes_use_a_lane() {
    let lanes = Lanes::with_killed();
    let mut child = lanes.child("primary", WINDOW);
    let secondary = lanes.secondary();
    open_lane(&secondary, &primary_name(&lanes));
    assert_eq!((lane_count(process::id()), lane_count(child.pid())), (1, 1));
    // The other way round.
    echo(&secondary, "echo");
    let deadline = Instant::now() + LONG;
    while lane_count(process::id()) < 2 {
        assert!(Instant::now() < deadline, "the child uses a lane");
        child.tell(&format!("ask {} echo hello", secondary.name()));
        child.expect("replies hello");
    }
    let needle = String::from_utf8(needle()).unwrap().replace(' ', "-");
    child.tell(&format!("ask {} echo {needle}", secondary.name()));
    child.expect(&format!("replies {needle}"));
    drop(secondary);
    child.end();
}

fn primary_name(lanes: &Lanes) -> PeerName {
    PeerName::new(lanes.scene.path("mp_socket")).unwrap()
}

#[test]
fn messages_use_a_lane_too() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    let (sender, news) = channel();
    primary.register("note", move |r| sender.send(r.param().to_vec()).unwrap()).unwrap();
    eventually("a lane is used", || {
        let needle = needle();
        secondary.send(&message_with("note", &needle)).unwrap();
        assert_eq!(wait_for(&news), needle);
        went_by_lane(&needle)
    });
}

#[test]
fn what_carries_descriptors_uses_the_socket() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    echo(&primary, "echo");
    open_lane(&secondary, primary.name());
    for _ in 0..3 {
        let (_reader, writer) = std::io::pipe().unwrap();
        let needle = needle();
        let question = message_with("echo", &needle).with_fd(writer).unwrap();
        let reply = secondary.request(&question, Some(LONG)).unwrap().into_reply().unwrap();
        assert_eq!((reply.param(), reply.fds().len()), (&needle[..], 1));
        assert!(!went_by_lane(&needle));
        open_lane(&secondary, primary.name());
    }
}

#[test]
fn a_reply_with_descriptors_comes_to_a_request_that_went_by_lane() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    echo(&primary, "echo");
    primary
        .register("pipe", |request| {
            let (reader, writer) = std::io::pipe().unwrap();
            let reply = message_with("reply", request.param());
            request.reply_with(reply.with_fd(reader).unwrap().with_fd(writer).unwrap())
        })
        .unwrap();
    open_lane(&secondary, primary.name());
    let before = descriptors().len();
    let mut by_lane = 0;
    for _ in 0..50 {
        let needle = needle();
        let question = message_with("pipe", &needle);
        let reply = secondary.request(&question, Some(LONG)).unwrap().into_reply().unwrap();
        assert_eq!((reply.param(), reply.fds().len()), (&needle[..], 2));
        by_lane += u32::from(went_by_lane(&needle));
    }
    assert!(by_lane > 0, "some went by the lane");
    eventually("no descriptor is left", || descriptors().len() <= before);
}

/// Has two members do a little of everything, and gives what both count.
fn count_traffic(asker: &Group, server: &Group, must_use_lane: bool) -> [Stats; 2] {
    let (sender, news) = channel();
    server.register("note", move |_| sender.send(()).unwrap()).unwrap();
    server.register("ignore", |request| request.ignore()).unwrap();
    server.register("silent", |request| request.stay_silent()).unwrap();
    server.register("panic", |_| -> () { panic!("as it should") }).unwrap();
    echo(server, "echo");
    for _ in 0..40 {
        let needle = needle();
        assert_eq!(ask(asker, "echo", &needle), needle);
        for name in ["ignore", "panic", "nothing"] {
            assert_eq!(only(&asker.request(&message(name), Some(LONG)).unwrap()), "ignored");
        }
        asker.send(&message("note")).unwrap();
        wait_for(&news);
    }
    assert_eq!(lane_count(process::id()) > 0, must_use_lane);
    let silent = asker.request(&message("silent"), Some(Duration::from_millis(1))).unwrap();
    assert_eq!(only(&silent), "timedout");
    assert_eq!(block_on(asker.request_future(&message("echo"), Some(LONG))).unwrap().len(), 1);
    // The asker has given up before that one came.
    eventually("the last one comes", || server.stats().received.requests == 162);
    [asker.stats(), server.stats()]
}

#[test]
fn traffic_counts_the_same_whichever_way_it_goes() {
    let by_lane = {
        let lanes = Lanes::new();
        let (primary, secondary) = (lanes.primary(), lanes.secondary());
        count_traffic(&secondary, &primary, true)
    };
    let by_socket = {
        let lanes = Lanes::new();
        let (primary, secondary) = (lanes.primary(), lanes.secondary());
        // To all secondaries at once: that never takes a lane.
        count_traffic(&primary, &secondary, false)
    };
    assert_eq!(by_lane, by_socket);
    let [asker, server] = by_lane;
    let ByKind { messages, requests, replies, ignores, .. } = server.received;
    assert_eq!((messages, requests, replies, ignores), (40, 162, 0, 0));
    assert_eq!(asker.requests.timed_out, 1);
    assert_eq!(server.panics, 40);
}

#[test]
fn a_lane_is_used_also_where_nobody_polls() {
    type Never = fn(rte_mp::GroupBuilder) -> rte_mp::GroupBuilder;
    let never: Never = |builder| builder.busy_poll(Duration::ZERO);
    let polls: Never = |builder| builder;
    for (asking, asked) in [(never, polls), (polls, never), (never, never)] {
        let lanes = Lanes::new();
        let primary = asked(lanes.builder(Role::Primary)).join().unwrap();
        let secondary = asking(lanes.builder(Role::Secondary)).join().unwrap();
        echo(&primary, "echo");
        open_lane(&secondary, primary.name());
        open_lane_by_messages(&secondary, primary.name());
        assert_eq!(lane_count(process::id()), 2, "its two ends are in this process");
    }
}

#[test]
fn a_server_that_sleeps_is_woken_by_its_lane() {
    let lanes = Lanes::new();
    let [primary, secondary] = [Role::Primary, Role::Secondary]
        .map(|role| lanes.builder(role).busy_poll(Duration::ZERO).join().unwrap());
    let (sender, news) = channel();
    echo(&primary, "echo");
    primary.register("note", move |r| sender.send(r.param().to_vec()).unwrap()).unwrap();
    open_lane(&secondary, primary.name());
    let mut by_lane = 0;
    for _ in 0..200 {
        let needle = needle();
        secondary.send(&message_with("note", &needle)).unwrap();
        assert_eq!(wait_for(&news), needle);
        by_lane += u32::from(went_by_lane(&needle));
        // Everybody sleeps by now; each of these has to wake somebody.
        let needle = super::needle();
        let asked = Instant::now();
        assert_eq!(ask(&secondary, "echo", &needle), needle);
        assert!(asked.elapsed() < AT_ONCE, "after {:?}", asked.elapsed());
        by_lane += u32::from(went_by_lane(&needle));
    }
    assert!(by_lane > 300, "{by_lane} went by the lane");
}

#[test]
fn a_member_in_an_event_loop_of_its_own_uses_lanes_and_serves_them() {
    let lanes = Lanes::with_killed();
    let child = lanes.child("primary", WINDOW);
    let secondary = lanes.builder(Role::Secondary).drive(Drive::Caller).join().unwrap();
    open_lane(&secondary, &primary_name(&lanes));
    echo(&secondary, "echo");
    let asking = {
        let name = *secondary.name();
        let asker = lanes.builder(Role::Secondary).join().unwrap();
        std::thread::spawn(move || open_lane(&asker, &name))
    };
    // Only when its descriptor says so.
    let deadline = Instant::now() + LONG;
    while !asking.is_finished() {
        assert!(Instant::now() < deadline, "all is answered");
        let mut fds = [PollFd::new(&secondary, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 })).unwrap();
        if !fds[0].revents().is_empty() {
            while secondary.process() {}
        }
    }
    asking.join().unwrap();
    drop(secondary);
    child.end();
}

#[test]
fn a_handler_learns_who_asks_through_a_lane() {
    let lanes = Lanes::with_killed();
    let (sender, news) = channel();
    let primary = lanes.primary();
    let sender = Mutex::new(sender);
    primary
        .register("echo", move |request: rte_mp::Request| {
            let who = (request.peer().to_string(), request.peer_pid(), request.peer_uid());
            sender.lock().unwrap().send(who).unwrap();
            let param = request.param().to_vec();
            let _ = request.reply(&param);
        })
        .unwrap();
    let mut child = lanes.child("secondary", WINDOW);
    let uid = rustix::process::geteuid().as_raw();
    let mut by_lane = 0;
    for round in 0..100 {
        let needle = format!("{}-{round}", String::from_utf8(needle()).unwrap().replace(' ', "-"));
        let order = if round % 2 == 0 { "request" } else { "send" };
        child.tell(&format!("{order} echo {needle}"));
        child.expect(if round % 2 == 0 { "replies" } else { "sent" });
        let (peer, pid, user) = wait_for(&news);
        assert_eq!((pid, user), (Some(child.pid()), Some(uid)));
        let file = peer.rsplit('/').next().unwrap();
        let expected = if round % 2 == 0 { "mp_reply_" } else { "mp_socket_" };
        assert!(file.starts_with(&format!("{expected}{}_", child.pid())), "{peer}");
        by_lane += u32::from(is_in_lane(process::id(), needle.as_bytes()));
    }
    assert!(by_lane > 10, "{by_lane} went by the lane");
    child.end();
}

#[test]
fn a_busy_server_is_asked_by_socket() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let (sender, news) = channel();
    echo(&primary, "echo");
    primary
        .register("block", move |request| {
            sender.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            request.reply(b"unblocked")
        })
        .unwrap();
    open_lane(&secondary, primary.name());
    let blocked = secondary.request_future(&message("block"), Some(LONG));
    wait_for(&news);
    // The window of the asker ends before the server comes round.
    let needle = Arc::new(needle());
    let (asker, param) = (secondary.clone(), Arc::clone(&needle));
    let asking = std::thread::spawn(move || ask(&asker, "echo", &param));
    eventually("it asks by socket", || {
        std::thread::park_timeout(WINDOW * 2);
        !asking.is_finished()
    });
    open.send(()).unwrap();
    assert_eq!(asking.join().unwrap(), *needle);
    assert_eq!(only(&block_on(blocked).unwrap()), "unblocked");
    open_lane(&secondary, primary.name());
    assert!(!mapped(process::id()).is_empty());
}

#[test]
fn very_short_timeouts_do_no_harm() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    echo(&primary, "echo");
    open_lane(&secondary, primary.name());
    let mut replied = 0;
    for round in 0..600_u64 {
        let timeout = Duration::from_micros([0, 1, 5, 20, 100, 1000][round as usize % 6]);
        let param = round.to_ne_bytes();
        let replies = secondary.request(&message_with("echo", &param), Some(timeout)).unwrap();
        if let Ok(reply) = replies.into_reply() {
            assert_eq!(reply.param(), param, "round {round}");
            replied += 1;
        }
        if round % 50 == 0 {
            open_lane(&secondary, primary.name());
        }
    }
    assert!(replied > 0);
}
