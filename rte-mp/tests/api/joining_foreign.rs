//! Secondaries and the primaries that they may not, or may, join: none, dead, not ready, of DPDK
//! releases known and unknown. A child holds the lock of a config file that is written here.

use std::fs;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use rte_mp::{DisableError, Flavor, JoinError, Layout, Role, Version, VersionError};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::common::child::Child;
use crate::common::raw::{RawPeer, write_config, write_config_with};
use crate::common::{SHORT, Scene, ask, at_once, echo};

/// A scene with a DPDK primary, as far as a secondary can see.
fn with_dpdk_primary(version: u32) -> (Scene, Child) {
    let scene = Scene::with_killed();
    scene.make_dir();
    write_config(&scene, version);
    let child = Child::with_config_lock(&scene);
    (scene, child)
}

#[test]
fn without_a_directory_there_is_no_primary() {
    let scene = Scene::new();
    let error = scene.builder(Role::Secondary).join().map(drop).unwrap_err();
    assert!(matches!(error, JoinError::NoPrimary { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::NOENT.raw_os_error());
    assert!(!scene.base().join("dpdk").exists(), "a secondary makes no directory");
}

#[test]
fn without_a_config_file_there_is_no_primary() {
    let scene = Scene::new();
    scene.make_dir();
    let error = scene.builder(Role::Secondary).join().map(drop).unwrap_err();
    assert!(matches!(error, JoinError::NoPrimary { .. }), "{error:?}");
    assert_eq!(scene.files(), [""; 0]);
}

#[test]
fn the_config_file_of_a_dead_primary_leads_nowhere() {
    let scene = Scene::with_killed();
    let mut primary = Child::member(&scene, "primary");
    primary.kill();
    assert_eq!(scene.files(), ["config", "mp_socket"]);
    let error =
        at_once("seeing that", || scene.builder(Role::Secondary).join().map(drop).unwrap_err());
    assert!(matches!(error, JoinError::NoPrimary { .. }), "{error:?}");
    assert!(error.to_string().contains("config"), "it names the file: {error}");
}

#[test]
fn a_primary_that_is_not_ready_is_waited_for_a_bounded_time() {
    let scene = Scene::with_killed();
    scene.make_dir();
    write_config_with(&scene, 0, 0x160B_0B63);
    let _starting = Child::with_config_lock(&scene);
    let start = std::time::Instant::now();
    let error = scene.builder(Role::Secondary).ready_timeout(SHORT).join().map(drop).unwrap_err();
    assert!(matches!(error, JoinError::NotReady { waited, .. } if waited == SHORT), "{error:?}");
    assert_eq!(error.errno(), Errno::TIMEDOUT.raw_os_error());
    assert!(start.elapsed() >= SHORT);
}

#[test]
fn a_primary_that_becomes_ready_is_joined() {
    let scene = Scene::with_killed();
    scene.make_dir();
    write_config_with(&scene, 0, 0x160B_0B63);
    let _starting = Child::with_config_lock(&scene);
    thread::scope(|scope| {
        let joins = scope.spawn(|| scene.secondary());
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(50));
        write_config(&scene, 0x160B_0B63);
        assert_eq!(joins.join().unwrap().layout(), Layout::DPDK_18_05);
    });
}

#[test]
fn a_primary_that_ends_before_it_is_ready_is_not_waited_for() {
    let scene = Scene::with_killed();
    scene.make_dir();
    write_config_with(&scene, 0, 0x160B_0B63);
    let mut starting = Child::with_config_lock(&scene);
    thread::scope(|scope| {
        let builder = scene.builder(Role::Secondary).ready_timeout(crate::common::LONG);
        let joins = scope.spawn(move || builder.join().map(drop));
        starting.kill();
        let error = at_once("giving up", || joins.join().unwrap()).unwrap_err();
        assert!(matches!(error, JoinError::NoPrimary { .. }), "{error:?}");
    });
}

#[test]
fn a_release_that_is_not_known_is_refused() {
    let (scene, _primary) = with_dpdk_primary(0);
    type Expected = fn(&VersionError) -> bool;
    let cases: [(&str, u32, Expected); 5] = [
        ("18.11, which has a channel count there", 4, |e| matches!(e, VersionError::TooOld(4))),
        ("19.05", 0x1305_0063, |e| matches!(e, VersionError::TooOld(_))),
        ("26.11", 0x1A0B_0063, |e| matches!(e, VersionError::TooNew(_))),
        ("25.11-rc0", 0x190B_0000, |e| matches!(e, VersionError::Ambiguous(_))),
        ("month 13", 0x160D_0063, |e| matches!(e, VersionError::NoRelease(_))),
    ];
    for (what, word, expected) in cases {
        write_config(&scene, word);
        let before = fs::read(scene.path("config")).unwrap();
        let error = scene.builder(Role::Secondary).join().map(drop).unwrap_err();
        let told = matches!(&error, JoinError::Version { source, .. } if expected(source));
        assert!(told, "{what}: {error:?}");
        assert_eq!(error.errno(), Errno::PROTONOSUPPORT.raw_os_error(), "{what}");
        assert_eq!(fs::read(scene.path("config")).unwrap(), before, "{what}: nothing is written");
        assert_eq!(scene.files(), ["config"], "{what}: nothing is bound");
    }
}

#[test]
fn a_file_that_is_no_config_is_refused() {
    let (scene, _primary) = with_dpdk_primary(0);
    write_config_with(&scene, 7, 0x160B_0B63);
    let error = scene.builder(Role::Secondary).join().map(drop).unwrap_err();
    assert!(matches!(error, JoinError::NotAConfig { magic: 7, .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::PROTO.raw_os_error());
}

#[test]
fn an_unknown_release_is_joined_if_its_layout_is_told() {
    let (scene, _primary) = with_dpdk_primary(0x1A0B_0063);
    for layout in [Layout::DPDK_18_05, Layout::DPDK_25_11] {
        let member = scene.builder(Role::Secondary).assume_layout(layout).join().unwrap();
        assert_eq!(member.layout(), layout);
        assert_eq!(member.flavor(), Flavor::Dpdk(Version::from_word(0x1A0B_0063)));
    }
    write_config(&scene, 0x160B_0B63);
    let known = scene.builder(Role::Secondary).assume_layout(Layout::DPDK_25_11).join().unwrap();
    assert_eq!(known.layout(), Layout::DPDK_18_05, "what is known counts more");
}

#[test]
fn each_release_is_joined_and_told_that_somebody_attached() {
    let (scene, _primary) = with_dpdk_primary(0);
    let cases = [
        ("19.08", 0x1308_0063, Layout::DPDK_18_05, None),
        ("20.05", 0x1405_0063, Layout::DPDK_18_05, None),
        ("20.08", 0x1408_0063, Layout::DPDK_18_05, Some(36)),
        ("22.11.11", 0x160B_0B63, Layout::DPDK_18_05, Some(36)),
        ("23.11", 0x170B_0063, Layout::DPDK_18_05, Some(40)),
        ("24.11", 0x180B_0063, Layout::DPDK_24_11, Some(40)),
        ("25.07", 0x1907_0063, Layout::DPDK_24_11, Some(40)),
        ("25.11", 0x190B_0063, Layout::DPDK_25_11, Some(40)),
        ("26.07", 0x1A07_0063, Layout::DPDK_25_11, Some(40)),
    ];
    for (what, word, layout, status) in cases {
        write_config(&scene, word);
        let mut expected = fs::read(scene.path("config")).unwrap();
        let member = scene.secondary();
        assert_eq!(member.layout(), layout, "{what}");
        assert_eq!(member.flavor(), Flavor::Dpdk(Version::from_word(word)), "{what}");
        if let Some(at) = status {
            expected[at] = 2;
        }
        drop(member);
        let config = fs::read(scene.path("config")).unwrap();
        assert!(config == expected, "{what}: only the status byte is written");
    }
}

#[test]
fn a_group_whose_primary_disabled_multi_process_is_closed() {
    let (scene, _primary) = with_dpdk_primary(0);
    for (word, at) in [(0x160B_0B63, 36), (0x1A07_0063, 40)] {
        write_config(&scene, word);
        let config = fs::OpenOptions::new().write(true).open(scene.path("config")).unwrap();
        config.write_all_at(&[1], at).unwrap();
        let error = scene.builder(Role::Secondary).join().map(drop).unwrap_err();
        assert!(matches!(error, JoinError::Disabled { .. }), "{error:?}");
        assert_eq!(error.errno(), Errno::ACCESS.raw_os_error());
        assert_eq!(scene.files(), ["config"]);
    }
}

#[test]
fn a_native_primary_can_disable_multi_process_before_anybody_attached() {
    let scene = Scene::new();
    let primary = scene.primary();
    primary.disable_multiprocess().unwrap();
    primary.disable_multiprocess().unwrap();
    let error = scene.builder(Role::Secondary).join().map(drop).unwrap_err();
    assert!(matches!(error, JoinError::Disabled { .. }), "{error:?}");
    drop(primary);

    let primary = scene.primary();
    let secondary = scene.secondary();
    let error = secondary.disable_multiprocess().unwrap_err();
    assert!(matches!(error, DisableError::NotPrimary), "{error:?}");
    assert_eq!(error.errno(), Errno::PERM.raw_os_error());
    drop(secondary);
    let error = primary.disable_multiprocess().unwrap_err();
    assert!(matches!(error, DisableError::Attached), "{error:?}");
    assert_eq!(error.errno(), Errno::BUSY.raw_os_error());
    scene.secondary();
}

#[test]
fn a_secondary_does_not_believe_what_a_dead_primary_wrote() {
    let scene = Scene::new();
    let dir = scene.make_dir();
    // Left behind by a DPDK 22.11 that ended; a native primary is about to take its place.
    write_config(&scene, 0x160B_0B63);
    let busy = fs::File::open(&dir).unwrap();
    flock(&busy, FlockOperation::LockExclusive).unwrap();
    thread::scope(|scope| {
        let leads = scope.spawn(|| scene.primary());
        // Nobody leads before the directory is free; a secondary that is told so tries again.
        let follows = scope.spawn(|| {
            loop {
                match scene.builder(Role::Secondary).join() {
                    Err(JoinError::NoPrimary { .. }) => thread::yield_now(),
                    joined => return joined.unwrap(),
                }
            }
        });
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(50));
        flock(&busy, FlockOperation::Unlock).unwrap();
        let (primary, secondary) = (leads.join().unwrap(), follows.join().unwrap());
        echo(&primary, "echo");
        assert_eq!(secondary.flavor(), Flavor::Native);
        assert_eq!(secondary.layout(), primary.layout());
        assert_eq!(ask(&secondary, "echo", b"hello"), b"hello");
        // And it counts as attached.
        assert!(primary.disable_multiprocess().is_err());
    });
}

#[test]
fn a_dpdk_primary_is_not_replaced() {
    let (scene, mut primary) = with_dpdk_primary(0x160B_0B63);
    let before = fs::read(scene.path("config")).unwrap();
    let error = scene.builder(Role::Primary).join().map(drop).unwrap_err();
    let told = matches!(error, JoinError::PrimaryRunning { pid, .. } if pid == Some(primary.pid()));
    assert!(told, "{error:?}");
    assert_eq!(scene.builder(Role::Auto).join().unwrap().role(), Role::Secondary);

    // It asked whether it is alive, and so lost its lock; its socket is still there.
    let socket = RawPeer::bind(scene.path("mp_socket"));
    primary.tell("unlock");
    primary.expect("unlocked");
    let error = scene.builder(Role::Primary).join().map(drop).unwrap_err();
    assert!(matches!(error, JoinError::PrimaryRunning { pid: None, .. }), "{error:?}");
    drop(socket);
    let mut after = fs::read(scene.path("config")).unwrap();
    after[36] = 0;
    assert!(after == before, "nothing is written into a DPDK primary's file");
}
