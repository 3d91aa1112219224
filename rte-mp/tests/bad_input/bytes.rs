//! Datagrams that are wrong, at both doors of a member: its inbox and its return addresses.

use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Instant;

use rte_mp::{ByReason, Group, Outcome, Replies};

use crate::raw::{IGNORE, MAX_FDS, MESSAGE, NAME_LEN, PATIENCE, REPLY, REQUEST, RawPeer, Wire};
use crate::room::{AT_ONCE, Room, assert_closed, pipe, question};

/// A datagram that breaks a rule.
struct Wrong {
    what: &'static str,
    wire: Wire,
    /// How many descriptors go with it; `None` is no control message at all.
    fds: Option<usize>,
    reason: Reason,
}

/// Finds the counter of a reason.
type Reason = fn(&mut ByReason) -> &mut u64;

const LENGTH: Reason = |dropped| &mut dropped.length;
const TRUNCATED: Reason = |dropped| &mut dropped.truncated;
const MALFORMED: Reason = |dropped| &mut dropped.malformed;
const FD_COUNT: Reason = |dropped| &mut dropped.fd_count;
const WRONG_DOOR: Reason = |dropped| &mut dropped.wrong_door;
const STRAY: Reason = |dropped| &mut dropped.stray_answer;
const NO_ACTION: Reason = |dropped| &mut dropped.no_action;

/// Lists what is wrong at any door, made from a datagram that would be right there.
fn wrong_everywhere(good: &Wire) -> Vec<Wrong> {
    let good = || good.clone();
    let wrong = |what, wire, fds, reason| Wrong { what, wire, fds, reason };
    let full_name = [b'a'; NAME_LEN];
    let max = i32::try_from(MAX_FDS).expect("it is 253");
    vec![
        wrong("no byte", good().len(0), None, LENGTH),
        wrong("no byte, but a control message", good().len(0), Some(0), LENGTH),
        wrong("no byte, but descriptors", good().len(0), Some(2), LENGTH),
        wrong("a byte", good().len(1), None, LENGTH),
        wrong("a byte less than the shorter form", good().len(331), None, LENGTH),
        wrong("a byte more than the shorter form", good().len(333), None, LENGTH),
        wrong("a byte less than the longer form", good().len(339), Some(1), LENGTH),
        wrong("a byte more than the longer form", good().len(341), Some(1), LENGTH),
        wrong("four bytes more", good().len(344), None, LENGTH),
        wrong("five bytes more", good().len(345), None, TRUNCATED),
        wrong("the whole struct of DPDK 25.11", good().len(1352), Some(1), TRUNCATED),
        wrong("64 KiB", good().len(1 << 16), Some(3), TRUNCATED),
        wrong("a kind too many", good().kind(4), Some(1), MALFORMED),
        wrong("a negative kind", good().kind(-1), None, MALFORMED),
        wrong("the lowest kind", good().kind(i32::MIN), None, MALFORMED),
        wrong("a kind in the wrong byte order", good().kind(1 << 24), None, MALFORMED),
        wrong("a name without NUL", good().name(&full_name), Some(1), MALFORMED),
        wrong("an empty name", good().name(b""), Some(1), MALFORMED),
        wrong("a name that begins with NUL", good().name(b"\0echo"), None, MALFORMED),
        wrong("a negative length", good().param_len(-1), None, MALFORMED),
        wrong("a length of 257", good().param_len(257), Some(1), MALFORMED),
        wrong("the greatest length", good().param_len(i32::MAX), None, MALFORMED),
        wrong("the lowest length", good().param_len(i32::MIN), None, MALFORMED),
        wrong("a negative count", good().fd_count(-1), Some(1), MALFORMED),
        wrong("a count of 254", good().fd_count(max + 1), Some(MAX_FDS), MALFORMED),
        wrong("the greatest count", good().fd_count(i32::MAX), None, MALFORMED),
        wrong("the lowest count", good().fd_count(i32::MIN), None, MALFORMED),
        wrong("one announced, no control message", good().fd_count(1), None, FD_COUNT),
        wrong("one announced, an empty control message", good().fd_count(1), Some(0), FD_COUNT),
        wrong("our own stdin announced", good().fd_count(1).first_fd(0), None, FD_COUNT),
        wrong("one announced, two there", good().fd_count(1), Some(2), FD_COUNT),
        wrong("two announced, one there", good().fd_count(2), Some(1), FD_COUNT),
        wrong("none announced, one there", good(), Some(1), FD_COUNT),
        wrong("none announced, 253 there", good(), Some(MAX_FDS), FD_COUNT),
        wrong("253 announced, none there", good().fd_count(max), None, FD_COUNT),
        wrong("253 announced, 252 there", good().fd_count(max), Some(MAX_FDS - 1), FD_COUNT),
        wrong("252 announced, 253 there", good().fd_count(max - 1), Some(MAX_FDS), FD_COUNT),
    ]
}

/// Lists what an inbox has no use for.
fn wrong_at_the_inbox() -> Vec<Wrong> {
    let wrong = |what, wire: Wire, count: i32, reason| {
        let fds = usize::try_from(count).ok().filter(|&fds| fds > 0);
        Wrong { what, wire: wire.fd_count(count), fds, reason }
    };
    let mut all = wrong_everywhere(&Wire::new(REQUEST, "echo"));
    all.extend([
        wrong("a message for nobody", Wire::new(MESSAGE, "nope"), 0, NO_ACTION),
        wrong("descriptors for nobody", Wire::new(MESSAGE, "nope"), 2, NO_ACTION),
        wrong("a reply to nothing", Wire::new(REPLY, "echo"), 0, STRAY),
        wrong("a reply of 253 descriptors", Wire::new(REPLY, "echo"), 253, STRAY),
        wrong("an ignore of nothing", Wire::new(IGNORE, "echo"), 1, STRAY),
        wrong("a reply of the older form", Wire::old(REPLY, "echo"), 1, STRAY),
    ]);
    all
}

/// Lists what a return address has no use for, while the answer to `ask` is awaited there.
fn wrong_at_a_return_address() -> Vec<Wrong> {
    let wrong = |what, wire: Wire, count: i32, reason| {
        let fds = usize::try_from(count).ok().filter(|&fds| fds > 0);
        Wrong { what, wire: wire.fd_count(count), fds, reason }
    };
    let mut all = wrong_everywhere(&Wire::new(REPLY, "ask"));
    all.extend(wrong_everywhere(&Wire::new(IGNORE, "ask")));
    all.extend([
        wrong("a message", Wire::new(MESSAGE, "echo"), 1, WRONG_DOOR),
        wrong("a request", Wire::new(REQUEST, "ask"), 1, WRONG_DOOR),
        wrong("a request for an action of ours", Wire::new(REQUEST, "echo"), 0, WRONG_DOOR),
        wrong("a reply of another name", Wire::new(REPLY, "asked"), 1, STRAY),
        wrong("a reply of a shorter name", Wire::new(REPLY, "as"), 0, STRAY),
        wrong("a reply of another case", Wire::new(REPLY, "Ask"), 0, STRAY),
        wrong("an ignore for something else", Wire::new(IGNORE, "echo"), 1, STRAY),
    ]);
    all
}

/// Sends it with so many descriptors, and proves that none of them stays open.
struct Sent {
    reader: std::os::fd::OwnedFd,
    count: usize,
}

fn send(peer: &RawPeer, to: &std::path::Path, wrong: &Wrong) -> Sent {
    let (reader, writer) = pipe();
    let count = wrong.fds.unwrap_or(0);
    match wrong.fds {
        None => peer.send(to, &wrong.wire),
        Some(count) => {
            let fds: Vec<BorrowedFd<'_>> = std::iter::repeat_n(writer.as_fd(), count).collect();
            peer.send_with(to, &wrong.wire, &fds);
        }
    }
    Sent { reader, count }
}

/// Asks a raw peer, from any member.
type Ask = fn(&Group, &RawPeer) -> Replies;

const SYNC: Ask = |group, peer| {
    group.to(&peer.name()).request(&question(b"?"), Some(PATIENCE)).expect("it is there")
};
const ASYNC: Ask = |group, peer| {
    let (sender, receiver) = std::sync::mpsc::channel();
    let done = move |replies| sender.send(replies).expect("it is waited for");
    let question = question(b"?");
    group.to(&peer.name()).request_async(&question, Some(PATIENCE), done).expect("it is there");
    receiver.recv_timeout(PATIENCE).expect("the callback is called")
};
const BROADCAST: Ask =
    |group, _| group.request(&question(b"?"), Some(PATIENCE)).expect("somebody is there");

#[test]
fn every_malformed_datagram_at_an_inbox_is_dropped_alone() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    let echo = Wire::new(REQUEST, "echo").param(b"well?");
    for victim in pair.both() {
        for wrong in wrong_at_the_inbox() {
            let what = wrong.what;
            let before = victim.stats();
            let sent = send(&peer, victim.name().as_path(), &wrong);
            assert_closed(sent.reader);
            peer.send(victim.name().as_path(), &echo);
            let answer = peer.receive();
            assert_eq!((answer.kind(), answer.param()), (REPLY, &b"well?"[..]), "{what}");
            assert_eq!(answer.from, victim.name().as_path(), "{what}");
            let after = victim.stats();
            let mut expected = before.dropped;
            *(wrong.reason)(&mut expected) += 1;
            assert_eq!(after.dropped, expected, "{what}");
            assert_eq!(after.closed_fds, before.closed_fds + sent.count as u64, "{what}");
        }
    }
    assert!(peer.try_receive().is_none(), "nothing but good requests is answered");
    pair.assert_well();
}

#[test]
fn every_malformed_answer_is_dropped_and_the_right_one_still_taken() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    // A broadcast waits for the pair's secondary too, which has no such action and says so.
    let cases = [
        (&pair.primary, SYNC),
        (&pair.primary, ASYNC),
        (&pair.primary, BROADCAST),
        (&pair.secondary, SYNC),
        (&pair.secondary, ASYNC),
    ];
    for (victim, ask) in cases {
        let before = victim.stats();
        let mut expected = before.dropped;
        let mut closed = before.closed_fds;
        let replies = thread::scope(|scope| {
            let asking = scope.spawn(|| ask(victim, &peer));
            let request = peer.receive();
            assert_eq!((request.kind(), request.name()), (REQUEST, "ask"));
            for wrong in wrong_at_a_return_address() {
                let sent = send(&peer, &request.from, &wrong);
                *(wrong.reason)(&mut expected) += 1;
                closed += sent.count as u64;
                assert_closed(sent.reader);
            }
            peer.send(&request.from, &Wire::new(REPLY, "ask").param(b"the right one"));
            asking.join().expect("it is answered")
        });
        assert_eq!((replies.sent(), replies.received()), (1, 1));
        assert_eq!(replies.into_reply().expect("one").param(), b"the right one");
        assert_eq!(victim.stats().dropped, expected);
        assert_eq!(victim.stats().closed_fds, closed);
    }
    pair.assert_well();
}

#[test]
fn what_only_looks_odd_is_taken() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    let echo = || Wire::new(REQUEST, "echo").param(b"x");
    let mut rest_of_the_name = echo();
    rest_of_the_name.bytes[13..72].fill(0xaa);
    let mut rest_of_the_param = echo();
    rest_of_the_param.bytes[81..336].fill(0xaa);
    let mut hole = echo();
    hole.bytes[4..8].fill(0xaa);
    let cases = [
        ("garbage behind the name", rest_of_the_name),
        ("garbage behind the parameter", rest_of_the_param),
        ("garbage in the hole", hole),
        ("stdin as the sender's own descriptor", echo().first_fd(0)),
        ("the older form", Wire::old(REQUEST, "echo").param(b"x")),
    ];
    let stdin = std::fs::read_link("/proc/self/fd/0").ok();
    for victim in pair.both() {
        for (what, wire) in &cases {
            peer.send_with(victim.name().as_path(), wire, &[]);
            let answer = peer.receive();
            assert_eq!((answer.kind(), answer.name(), answer.param()), (REPLY, "echo", &b"x"[..]));
            assert_eq!(answer.bytes.len(), wire.bytes.len(), "{what}: answered in its own form");
        }
        assert_eq!(victim.stats().dropped.total(), 0);
    }
    assert_eq!(std::fs::read_link("/proc/self/fd/0").ok(), stdin, "stdin is what it was");
    pair.assert_well();
}

#[test]
fn a_request_for_nobody_is_answered_by_an_ignore_and_its_descriptors_are_closed() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    for victim in pair.both() {
        let (reader, writer) = pipe();
        let fds = [writer.as_fd(); MAX_FDS];
        let nobody = Wire::new(REQUEST, "nobody").fd_count(253);
        peer.send_with(victim.name().as_path(), &nobody, &fds);
        drop(writer);
        let answer = peer.receive();
        assert_eq!((answer.kind(), answer.name(), answer.fds.len()), (IGNORE, "nobody", 0));
        assert_closed(reader);
        let stats = victim.stats();
        assert_eq!((stats.dropped.no_action, stats.closed_fds), (1, 253));
    }
    pair.assert_well();
}

#[test]
fn nobody_can_answer_for_another() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    let asked = RawPeer::member(directory, "1");
    let started = Instant::now();
    for (victim, ask) in
        [(&pair.primary, SYNC), (&pair.secondary, ASYNC), (&pair.primary, BROADCAST)]
    {
        // It is a member, but joins too late to be asked.
        let replies = thread::scope(|scope| {
            let asking = scope.spawn(|| ask(victim, &asked));
            let request = asked.receive();
            let impostor = RawPeer::member(directory, "2");
            let before = victim.stats().dropped.stray_answer;
            for kind in [REPLY, IGNORE] {
                let forged = Wire::new(kind, "ask").param(b"forged");
                // A return address that talks to one peer refuses others in the kernel.
                if impostor.try_send(&request.from, &forged).is_ok() {
                    let unbound = RawPeer::unbound();
                    unbound.send(&request.from, &forged);
                }
            }
            asked.send(&request.from, &Wire::new(REPLY, "ask").param(b"right"));
            let replies = asking.join().expect("it is answered");
            let stray = victim.stats().dropped.stray_answer - before;
            assert!(stray == 0 || stray == 2, "{stray}: refused by the kernel, or counted");
            replies
        });
        assert_eq!(replies.into_reply().expect("it replied").param(), b"right");
    }
    assert!(started.elapsed() < AT_ONCE);
    pair.assert_well();
}

#[test]
fn a_second_answer_of_a_group_of_peers_does_not_stand_for_another_peer() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    let peers = [RawPeer::member(directory, "1"), RawPeer::member(directory, "2")];
    let replies = thread::scope(|scope| {
        let asking = scope.spawn(|| BROADCAST(&pair.primary, &peers[0]));
        let requests = peers.each_ref().map(RawPeer::receive);
        assert_eq!(requests[0].from, requests[1].from, "a broadcast has one return address");
        for _ in 0..3 {
            peers[0].send(&requests[0].from, &Wire::new(REPLY, "ask").param(b"of 1"));
        }
        peers[1].send(&requests[1].from, &Wire::new(REPLY, "ask").param(b"of 2"));
        asking.join().expect("it is answered")
    });
    for answered in &replies {
        let Outcome::Replied(reply) = &answered.outcome else {
            assert_eq!(&answered.peer, pair.secondary.name(), "{:?}", answered.outcome);
            continue;
        };
        let expected: &[u8] = if answered.peer == peers[0].name() { b"of 1" } else { b"of 2" };
        assert_eq!(reply.param(), expected);
    }
    assert_eq!((replies.sent(), replies.received()), (2, 2));
    assert_eq!(pair.primary.stats().dropped.stray_answer, 2);
    pair.assert_well();
}
