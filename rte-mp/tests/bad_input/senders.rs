//! Senders that are not who they should be, and return addresses that lead elsewhere.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, Outcome, PeerName, Role};
use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;

use crate::raw::{IGNORE, MESSAGE, PATIENCE, REPLY, REQUEST, RawPeer, Wire};
use crate::room::{AT_ONCE, Put, Room, assert_answers, assert_closed, pipe, question};

fn echo() -> Wire {
    Wire::new(REQUEST, "echo").param(b"?")
}

/// Sends a good request, and reads its answer: all that came before it was looked at.
fn settle(peer: &RawPeer, victim: &Group) {
    peer.send(victim.name().as_path(), &echo());
    assert_eq!(peer.receive().kind(), REPLY);
}

#[test]
fn an_unbound_sender_is_dropped_and_inherits_nobodys_name() {
    let room = Room::new();
    let pair = room.pair();
    let bound = RawPeer::member(pair.primary.runtime_dir(), "1");
    let unbound = RawPeer::unbound();
    for victim in pair.both() {
        let inbox = victim.name().as_path();
        let (reader, writer) = pipe();
        let before = victim.stats();
        for _ in 0..3 {
            settle(&bound, victim);
            unbound.send(inbox, &echo());
            unbound.send_with(inbox, &echo().fd_count(1), &[writer.as_fd()]);
        }
        drop(writer);
        settle(&bound, victim);
        assert_closed(reader);
        let after = victim.stats();
        assert_eq!(after.dropped.unbound, before.dropped.unbound + 6);
        assert_eq!(after.closed_fds, before.closed_fds + 3);
        assert!(bound.try_receive().is_none(), "nobody is answered for another");
        assert!(unbound.try_receive().is_none());
    }
    pair.assert_well();
}

#[test]
fn an_unbound_sender_cannot_satisfy_the_request_of_another() {
    let room = Room::new();
    let pair = room.pair();
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    let unbound = RawPeer::unbound();
    let nameless = RawPeer::abstract_name(b"mp_socket");
    let replies = thread::scope(|scope| {
        let asking = scope.spawn(|| pair.primary.request(&question(b"?"), Some(PATIENCE)));
        let request = peer.receive();
        // The asker has just heard of the peer: DPDK would take the next ones for its.
        peer.send(&request.from, &Wire::new(REPLY, "other"));
        for kind in [REPLY, IGNORE] {
            unbound.send(&request.from, &Wire::new(kind, "ask"));
            nameless.send(&request.from, &Wire::new(kind, "ask"));
        }
        peer.send(&request.from, &Wire::new(REPLY, "ask").param(b"right"));
        asking.join().expect("it ends").expect("somebody is there")
    });
    assert_eq!(replies.into_reply().expect("it replied").param(), b"right");
    let dropped = pair.primary.stats().dropped;
    assert_eq!((dropped.unbound, dropped.stray_answer), (4, 1));
    pair.assert_well();
}

#[test]
fn a_sender_with_an_abstract_address_is_dropped() {
    let room = Room::new();
    let pair = room.pair();
    let witness = RawPeer::member(pair.primary.runtime_dir(), "1");
    for victim in pair.both() {
        // One of them looks like the victim's own path.
        let path = victim.name().as_path().as_os_str().as_encoded_bytes();
        for name in [&b"nobody"[..], path] {
            let nameless = RawPeer::abstract_name(name);
            nameless.send(victim.name().as_path(), &echo());
            settle(&witness, victim);
            assert!(nameless.try_receive().is_none());
        }
        assert_eq!(victim.stats().dropped.unbound, 2);
    }
    pair.assert_well();
}

/// A user that is neither us nor root.
const STRANGER: u32 = 54_321;

/// Runs `what` on a thread of another user.
fn as_stranger(what: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let stranger = scope.spawn(|| {
            let uid = Uid::from_raw(STRANGER);
            set_thread_res_uid(uid, uid, uid).expect("root may be anybody");
            what();
        });
        stranger.join().expect("the stranger sends");
    });
}

fn may_be_anybody() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("left out: only root can send as another user");
    }
    root
}

#[test]
fn a_sender_of_another_user_is_dropped_unless_it_is_trusted() {
    if !may_be_anybody() {
        return;
    }
    let room = Room::new();
    let pair = room.pair();
    // Bound and connected by us; the kernel asks who sends, not who opened.
    let stranger = RawPeer::member(pair.primary.runtime_dir(), "1");
    for victim in pair.both() {
        stranger.connect(victim.name().as_path());
        let before = victim.stats();
        as_stranger(|| {
            for wire in [echo(), Wire::new(MESSAGE, "echo"), Wire::new(REPLY, "echo")] {
                stranger.send_connected(&wire);
            }
        });
        settle(&stranger, victim);
        let after = victim.stats();
        assert_eq!(after.dropped.foreign_user, before.dropped.foreign_user + 3);
        assert_eq!(after.dropped.total(), before.dropped.total() + 3, "whatever it is");
        assert!(stranger.try_receive().is_none());
    }
    pair.assert_well();
    let trusting = room.builder(Role::Secondary).trust_uid(STRANGER).join().expect("free");
    trusting
        .register("who", |request: rte_mp::Request| {
            let uid = request.peer_uid().unwrap_or(0);
            request.reply(&uid.to_ne_bytes())
        })
        .expect("the name is free");
    stranger.connect(trusting.name().as_path());
    as_stranger(|| stranger.send_connected(&Wire::new(REQUEST, "who")));
    assert_eq!(stranger.receive().param(), STRANGER.to_ne_bytes());
}

#[test]
fn an_answer_of_another_user_is_dropped() {
    if !may_be_anybody() {
        return;
    }
    let room = Room::new();
    let pair = room.pair();
    for victim in pair.both() {
        let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
        let replies = thread::scope(|scope| {
            let name = peer.name();
            let asking =
                scope.spawn(move || victim.to(&name).request(&question(b"?"), Some(PATIENCE)));
            let request = peer.receive();
            peer.connect(&request.from);
            as_stranger(|| peer.send_connected(&Wire::new(REPLY, "ask").param(b"forged")));
            peer.send_connected(&Wire::new(REPLY, "ask").param(b"right"));
            asking.join().expect("it ends").expect("it is there")
        });
        assert_eq!(replies.into_reply().expect("it replied").param(), b"right");
        assert_eq!(victim.stats().dropped.foreign_user, 1);
    }
}

#[test]
fn an_answer_follows_its_source_wherever_that_is() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    let other = room.path().join("another directory");
    fs::create_dir(&other).expect("the room is writable");
    let longest = 107 - other.as_os_str().len() - 1;
    let sources = [
        ("outside the pattern of members", directory.join("x")),
        ("outside the directory", other.join("peer")),
        ("with dots", directory.join("../rte/../rte/dots")),
        ("as long as can be", other.join("l".repeat(longest))),
        ("with odd bytes", directory.join("mp_socket_\n\x1b[2J%s%n")),
        ("that looks like a return address", directory.join("mp_reply_1_1")),
    ];
    for victim in pair.both() {
        for (what, path) in &sources {
            let peer = RawPeer::bind(path);
            settle(&peer, victim);
            assert!(peer.try_receive().is_none(), "{what}");
        }
    }
    pair.assert_well();
}

#[test]
fn an_answer_that_leads_back_to_the_member_itself_makes_no_loop() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    let witness = RawPeer::member(directory, "9");
    for victim in pair.both() {
        let inbox = victim.name().as_path();
        for (number, name) in ["echo", "nobody"].into_iter().enumerate() {
            let before = victim.stats();
            let peer = RawPeer::bind(directory.join(format!("mp_socket_{number}")));
            // What it is bound to now leads to the victim, which then answers itself.
            fs::remove_file(peer.path()).expect("it is there");
            symlink(inbox, peer.path()).expect("the name is free");
            for _ in 0..5 {
                peer.send(inbox, &Wire::new(REQUEST, name));
            }
            settle(&witness, victim);
            settle(&witness, victim);
            let after = victim.stats();
            let answers = after.dropped.stray_answer - before.dropped.stray_answer;
            assert_eq!(answers, 5, "{name}: each answer came back once");
        }
        // Two members that answer each other.
        let peer = RawPeer::bind(directory.join("mp_socket_2"));
        fs::remove_file(peer.path()).expect("it is there");
        let [primary, secondary] = pair.both();
        let to = if victim.name() == primary.name() { secondary } else { primary };
        symlink(to.name().as_path(), peer.path()).expect("the name is free");
        let before = to.stats().dropped.stray_answer;
        peer.send(inbox, &Wire::new(REQUEST, "nobody"));
        settle(&witness, victim);
        settle(&witness, to);
        assert_eq!(to.stats().dropped.stray_answer, before + 1);
    }
    pair.assert_well();
}

#[test]
fn an_answer_that_leads_nowhere_is_dropped_and_counted() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    let witness = RawPeer::member(directory, "9");
    let stream_path = directory.join("stream");
    let stream = UnixListener::bind(&stream_path).expect("the name is free");
    // What stands at the source's path when the answer is sent.
    let replace: [Put<'_>; 6] = [
        ("nothing", &|_| {}),
        ("a file", &|path| fs::write(path, "").expect("the name is free")),
        ("a directory", &|path| fs::create_dir(path).expect("the name is free")),
        ("a link to itself", &|path| symlink(path, path).expect("the name is free")),
        ("a link to a device", &|path| symlink("/dev/zero", path).expect("the name is free")),
        ("a listener", &|path| symlink(&stream_path, path).expect("the name is free")),
    ];
    for victim in pair.both() {
        for (number, (what, replace)) in replace.iter().enumerate() {
            let before = victim.stats().dropped.undelivered;
            let path =
                directory.join(format!("mp_socket_{number}_{}", victim.name().file_name().len()));
            let peer = RawPeer::bind(&path);
            fs::remove_file(&path).expect("it is there");
            replace(&path);
            let (reader, writer) = pipe();
            let inbox = victim.name().as_path();
            peer.send_with(inbox, &echo().fd_count(1), &[writer.as_fd()]);
            peer.send(inbox, &Wire::new(REQUEST, "nobody"));
            drop(writer);
            settle(&witness, victim);
            assert_closed(reader);
            assert_eq!(victim.stats().dropped.undelivered, before + 2, "{what}");
            let _ = fs::remove_dir(&path);
        }
    }
    drop(stream);
    pair.assert_well();
}

#[test]
fn asking_what_is_no_member_ends_at_once() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    let paths: Vec<_> =
        (0..6).map(|number| directory.join(format!("mp_socket_{number}"))).collect();
    fs::write(&paths[0], "").expect("the name is free");
    fs::create_dir(&paths[1]).expect("the name is free");
    symlink(&paths[2], &paths[2]).expect("the name is free");
    let stream = UnixListener::bind(&paths[3]).expect("the name is free");
    drop(std::os::unix::net::UnixDatagram::bind(&paths[4]).expect("the name is free"));
    for path in &paths {
        for victim in pair.both() {
            let start = Instant::now();
            let peer = PeerName::new(path).expect("it is short");
            let asked = victim.to(&peer).request(&question(b"?"), Some(PATIENCE));
            asked.expect_err("nobody is there");
            victim.to(&peer).send(&question(b"?")).expect_err("nobody is there");
            assert!(start.elapsed() < AT_ONCE, "{}", path.display());
        }
    }
    let start = Instant::now();
    let replies = pair.primary.request(&question(b"?"), Some(PATIENCE)).expect("they are listed");
    assert!(start.elapsed() < AT_ONCE, "{replies:?}");
    assert_eq!((replies.sent(), replies.received()), (0, 0), "{replies:?}");
    assert_eq!(pair.primary.members().expect("they are listed").len(), 1);
    drop(stream);
    pair.assert_well();
}

#[test]
fn a_member_that_claims_another_process_is_watched_by_its_own_socket() {
    let room = Room::new();
    let pair = room.pair();
    let directory = pair.primary.runtime_dir();
    // Process 1 lives for ever, and no process has the other number.
    for pid in [1, 4_194_304] {
        for victim in pair.both() {
            let path = directory.join(format!("mp_socket_{pid}_1"));
            let peer = RawPeer::bind(&path);
            let name = peer.name();
            let (replies, took) = thread::scope(|scope| {
                let asking = scope.spawn(|| {
                    let replies = victim.to(&name).request(&question(b"?"), Some(PATIENCE));
                    (replies, Instant::now())
                });
                peer.receive();
                // It lives, whatever its name says: a second look would have ended the request.
                let alive = Instant::now();
                while alive.elapsed() < Duration::from_millis(200) {
                    assert!(!asking.is_finished(), "process {pid}");
                    pair.assert_well();
                }
                let died = Instant::now();
                drop(peer);
                let (replies, ended) = asking.join().expect("it ends");
                (replies.expect("it was asked"), ended.saturating_duration_since(died))
            });
            assert!(took < AT_ONCE, "process {pid}: noticed after {took:?}");
            for asked in &replies {
                assert!(matches!(asked.outcome, Outcome::Died), "{:?}", asked.outcome);
            }
        }
    }
    pair.assert_well();
}

#[test]
fn whoever_takes_the_primarys_place_cannot_break_its_secondaries() {
    let room = Room::new();
    let pair = room.pair();
    let real = pair.primary.name().as_path();
    let aside = room.path().join("aside");
    fs::rename(real, &aside).expect("it is there");
    let usurper = RawPeer::bind(real);
    let replies = thread::scope(|scope| {
        let fresh = room.join(Role::Secondary);
        let asking = scope.spawn(move || fresh.request(&question(b"?"), Some(PATIENCE)));
        let request = usurper.receive();
        for len in [0, 1, 332, 340, 4000] {
            usurper.send(&request.from, &Wire::new(MESSAGE, "x").len(len));
        }
        usurper.send(&request.from, &Wire::new(REPLY, "ask").param(b"well"));
        asking.join().expect("it ends").expect("somebody is there")
    });
    assert_eq!(replies.into_reply().expect("it replied").param(), b"well");
    drop(usurper);
    fs::rename(&aside, real).expect("the name is free");
    pair.assert_well();
    let late = room.join(Role::Secondary);
    assert_answers(&late, &pair.primary);
}
