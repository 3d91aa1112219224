//! Peers that never read: they hold up themselves and nobody else.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Drive, Group, Message, Outcome, Role, SendError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::raw::{IGNORE, Incoming, MESSAGE, PATIENCE, REPLY, REQUEST, RawPeer, Wire};
use crate::room::{
    AT_ONCE, Room, assert_answers, assert_closed, open_fds, pipe, question, with_echo,
};

const ETIMEDOUT: i32 = 110;

/// Binds a member that never reads, and fills its queue.
fn full_member(directory: &Path, unique: &str) -> RawPeer {
    let peer = RawPeer::member(directory, unique);
    let filler = RawPeer::unbound();
    while filler.try_send(peer.path(), &Wire::new(MESSAGE, "full")).is_ok() {}
    peer
}

/// Reads until something comes that did not fill it.
fn make_room(peer: &RawPeer) -> Incoming {
    loop {
        let incoming = peer.receive();
        if incoming.name() != "full" {
            return incoming;
        }
    }
}

#[test]
fn a_send_to_a_full_peer_ends_at_the_send_timeout_and_the_others_get_it() {
    let room = Room::new();
    let send_timeout = Duration::from_millis(200);
    let builder = room.builder(Role::Primary).send_timeout(send_timeout);
    let primary = with_echo(builder.join().expect("free"));
    let secondary = room.join(Role::Secondary);
    let (sender, got) = channel();
    let note = move |_: rte_mp::Request| sender.send(Instant::now()).expect("it is waited for");
    secondary.register("news", note).expect("the name is free");
    let full = full_member(primary.runtime_dir(), "1");
    let start = Instant::now();
    let news = Message::new("news").expect("a name");
    let error = primary.send(&news).expect_err("one of them is full");
    let took = start.elapsed();
    assert!(took >= send_timeout && took < AT_ONCE, "{took:?}");
    assert_eq!(error.errno(), ETIMEDOUT);
    let SendError::Undelivered { failures } = error else { panic!("{error}") };
    assert_eq!(failures.iter().map(|(peer, _)| *peer).collect::<Vec<_>>(), [full.name()]);
    let at = got.recv_timeout(PATIENCE).expect("the other one got it");
    assert!(at < start + send_timeout, "at once, not after the full one");
    assert_eq!(primary.to(&full.name()).send(&news).expect_err("it is full").errno(), ETIMEDOUT);
    // As soon as it reads, it gets what is sent.
    thread::scope(|scope| {
        scope.spawn(|| make_room(&full));
        primary.send(&news).expect("there is room");
    });
    drop(full);
    assert_answers(&secondary, &primary);
    assert_answers(&primary, &secondary);
}

#[test]
fn a_request_to_a_full_peer_ends_by_its_deadline_and_the_others_answer() {
    let room = Room::new();
    let pair = room.pair();
    let full = full_member(pair.primary.runtime_dir(), "1");
    let timeout = Duration::from_millis(200);
    let (reader, writer) = pipe();
    let question = question(b"?").with_fd(writer).expect("one");
    let assert_unsendable = |replies: rte_mp::Replies, start: Instant| {
        let took = start.elapsed();
        assert!(took >= timeout && took < AT_ONCE, "{took:?}");
        for asked in &replies {
            match &asked.outcome {
                Outcome::Unsendable { errno } => {
                    assert_eq!((*errno, asked.peer), (ETIMEDOUT, full.name()));
                }
                Outcome::Ignored => assert_eq!(&asked.peer, pair.secondary.name()),
                other => panic!("{}: {other:?}", asked.peer),
            }
        }
        assert_eq!((replies.sent(), replies.received()), (0, 0));
    };
    let start = Instant::now();
    assert_unsendable(pair.primary.request(&question, Some(timeout)).expect("asked"), start);
    for victim in pair.both() {
        let start = Instant::now();
        let to = victim.to(&full.name());
        assert_unsendable(to.request(&question, Some(timeout)).expect("asked"), start);
        let (sender, called) = channel();
        let done = move |replies| sender.send(replies).expect("it is waited for");
        let start = Instant::now();
        to.request_async(&question, Some(timeout), done).expect("asked");
        pair.assert_well();
        let replies = called.recv_timeout(PATIENCE).expect("it ends");
        assert_unsendable(replies, start);
    }
    drop(question);
    assert_closed(reader);
    drop(full);
    pair.assert_well();
}

#[test]
fn a_full_peer_that_reads_at_last_gets_the_request() {
    let room = Room::new();
    let pair = room.pair();
    let peer = full_member(pair.primary.runtime_dir(), "1");
    for victim in pair.both() {
        let replies = thread::scope(|scope| {
            let asking =
                scope.spawn(|| victim.to(&peer.name()).request(&question(b"?"), Some(PATIENCE)));
            let request = make_room(&peer);
            assert_eq!(request.name(), "ask");
            peer.send(&request.from, &Wire::new(REPLY, "ask").param(b"!"));
            asking.join().expect("it ends").expect("it is there")
        });
        assert_eq!(replies.into_reply().expect("it replied").param(), b"!");
    }
    pair.assert_well();
}

/// Asks many times and never reads the answers.
fn ask_and_never_read(asker: &RawPeer, victim: &Group, name: &str, count: u32) {
    for _ in 0..count {
        asker.send(victim.name().as_path(), &Wire::new(REQUEST, name));
    }
}

#[test]
fn an_asker_that_never_reads_does_not_keep_the_primary_from_answering_others() {
    let room = Room::new();
    let pair = room.pair();
    for victim in pair.both() {
        for (number, name) in ["echo", "nobody"].into_iter().enumerate() {
            let asker = RawPeer::member(pair.primary.runtime_dir(), &number.to_string());
            ask_and_never_read(&asker, victim, name, 2000);
            let start = Instant::now();
            pair.assert_well();
            assert!(start.elapsed() < AT_ONCE);
        }
    }
}

#[test]
fn a_connected_asker_that_never_reads_does_not_keep_the_primary_from_answering_others() {
    let room = Room::new();
    let pair = room.pair();
    for (number, victim) in pair.both().into_iter().enumerate() {
        // The kernel does not limit the queue of a socket for what its own peer sends.
        let asker = RawPeer::member(pair.primary.runtime_dir(), &number.to_string());
        asker.connect(victim.name().as_path());
        // More than the kernel's default for a sender's buffer holds, less than the most that
        // everybody may ask for.
        ask_and_never_read(&asker, victim, "nobody", 250);
        let start = Instant::now();
        pair.assert_well();
        assert!(start.elapsed() < AT_ONCE);
    }
}

#[test]
fn many_askers_that_never_read_do_not_keep_the_primary_from_answering_others() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    let askers: Vec<_> =
        (0..25).map(|number| RawPeer::bind(directory.join(format!("asker_{number}")))).collect();
    for victim in pair.both() {
        for asker in &askers {
            ask_and_never_read(asker, victim, "nobody", 20);
        }
        let start = Instant::now();
        pair.assert_well();
        assert!(start.elapsed() < AT_ONCE);
    }
}

#[test]
fn an_asker_that_never_reads_costs_few_descriptors() {
    let room = Room::new();
    let pair = room.pair();
    let asker = RawPeer::member(pair.primary.runtime_dir(), "1");
    let before = open_fds().len();
    ask_and_never_read(&asker, &pair.primary, "nobody", 2000);
    pair.assert_well();
    let more = open_fds().len().saturating_sub(before);
    assert!(more < 100, "{more} descriptors for one peer that does not read");
    drop(asker);
    pair.assert_well();
}

#[test]
fn answers_that_are_read_late_all_arrive() {
    const REQUESTS: usize = 600;
    let room = Room::new();
    let primary = room.join(Role::Primary);
    let builder = room.builder(Role::Secondary).drive(Drive::Caller);
    let secondary = builder.join().expect("the room is free");
    let (sender, handled) = channel();
    let answer = move |request: rte_mp::Request| {
        let result = request.reply(b"late");
        sender.send(()).expect("the test waits");
        result
    };
    primary.register("slow reader", answer).expect("the name is free");
    let (sender, called) = channel();
    let question = Message::new("slow reader").expect("a name");
    for _ in 0..REQUESTS {
        let sender = sender.clone();
        let done = move |replies: rte_mp::Replies| {
            sender.send(replies.into_reply().map(|_| ())).expect("it is waited for");
        };
        secondary.request_async(&question, Some(PATIENCE), done).expect("it is there");
        handled.recv_timeout(PATIENCE).expect("it is asked");
    }
    let deadline = Instant::now() + PATIENCE;
    let mut outcomes = Vec::new();
    while outcomes.len() < REQUESTS && Instant::now() < deadline {
        let mut fds = [PollFd::from_borrowed_fd(secondary.as_fd(), PollFlags::IN)];
        let pause = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        poll(&mut fds, Some(&pause)).expect("it polls");
        secondary.process();
        outcomes.extend(called.try_iter());
    }
    let lost = REQUESTS - outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(lost, 0, "of {REQUESTS} answers");
}

#[test]
fn an_answer_waits_for_its_asker_and_is_given_up_at_the_send_timeout() {
    let room = Room::new();
    let send_timeout = Duration::from_millis(300);
    let builder = room.builder(Role::Primary).send_timeout(send_timeout);
    let primary = with_echo(builder.join().expect("free"));
    let asker = full_member(primary.runtime_dir(), "1");
    let (reader, writer) = pipe();
    let fds = [writer.as_fd()];
    asker.send_with(primary.name().as_path(), &Wire::new(REQUEST, "echo").fd_count(1), &fds);
    drop(writer);
    // The descriptor waits with the answer, and is closed when that is given up.
    assert_closed(reader);
    let other = RawPeer::member(primary.runtime_dir(), "2");
    other.send(primary.name().as_path(), &Wire::new(REQUEST, "nobody"));
    assert_eq!(other.receive().kind(), IGNORE);
    let stats = primary.stats();
    assert_eq!((stats.dropped.undelivered, stats.closed_fds), (1, 1));
    // One that reads in time gets its answer.
    asker.send(primary.name().as_path(), &Wire::new(REQUEST, "echo").param(b"in time"));
    assert_eq!(make_room(&asker).param(), b"in time");
}

#[test]
fn a_peer_that_shut_its_inbox_or_talks_to_another_is_told_at_once() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    let elsewhere = RawPeer::bind(directory.join("elsewhere"));
    let taken = RawPeer::member(directory, "1");
    taken.connect(elsewhere.path());
    let deaf = RawPeer::member(directory, "2");
    rustix::net::shutdown(&deaf, rustix::net::Shutdown::Read).expect("it is a socket");
    let start = Instant::now();
    let replies = pair.primary.request(&question(b"?"), Some(PATIENCE)).expect("asked");
    assert!(start.elapsed() < AT_ONCE, "{replies:?}");
    assert_eq!((replies.sent(), replies.received()), (0, 0), "{replies:?}");
    let to_taken = pair.primary.to(&taken.name()).request(&question(b"?"), Some(PATIENCE));
    assert!(start.elapsed() < AT_ONCE, "{to_taken:?}");
    assert!(to_taken.is_err() || to_taken.is_ok_and(|replies| replies.sent() == 0));
    assert!(deaf.path().exists() && taken.path().exists(), "those who live keep their sockets");
    pair.assert_well();
}
