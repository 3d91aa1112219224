//! What a group has on disk: the directory's rules, the config file, the locks.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::time::Duration;

use rte_mp::{Flavor, Group, JoinError, Role};
use rte_mp_proto::config::{LEN, MAGIC, MpStatus};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::common::child::Child;
use crate::common::{SHORT, Scene, at_once, is_root, write_locks};

#[test]
fn the_config_file_is_what_a_dpdk_process_looks_for() {
    let scene = Scene::new();
    let primary = Child::member(&scene, "primary");
    let bytes = fs::read(scene.path("config")).unwrap();
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(bytes.len() as u64, LEN);
    assert_eq!(word(0), MAGIC);
    assert_eq!(word(4), Flavor::NATIVE_WORD, "no release of DPDK takes it for its own");
    assert_eq!(bytes[40], MpStatus::Unknown.code());
    primary.end();
}

#[test]
fn the_config_file_is_locked_where_dpdk_looks() {
    let scene = Scene::new();
    let primary = Child::member(&scene, "primary");
    let locks = write_locks(&scene.path("config"));
    assert_eq!(locks.len(), 1, "{locks:?}");
    let (start, end) = locks[0];
    // 19.08 to 23.07 lock from 136, later releases from 144, each 17408 bytes.
    assert!(start <= 136 && end >= 144 + 17408 - 1, "{locks:?}");

    let mut dpdk = Child::start(&scene);
    dpdk.tell("lock");
    dpdk.expect("refused");
    primary.end();
    assert_eq!(scene.files(), [""; 0]);
    dpdk.end();
}

#[test]
fn a_primary_is_alive_while_it_has_its_lock() {
    let scene = Scene::new();
    let config = scene.path("config");
    assert_eq!(rte_mp::primary_is_alive(&config).unwrap_err().kind(), ErrorKind::NotFound);
    let mut killed = Child::member(&scene, "primary");
    assert!(rte_mp::primary_is_alive(&config).unwrap());
    killed.kill();
    assert!(!rte_mp::primary_is_alive(&config).unwrap());
    let primary = scene.primary();
    assert!(rte_mp::primary_is_alive(&config).unwrap(), "one's own lock is seen, too");
    primary.leave();
}

#[test]
fn a_primary_keeps_its_lock_when_others_look_at_the_file() {
    let scene = Scene::new();
    let primary = scene.primary();
    drop(File::open(scene.path("config")).unwrap());
    primary.members().unwrap();
    let secondary = scene.secondary();
    drop(secondary);
    assert_eq!(write_locks(&scene.path("config")).len(), 1);
    let again = scene.builder(Role::Primary).join().map(drop);
    assert!(matches!(again, Err(JoinError::PrimaryRunning { .. })), "{again:?}");
}

#[test]
fn a_prefix_that_is_no_name_is_refused() {
    let scene = Scene::new();
    for role in [Role::Primary, Role::Secondary, Role::Auto] {
        for prefix in ["", "a/b", "/abs", "..", "../x", "a..b", ".", "a%b", "a\0b"] {
            let error = scene.builder(role).file_prefix(prefix).join().map(drop).unwrap_err();
            assert!(matches!(error, JoinError::Prefix { .. }), "{prefix:?}: {error:?}");
            assert_eq!(error.errno(), Errno::INVAL.raw_os_error());
        }
    }
    assert!(!scene.base().join("dpdk").exists(), "nothing is made for a prefix that is none");
}

#[test]
fn a_path_that_no_socket_can_have_is_refused() {
    let scene = Scene::new();
    // The longest names are those of secondaries; without return addresses nobody can ask.
    let longest = rte_mp_proto::path::MAX_FILE_NAME_LEN;
    let room = 107 - scene.base().as_os_str().len() - "/dpdk/".len() - "/".len();
    let cases = [
        ("a path of 107 bytes", room - longest, true),
        ("only the primary's socket would fit", room - "mp_socket".len(), false),
        ("nobody would fit", room - "mp_socket".len() + 1, false),
    ];
    for (what, len, fits) in cases {
        let prefix = "p".repeat(len);
        let join = |role| scene.builder(role).file_prefix(&prefix).join();
        match join(Role::Primary) {
            Ok(_primary) => {
                assert!(fits, "{what}: the primary joined");
                let secondary = join(Role::Secondary).map(drop);
                assert!(secondary.is_ok(), "{what}: {secondary:?}");
            }
            Err(error) => {
                assert!(!fits, "{what}: {error}");
                assert!(matches!(error, JoinError::SocketPath { .. }), "{what}: {error:?}");
                assert_eq!(error.errno(), Errno::NAMETOOLONG.raw_os_error());
                assert!(!scene.base().join("dpdk").join(&prefix).exists(), "{what}");
            }
        }
    }
}

#[test]
fn a_directory_that_is_open_to_others_is_refused() {
    let scene = Scene::new();
    let dir = scene.make_dir();
    let above = dir.parent().unwrap().to_owned();
    let cases: [(&PathBuf, u32, bool); 9] = [
        (&dir, 0o700, true),
        (&dir, 0o755, false),
        (&dir, 0o707, false),
        (&dir, 0o770, false),
        (&dir, 0o701, false),
        (&dir, 0o722, false),
        (&above, 0o755, true),
        (&above, 0o777, false),
        (&above, 0o775, false),
    ];
    for (path, mode, allowed) in cases {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let joined = scene.builder(Role::Primary).join().map(drop);
        match joined {
            Ok(()) => assert!(allowed, "{} {mode:o}", path.display()),
            Err(error) => {
                assert!(!allowed, "{} {mode:o}: {error}", path.display());
                let told = matches!(&error, JoinError::DirectoryOpen { path: p, mode: m }
                    if p == path && *m == mode);
                assert!(told, "{error:?}");
                assert_eq!(error.errno(), Errno::PERM.raw_os_error());
            }
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_directory_of_another_user_is_refused() {
    if !is_root() {
        println!("left out: only root can give a directory away");
        return;
    }
    let scene = Scene::new();
    let dir = scene.make_dir();
    for path in [dir.as_path(), dir.parent().unwrap()] {
        chown(path, Some(65534), None).unwrap();
        for role in [Role::Primary, Role::Secondary, Role::Auto] {
            let error = scene.builder(role).join().map(drop).unwrap_err();
            let told = matches!(&error, JoinError::DirectoryOwner { path: p, owner: 65534 }
                if p == path);
            assert!(told, "{error:?}");
            assert_eq!(error.errno(), Errno::PERM.raw_os_error());
        }
        chown(path, Some(0), None).unwrap();
    }
}

#[test]
fn a_base_that_does_not_exist_is_an_error_that_names_it() {
    let scene = Scene::new();
    let nowhere = scene.base().join("nowhere");
    let error = Group::builder().runtime_base(&nowhere).join().map(drop).unwrap_err();
    assert!(error.to_string().contains(nowhere.to_str().unwrap()), "{error}");
    assert_eq!(error.errno(), Errno::NOENT.raw_os_error());
}

#[test]
fn a_link_in_place_of_the_config_file_is_not_followed() {
    let scene = Scene::new();
    let dir = scene.make_dir();
    let victim = scene.base().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, dir.join("config")).unwrap();
    for role in [Role::Primary, Role::Secondary] {
        let error = scene.builder(role).join().map(drop).unwrap_err();
        assert!(matches!(error, JoinError::Io { .. }), "{error:?}");
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    fs::remove_file(dir.join("config")).unwrap();
}

#[test]
fn a_file_in_place_of_the_primarys_socket_is_not_removed() {
    let scene = Scene::new();
    let dir = scene.make_dir();
    fs::write(dir.join("mp_socket"), "no socket").unwrap();
    let error = scene.builder(Role::Primary).join().map(drop).unwrap_err();
    assert!(matches!(error, JoinError::Io { .. }), "{error:?}");
    assert_eq!(scene.files(), ["mp_socket"], "a failed start changes nothing");
    fs::remove_file(dir.join("mp_socket")).unwrap();
}

#[test]
fn a_directory_that_stays_locked_is_not_waited_for_for_ever() {
    let scene = Scene::new();
    let dir = scene.make_dir();
    let busy = File::open(&dir).unwrap();
    flock(&busy, FlockOperation::LockExclusive).unwrap();
    let join = |role| {
        let builder = scene.builder(role).lock_timeout(SHORT);
        at_once("giving up", || builder.join().map(drop))
    };
    let error = join(Role::Primary).unwrap_err();
    assert!(matches!(error, JoinError::DirectoryLocked { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::TIMEDOUT.raw_os_error());
    assert_eq!(scene.files(), [""; 0], "a failed start changes nothing");

    flock(&busy, FlockOperation::Unlock).unwrap();
    let primary = scene.builder(Role::Primary).lock_timeout(SHORT).join().unwrap();
    // A DPDK primary holds the lock in the shared way while it waits for answers.
    flock(&busy, FlockOperation::LockShared).unwrap();
    let error = join(Role::Secondary).unwrap_err();
    assert!(matches!(error, JoinError::DirectoryLocked { .. }), "{error:?}");
    assert_eq!(primary.members().unwrap(), []);
    let status = fs::read(scene.path("config")).unwrap()[40];
    assert_eq!(status, MpStatus::Unknown.code(), "who was refused has not attached");
}

#[test]
fn a_lock_that_is_given_back_in_time_is_waited_for() {
    let scene = Scene::new();
    let _primary = scene.primary();
    let busy = File::open(scene.dir()).unwrap();
    flock(&busy, FlockOperation::LockShared).unwrap();
    std::thread::scope(|scope| {
        let joins = scope.spawn(|| scene.secondary());
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(50));
        flock(&busy, FlockOperation::Unlock).unwrap();
        assert_eq!(joins.join().unwrap().role(), Role::Secondary);
    });
}
