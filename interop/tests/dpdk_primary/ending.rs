//! A primary that refuses, goes, or dies.

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use rte_mp::{JoinError, Message, Outcome, RequestError, Role, SendError};
use rte_mp_interop::{PATIENCE, Peer, message, with_dpdk};

use crate::{SECOND, SOON, assert_talks, outcomes, register_echo, replied};

#[test]
fn a_member_is_refused_where_a_dpdk_primary_disabled_multi_process() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        assert!(primary.disable());
        let before = room.files();
        let error = room.refusal(room.group(Role::Secondary));
        assert!(matches!(error, JoinError::Disabled { .. }), "{error}");
        assert_eq!(room.files(), before);
    });
}

#[test]
fn a_dpdk_primary_cannot_disable_multi_process_once_a_member_has_attached() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        assert!(!primary.disable());
        assert_talks(&member, &mut primary);
    });
}

#[test]
fn a_dpdk_primary_killed_in_mid_request_is_noticed_at_once() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("nothing", "silent");
        let member = room.member();
        let (sender, answers) = mpsc::channel();
        let (asked, asking) = (member.clone(), sender.clone());
        let waiting = thread::spawn(move || {
            let replies = asked.request(&message("nothing", "sync"), Some(PATIENCE)).unwrap();
            asking.send(replies).unwrap();
        });
        member
            .request_async(&message("nothing", "async"), Some(PATIENCE), move |replies| {
                sender.send(replies).unwrap();
            })
            .unwrap();
        // Both have been asked.
        primary.received("nothing");
        primary.received("nothing");
        primary.kill();
        let killed = Instant::now();
        for _ in 0..2 {
            let replies = answers.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(outcomes(&replies)[..], [Outcome::Died]), "{replies:?}");
        }
        let took = killed.elapsed();
        assert!(took < SECOND / 2, "{took:?}");
        waiting.join().unwrap();

        let asked = member.request(&message("nothing", ""), None);
        assert!(matches!(asked, Err(RequestError::NoPrimary { .. })), "{asked:?}");
        let sent = member.send(&message("nothing", ""));
        assert!(matches!(sent, Err(SendError::NoPrimary { .. })), "{sent:?}");
    });
}

#[test]
fn a_dpdk_primary_that_has_ended_is_not_joined() {
    with_dpdk(|room| {
        for (how, end) in [("quit", Peer::quit as fn(Peer)), ("killed", Peer::kill)] {
            end(room.dpdk_primary());
            assert!(room.files().contains(&"config".to_owned()), "DPDK leaves it: {how}");
            let error = room.refusal(room.group(Role::Secondary));
            assert!(matches!(error, JoinError::NoPrimary { .. }), "{how}: {error}");
        }
    });
}

#[test]
fn a_member_that_outlives_its_dpdk_primary_talks_to_the_next_one() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        register_echo(&member, "question");
        for end in [Peer::quit as fn(Peer), Peer::kill] {
            assert_talks(&member, &mut primary);
            end(primary);
            let asked = member.request(&message("check", ""), None);
            assert!(matches!(asked, Err(RequestError::NoPrimary { .. })), "{asked:?}");
            primary = room.dpdk_primary();
            assert_talks(&member, &mut primary);
            let expected = Ok(replied(&["member got 'again'"]));
            assert_eq!(primary.request("question", PATIENCE, "again", &[]), expected);
        }
    });
}

#[test]
fn a_member_that_is_no_longer_listened_to_does_not_block() {
    with_dpdk(|room| {
        let _primary = room.dpdk_primary();
        let member = room.group(Role::Secondary).send_timeout(SOON).join().unwrap();
        // A datagram of no bytes ends DPDK's receiving thread for good.
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(&[], room.directory().join("mp_socket")).unwrap();
        let start = Instant::now();
        let sent = (0..100).try_for_each(|_| member.send(&Message::new("news").unwrap()));
        assert!(matches!(sent, Err(SendError::Undelivered { .. })), "the queue is full: {sent:?}");
        assert!(start.elapsed() < 5 * SECOND, "{:?}", start.elapsed());
        let replies = member.request(&message("hello", ""), Some(SOON));
        assert!(start.elapsed() < 5 * SECOND, "{:?}: {replies:?}", start.elapsed());
    });
}
