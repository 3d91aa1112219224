//! Handlers that panic, and processes that are killed at any moment.

use std::fs;
use std::os::fd::AsFd;
use std::panic::panic_any;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Drive, Message, NoReplyError, Outcome, Role};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::child::{Process, What};
use crate::raw::{MAX_FDS, MESSAGE, PATIENCE, REPLY, REQUEST, RawPeer, Wire};
use crate::room::{AT_ONCE, Room, assert_answers, assert_closed, pipe, with_echo};

/// A panic that goes on panicking.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("while its panic is put away");
        }
    }
}

type Handler = fn(rte_mp::Request);

const PANICS: [(&str, Handler); 5] = [
    ("at once", |_| panic!("on purpose")),
    ("with descriptors in hand", |mut request| {
        let _fds = request.take_fds();
        panic!("on purpose");
    }),
    ("with the request elsewhere", |request| {
        thread::scope(|scope| {
            scope.spawn(move || drop(request));
        });
        panic!("on purpose");
    }),
    ("with a payload of its own", |_| panic_any(7)),
    ("with a payload that panics too", |_| panic_any(Bomb)),
];

#[test]
fn a_handler_that_panics_is_an_ignore_and_the_group_lives_on() {
    for workers in [0, 2] {
        let room = Room::new();
        let builder = room.builder(Role::Primary).workers(workers);
        let primary = with_echo(builder.join().expect("the room is free"));
        let secondary = room.join(Role::Secondary);
        for (count, (what, handler)) in PANICS.into_iter().enumerate() {
            primary.register(what, handler).expect("the name is free");
            let (reader, writer) = pipe();
            let message = Message::new(what).expect("a name").with_fd(writer).expect("one");
            let start = Instant::now();
            let outcome = secondary.request(&message, Some(PATIENCE)).expect("asked").into_reply();
            assert!(matches!(outcome, Err(NoReplyError::Ignored { .. })), "{what}: {outcome:?}");
            assert!(start.elapsed() < AT_ONCE, "{what}");
            secondary.send(&message).expect("it is there");
            drop(message);
            assert_answers(&secondary, &primary);
            assert_closed(reader);
            assert_answers(&primary, &secondary);
            let deadline = Instant::now() + PATIENCE;
            let expected = 2 * (count as u64 + 1);
            // On workers, the panic is counted when its thread gets to it.
            while primary.stats().panics < expected && Instant::now() < deadline {
                thread::yield_now();
            }
            assert_eq!(primary.stats().panics, expected, "{what}");
        }
        // Each worker has seen more than one; all of them still work.
        for _ in 0..10 {
            assert_answers(&secondary, &primary);
        }
    }
}

#[test]
fn a_callback_that_panics_ends_nothing_else() {
    let room = Room::new();
    let pair = room.pair();
    let (sender, called) = channel();
    for _ in 0..3 {
        let sender = sender.clone();
        let done = move |_| {
            sender.send(()).expect("it is waited for");
            panic_any(Bomb);
        };
        let echo = Message::new("echo").expect("a name");
        pair.secondary.request_async(&echo, Some(PATIENCE), done).expect("asked");
        called.recv_timeout(PATIENCE).expect("it is called");
    }
    let (sender, called) = channel();
    let done = move |_| sender.send(()).expect("it is waited for");
    let echo = Message::new("echo").expect("a name");
    pair.secondary.request_async(&echo, Some(PATIENCE), done).expect("asked");
    called.recv_timeout(PATIENCE).expect("it is called");
    pair.assert_well();
}

#[test]
fn a_handler_that_panics_does_not_come_out_of_the_callers_loop() {
    let room = Room::new();
    let primary = room.builder(Role::Primary).drive(Drive::Caller).join().expect("free");
    primary.register("panics", PANICS[0].1).expect("the name is free");
    let peer = RawPeer::member(primary.runtime_dir(), "1");
    peer.send(primary.name().as_path(), &Wire::new(REQUEST, "panics"));
    let mut fds = [PollFd::from_borrowed_fd(primary.as_fd(), PollFlags::IN)];
    let patience = Timespec::try_from(PATIENCE).expect("it is short");
    assert_eq!(poll(&mut fds, Some(&patience)), Ok(1));
    primary.process();
    assert_eq!(peer.receive().kind(), crate::raw::IGNORE);
    assert_eq!(primary.stats().panics, 1);
}

#[test]
fn a_truncated_control_message_is_dropped_and_no_descriptor_stays() {
    let room = Room::new();
    let primary = room.join(Role::Primary);
    let child = Process::start(room.path(), What::Follow);
    let peer = RawPeer::member(primary.runtime_dir(), "1");
    let inbox = child.name.as_path();
    let ask = |wire: Wire| {
        peer.send(inbox, &wire);
        let answer = peer.receive();
        assert_eq!(answer.kind(), REPLY, "{}", answer.name());
        answer
    };
    // Now it has room for two descriptors.
    ask(Wire::new(REQUEST, "limit").param(&[2]));
    for count in [3, 100, MAX_FDS] {
        for _ in 0..20 {
            let (reader, writer) = pipe();
            let fds = vec![writer.as_fd(); count];
            let many = i32::try_from(count).expect("it is small");
            peer.send_with(inbox, &Wire::new(REQUEST, "echo").fd_count(many), &fds);
            drop(fds);
            drop(writer);
            assert_closed(reader);
        }
    }
    // It goes on, and the room is still there.
    for count in [0, 1, 2] {
        let (reader, writer) = pipe();
        let fds = vec![writer.as_fd(); count];
        let many = i32::try_from(count).expect("it is small");
        peer.send_with(inbox, &Wire::new(REQUEST, "echo").fd_count(many), &fds);
        drop(fds);
        drop(writer);
        let answer = peer.receive();
        assert_eq!((answer.kind(), answer.fds.len()), (REPLY, count));
        drop(answer);
        assert_closed(reader);
    }
    let stats = ask(Wire::new(REQUEST, "stats"));
    let word = |at: usize| u64::from_ne_bytes(stats.param()[at..at + 8].try_into().expect("8"));
    assert_eq!((word(0), word(8)), (60, 120), "each dropped, and two descriptors of each closed");
    ask(Wire::new(REQUEST, "unlimit"));
    let (reader, writer) = pipe();
    let fds = vec![writer.as_fd(); MAX_FDS];
    peer.send_with(inbox, &Wire::new(REQUEST, "echo").fd_count(253), &fds);
    drop(fds);
    drop(writer);
    assert_eq!(peer.receive().fds.len(), MAX_FDS);
    assert_closed(reader);
}

#[test]
fn a_member_without_descriptors_to_spare_goes_on() {
    let room = Room::new();
    let primary = room.join(Role::Primary);
    let child = Process::start(room.path(), What::Follow);
    let peer = RawPeer::member(primary.runtime_dir(), "1");
    let inbox = child.name.as_path();
    peer.send(inbox, &Wire::new(REQUEST, "limit").param(&[0]));
    assert_eq!(peer.receive().kind(), REPLY);
    // Its asker's queue is full, and no descriptor is left to wait with.
    let full = RawPeer::member(primary.runtime_dir(), "2");
    for _ in 0..200 {
        full.send(inbox, &Wire::new(REQUEST, "nobody"));
        full.send(inbox, &Wire::new(MESSAGE, "nobody"));
    }
    peer.send(inbox, &Wire::new(REQUEST, "echo").param(b"well"));
    assert_eq!(peer.receive().param(), b"well");
    peer.send(inbox, &Wire::new(REQUEST, "unlimit"));
    assert_eq!(peer.receive().kind(), REPLY);
    let echo = Message::new("echo").expect("a name");
    let replies = primary.to(&child.name).request(&echo, Some(PATIENCE)).expect("asked");
    replies.into_reply().expect("it answers");
}

/// A different number each time, the same each run.
fn numbers() -> impl Iterator<Item = usize> {
    let mut state = 12_345_usize;
    std::iter::from_fn(move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(state >> 33)
    })
}

#[test]
fn an_asker_that_is_killed_at_any_moment_hurts_nobody() {
    const ROUNDS: usize = 25;
    const BUDGET: Duration = Duration::from_secs(10);
    let room = Room::new();
    let primary = room.builder(Role::Primary).join().expect("the room is free");
    let (sender, asked) = sync_channel(1 << 16);
    let answer = move |mut request: rte_mp::Request| {
        // Who counts may have stopped.
        let _ = sender.try_send(());
        let fds = request.take_fds();
        let answer = Message::new("echo")?.with_param(request.param())?;
        let answer = fds.into_iter().try_fold(answer, Message::with_fd)?;
        if request.kind() == rte_mp::Kind::Request {
            // Whoever asked may be dead.
            let _ = request.reply_with(answer);
        }
        Ok::<(), rte_mp::MessageError>(())
    };
    primary.register("echo", answer).expect("the name is free");
    let secondary = room.join(Role::Secondary);
    let start = Instant::now();
    for number in numbers().take(ROUNDS) {
        let mut child = Process::start(room.path(), What::Ask);
        for _ in 0..number % 300 {
            asked.recv_timeout(PATIENCE).expect("it goes on asking");
        }
        child.kill();
        let well = Instant::now();
        assert_answers(&secondary, &primary);
        assert_answers(&primary, &secondary);
        assert!(well.elapsed() < AT_ONCE);
        while asked.try_recv().is_ok() {}
        if start.elapsed() > BUDGET {
            break;
        }
    }
    assert_eq!(primary.members().expect("listed").len(), 1, "the dead are no members");
    let late = room.join(Role::Secondary);
    assert_answers(&late, &primary);
    let sockets = fs::read_dir(primary.runtime_dir()).expect("it is ours").flatten();
    let members =
        sockets.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"mp_socket"));
    assert_eq!(members.count(), 3, "who joins removes what the dead left");
}

#[test]
fn a_peer_that_is_killed_while_it_is_asked_is_noticed_at_once() {
    let room = Room::new();
    let pair = room.pair();
    let never = Message::new("never").expect("a name");
    for number in numbers().take(10) {
        let mut child = Process::start(room.path(), What::Follow);
        let witness = number % 2 == 0;
        let replies = thread::scope(|scope| {
            let asking = scope.spawn(|| match witness {
                true => pair.primary.request(&never, Some(PATIENCE)),
                false => pair.secondary.to(&child.name).request(&never, Some(PATIENCE)),
            });
            // It has been asked when it answers what was asked after it, or not yet.
            if number % 3 > 0 {
                assert_answers(&pair.primary, &pair.secondary);
            }
            let pid = child.name.process_id().expect("it stands in the name");
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("it is one"));
            let killed = Instant::now();
            rustix::process::kill_process(pid.expect("it is one"), rustix::process::Signal::KILL)
                .expect("it is ours");
            let replies = asking.join().expect("it ends");
            assert!(killed.elapsed() < AT_ONCE, "{:?}", killed.elapsed());
            replies
        });
        for asked in replies.iter().flatten().filter(|asked| asked.peer == child.name) {
            assert!(matches!(asked.outcome, Outcome::Died), "{:?}", asked.outcome);
        }
        child.kill();
        pair.assert_well();
    }
}

#[test]
fn a_primary_that_is_killed_is_missed_at_once_and_replaced() {
    let room = Room::new();
    for number in numbers().take(8) {
        let mut child = Process::start(room.path(), What::Lead);
        let secondary = room.join(Role::Secondary);
        let never = Message::new("never").expect("a name");
        thread::scope(|scope| {
            let asking = scope.spawn(|| secondary.request(&never, Some(PATIENCE)));
            for _ in 0..number % 5 {
                let echo = Message::new("echo").expect("a name");
                secondary.request(&echo, Some(PATIENCE)).expect("asked").into_reply().expect("it");
            }
            child.kill();
            let killed = Instant::now();
            if let Ok(replies) = asking.join().expect("it ends") {
                let error = replies.into_reply().expect_err("it is dead");
                assert!(matches!(error, NoReplyError::Died { .. }), "{error}");
            }
            let error = secondary.request(&never, Some(PATIENCE)).expect_err("nobody is there");
            assert!([2, 111].contains(&error.errno()), "{error}");
            assert!(killed.elapsed() < AT_ONCE, "{:?}", killed.elapsed());
        });
        // The next one takes the place, and the old secondary finds it.
        let primary = room.join(Role::Primary);
        assert_answers(&secondary, &primary);
        assert_answers(&primary, &secondary);
    }
}
