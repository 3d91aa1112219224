//! rte-mp members of a group whose primary is a real DPDK process.

use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{
    Drive, Event, Flavor, Group, JoinError, Message, Outcome, RequestError, Role, SendError,
};
use rte_mp_interop::{
    Failed, PATIENCE, Peer, Replies, Reply, block_on, content_of, file_holding, is_readable_within,
    message, reply_text, text, with_dpdk,
};

const SECOND: Duration = Duration::from_secs(1);
/// Too short to be waited for, long enough for whoever answers at once.
const SOON: Duration = Duration::from_millis(100);
const ETIMEDOUT: i32 = 110;

/// What a DPDK process gets that asks one peer and is answered.
fn replied(params: &[&str]) -> Replies {
    let count = params.len() as u64;
    let replies =
        params.iter().map(|&param| Reply { param: param.to_owned(), contents: Vec::new() });
    Replies { sent: count, received: count, replies: replies.collect() }
}

fn nobody() -> Replies {
    replied(&[])
}

fn register_echo(group: &Group, name: &str) {
    group
        .register(name, |request| {
            let reply = format!("member got '{}'", String::from_utf8_lossy(request.param()));
            request.reply(reply.as_bytes())
        })
        .expect("a new name");
}

/// The primary's IPC thread works, and so does the member.
fn assert_talks(member: &Group, primary: &mut Peer) {
    primary.register("check", "echo");
    let replies = member.request(&message("check", "still here?"), None).expect("it runs");
    assert_eq!(reply_text(replies), "Got 'still here?'");
    primary.unregister("check");
}

fn outcomes(replies: &rte_mp::Replies) -> Vec<&Outcome> {
    replies.iter().map(|reply| &reply.outcome).collect()
}

// ---- one member ----

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

// ---- broadcasts from DPDK ----

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

// ---- a DPDK secondary and two members ----

#[test]
fn a_dpdk_secondary_and_two_members_live_under_one_dpdk_primary() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        let mut secondary = room.dpdk_secondary();
        let (one, two) = (room.member(), room.member());
        secondary.register("question", "echo");
        register_echo(&one, "question");
        register_echo(&two, "question");

        let got = primary.request("question", PATIENCE, "all", &[]).unwrap();
        assert_eq!((got.sent, got.received), (3, 3));
        let mut params: Vec<_> = got.replies.iter().map(|reply| &*reply.param).collect();
        params.sort_unstable();
        assert_eq!(params, ["Got 'all'", "member got 'all'", "member got 'all'"]);

        // One of the three ignores.
        assert!(two.unregister("question"));
        let got = primary.request("question", PATIENCE, "two", &[]).unwrap();
        assert_eq!((got.sent, got.received), (2, 2));

        for member in [&one, &two] {
            let replies = member.request(&message("hello", "member"), None).unwrap();
            assert_eq!(reply_text(replies), "Got 'member'");
        }
        assert_eq!(secondary.request("hello", SECOND, "dpdk", &[]), Ok(replied(&["Got 'dpdk'"])));
    });
}

#[test]
fn members_are_listed_and_addressed_beside_dpdk_processes() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        let one = room.member();
        let events = one.events().unwrap();
        // The news begins with those who are there.
        assert!(matches!(events.recv_timeout(PATIENCE), Ok(Event::PrimaryJoined(_))));
        let mut secondary = room.dpdk_secondary();
        secondary.register("question", "echo");
        let joined = match events.recv_timeout(PATIENCE) {
            Ok(Event::Joined(member)) => member,
            other => panic!("{other:?}"),
        };
        assert_eq!((joined.role, joined.pid), (Role::Secondary, Some(secondary.pid())));
        let two = room.member();
        register_echo(&two, "question");

        let mut peers: Vec<_> = one.members().unwrap();
        peers.retain(|peer| peer.role == Role::Secondary);
        assert_eq!(peers.len(), 2, "{peers:?}");

        // DPDK has no way to do this: it answers all the same.
        let replies = one.to(&joined.name).request(&message("question", "sideways"), None).unwrap();
        assert_eq!(reply_text(replies), "Got 'sideways'");
        assert_eq!(secondary.received("question").peer.parent(), Some(&*room.directory()));
        let replies = one.to(two.name()).request(&message("question", "across"), None).unwrap();
        assert_eq!(reply_text(replies), "member got 'across'");

        assert!(matches!(events.recv_timeout(PATIENCE), Ok(Event::Joined(_))));
        secondary.quit();
        match events.recv_timeout(PATIENCE) {
            Ok(Event::Left(member)) => assert_eq!(member.name, joined.name),
            other => panic!("{other:?}"),
        }
        primary.kill();
        assert!(matches!(events.recv_timeout(PATIENCE), Ok(Event::PrimaryLeft(_))));
    });
}

// ---- which reply belongs to which request ----

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

// ---- no harm to the primary ----

#[test]
fn memory_growth_and_hot_plug_of_a_dpdk_primary_are_not_delayed_by_a_member() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        let two_seconds = 2 * SECOND;
        type Step = fn(&mut Peer) -> Result<Duration, Failed>;
        let steps: [(_, Step); 4] = [
            ("growing", |primary| primary.reserve(32 << 20)),
            ("shrinking", |primary| primary.release()),
            ("attaching", |primary| primary.attach("net_null7")),
            ("detaching", |primary| primary.detach("net_null7")),
        ];
        for (what, step) in steps {
            let took = step(&mut primary);
            assert!(took.as_ref().is_ok_and(|took| *took < two_seconds), "{what}: {took:?}");
        }
        assert_talks(&member, &mut primary);
    });
}

#[test]
fn a_dpdk_secondary_grows_the_memory_while_a_member_sits_there() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let mut secondary = room.dpdk_secondary();
        let member = room.member();
        let took = secondary.reserve(32 << 20);
        assert!(took.as_ref().is_ok_and(|took| *took < 2 * SECOND), "{took:?}");
        assert_talks(&member, &mut primary);
    });
}

// ---- a primary that refuses, goes, or dies ----

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
