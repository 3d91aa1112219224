//! One member and the primary: requests, messages and descriptors, from either side.

use std::sync::mpsc;

use rte_mp::{Flavor, Role, SendError};
use rte_mp_interop::{
    PATIENCE, block_on, content_of, file_holding, message, reply_text, text, with_dpdk,
};

use crate::{SECOND, SOON, assert_talks, nobody, outcomes};

#[test]
fn a_member_joins_a_dpdk_primary_and_sees_its_release() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.group(Role::Auto).join().unwrap();
        assert_eq!(member.role(), Role::Secondary);
        assert!(matches!(member.flavor(), Flavor::Dpdk(_)), "{:?}", member.flavor());
        assert_eq!(member.runtime_dir(), room.directory());
        assert_talks(&member, &mut primary);
        let peers = member.members().unwrap();
        assert_eq!(peers.len(), 1, "{peers:?}");
        assert_eq!((peers[0].role, peers[0].pid), (Role::Primary, Some(primary.pid())));
    });
}

#[test]
fn a_sync_request_is_answered_by_a_dpdk_primary() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        let member = room.member();
        // The longest name and param that the wire takes, the empty param, and bytes of all kinds.
        let longest = "n".repeat(63);
        primary.register(&longest, "echo");
        let replies = member.request(&message(&longest, &"p".repeat(256)), None).unwrap();
        assert!(reply_text(replies).starts_with("Got 'pppp"));
        assert_eq!(primary.received(&longest).param, "p".repeat(256));
        for param in ["", "SYNC Hello 1 from Client\0", "\u{1}%25 \n"] {
            let replies = member.request(&message("hello", param), None).unwrap();
            assert_eq!(reply_text(replies), format!("Got '{param}'"));
            assert_eq!(primary.received("hello").param, param);
        }
    });
}

#[test]
fn an_async_request_to_a_dpdk_primary_calls_back_once() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        primary.register("nothing", "silent");
        let member = room.member();
        let (called, calls) = mpsc::channel();
        let callback = called.clone();
        member
            .request_async(&message("hello", "async"), None, move |replies| {
                callback.send(reply_text(replies)).unwrap();
            })
            .unwrap();
        assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), "Got 'async'");

        member
            .request_async(&message("nothing", ""), Some(SOON), move |replies| {
                called.send(format!("{:?}", outcomes(&replies))).unwrap();
            })
            .unwrap();
        assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), "[TimedOut]");
        drop(member);
        assert!(calls.recv().is_err(), "called again");
    });
}

#[test]
fn a_future_of_a_request_to_a_dpdk_primary_resolves() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        let member = room.member();
        let replies = block_on(member.request_future(&message("hello", "future"), None)).unwrap();
        assert_eq!(reply_text(replies), "Got 'future'");
    });
}

#[test]
fn messages_go_both_ways_between_a_member_and_a_dpdk_primary() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("up", "silent");
        primary.register("many", "count");
        let member = room.member();
        let (sender, received) = mpsc::channel();
        member
            .register("down", move |request| {
                sender
                    .send((text(request.message()), request.peer().as_path().to_owned()))
                    .unwrap();
            })
            .unwrap();

        member.send(&message("up", "from below")).unwrap();
        let arrived = primary.received("up");
        assert_eq!((&*arrived.param, &*arrived.peer), ("from below", member.name().as_path()));

        assert_eq!(primary.send("down", "from above", &[]), Ok(()));
        let (param, peer) = received.recv_timeout(PATIENCE).unwrap();
        assert_eq!((&*param, peer), ("from above", room.directory().join("mp_socket")));

        // Far more than the kernel queues: none may be lost, and none refused.
        for _ in 0..1000 {
            member.send(&message("many", "")).unwrap();
        }
        assert_talks(&member, &mut primary);
        assert_eq!(primary.counted("many"), 1000);
    });
}

#[test]
fn descriptors_reach_a_dpdk_primary_and_come_back() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("files", "fds one two%20words");
        primary.register("news", "silent");
        let member = room.member();

        let question = message("files", "")
            .with_fd(file_holding("first"))
            .and_then(|message| message.with_fd(file_holding("second")))
            .unwrap();
        let mut reply = member.request(&question, None).unwrap().into_reply().unwrap();
        assert_eq!(primary.received("files").contents, ["first", "second"]);
        let contents: Vec<_> = reply.take_fds().iter().map(content_of).collect();
        assert_eq!(contents, ["one", "two words"]);

        // As many as this release takes; one more is our error, and never its death.
        let limit = member.layout().fd_max();
        let files = |count| {
            (0..count).try_fold(message("news", ""), |message, number: usize| {
                message.with_fd(file_holding(&number.to_string()))
            })
        };
        member.send(&files(limit).unwrap()).unwrap();
        let numbers: Vec<_> = (0..limit).map(|number| number.to_string()).collect();
        assert_eq!(primary.received("news").contents, numbers);
        if let Ok(too_many) = files(limit + 1) {
            let sent = member.send(&too_many);
            assert!(matches!(sent, Err(SendError::TooManyFds { .. })), "{sent:?}");
        }
        assert_talks(&member, &mut primary);
    });
}

#[test]
fn descriptors_of_a_dpdk_primary_reach_a_member_and_come_back() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        let (sender, received) = mpsc::channel();
        member
            .register("files", move |mut request| {
                let contents: Vec<_> = request.take_fds().iter().map(content_of).collect();
                sender.send(contents).unwrap();
                let reply = message("files", "two").with_fd(file_holding("one")).unwrap();
                request.reply_with(reply.with_fd(file_holding("two words")).unwrap())
            })
            .unwrap();

        let got = primary.request("files", SECOND, "", &["down", "and up"]).unwrap();
        assert_eq!(received.recv_timeout(PATIENCE).unwrap(), ["down", "and up"]);
        assert_eq!(got.replies[0].contents, ["one", "two words"]);
        assert_eq!(primary.send("files", "", &["eight"; 8]), Ok(()));
        assert_eq!(received.recv_timeout(PATIENCE).unwrap(), ["eight"; 8]);
        // Nobody takes these: they must not stay open.
        assert_eq!(primary.request("unknown", SECOND, "", &["dropped"; 8]), Ok(nobody()));
        assert_eq!(primary.send("unknown", "", &["dropped"; 8]), Ok(()));
        assert_talks(&member, &mut primary);
    });
}
