//! A group's directory that is changed while the group runs: broken, locked, filled, deleted.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rte_mp::{JoinError, Role};
use rustix::fs::{FlockOperation, flock};

use crate::raw::{PATIENCE, RawPeer};
use crate::room::{AT_ONCE, Put, Room, assert_answers, question, with_echo};

fn directory(room: &Room) -> std::path::PathBuf {
    room.path().join("dpdk/rte")
}

#[test]
fn a_config_file_that_is_broken_under_a_running_group_stops_nobody_for_long() {
    let room = Room::new();
    let pair = room.pair();
    let config = directory(&room).join("config");
    let good = fs::read(&config).expect("it is there");
    for (what, bytes) in [("empty", vec![]), ("short", vec![1; 5]), ("zero", vec![0; 25_344])] {
        fs::write(&config, bytes).expect("it is ours");
        let start = Instant::now();
        let ready = Duration::from_millis(50);
        let late = room.builder(Role::Secondary).ready_timeout(ready).join();
        late.map(|_| ()).expect_err(what);
        // Whoever is connected may go on; nobody hangs.
        let _ = pair.secondary.request(&question(b"?"), Some(PATIENCE));
        let _ = pair.secondary.send(&question(b"?"));
        let _ = pair.secondary.members();
        assert_answers(&pair.primary, &pair.secondary);
        assert!(start.elapsed() < AT_ONCE, "{what}");
        fs::write(&config, &good).expect("it is ours");
        pair.assert_well();
    }
}

#[test]
fn a_primary_whose_socket_is_replaced_is_missed_at_once_and_found_again() {
    let room = Room::new();
    let pair = room.pair();
    let socket = pair.primary.name().as_path();
    let aside = room.path().join("aside");
    let make: [Put<'_>; 4] = [
        ("nothing", &|_| {}),
        ("a file", &|path| fs::write(path, "").expect("the name is free")),
        ("a directory", &|path| fs::create_dir(path).expect("the name is free")),
        ("a link to itself", &|path| symlink(path, path).expect("the name is free")),
    ];
    for (what, make) in make {
        fs::rename(socket, &aside).expect("it is there");
        make(socket);
        let start = Instant::now();
        let late = room.join(Role::Secondary);
        late.request(&question(b"?"), Some(PATIENCE)).map(|_| ()).expect_err(what);
        late.send(&question(b"?")).expect_err(what);
        assert!(start.elapsed() < AT_ONCE, "{what}");
        assert_eq!(late.members().expect(what).len(), 1, "{what}: the other secondary");
        drop(late);
        let _ = fs::remove_file(socket).or_else(|_| fs::remove_dir(socket));
        fs::rename(&aside, socket).expect("the name is free");
        pair.assert_well();
    }
}

#[test]
fn a_directory_that_is_deleted_under_a_running_group_hangs_nobody() {
    let room = Room::new();
    let pair = room.pair();
    let events = pair.primary.events().expect("it runs");
    events.recv_timeout(PATIENCE).expect("somebody is there");
    // Those who talk already go on over the sockets that they have.
    pair.assert_well();
    fs::remove_dir_all(directory(&room)).expect("it is ours");
    let start = Instant::now();
    // An answer finds its return address no more: at worst the request takes its whole timeout.
    let timeout = Some(Duration::from_millis(300));
    let _ = pair.secondary.request(&question(b"?"), timeout);
    let _ = pair.primary.request(&question(b"?"), timeout);
    let _ = pair.primary.send(&question(b"?"));
    let _ = pair.secondary.members();
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    drop(pair);
    drop(events);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    room.pair().assert_well();
}

/// Reads how often the group's thread was woken.
fn wakes() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("proc is mounted");
    tasks
        .flatten()
        .filter(|task| fs::read(task.path().join("comm")).is_ok_and(|name| name == b"mp-msg\n"))
        .filter_map(|task| {
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("voluntary_ctxt"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum()
}

#[test]
fn a_member_that_follows_a_deleted_directory_does_not_keep_busy() {
    let room = Room::new();
    let primary = room.join(Role::Primary);
    let events = primary.events().expect("it runs");
    let secondary = room.join(Role::Secondary);
    events.recv_timeout(PATIENCE).expect("it joined");
    fs::remove_dir_all(directory(&room)).expect("it is ours");
    drop(secondary);
    // Whatever is to be told is told first.
    while events.recv_timeout(Duration::from_millis(200)).is_ok() {}
    let before = wakes();
    let _ = events.recv_timeout(Duration::from_secs(1));
    let woken = wakes() - before;
    assert!(woken < 100, "woken {woken} times in a second, for nothing");
}

#[test]
fn a_directory_that_stays_locked_holds_nobody_longer_than_he_said() {
    let room = Room::new();
    let lock_timeout = Duration::from_millis(200);
    let join =
        |role| with_echo(room.builder(role).lock_timeout(lock_timeout).join().expect("free"));
    let [primary, secondary] = [Role::Primary, Role::Secondary].map(join);
    let lock = File::open(directory(&room)).expect("it is there");
    flock(&lock, FlockOperation::LockExclusive).expect("nobody has it");
    let limited = |what: &str, act: &dyn Fn()| {
        let start = Instant::now();
        act();
        assert!(start.elapsed() < AT_ONCE, "{what}: {:?}", start.elapsed());
    };
    limited("join", &|| {
        let joined = room.builder(Role::Secondary).lock_timeout(lock_timeout).join();
        let error = joined.map(|_| ()).unwrap_err();
        assert!(matches!(error, JoinError::DirectoryLocked { .. }), "{error}");
        assert_eq!(error.errno(), 110);
    });
    limited("members", &|| drop(primary.members().expect_err("it is locked")));
    limited("send", &|| drop(primary.send(&question(b"?")).expect_err("it is locked")));
    limited("request", &|| {
        let _ = primary.request(&question(b"?"), None).expect_err("it is locked");
    });
    // To one peer no listing is needed.
    assert_answers(&secondary, &primary);
    assert_answers(&primary, &secondary);
    limited("leave", &|| secondary.clone().leave());
    drop(lock);
    let secondary = room.join(Role::Secondary);
    assert_answers(&secondary, &primary);
}

#[test]
fn a_locked_directory_does_not_make_a_request_outlast_its_timeout() {
    let room = Room::new();
    let pair = room.pair();
    let lock = File::open(directory(&room)).expect("it is there");
    flock(&lock, FlockOperation::LockExclusive).expect("nobody has it");
    let start = Instant::now();
    let timeout = Duration::from_millis(100);
    let asked = pair.primary.request(&question(b"?"), Some(timeout));
    asked.map(|_| ()).expect_err("nobody can be listed");
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let start = Instant::now();
    let _ = pair.primary.request_async(&question(b"?"), Some(timeout), |_| {});
    assert!(start.elapsed() < AT_ONCE, "an async request blocked for {:?}", start.elapsed());
    drop(lock);
    pair.assert_well();
}

#[test]
fn thousands_of_dead_sockets_are_cleared_away() {
    const COUNT: usize = 2000;
    let room = Room::new();
    let pair = room.pair();
    let directory = directory(&room);
    for number in 0..COUNT {
        let path = directory.join(format!("mp_socket_{number}_dead"));
        drop(UnixDatagram::bind(path).expect("the name is free"));
    }
    let start = Instant::now();
    for _ in 0..2 {
        let replies = pair.primary.request(&question(b"?"), Some(PATIENCE)).expect("listed");
        assert_eq!(replies.sent(), 0);
    }
    room.join(Role::Secondary).leave();
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let left = fs::read_dir(&directory).expect("it is ours").flatten();
    let dead = left.filter(|entry| entry.path().to_string_lossy().ends_with("dead")).count();
    assert_eq!(dead, 0, "stale sockets are left");
    pair.assert_well();
}

#[test]
fn thousands_of_files_that_are_no_sockets_are_left_alone() {
    let room = Room::new();
    let pair = room.pair();
    let directory = directory(&room);
    for number in 0..2000 {
        File::create(directory.join(format!("mp_socket_{number}_x"))).expect("the name is free");
    }
    let start = Instant::now();
    let replies = pair.primary.request(&question(b"?"), Some(PATIENCE)).expect("listed");
    assert_eq!(replies.iter().count(), 1, "the other member");
    assert_eq!(pair.primary.members().expect("listed").len(), 1);
    room.join(Role::Secondary).leave();
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let left = fs::read_dir(&directory).expect("it is ours").count();
    assert!(left >= 2000, "{left}: somebody's files were removed");
    pair.assert_well();
}

#[test]
fn many_members_that_live_and_never_answer_do_not_make_a_request_outlast_its_timeout() {
    const COUNT: usize = 1000;
    let room = Room::new();
    let pair = room.pair();
    let silent: Vec<_> = (0..COUNT)
        .map(|number| RawPeer::member(pair.primary.runtime_dir(), &format!("silent{number}")))
        .collect();
    let timeout = Duration::from_millis(500);
    let start = Instant::now();
    let replies = pair.primary.request(&question(b"?"), Some(timeout)).expect("listed");
    let took = start.elapsed();
    assert!(took >= timeout && took < AT_ONCE, "{took:?}");
    assert_eq!(replies.iter().count(), COUNT + 1);
    let start = Instant::now();
    assert_eq!(pair.primary.members().expect("listed").len(), COUNT + 1);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    pair.assert_well();
    drop(silent);
}
