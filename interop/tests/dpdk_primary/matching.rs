//! Which reply belongs to which request.

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use rte_mp::Outcome;
use rte_mp_interop::{PATIENCE, content_of, message, reply_text, text, with_dpdk};

use crate::{SECOND, SOON, assert_talks, outcomes};

#[test]
fn sixty_four_concurrent_requests_of_one_name_are_all_matched() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        let member = room.member();
        thread::scope(|scope| {
            for number in 0..64 {
                let member = &member;
                scope.spawn(move || {
                    for round in 0..4 {
                        let param = format!("{number}, round {round}");
                        let replies = member.request(&message("hello", &param), None).unwrap();
                        assert_eq!(reply_text(replies), format!("Got '{param}'"));
                    }
                });
            }
        });
        let (sender, answers) = mpsc::channel();
        for number in 0..64 {
            let sender = sender.clone();
            member
                .request_async(&message("hello", &number.to_string()), None, move |replies| {
                    sender.send((number, reply_text(replies))).unwrap();
                })
                .unwrap();
        }
        for _ in 0..64 {
            let (number, reply) = answers.recv_timeout(PATIENCE).unwrap();
            assert_eq!(reply, format!("Got '{number}'"));
        }
    });
}

#[test]
fn a_late_reply_is_not_taken_for_the_next() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("slow", "slow 300");
        let member = room.member();
        let replies = member.request(&message("slow", "first"), Some(SOON)).unwrap();
        assert!(matches!(outcomes(&replies)[..], [Outcome::TimedOut]), "{replies:?}");
        assert_eq!((replies.sent(), replies.received()), (1, 0));
        // The reply to the first comes while this waits.
        let replies = member.request(&message("slow", "second"), None).unwrap();
        assert_eq!(reply_text(replies), "Got 'second'");

        let (sender, answers) = mpsc::channel();
        for (param, timeout) in [("third", Some(SOON)), ("fourth", None)] {
            let sender = sender.clone();
            member
                .request_async(&message("slow", param), timeout, move |replies| {
                    sender.send(replies.into_reply().map(|reply| text(&reply)).ok()).unwrap();
                })
                .unwrap();
        }
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), None);
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap().as_deref(), Some("Got 'fourth'"));
        // The late replies found nobody: DPDK takes no harm.
        assert_talks(&member, &mut primary);
    });
}

/// A DPDK handler may well call `rte_mp_reply` twice.
#[test]
fn an_answer_that_comes_twice_is_not_taken_for_the_next() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("twice", "twice file");
        primary.register("after", "echo");
        let (member, other) = (room.member(), room.member());
        let (sender, answers) = mpsc::channel();
        let check = |replies: rte_mp::Replies, param| {
            let mut reply = replies.into_reply().unwrap();
            assert_eq!(text(&reply), format!("Got '{param}'"));
            assert_eq!(reply.take_fds().iter().map(content_of).collect::<Vec<_>>(), ["file"]);
            // The primary has one thread for all: once it answers somebody else, the second answer
            // has been sent.
            let replies = other.request(&message("after", ""), None).unwrap();
            assert_eq!(reply_text(replies), "Got ''");
        };
        for round in 0..4 {
            let param = format!("sync {round}");
            check(member.request(&message("twice", &param), None).unwrap(), param);
            let (param, sender) = (format!("async {round}"), sender.clone());
            member
                .request_async(&message("twice", &param), None, move |replies| {
                    sender.send(replies).unwrap();
                })
                .unwrap();
            check(answers.recv_timeout(PATIENCE).unwrap(), param);
        }
    });
}

#[test]
fn an_action_that_a_dpdk_primary_lacks_times_out_on_time() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        let start = Instant::now();
        let replies = member.request(&message("unknown", ""), Some(SOON)).unwrap();
        let took = start.elapsed();
        assert!(matches!(outcomes(&replies)[..], [Outcome::TimedOut]), "{replies:?}");
        assert!(took >= SOON && took < SECOND, "{took:?}");
        assert_talks(&member, &mut primary);
    });
}
