//! Looking at groups from outside.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process;
use std::time::{Duration, Instant, SystemTime};

use rte_mp::inspect::{
    Base, Config, GroupReport, Inspector, Listing, MpStatus, SocketKind, SocketReport, SocketState,
    State, Watch, bases, remove_stale_sockets,
};
use rte_mp::{Flavor, JoinError, Layout, Version, VersionError};
use rustix::fs::{FlockOperation, flock};

use crate::common::child::Child;
use crate::common::raw::{RawPeer, write_config, write_config_with};
use crate::common::{LONG, PREFIX, Scene, eventually, is_root};

const V22_11: u32 = 0x160B_0B63;

fn look(scene: &Scene) -> GroupReport {
    Inspector::new().group(&scene.dir()).expect("its directory is there")
}

fn names(sockets: &[SocketReport]) -> Vec<&str> {
    sockets.iter().map(|s| s.path.file_name().unwrap().to_str().unwrap()).collect()
}

#[test]
fn a_native_group_shows_who_leads_and_who_is_there() {
    let scene = Scene::new();
    let primary = scene.primary();
    assert_eq!(look(&scene).multi_process, Some(MpStatus::Unknown), "nobody has attached");
    let child = Child::member(&scene, "secondary");
    let before = scene.files();
    let group = look(&scene);
    assert_eq!(scene.files(), before, "looking changes nothing");
    assert_eq!((group.prefix.as_str(), group.directory.as_path()), (PREFIX, &*scene.dir()));
    assert_eq!((group.state(), group.flavor()), (State::Live, Some(Flavor::Native)));
    assert_eq!(group.layout(), Some(Ok(Layout::DPDK_25_11)));
    assert_eq!(group.primary_pid(), Some(process::id()));
    assert_eq!(group.multi_process, Some(MpStatus::Enabled));
    assert!(matches!(group.listing, Listing::Locked), "{:?}", group.listing);
    let members: Vec<_> = group
        .members()
        .map(|s| (s.kind, s.state, s.owner, s.claimed_pid, s.is_full().unwrap()))
        .collect();
    let (own, other) = (Some(process::id()), Some(child.pid()));
    let expected = [
        (SocketKind::Primary, SocketState::Alive, own, own, false),
        (SocketKind::Secondary, SocketState::Alive, other, other, false),
    ];
    assert_eq!(members, expected);
    let socket = group.primary().unwrap();
    assert_eq!(socket.path, primary.name().as_path());
    assert_eq!(socket.uid, rustix::process::geteuid().as_raw());
    assert!(socket.age(SystemTime::now() + LONG).unwrap() < 2 * LONG);
    child.end();
    drop(primary);
    let group = look(&scene);
    assert_eq!((group.state(), group.sockets.len()), (State::Vacant, 0));
    assert!(matches!(group.config, Config::Missing), "{:?}", group.config);
}

#[test]
fn the_groups_of_a_base_are_all_that_have_a_directory() {
    let scene = Scene::new();
    let primary = scene.primary();
    let base = Base::new(scene.base());
    let beside = base.group_directory("beside");
    fs::create_dir(&beside).unwrap();
    symlink(PREFIX, base.dpdk_directory().join("link")).unwrap();
    let groups = Inspector::new().groups(&base).unwrap();
    let found: Vec<_> = groups.iter().map(|g| (g.prefix.as_str(), g.state())).collect();
    assert_eq!(found, [("beside", State::Vacant), (PREFIX, State::Live)]);
    assert_eq!(base.live_prefixes().unwrap(), [PREFIX]);
    drop(primary);
    assert_eq!(base.live_prefixes().unwrap(), [] as [&str; 0]);
    assert!(Inspector::new().groups(&Base::new("/nowhere")).unwrap().is_empty());
    assert!(Inspector::new().group(Path::new("/nowhere/dpdk/rte")).is_none());
}

/// Its base is in none of the usual places.
#[test]
fn a_group_anywhere_is_found_by_its_sockets() {
    let scene = Scene::new();
    let primary = scene.primary();
    let own = Base::new(fs::canonicalize(scene.base()).unwrap());
    assert!(bases().contains(&own), "{:?}", bases());
    drop(primary);
    assert!(!bases().contains(&own), "nobody is there any more");
}

#[test]
fn a_killed_primary_leaves_a_dead_group() {
    let scene = Scene::with_killed();
    let mut primary = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    assert_eq!(look(&scene).primary_pid(), Some(primary.pid()));
    primary.kill();
    let group = look(&scene);
    assert_eq!((group.state(), group.flavor()), (State::Dead, Some(Flavor::Native)));
    assert_eq!((group.is_locked, group.primary_pid()), (false, None));
    let members: Vec<_> = group.members().map(|s| (s.kind, s.state, s.owner)).collect();
    let expected = [
        (SocketKind::Primary, SocketState::Stale, None),
        (SocketKind::Secondary, SocketState::Alive, Some(process::id())),
    ];
    assert_eq!(members, expected);
    drop(secondary);
}

#[test]
fn what_the_config_file_says_is_told_whatever_it_is() {
    let scene = Scene::with_killed();
    scene.make_dir();
    write_config(&scene, V22_11);
    let holder = Child::with_config_lock(&scene);
    let state = || {
        let group = look(&scene);
        (group.state(), group.layout())
    };
    let starting = (State::Starting, Some(Ok(Layout::DPDK_18_05)));
    let too_new = VersionError::TooNew(Version::from_word(0x1B0B_0063));
    assert_eq!(state(), (State::Live, Some(Ok(Layout::DPDK_18_05))));
    assert_eq!(look(&scene).primary_pid(), Some(holder.pid()), "as the lock says");
    write_config(&scene, 0x1B0B_0063);
    assert_eq!(state(), (State::Live, Some(Err(too_new))));
    write_config_with(&scene, 0, V22_11);
    assert_eq!(state(), starting);
    write_config_with(&scene, 0, 0);
    assert_eq!(state(), (State::Starting, None));
    write_config_with(&scene, 7, V22_11);
    assert_eq!(state(), (State::Dead, None));
    assert!(matches!(look(&scene).config, Config::NotAConfig { magic: 7 }));
    drop(holder);
    write_config(&scene, V22_11);
    assert_eq!(state(), (State::Dead, Some(Ok(Layout::DPDK_18_05))));
    let socket = RawPeer::bind(scene.path("mp_socket"));
    assert_eq!(state(), (State::Unlocked, Some(Ok(Layout::DPDK_18_05))));
    drop(socket);
    fs::remove_file(scene.path("config")).unwrap();
    symlink("/etc/passwd", scene.path("config")).unwrap();
    let group = look(&scene);
    assert!(matches!(group.config, Config::Unreadable(_)), "no link is followed");
    assert_eq!(group.state(), State::Unknown);
}

#[test]
fn each_socket_is_told_apart_by_what_it_is() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    RawPeer::bind(scene.path("mp_socket_1_1")).close();
    fs::write(scene.path("mp_socket_2_2"), "").unwrap();
    let stream = UnixListener::bind(scene.path("mp_socket_4_4")).unwrap();
    RawPeer::bind(scene.path("mp_reply_9_9")).close();
    let odd = RawPeer::bind(scene.path("mp_socket_bridge"));
    fs::write(scene.path("other"), "").unwrap();
    let group = look(&scene);
    let expected = [
        ("mp_socket", SocketKind::Primary, SocketState::Alive, Some(process::id())),
        ("mp_socket_1_1", SocketKind::Secondary, SocketState::Stale, Some(1)),
        ("mp_socket_2_2", SocketKind::Secondary, SocketState::NotASocket, Some(2)),
        ("mp_socket_4_4", SocketKind::Secondary, SocketState::NotASocket, Some(4)),
        ("mp_socket_bridge", SocketKind::Secondary, SocketState::Alive, Some(process::id())),
        // It may be bound in a moment.
        ("mp_reply_9_9", SocketKind::ReturnAddress, SocketState::Unknown, Some(9)),
    ];
    let found: Vec<_> = names(&group.sockets)
        .into_iter()
        .zip(&group.sockets)
        .map(|(name, s)| (name, s.kind, s.state, s.pid()))
        .collect();
    assert_eq!(found, expected);
    eventually("a return address that nobody binds is stale", || {
        look(&scene).sockets.last().unwrap().state == SocketState::Stale
    });
    assert!(group.sockets[1].is_full().is_err(), "nobody owns it");
    assert!(!odd_of(&group).is_full().unwrap());
    let count = odd.fill();
    assert!(odd_of(&look(&scene)).is_full().unwrap());
    odd.discard(count);
    assert!(!odd_of(&look(&scene)).is_full().unwrap());
    drop((stream, primary));
}

fn odd_of(group: &GroupReport) -> &SocketReport {
    group.members().find(|socket| socket.path.ends_with("mp_socket_bridge")).unwrap()
}

/// The process ids that it knows are none of ours.
#[test]
fn a_member_in_another_pid_namespace_is_found_by_what_it_has_open() {
    if !is_root() {
        println!("left out: only root can make a pid namespace");
        return;
    }
    let scene = Scene::with_killed();
    let _primary = scene.primary();
    let mut child = Child::start_elsewhere(&scene);
    child.tell("join secondary");
    child.expect("joined");
    let group = look(&scene);
    let member = group.members().last().unwrap();
    assert_eq!((member.state, member.claimed_pid), (SocketState::Alive, Some(1)));
    let owner = member.owner.expect("it has the socket open");
    assert!(owner != 1 && owner != child.pid(), "{owner} is unshare's child");
    let command = fs::read(format!("/proc/{owner}/cmdline")).unwrap();
    assert!(command.windows(5).any(|part| part == b"child"), "{}", command.escape_ascii());
    assert!(member.pidfd().is_some());
}

#[test]
fn a_directory_that_stays_locked_is_listed_all_the_same() {
    let scene = Scene::new();
    let primary = scene.primary();
    let locked = fs::File::open(scene.dir()).unwrap();
    flock(&locked, FlockOperation::LockExclusive).unwrap();
    let start = Instant::now();
    let group = look(&scene);
    assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    match &group.listing {
        Listing::Unlocked(error) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
        other => panic!("{other:?}"),
    }
    assert_eq!(names(&group.sockets), ["mp_socket"]);
    assert_eq!(group.state(), State::Live);
    let refused = remove_stale_sockets(&scene.dir(), Duration::from_millis(1)).unwrap_err();
    assert!(matches!(refused, JoinError::DirectoryLocked { .. }), "{refused}");
    drop((locked, primary));
}

/// Anybody may make directories below `/tmp`, and lock them.
#[test]
fn many_directories_that_stay_locked_hold_nobody_up_for_long() {
    const COUNT: usize = 50;
    let base = tempfile::tempdir().unwrap();
    let directory = |number| base.path().join(format!("dpdk/{number:02}"));
    let locked: Vec<_> = (0..COUNT)
        .map(|number| {
            fs::create_dir_all(directory(number)).unwrap();
            let locked = fs::File::open(directory(number)).unwrap();
            flock(&locked, FlockOperation::LockExclusive).unwrap();
            locked
        })
        .collect();
    fs::create_dir_all(directory(COUNT)).unwrap();
    let start = Instant::now();
    let groups = Inspector::new().groups(&Base::new(base.path())).unwrap();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let (free, others) = groups.split_last().unwrap();
    assert!(matches!(free.listing, Listing::Locked), "it need not wait for that: {free:?}");
    assert_eq!(others.len(), COUNT);
    for group in others {
        assert!(matches!(group.listing, Listing::Unlocked(_)), "{group:?}");
    }
    drop(locked);
}

#[test]
fn only_sockets_that_nobody_owns_are_removed() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    RawPeer::bind(scene.path("mp_socket_1_1")).close();
    RawPeer::bind(scene.path("mp_reply_9_9")).close();
    fs::write(scene.path("mp_socket_2_2"), "").unwrap();
    drop(UnixDatagram::bind(scene.path("other")).unwrap());
    let alive = RawPeer::bind(scene.path("mp_socket_3_3"));
    let remove = || remove_stale_sockets(&scene.dir(), LONG).unwrap();
    assert_eq!(remove(), [scene.path("mp_socket_1_1")], "the return address is young");
    eventually("the return address is old", || remove() == [scene.path("mp_reply_9_9")]);
    assert_eq!(remove(), [] as [std::path::PathBuf; 0]);
    let left = ["config", "mp_socket", "mp_socket_2_2", "mp_socket_3_3", "other"];
    assert_eq!(scene.files(), left);
    drop((alive, primary));
}

/// Who may change files in it could have any file removed by us.
#[test]
fn nothing_is_removed_from_a_directory_that_is_open_to_others() {
    let scene = Scene::with_killed();
    scene.make_dir();
    RawPeer::bind(scene.path("mp_socket_1_1")).close();
    fs::set_permissions(scene.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = remove_stale_sockets(&scene.dir(), LONG).unwrap_err();
    assert!(matches!(refused, JoinError::DirectoryOpen { .. }), "{refused}");
    assert_eq!(scene.files(), ["mp_socket_1_1"]);
}

/// One round of watching: what changes after it is told.
fn round(watch: &mut Watch, base: &Base) {
    watch.cover(std::slice::from_ref(base));
    watch.follow(&Inspector::new().groups(base).unwrap());
}

#[test]
fn whatever_comes_and_goes_is_told() {
    let scene = Scene::with_killed();
    let base = Base::new(scene.base());
    let mut watch = Watch::new().unwrap();
    // Rounds until nothing is new: a change may be told in more than one piece.
    let settle = |watch: &mut Watch| loop {
        round(watch, &base);
        if !watch.wait(Duration::from_millis(20)).unwrap() {
            break;
        }
    };
    settle(&mut watch);
    fs::write(scene.base().join("other"), "").unwrap();
    assert!(!watch.wait(Duration::from_millis(20)).unwrap(), "it is nobody's group");
    let mut primary = Child::member(&scene, "primary");
    assert!(watch.wait(LONG).unwrap(), "a group comes");
    settle(&mut watch);
    let secondary = scene.secondary();
    assert!(watch.wait(LONG).unwrap(), "a member comes");
    settle(&mut watch);
    drop(secondary);
    assert!(watch.wait(LONG).unwrap(), "a member goes");
    settle(&mut watch);
    primary.kill();
    assert!(watch.wait(LONG).unwrap(), "a member ends and leaves its socket");
    settle(&mut watch);
    fs::remove_dir_all(scene.dir()).unwrap();
    assert!(watch.wait(LONG).unwrap(), "a group goes");
}
