//! What the primary asks all its secondaries, and how a member answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use rte_mp::{Drive, Role};
use rte_mp_interop::{Failed, PATIENCE, Replies, is_readable_within, with_dpdk};

use crate::{ETIMEDOUT, SECOND, SOON, assert_talks, nobody, register_echo, replied};

#[test]
fn a_broadcast_request_of_a_dpdk_primary_is_answered_by_a_member() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        register_echo(&member, "question");
        let expected = Ok(replied(&["member got 'sync'"]));
        assert_eq!(primary.request("question", SECOND, "sync", &[]), expected);
        assert_eq!(primary.request_async("question", SECOND, "async", &[]), Ok(()));
        assert_eq!(primary.async_replies(), replied(&["member got 'async'"]));
    });
}

#[test]
fn a_member_may_answer_a_dpdk_primary_later_from_another_thread() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        let (sender, received) = mpsc::channel();
        member.register("question", move |request| sender.send(request).unwrap()).unwrap();
        primary.start_request("question", PATIENCE, "", &[]);
        let request = received.recv_timeout(PATIENCE).unwrap();
        // The handler has returned, and the member talks on meanwhile.
        register_echo(&member, "other");
        thread::spawn(move || request.reply(b"from elsewhere")).join().unwrap().unwrap();
        assert_eq!(primary.finish_request(), Ok(replied(&["from elsewhere"])));
    });
}

#[test]
fn a_member_without_a_handler_asks_a_dpdk_primary_not_to_wait() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        member.register("ignored", |request| request.ignore()).unwrap();
        member.register("dropped", drop).unwrap();
        for name in ["unknown", "ignored", "dropped"] {
            // An error would mean that the deadline was waited for.
            assert_eq!(primary.request(name, PATIENCE, "", &[]), Ok(nobody()), "{name}");
            assert_eq!(primary.request_async(name, PATIENCE, "", &[]), Ok(()), "{name}");
            assert_eq!(primary.async_replies(), nobody(), "{name}");
        }
    });
}

#[test]
fn a_member_that_stays_silent_by_choice_lets_a_dpdk_primary_wait() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        member.register("quiet", |request| request.stay_silent()).unwrap();
        assert_eq!(primary.request("quiet", SOON, "", &[]), Err(Failed(ETIMEDOUT)));
        assert_eq!(primary.request_async("quiet", SOON, "", &[]), Ok(()));
        assert_eq!(primary.async_replies(), Replies { sent: 1, received: 0, replies: vec![] });
        assert_talks(&member, &mut primary);
    });
}

#[test]
fn a_member_that_left_is_no_longer_asked_by_a_dpdk_primary() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let before = room.files();
        let member = room.member();
        register_echo(&member, "question");
        assert_talks(&member, &mut primary);
        assert_ne!(room.files(), before);
        member.leave();
        assert_eq!(room.files(), before, "leaving removes all that was made");
        assert_eq!(primary.request("question", SECOND, "", &[]), Ok(nobody()));
    });
}

#[test]
fn a_member_driven_by_its_callers_event_loop_answers_a_dpdk_primary() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.group(Role::Secondary).drive(Drive::Caller).join().unwrap();
        let answered = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&answered);
        member
            .register("question", move |request| {
                flag.store(true, Ordering::Relaxed);
                request.reply(b"from the loop")
            })
            .unwrap();
        primary.start_request("question", PATIENCE, "", &[]);
        while !answered.load(Ordering::Relaxed) {
            assert!(is_readable_within(&member, PATIENCE), "nothing came");
            member.process();
        }
        assert_eq!(primary.finish_request(), Ok(replied(&["from the loop"])));
    });
}
