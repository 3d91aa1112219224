//! Places to join that are not what they should be: prefixes, directories and files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::time::Instant;

use rte_mp::{JoinError, Role};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::room::{AT_ONCE, Put, Room, assert_answers, with_echo};

const ROLES: [Role; 3] = [Role::Primary, Role::Secondary, Role::Auto];

fn directory(room: &Room) -> std::path::PathBuf {
    room.path().join("dpdk/rte")
}

fn make_directory(room: &Room) -> std::path::PathBuf {
    let directory = directory(room);
    fs::create_dir_all(&directory).expect("the room is writable");
    for level in [room.path().join("dpdk"), directory.clone()] {
        fs::set_permissions(level, Permissions::from_mode(0o700)).expect("it is ours");
    }
    directory
}

#[test]
fn a_prefix_that_is_no_directory_name_is_refused_and_nothing_is_made() {
    let room = Room::new();
    let prefixes =
        ["", ".", "..", "../rte", "a/b", "/", "/tmp", "a/", "a%b", "%n", "a..b", "a\0b", "\0"];
    for prefix in prefixes {
        for role in ROLES {
            let error = room.builder(role).file_prefix(prefix).join().map(|_| ()).unwrap_err();
            assert!(matches!(error, JoinError::Prefix { .. }), "{prefix:?}: {error}");
            assert_eq!(error.errno(), 22, "{prefix:?}");
            assert!(error.to_string().contains(&format!("{prefix:?}")), "{error}");
        }
    }
    assert_eq!(fs::read_dir(room.path()).expect("it is ours").count(), 0);
}

#[test]
fn a_prefix_too_long_for_a_socket_is_refused_before_anything_is_made() {
    let room = Room::new();
    for len in [80, 107, 255, 5000] {
        for role in ROLES {
            let start = Instant::now();
            let joined = room.builder(role).file_prefix("x".repeat(len)).join();
            let error = joined.map(|_| ()).unwrap_err();
            assert!(matches!(error, JoinError::SocketPath { .. }), "{len}: {error}");
            assert_eq!(error.errno(), 36, "{len}");
            assert!(start.elapsed() < AT_ONCE);
        }
    }
    assert_eq!(fs::read_dir(room.path()).expect("it is ours").count(), 0);
}

#[test]
fn the_longest_prefix_that_can_be_joined_can_be_used() {
    let room = Room::new();
    let join = |prefix: &str, role| room.builder(role).file_prefix(prefix).join();
    for len in (1..108).rev() {
        let prefix = "x".repeat(len);
        let Ok(primary) = join(&prefix, Role::Primary).map(with_echo) else { continue };
        // Whoever leads a group can be joined, and can ask.
        let secondary = with_echo(join(&prefix, Role::Secondary).expect("the primary fits"));
        assert_answers(&secondary, &primary);
        assert_answers(&primary, &secondary);
        return;
    }
    panic!("no prefix fits");
}

#[test]
fn a_directory_that_is_open_to_others_is_refused() {
    let room = Room::new();
    let directory = make_directory(&room);
    let above = room.path().join("dpdk");
    let cases = [
        (&directory, 0o777),
        (&directory, 0o701),
        (&directory, 0o702),
        (&directory, 0o704),
        (&directory, 0o720),
        (&directory, 0o1777),
        (&above, 0o777),
        (&above, 0o720),
        (&above, 0o702),
    ];
    for (level, mode) in cases {
        fs::set_permissions(level, Permissions::from_mode(mode)).expect("it is ours");
        for role in ROLES {
            let error = room.builder(role).join().map(|_| ()).unwrap_err();
            assert!(matches!(error, JoinError::DirectoryOpen { .. }), "{mode:o}: {error}");
            assert_eq!(error.errno(), 1);
            assert!(error.to_string().contains(&format!("{mode:04o}")), "{error}");
        }
        fs::set_permissions(level, Permissions::from_mode(0o700)).expect("it is ours");
    }
    assert_eq!(fs::read_dir(&directory).expect("it is ours").count(), 0, "nothing was made");
    room.pair().assert_well();
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        println!("left out: only root can give a directory away");
        return;
    }
    let room = Room::new();
    let directory = make_directory(&room);
    for level in [directory.clone(), room.path().join("dpdk")] {
        chown(&level, Some(54_321), None).expect("root may");
        for role in ROLES {
            let error = room.builder(role).join().map(|_| ()).unwrap_err();
            assert!(matches!(error, JoinError::DirectoryOwner { owner: 54_321, .. }), "{error}");
            assert_eq!(error.errno(), 1);
        }
        chown(&level, Some(0), None).expect("root may");
    }
    assert_eq!(fs::read_dir(&directory).expect("it is ours").count(), 0, "nothing was made");
    room.pair().assert_well();
}

#[test]
fn nothing_is_made_in_a_directory_that_is_refused() {
    let room = Room::new();
    let elsewhere = room.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("the room is writable");
    symlink(&elsewhere, room.path().join("dpdk")).expect("the name is free");
    for role in ROLES {
        room.builder(role).join().map(|_| ()).unwrap_err();
    }
    assert_eq!(fs::read_dir(&elsewhere).expect("it is ours").count(), 0);
}

#[test]
fn a_directory_that_is_none_is_refused() {
    let room = Room::new();
    let above = room.path().join("dpdk");
    let real = room.path().join("real");
    let make: [&dyn Fn(&Path); 4] = [
        &|path| fs::write(path, "").expect("the name is free"),
        &|path| symlink(&real, path).expect("the name is free"),
        &|path| symlink(path, path).expect("the name is free"),
        &|path| drop(UnixListener::bind(path).expect("the name is free")),
    ];
    fs::create_dir(&real).expect("the room is writable");
    fs::create_dir(&above).expect("the room is writable");
    fs::set_permissions(&above, Permissions::from_mode(0o700)).expect("it is ours");
    for make in make {
        make(&directory(&room));
        for role in ROLES {
            room.builder(role).join().map(|_| ()).unwrap_err();
        }
        fs::remove_file(directory(&room)).expect("it is there");
    }
    assert_eq!(fs::read_dir(&real).expect("it is ours").count(), 0);
    room.pair().assert_well();
}

#[test]
fn a_config_file_that_is_none_is_refused_at_once() {
    let room = Room::new();
    let config = make_directory(&room).join("config");
    let fifo = |path: &Path| {
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("it is free");
    };
    let target = room.path().join("precious");
    fs::write(&target, "precious").expect("the room is writable");
    let make: [Put<'_>; 5] = [
        ("a directory", &|path| fs::create_dir(path).expect("the name is free")),
        ("a pipe", &fifo),
        ("a link", &|path| symlink(&target, path).expect("the name is free")),
        ("a socket", &|path| drop(UnixDatagram::bind(path).expect("the name is free"))),
        ("a link to itself", &|path| symlink(path, path).expect("the name is free")),
    ];
    for (what, make) in make {
        make(&config);
        for role in ROLES {
            let start = Instant::now();
            room.builder(role).join().map(|_| ()).expect_err(what);
            assert!(start.elapsed() < AT_ONCE, "{what}");
        }
        fs::remove_file(&config).or_else(|_| fs::remove_dir(&config)).expect("it is there");
    }
    assert_eq!(fs::read(&target).expect("it is there"), b"precious");
    room.pair().assert_well();
}

#[test]
fn a_config_file_of_garbage_makes_no_member() {
    let room = Room::new();
    let config = make_directory(&room).join("config");
    for (len, fill) in [(0, 0), (3, 0xff), (8, 0xff), (4096, 0xff), (100_000, 0xaa)] {
        fs::write(&config, vec![fill; len]).expect("it is ours");
        let error = room.builder(Role::Secondary).join().map(|_| ()).unwrap_err();
        assert!(matches!(error, JoinError::NoPrimary { .. }), "{len}: {error}");
        // A primary writes its own.
        room.pair().assert_well();
        assert!(!config.exists());
    }
}

#[test]
fn what_stands_at_the_primarys_socket_is_not_removed_unless_it_is_a_stale_socket() {
    let room = Room::new();
    let socket = make_directory(&room).join("mp_socket");
    let target = room.path().join("precious");
    fs::write(&target, "precious").expect("the room is writable");
    let make: [Put<'_>; 4] = [
        ("a file", &|path| fs::write(path, "").expect("the name is free")),
        ("a directory", &|path| fs::create_dir(path).expect("the name is free")),
        ("a link", &|path| symlink(&target, path).expect("the name is free")),
        ("a link to itself", &|path| symlink(path, path).expect("the name is free")),
    ];
    for (what, make) in make {
        make(&socket);
        let start = Instant::now();
        let error = room.builder(Role::Primary).join().map(|_| ()).expect_err(what);
        assert!(error.to_string().contains("mp_socket"), "{what}: {error}");
        assert!(start.elapsed() < AT_ONCE, "{what}");
        assert!(fs::symlink_metadata(&socket).is_ok(), "{what} was removed");
        fs::remove_file(&socket).or_else(|_| fs::remove_dir(&socket)).expect("it is there");
    }
    drop(UnixDatagram::bind(&socket).expect("the name is free"));
    room.pair().assert_well();
    assert_eq!(fs::read(&target).expect("it is there"), b"precious");
}
