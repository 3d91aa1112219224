//! Processes that are killed while they use a lane: the other side is never kept waiting, never
//! gets a wrong answer, and gives everything back.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, PeerName, RequestError, Role, SendError};

use super::{Lanes, WINDOW, lane_count, needle, open_lane, open_lane_by_messages, went_by_lane};
use crate::common::{
    AT_ONCE, LONG, ask, at_once, descriptors, echo, eventually, message, message_with, only,
    wait_for,
};

/// For how long processes are killed.
const WATCHED: Duration = Duration::from_secs(8);

fn primary_name(lanes: &Lanes) -> PeerName {
    PeerName::new(lanes.scene.path("mp_socket")).unwrap()
}

/// Numbers that are different each time.
fn pauses() -> impl Iterator<Item = Duration> {
    let mut state = u64::from(process::id()) | 1;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(Duration::from_micros(state % 15_000))
    })
}

fn pause(time: Duration) {
    let (_keep, never) = channel::<()>();
    let _ = never.recv_timeout(time);
}

/// Asks until the primary is gone. Each answer is to its own request, and the end comes at once.
fn ask_until_gone(secondary: &Group, count: &AtomicU64, by_lane: &AtomicBool) {
    for number in 0_u64.. {
        let param = [&number.to_ne_bytes()[..], &needle()].concat();
        let asked = Instant::now();
        match secondary.request(&message_with("echo", &param), Some(LONG)) {
            Ok(replies) => match replies.into_reply() {
                Ok(reply) => assert_eq!(reply.param(), param),
                Err(error) => {
                    assert!(asked.elapsed() < AT_ONCE, "{error} after {:?}", asked.elapsed());
                    assert!(error.to_string().contains("ended"), "{error}");
                    return;
                }
            },
            Err(RequestError::NoPrimary { .. }) => {
                assert!(asked.elapsed() < AT_ONCE, "after {:?}", asked.elapsed());
                return;
            }
            Err(error) => panic!("{error}"),
        }
        count.fetch_add(1, Ordering::Relaxed);
        if number % 8 == 7 && went_by_lane(&param) {
            by_lane.store(true, Ordering::Relaxed);
        }
    }
}

/// Sends until the primary is gone.
fn send_until_gone(secondary: &Group, killed: &AtomicBool) {
    let mut since = None;
    loop {
        match secondary.send(&message("nothing")) {
            Ok(()) => {}
            Err(SendError::NoPrimary { .. }) => return,
            Err(error) => panic!("{error}"),
        }
        if killed.load(Ordering::Relaxed) {
            let since = since.get_or_insert_with(Instant::now);
            assert!(since.elapsed() < AT_ONCE, "nobody says that the primary is dead");
        }
    }
}

#[test]
fn a_server_is_killed_at_any_moment() {
    let end = Instant::now() + WATCHED;
    let mut windows = [200_000, 50, 200_000, 5_000].map(Duration::from_micros).into_iter().cycle();
    let count = AtomicU64::new(0);
    let by_lane = AtomicBool::new(false);
    let lanes = Lanes::with_killed();
    let secondary = {
        let _child = lanes.child("primary", WINDOW);
        lanes.secondary()
    };
    for time in pauses() {
        let window = windows.next().unwrap();
        let mut child = lanes.child("primary", window);
        if window == WINDOW {
            open_lane(&secondary, &primary_name(&lanes));
        }
        let killed = AtomicBool::new(false);
        thread::scope(|scope| {
            let askers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| ask_until_gone(&secondary, &count, &by_lane)))
                .collect();
            scope.spawn(|| send_until_gone(&secondary, &killed));
            pause(time);
            child.kill();
            killed.store(true, Ordering::Relaxed);
            for asker in askers {
                asker.join().unwrap();
            }
        });
        // On a busy machine for longer, until lanes were used.
        let is_enough = by_lane.load(Ordering::Relaxed) || end.elapsed() > LONG;
        if Instant::now() > end && is_enough {
            break;
        }
    }
    assert!(by_lane.load(Ordering::Relaxed), "some requests went by lane");
    drop(secondary);
}

#[test]
fn a_server_dies_of_a_request_that_came_by_lane() {
    let lanes = Lanes::with_killed();
    for _ in 0..5 {
        let child = lanes.child("primary", WINDOW);
        let secondary = lanes.secondary();
        open_lane(&secondary, &primary_name(&lanes));
        let needle = needle();
        let message = message_with("die", &needle);
        let replies = at_once("noticing", || secondary.request(&message, Some(LONG)).unwrap());
        assert_eq!(only(&replies), "died");
        drop(child);
    }
}

#[test]
fn a_server_that_dies_with_a_request_is_known_to_be_dead_though_the_next_one_is_there() {
    let lanes = Lanes::with_killed();
    let mut child = lanes.child("primary", WINDOW);
    // It polls for the answer until long after the next primary is there.
    let window = Duration::from_secs(1);
    let secondary = lanes.scene.builder(Role::Secondary).busy_poll(window).join().unwrap();
    open_lane(&secondary, &primary_name(&lanes));
    let needle = needle();
    let message = message_with("hold", &needle);
    thread::scope(|scope| {
        let asking = scope.spawn(|| secondary.request(&message, Some(LONG)).unwrap());
        child.expect("held");
        assert!(went_by_lane(&needle));
        child.kill();
        let next = lanes.primary();
        let replies = at_once("noticing", || asking.join().unwrap());
        assert_eq!(only(&replies), "died");
        drop(next);
    });
    drop(secondary);
}

#[test]
fn an_asker_is_killed_at_any_moment() {
    let lanes = Lanes::with_killed();
    let primary = lanes.primary();
    echo(&primary, "echo");
    let other = lanes.secondary();
    open_lane(&other, primary.name());
    let (fds, lane_ends) = (descriptors().len(), lane_count(process::id()));
    let end = Instant::now() + WATCHED;
    let mut with_lane = 0;
    for time in pauses() {
        let mut child = lanes.child("secondary", WINDOW);
        child.tell("flood");
        pause(time);
        with_lane += usize::from(lane_count(process::id()) > lane_ends);
        child.kill();
        assert_eq!(at_once("an answer", || ask(&other, "echo", b"well?")), b"well?");
        eventually("its lane is given up", || lane_count(process::id()) == lane_ends);
        // Ours may watch each other by now, but no more come.
        eventually("its descriptors are given up", || descriptors().len() <= fds + 2);
        if Instant::now() > end && (with_lane > 0 || end.elapsed() > LONG) {
            break;
        }
    }
    assert!(with_lane > 0, "some had a lane");
}

#[test]
fn the_next_request_reaches_a_new_primary_at_once() {
    let lanes = Lanes::with_killed();
    let window = Duration::from_secs(2);
    let mut child = lanes.child("primary", window);
    let secondary = lanes.secondary();
    for round in 0..4 {
        open_lane(&secondary, &primary_name(&lanes));
        child.kill();
        // The old one has said that it polls for two seconds more.
        child = lanes.child("primary", window);
        let pid = at_once("a reply", || ask(&secondary, "pid", b""));
        assert_eq!(pid, child.pid().to_string().as_bytes(), "round {round}");
        let future = secondary.request_future(&message("pid"), Some(LONG));
        let pid = only(&crate::common::block_on(future).unwrap());
        assert_eq!(pid, child.pid().to_string(), "round {round}");
    }
    drop(secondary);
    child.end();
}

#[test]
fn a_lane_to_a_new_primary_goes_with_no_return_address_of_the_old_one() {
    let lanes = Lanes::with_killed();
    let mut child = lanes.child("primary", WINDOW);
    let secondary = lanes.secondary();
    // Its return address is kept, connected to this primary.
    assert_eq!(ask(&secondary, "pid", b""), child.pid().to_string().as_bytes());
    child.kill();
    let child = lanes.child("primary", Duration::from_secs(2));
    // Messages alone bring a lane to the new one.
    open_lane_by_messages(&secondary, &primary_name(&lanes));
    // The answer comes when the asker does not poll any more.
    let timeout = Duration::from_secs(5);
    let replies = secondary.request(&message("slow"), Some(timeout)).unwrap();
    assert_eq!(only(&replies), "slow");
    drop(secondary);
    child.end();
}

#[test]
fn messages_to_a_dead_server_fail_soon() {
    let lanes = Lanes::with_killed();
    for window in [50, 200_000] {
        let mut child = lanes.child("primary", Duration::from_micros(window));
        let secondary = lanes.secondary();
        open_lane(&secondary, &primary_name(&lanes));
        child.kill();
        let start = Instant::now();
        while secondary.send(&message("nothing")).is_ok() {
            assert!(start.elapsed() < AT_ONCE, "nobody says that the primary is dead");
        }
        let error = secondary.send(&message("nothing")).unwrap_err();
        assert!(matches!(error, SendError::NoPrimary { .. }), "{error}");
    }
}

#[test]
fn what_a_killed_asker_wanted_is_answered_to_nobody() {
    let lanes = Lanes::with_killed();
    let primary = lanes.primary();
    echo(&primary, "echo");
    let (sender, requests) = channel();
    primary.register("later", move |request| sender.send(request).unwrap()).unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut child = lanes.child("secondary", WINDOW);
        for _ in 0..30 {
            child.tell("request echo hello");
            child.expect("replies hello");
        }
        child.tell("request later x");
        held.push(wait_for(&requests));
        child.kill();
    }
    let before = lane_count(process::id());
    let held: Arc<Vec<rte_mp::Request>> = Arc::new(held);
    for request in Arc::into_inner(held).unwrap() {
        // Nobody to tell: it is there or it is not.
        let _ = request.reply(b"too late");
    }
    assert!(before >= 1, "who holds a request holds its lane");
    eventually("the lanes are given up", || lane_count(process::id()) == 0);
}
