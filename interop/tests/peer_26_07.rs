//! Members of a group whose primary behaves like DPDK 26.07: 340 bytes, 253 descriptors, and a
//! receiver that the first datagram of another length would end for good.

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Flavor, JoinError, MessageError, Outcome, Role, SendError};
use rte_mp_interop::{
    Failed, PATIENCE, Peer, Replies, content_of, file_holding, message, reply_text, text, with_room,
};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_millis(100);
const ETIMEDOUT: i32 = 110;
const MP_STATUS_ENABLED: &str = "2";

/// The peer receives: had it died on something, this would wait in vain.
fn assert_alive(member: &rte_mp::Group, primary: &mut Peer) {
    primary.register("alive", "echo");
    let replies = member.request(&message("alive", "?"), None).expect("it runs");
    assert_eq!(reply_text(replies), "Got '?'");
}

#[test]
fn a_member_joins_26_07_and_marks_the_group_as_attached() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        let member = room.member();
        assert!(matches!(member.flavor(), Flavor::Dpdk(_)), "{:?}", member.flavor());
        assert_eq!(primary.ask("status", "mp_status").as_deref(), Some(MP_STATUS_ENABLED));
        assert!(!primary.disable());
        let peers = member.members().unwrap();
        assert_eq!((peers.len(), peers[0].pid), (1, Some(primary.pid())), "{peers:?}");
        assert_alive(&member, &mut primary);
    });
}

#[test]
fn nothing_that_a_member_does_ends_the_receiver_of_26_07() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        primary.register("hello", "echo");
        primary.register("news", "silent");
        primary.register("files", "fds one two");
        let member = room.member();
        let (sender, answers) = mpsc::channel();
        member.register("question", |request| request.reply(b"answer")).unwrap();
        member
            .register("file", |request| {
                request.reply_with(message("file", "").with_fd(file_holding("up")).unwrap())
            })
            .unwrap();

        // Whatever a member sends: messages, requests of three kinds, descriptors...
        member.send(&message("news", "one way")).unwrap();
        member.send(&message("news", "").with_fd(file_holding("news")).unwrap()).unwrap();
        let replies = member.request(&message("hello", "sync"), None).unwrap();
        assert_eq!(reply_text(replies), "Got 'sync'");
        member
            .request_async(&message("hello", "async"), None, move |replies| {
                sender.send(reply_text(replies)).unwrap();
            })
            .unwrap();
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), "Got 'async'");
        let mut reply = member.request(&message("files", ""), None).unwrap().into_reply().unwrap();
        assert_eq!(reply.take_fds().iter().map(content_of).collect::<Vec<_>>(), ["one", "two"]);
        // ... replies, with and without descriptors, and "count me out".
        let got = primary.request("question", SECOND, "", &[]).unwrap();
        assert_eq!((got.sent, got.received, &*got.replies[0].param), (1, 1, "answer"));
        let got = primary.request("file", SECOND, "", &["down"]).unwrap();
        assert_eq!(got.replies[0].contents, ["up"]);
        let got = primary.request("unknown", PATIENCE, "", &["dropped"]).unwrap();
        assert_eq!((got.sent, got.received), (0, 0));

        let contents: Vec<_> = (0..2).map(|_| primary.received("news")).collect();
        assert_eq!(contents[1].contents, ["news"]);
        assert_alive(&member, &mut primary);
    });
}

#[test]
fn a_member_tells_26_07_nothing_that_it_did_not_mean_to_say() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        primary.register("hello", "echo");
        let member = room.member();
        let question = message("hello", "long ".repeat(40).trim());
        member.request(&question, None).unwrap();
        let question = message("hello", "short").with_fd(file_holding("")).unwrap();
        member.request(&question, None).unwrap();
        for _ in 0..2 {
            let line = primary.wait_for_event("received");
            assert!(line.contains("last_word=-1"), "the descriptor's own number: {line}");
            assert!(line.contains("zeroed=true"), "bytes that carry nothing: {line}");
        }
    });
}

#[test]
fn what_26_07_leaves_on_the_stack_does_not_reach_a_handler() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        let member = room.member();
        let (sender, received) = mpsc::channel();
        member
            .register("news", move |request| {
                let fds = request.message().fds().len();
                sender.send((text(request.message()), fds)).unwrap();
            })
            .unwrap();
        // The peer fills all unused bytes, and names descriptor 4242 where it sends none.
        assert_eq!(primary.send("news", "short", &[]), Ok(()));
        assert_eq!(received.recv_timeout(PATIENCE).unwrap(), ("short".to_owned(), 0));
        assert_eq!(primary.send("news", "", &["one"]), Ok(()));
        assert_eq!(received.recv_timeout(PATIENCE).unwrap(), (String::new(), 1));
    });
}

#[test]
fn as_many_descriptors_as_26_07_takes_go_both_ways() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        primary.register("news", "silent");
        let member = room.member();
        let files = |count: usize| {
            (0..count).try_fold(message("news", ""), |message, number| {
                message.with_fd(file_holding(&number.to_string()))
            })
        };
        let numbers: Vec<_> = (0..253).map(|number| number.to_string()).collect();
        member.send(&files(253).unwrap()).unwrap();
        assert_eq!(primary.received("news").contents, numbers);
        assert!(matches!(files(254), Err(MessageError::TooManyFds { max: 253 })));

        let (sender, received) = mpsc::channel();
        member
            .register("down", move |mut request| {
                let contents: Vec<_> = request.take_fds().iter().map(content_of).collect();
                sender.send(contents).unwrap();
            })
            .unwrap();
        let numbers: Vec<_> = numbers.iter().map(String::as_str).collect();
        assert_eq!(primary.send("down", "", &numbers), Ok(()));
        assert_eq!(received.recv_timeout(PATIENCE).unwrap(), numbers);
        assert_alive(&member, &mut primary);
    });
}

#[test]
fn an_answer_of_26_07_that_comes_twice_is_not_taken_for_the_next() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        primary.register("twice", "twice file");
        let (member, other) = (room.member(), room.member());
        for round in 0..4 {
            let param = format!("round {round}");
            let replies = member.request(&message("twice", &param), None).unwrap();
            let mut reply = replies.into_reply().unwrap();
            assert_eq!(text(&reply), format!("Got '{param}'"));
            assert_eq!(reply.take_fds().iter().map(content_of).collect::<Vec<_>>(), ["file"]);
            // One thread answers all: the second answer has been sent.
            assert_alive(&other, &mut primary);
        }
    });
}

#[test]
fn an_unknown_action_is_ignored_by_26_07_before_init_is_complete_and_not_answered_after() {
    with_room(|room| {
        let mut primary = Peer::new(room.start_26_07(&["initialising"]));
        let member = room.member();
        let ask = |timeout| {
            let replies = member.request(&message("unknown", ""), Some(timeout)).unwrap();
            let outcome = format!("{:?}", replies.iter().next().map(|reply| &reply.outcome));
            (outcome, replies.sent(), replies.received())
        };
        assert_eq!(ask(PATIENCE), ("Some(Ignored)".to_owned(), 0, 0));
        primary.ask("complete", "");
        assert_eq!(ask(SOON), ("Some(TimedOut)".to_owned(), 1, 0));
        assert_alive(&member, &mut primary);
    });
}

#[test]
fn a_broadcast_of_26_07_is_answered_ignored_or_left_waiting_as_a_member_likes() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        let (one, two) = (room.member(), room.member());
        for member in [&one, &two] {
            member.register("both", |request| request.reply(b"yes")).unwrap();
        }
        one.register("one", |request| request.reply(b"only me")).unwrap();
        two.register("quiet", |request| request.stay_silent()).unwrap();

        let counts = |got: Result<Replies, Failed>| got.map(|got| (got.sent, got.received));
        assert_eq!(counts(primary.request("both", SECOND, "", &[])), Ok((2, 2)));
        assert_eq!(counts(primary.request("one", SECOND, "", &[])), Ok((1, 1)));
        assert_eq!(counts(primary.request("none", SECOND, "", &[])), Ok((0, 0)));
        assert_eq!(counts(primary.request("quiet", SOON, "", &[])), Err(Failed(ETIMEDOUT)));
        assert_alive(&one, &mut primary);
    });
}

#[test]
fn joining_waits_until_26_07_has_published_its_magic() {
    with_room(|room| {
        let mut primary = Peer::new(room.start_26_07(&["unpublished", "initialising"]));
        let error = room.refusal(room.group(Role::Secondary).ready_timeout(SOON));
        assert!(matches!(error, JoinError::NotReady { .. }), "{error}");
        thread::scope(|scope| {
            let joining =
                scope.spawn(|| room.group(Role::Secondary).ready_timeout(PATIENCE).join());
            primary.ask("publish", "");
            primary.ask("complete", "");
            let member = joining.join().unwrap().unwrap();
            assert_alive(&member, &mut primary);
        });
    });
}

#[test]
fn a_member_is_refused_where_26_07_disabled_multi_process() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        assert!(primary.disable());
        let error = room.refusal(room.group(Role::Secondary));
        assert!(matches!(error, JoinError::Disabled { .. }), "{error}");
    });
}

/// A real one asks its secondaries while it starts, since its memory grows.
#[test]
fn a_member_answers_the_next_26_07_primary_while_that_one_starts() {
    with_room(|room| {
        let primary = room.peer_26_07();
        let member = room.member();
        member.register("question", |request| request.reply(b"still here")).unwrap();
        primary.kill();
        let mut primary = Peer::new(room.start_26_07(&["unpublished", "initialising"]));
        let got = primary.request("question", PATIENCE, "", &[]).unwrap();
        assert_eq!((got.received, &*got.replies[0].param), (1, "still here"));
        let got = primary.request("unknown", PATIENCE, "", &[]).unwrap();
        assert_eq!((got.sent, got.received), (0, 0));
        primary.ask("publish", "");
        assert_alive(&member, &mut primary);
    });
}

#[test]
fn a_native_primary_refuses_to_start_beside_26_07() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        match room.refusal(room.group(Role::Primary)) {
            JoinError::PrimaryRunning { pid, .. } => assert_eq!(pid, Some(primary.pid())),
            other => panic!("{other:?}"),
        }
        let member = room.group(Role::Auto).join().unwrap();
        assert_eq!(member.role(), Role::Secondary);
        assert_alive(&member, &mut primary);
    });
}

#[test]
fn a_26_07_primary_refuses_to_start_beside_a_native_one() {
    with_room(|room| {
        let primary = room.group(Role::Primary).join().unwrap();
        let mut second = room.start_26_07(&[]);
        assert_eq!(second.line(PATIENCE), None);
        assert!(!second.finish(PATIENCE).success());
        let member = room.member();
        primary.register("hello", |request| request.reply(b"whole")).unwrap();
        assert_eq!(reply_text(member.request(&message("hello", ""), None).unwrap()), "whole");
    });
}

#[test]
fn a_26_07_primary_whose_receiver_has_died_does_not_block_a_member() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        let member = room.group(Role::Secondary).send_timeout(SOON).join().unwrap();
        // Somebody else's mistake.
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to(&[0; 332], room.directory().join("mp_socket")).unwrap();
        assert_eq!(primary.wait_for_event("died"), "length=332");
        let start = Instant::now();
        let sent = (0..100).try_for_each(|_| member.send(&message("news", "")));
        assert!(matches!(sent, Err(SendError::Undelivered { .. })), "the queue is full: {sent:?}");
        let replies = member.request(&message("hello", ""), Some(SOON));
        assert!(start.elapsed() < 5 * SECOND, "{:?}: {replies:?}", start.elapsed());
    });
}

#[test]
fn a_26_07_primary_killed_in_mid_request_is_noticed_at_once() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        primary.register("nothing", "silent");
        let member = room.member();
        thread::scope(|scope| {
            let request = scope.spawn(|| member.request(&message("nothing", ""), Some(PATIENCE)));
            primary.received("nothing");
            primary.kill();
            let killed = Instant::now();
            let replies = request.join().unwrap().unwrap();
            let outcomes: Vec<_> = replies.iter().map(|reply| &reply.outcome).collect();
            assert!(matches!(outcomes[..], [Outcome::Died]), "{replies:?}");
            assert!(killed.elapsed() < SECOND / 2, "{:?}", killed.elapsed());
        });
    });
}
