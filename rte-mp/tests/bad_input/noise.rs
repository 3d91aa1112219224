//! Noise: random datagrams, and more of them than anybody can want.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use rte_mp::{Group, Message, Outcome, Replies};

use crate::raw::{IGNORE, MESSAGE, PATIENCE, REPLY, REQUEST, RawPeer, Wire};
use crate::room::{AT_ONCE, Room, assert_answers, assert_closed, pipe, question};

const RANDOM_DATAGRAMS: u64 = 10_000;
const FLOOD: u64 = 20_000;

/// A generator that gives the same numbers each time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is below")
    }

    /// Makes a datagram: half of them nothing but noise, half of them right but for some words.
    fn wire(&mut self, action: &str) -> Wire {
        let kind = i32::try_from(self.below(4)).expect("it is small");
        let mut wire = match self.below(2) {
            0 => Wire::new(kind, action),
            _ => Wire::old(kind, action),
        };
        if self.below(2) == 0 {
            let len = match self.below(4) {
                0 => self.below(2000),
                1 => 332,
                _ => 340,
            };
            wire = wire.len(len);
            wire.bytes.fill_with(|| self.next().to_ne_bytes()[0]);
        }
        for _ in 0..self.below(4) {
            if wire.bytes.len() >= 4 {
                let at = self.below(wire.bytes.len() / 4) * 4;
                let words = [0, 1, -1, 2, 253, 254, 256, 257, i32::MAX, i32::MIN];
                let word = words[self.below(words.len())];
                wire.bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
            }
        }
        wire
    }
}

/// Sends random datagrams with random descriptors to `to`, reading what comes back away. Gives the
/// number of descriptors sent.
fn send_noise(peer: &RawPeer, to: &Path, seed: u64, action: &str) -> u64 {
    let mut random = Random(seed);
    let (reader, writer) = pipe();
    let mut sent = 0;
    for _ in 0..RANDOM_DATAGRAMS {
        let wire = random.wire(action);
        let count = [0, 0, 0, 1, 2, 253][random.below(6)];
        let fds = vec![writer.as_fd(); count];
        match random.below(2) {
            0 if fds.is_empty() => peer.send(to, &wire),
            _ => peer.send_with(to, &wire, &fds),
        }
        sent += count as u64;
        while peer.try_receive().is_some() {}
    }
    drop(writer);
    assert_closed(reader);
    sent
}

#[test]
fn ten_thousand_random_datagrams_at_an_inbox_hurt_nobody() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    for (seed, victim) in [7, 8].into_iter().zip(pair.both()) {
        let before = victim.stats();
        send_noise(&peer, victim.name().as_path(), seed, "unknown");
        let start = Instant::now();
        pair.assert_well();
        assert!(start.elapsed() < AT_ONCE);
        let after = victim.stats();
        let dropped = after.dropped.total() - before.dropped.total();
        assert!(dropped >= RANDOM_DATAGRAMS, "none of them was for anybody: {after:?}");
    }
}

#[test]
fn ten_thousand_random_datagrams_at_a_return_address_hurt_nobody() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    for (seed, victim) in [9, 10].into_iter().zip(pair.both()) {
        let replies = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                // None of the noise has this name.
                victim.to(&peer.name()).request(&question(b"?"), Some(PATIENCE * 3))
            });
            let request = peer.receive();
            send_noise(&peer, &request.from, seed, "unknown");
            peer.send(&request.from, &Wire::new(REPLY, "ask").param(b"at last"));
            asking.join().expect("it ends").expect("it was asked")
        });
        assert_eq!(replies.into_reply().expect("it replied").param(), b"at last");
        assert_eq!(victim.stats().dropped.total(), RANDOM_DATAGRAMS);
    }
    pair.assert_well();
}

/// Sends `wire` as fast as the victim takes it until told to stop, or often enough.
fn flood(victim: &Group, peer: &RawPeer, wire: &Wire, stop: &AtomicBool) {
    for _ in 0..FLOOD {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        peer.send(victim.name().as_path(), wire);
        while peer.try_receive().is_some() {}
    }
}

#[test]
fn a_good_member_is_served_during_floods() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    let floods = [
        ("short datagrams", Wire::new(REQUEST, "echo").len(3)),
        ("messages for nobody", Wire::new(MESSAGE, "nobody")),
        ("requests for nobody", Wire::new(REQUEST, "nobody")),
        ("good requests", Wire::new(REQUEST, "echo").param(&[7; 256])),
        ("answers to nothing", Wire::new(REPLY, "echo")),
        ("ignores of nothing", Wire::new(IGNORE, "echo")),
    ];
    for (asking, victim) in [(&pair.secondary, &pair.primary), (&pair.primary, &pair.secondary)] {
        for (what, wire) in &floods {
            let peers = [RawPeer::member(directory, "1"), RawPeer::member(directory, "2")];
            let stop = AtomicBool::new(false);
            let slowest = thread::scope(|scope| {
                for peer in &peers {
                    scope.spawn(|| flood(victim, peer, wire, &stop));
                }
                let mut slowest = std::time::Duration::ZERO;
                for _ in 0..20 {
                    let start = Instant::now();
                    assert_answers(asking, victim);
                    slowest = slowest.max(start.elapsed());
                }
                stop.store(true, Ordering::Relaxed);
                slowest
            });
            assert!(slowest < AT_ONCE, "{what}: a good request took {slowest:?}");
        }
    }
    pair.assert_well();
}

#[test]
fn a_flood_at_a_return_address_does_not_outlast_the_deadline() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    let timeout = std::time::Duration::from_millis(300);
    let stray = Wire::new(REPLY, "stray");
    // To one peer, and to all: the two kinds of return addresses.
    let asks: [&(dyn Fn(&Message) -> Replies + Sync); 2] = [
        &|message| pair.primary.to(&peer.name()).request(message, Some(timeout)).expect("there"),
        &|message| pair.primary.request(message, Some(timeout)).expect("there"),
    ];
    for ask in asks {
        let start = Instant::now();
        let replies = thread::scope(|scope| {
            let asking = scope.spawn(|| ask(&question(b"?")));
            let request = peer.receive();
            // Ends by itself: the address goes away with the request.
            while peer.try_send(&request.from, &stray).is_ok()
                || !asking.is_finished() && start.elapsed() < PATIENCE
            {}
            asking.join().expect("it ends")
        });
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
        let silent = replies.iter().find(|asked| asked.peer == peer.name()).expect("asked");
        assert!(matches!(silent.outcome, Outcome::TimedOut), "{:?}", silent.outcome);
    }
    pair.assert_well();
}
