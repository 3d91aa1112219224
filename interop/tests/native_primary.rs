//! Real DPDK processes that meet an rte-mp primary, and the other way round.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rte_mp::{Group, JoinError, Role};
use rte_mp_interop::{PATIENCE, Process, Room, message, reply_text, with_dpdk, with_dpdk_tool};

const SIGABRT: i32 = 6;

fn native_primary(room: &Room) -> Group {
    let primary = room.group(Role::Primary).join().expect("nobody else leads");
    primary
        .register("hello", |request| {
            let reply = format!("primary got '{}'", String::from_utf8_lossy(request.param()));
            request.reply(reply.as_bytes())
        })
        .expect("a new name");
    primary
}

/// A secondary joins, asks, and is answered: the group is whole.
fn assert_works(room: &Room) {
    let replies = room.member().request(&message("hello", "there"), None).expect("it runs");
    assert_eq!(reply_text(replies), "primary got 'there'");
}

/// What a second primary must leave alone: the config file's bytes, and which files there are.
fn fingerprint(room: &Room) -> Vec<(String, u64, Vec<u8>)> {
    let read = |name: String| {
        let path = room.directory().join(&name);
        let inode = fs::symlink_metadata(&path).expect("it was listed").ino();
        let bytes =
            if name == "config" { fs::read(&path).expect("it is readable") } else { Vec::new() };
        (name, inode, bytes)
    };
    room.files().into_iter().map(read).collect()
}

/// Waits until a DPDK process has given up: how it ended, and what it said about that.
fn refusal(mut process: Process) -> (ExitStatus, String) {
    while let Some(line) = process.line(PATIENCE) {
        assert!(!line.starts_with("ready"), "it has joined");
    }
    (process.finish(PATIENCE), process.errors())
}

#[test]
fn a_dpdk_secondary_refuses_a_native_primary() {
    with_dpdk(|room| {
        let _primary = native_primary(room);
        for proc_type in ["secondary", "auto"] {
            let (status, errors) = refusal(room.dpdk(proc_type));
            assert_eq!(status.code(), Some(1), "{proc_type}: {status}: {errors}");
            assert!(errors.contains("version mismatch"), "{proc_type}: {errors}");
        }
        assert_works(room);
    });
}

#[test]
fn dpdk_proc_info_refuses_a_native_primary() {
    with_dpdk_tool("dpdk-proc-info", |room| {
        let _primary = native_primary(room);
        let (status, errors) = refusal(room.proc_info());
        assert!(errors.contains("version mismatch"), "{errors}");
        // Its own way to end whenever EAL does not start, with no primary at all too: `rte_panic`.
        assert!(errors.contains("PANIC in main():\nCannot init EAL"), "{errors}");
        assert_eq!(status.signal(), Some(SIGABRT), "{errors}");
        assert_works(room);
    });
}

#[test]
fn a_dpdk_primary_refuses_to_start_beside_a_native_one() {
    with_dpdk(|room| {
        let _primary = native_primary(room);
        let before = fingerprint(room);
        let (status, errors) = refusal(room.dpdk("primary"));
        assert_eq!(status.code(), Some(1), "{status}: {errors}");
        assert!(errors.contains("Is another primary process running?"), "{errors}");
        assert_eq!(fingerprint(room), before);
        assert_works(room);
    });
}

#[test]
fn a_native_primary_refuses_to_start_beside_a_dpdk_one() {
    with_dpdk(|room| {
        let mut dpdk = room.dpdk_primary();
        dpdk.register("hello", "echo");
        let before = fingerprint(room);
        match room.refusal(room.group(Role::Primary)) {
            JoinError::PrimaryRunning { pid, .. } => assert_eq!(pid, Some(dpdk.pid())),
            other => panic!("{other:?}"),
        }
        assert_eq!(fingerprint(room), before);
        let replies = room.member().request(&message("hello", "there"), None).unwrap();
        assert_eq!(reply_text(replies), "Got 'there'");
    });
}

#[test]
fn a_native_primary_takes_over_from_a_killed_dpdk_one() {
    with_dpdk(|room| {
        let dpdk = room.dpdk_primary();
        let secondary = room.dpdk_secondary();
        secondary.kill();
        dpdk.kill();
        assert!(room.files().iter().any(|name| name.starts_with("mp_socket_")));
        let _primary = native_primary(room);
        assert!(!room.files().iter().any(|name| name.starts_with("mp_socket_")), "stale sockets");
        assert_works(room);
    });
}

/// They still use its files, and would be disturbed.
#[test]
fn a_native_primary_refuses_to_start_beside_the_secondaries_of_a_killed_dpdk_one() {
    with_dpdk(|room| {
        let primary = room.dpdk_primary();
        let _secondary = room.dpdk_secondary();
        primary.kill();
        let before = fingerprint(room);
        let error = room.refusal(room.group(Role::Primary));
        assert!(matches!(error, JoinError::SecondariesRunning { .. }), "{error}");
        assert_eq!(fingerprint(room), before);
    });
}

#[test]
fn a_dpdk_primary_takes_over_from_a_native_one_that_left() {
    with_dpdk(|room| {
        native_primary(room).leave();
        let mut dpdk = room.dpdk_primary();
        dpdk.register("hello", "echo");
        let replies = room.member().request(&message("hello", "there"), None).unwrap();
        assert_eq!(reply_text(replies), "Got 'there'");
    });
}
