//! Members that leave in mid-traffic.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rte_mp::{Group, PeerName, RequestError, SendError};

use super::{Lanes, lane_count, open_lane};
use crate::common::{LONG, ask, at_once, echo, eventually, message, message_with, word};

/// Asks and sends until one of the two is not there any more; gives what was said last.
fn talk(asker: &Group, server: &PeerName, count: &AtomicU64) -> String {
    for number in 0_u64.. {
        let param = number.to_ne_bytes();
        let message = message_with("echo", &param);
        match asker.to(server).request(&message, Some(LONG)) {
            Ok(replies) => {
                let outcome = &replies.iter().next().unwrap().outcome;
                match outcome {
                    rte_mp::Outcome::Replied(reply) => assert_eq!(reply.param(), param),
                    // A server that leaves answers so, as the last thing it does.
                    rte_mp::Outcome::Ignored => {}
                    other => return word(other),
                }
            }
            Err(RequestError::NoPeer { .. } | RequestError::NoPrimary { .. }) => {
                return "nobody".to_owned();
            }
            Err(RequestError::Left { .. }) => return "left".to_owned(),
            Err(error) => panic!("{error}"),
        }
        match asker.to(server).send(&crate::common::message("nothing")) {
            Ok(()) => {}
            Err(SendError::NoPeer { .. } | SendError::NoPrimary { .. }) => {
                return "nobody".to_owned();
            }
            Err(SendError::Left { .. }) => return "left".to_owned(),
            Err(error) => panic!("{error}"),
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
    unreachable!("numbers do not end")
}

/// How often a member leaves.
const ROUNDS: u64 = 12;

#[test]
fn a_server_leaves_in_mid_traffic() {
    for round in 0..ROUNDS {
        let lanes = Lanes::new();
        let primary = lanes.primary();
        let secondary = lanes.secondary();
        echo(&primary, "echo");
        let name = *primary.name();
        open_lane(&secondary, &name);
        let count = AtomicU64::new(0);
        thread::scope(|scope| {
            let askers: Vec<_> =
                (0..3).map(|_| scope.spawn(|| talk(&secondary, &name, &count))).collect();
            eventually("they talk", || count.load(Ordering::Relaxed) > 10 + 37 * round);
            at_once("leaving", || primary.leave());
            for asker in askers {
                let end = at_once("the end", || asker.join().unwrap());
                assert!(["nobody", "died"].contains(&&end[..]), "{end}");
            }
        });
        // Another one takes its place.
        let primary = lanes.primary();
        echo(&primary, "echo");
        assert_eq!(at_once("a reply", || ask(&secondary, "echo", b"new")), b"new");
    }
}

#[test]
fn an_asker_leaves_in_mid_traffic() {
    let lanes = Lanes::new();
    let primary = lanes.primary();
    echo(&primary, "echo");
    let other = lanes.secondary();
    open_lane(&other, primary.name());
    let ends = lane_count(process::id());
    for round in 0..ROUNDS {
        let secondary = lanes.secondary();
        open_lane(&secondary, primary.name());
        let count = AtomicU64::new(0);
        thread::scope(|scope| {
            let asker = &secondary;
            let name = primary.name();
            let count = &count;
            let askers: Vec<_> =
                (0..3).map(|_| scope.spawn(move || talk(asker, name, count))).collect();
            eventually("they talk", || count.load(Ordering::Relaxed) > 10 + 37 * round);
            at_once("leaving", || secondary.clone().leave());
            for asker in askers {
                assert_eq!(at_once("the end", || asker.join().unwrap()), "left");
            }
        });
        drop(secondary);
        assert_eq!(at_once("a reply", || ask(&other, "echo", b"well?")), b"well?");
        // The server looks for it when it sleeps.
        eventually("its lane is given up", || lane_count(process::id()) == ends);
    }
}

#[test]
fn what_was_sent_by_lane_before_leaving_is_handled() {
    for _ in 0..10 {
        let lanes = Lanes::new();
        let (primary, secondary) = (lanes.primary(), lanes.secondary());
        let (sender, news) = channel();
        echo(&primary, "echo");
        primary.register("note", move |r| sender.send(r.param()[0]).unwrap()).unwrap();
        open_lane(&secondary, primary.name());
        for number in 0..50_u8 {
            secondary.send(&message_with("note", &[number])).unwrap();
        }
        secondary.leave();
        for number in 0..50_u8 {
            assert_eq!(news.recv_timeout(LONG), Ok(number));
        }
    }
}

#[test]
fn requests_that_lie_in_the_lane_when_the_server_leaves_are_answered() {
    for _ in 0..10 {
        let lanes = Lanes::new();
        let (primary, secondary) = (lanes.primary(), lanes.secondary());
        let (sender, news) = channel();
        echo(&primary, "echo");
        // The driver is busy while the group is left.
        primary
            .register("busy", move |_| {
                sender.send(()).unwrap();
                let (_keep, never) = channel::<()>();
                let _ = never.recv_timeout(Duration::from_millis(30));
            })
            .unwrap();
        open_lane(&secondary, primary.name());
        secondary.send(&message("busy")).unwrap();
        news.recv_timeout(LONG).unwrap();
        thread::scope(|scope| {
            let asking: Vec<_> = (0..8)
                .map(|_| {
                    let asker = &secondary;
                    scope.spawn(move || {
                        let asked = || asker.request(&message("echo"), Some(LONG));
                        match at_once("an end", asked) {
                            Ok(replies) => word(&replies.iter().next().unwrap().outcome),
                            Err(error) => error.to_string(),
                        }
                    })
                })
                .collect();
            primary.leave();
            for asked in asking {
                let end = asked.join().unwrap();
                let is_end = ["", "ignored", "died"].contains(&&end[..]) || end.contains("primary");
                assert!(is_end, "{end}");
            }
        });
    }
}
