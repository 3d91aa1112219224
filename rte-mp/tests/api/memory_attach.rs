//! How a secondary comes by its primary's memory, and what it refuses; primaries that end and
//! others that take their place; members that are hostile or stopped.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rte_mp::{
    Flavor, FreeError, Group, HeapError, Kind, LookupError, MemoryError, RequestError,
    ReserveError, Role,
};
use rte_mp_proto::config::NATIVE_ARENA_OFFSET;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::child::Child;
use crate::common::raw::{RawPeer, datagram, write_config};
use crate::common::{SHORT, Scene, arena_of, ask, at_once, echo, eventually};

const ATTACH: &str = "rte-mp/attach";

/// The id of the arenas that are made up here.
const ID: u64 = 77;

const MIB: u64 = 1 << 20;

/// A native primary as far as a secondary can see, which answers what a test wants; the child holds
/// its lock.
fn fake_primary(scene: &Scene) -> (RawPeer, Child) {
    scene.make_dir();
    write_config(scene, Flavor::NATIVE_WORD);
    let config = File::options().write(true).open(scene.path("config")).unwrap();
    config.write_all_at(&ID.to_ne_bytes(), NATIVE_ARENA_OFFSET).unwrap();
    (RawPeer::bind(scene.path("mp_socket")), Child::with_config_lock(scene))
}

/// Looks a zone up, while the primary answers with `param` and `file`.
fn lookup_with(
    primary: &RawPeer,
    secondary: &Group,
    param: &[u8],
    file: Option<&File>,
) -> Result<(), MemoryError> {
    let zones = secondary.memzones();
    let looking = std::thread::spawn(move || zones.lookup("zone").map(drop));
    let (_, request, from) = primary.receive();
    assert_eq!(request.name.as_bytes(), ATTACH.as_bytes());
    let fds: Vec<_> = file.iter().map(|file| file.as_fd()).collect();
    primary.send_with(from, datagram(Kind::Reply, ATTACH, param), &fds);
    match looking.join().unwrap() {
        Ok(()) | Err(LookupError::NotFound { .. }) => Ok(()),
        Err(LookupError::Memory { source, .. }) => Err(source),
        Err(error) => panic!("{error:?}"),
    }
}

fn header(size: u64, base: u64, id: u64) -> Vec<u8> {
    let magic = u64::from_be_bytes(*b"rte-mp\0A");
    [magic, 2, size, base, id].iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn memfd(bytes: &[u8], len: u64, seals: SealFlags) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file: File = memfd_create("rte-mp", flags).unwrap().into();
    file.set_len(len).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    fcntl_add_seals(&file, seals).unwrap();
    file
}

#[test]
fn what_a_hostile_primary_hands_out_is_not_mapped() {
    let scene = Scene::with_killed();
    let (primary, lock) = fake_primary(&scene);
    let secondary = scene.secondary();
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    let base = 0xa_0000_0000;
    let good = header(MIB, base, ID);
    let sealed = |bytes: &[u8]| memfd(bytes, MIB, seals);
    let mut on_disk = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    on_disk.write_all(&good).unwrap();
    on_disk.set_len(MIB).unwrap();
    let cases: Vec<(&str, File)> = vec![
        ("it is not sealed", memfd(&good, MIB, SealFlags::empty())),
        ("it is not sealed", memfd(&good, MIB, SealFlags::GROW | SealFlags::SEAL)),
        ("it is not sealed", on_disk),
        ("it is no file", File::open("/dev/zero").unwrap()),
        ("it is no file", File::open("/proc/self").unwrap()),
        ("it is empty", memfd(&[], 0, seals)),
        ("it does not begin as one", sealed(&[0xff; 4096])),
        ("its length is not the one that its header names", sealed(&header(1 << 40, base, ID))),
        ("its length is not the one that its header names", memfd(&good, 2 * MIB, seals)),
        ("its address is none of a program's", sealed(&header(MIB, 0, ID))),
        ("its address is none of a program's", sealed(&header(MIB, u64::MAX - 4095, ID))),
        ("it does not lie on whole pages", sealed(&header(MIB, base + 8, ID))),
        ("it is not the one of this primary", sealed(&header(MIB, base, ID + 1))),
    ];
    for (expected, file) in &cases {
        let error = lookup_with(&primary, &secondary, &ID.to_ne_bytes(), Some(file)).unwrap_err();
        assert!(
            matches!(error, MemoryError::NotAnArena { reason } if reason == *expected),
            "{error:?}"
        );
        assert_eq!(error.errno(), Errno::PROTO.raw_os_error());
    }
    for (param, file) in [(&b""[..], Some(&cases[0].1)), (&[1; 9], None), (&ID.to_ne_bytes(), None)]
    {
        let error = lookup_with(&primary, &secondary, param, file).unwrap_err();
        assert!(matches!(error, MemoryError::NotAnArena { .. }), "{param:?}: {error:?}");
    }
    // Where a program's own memory lies, nothing is replaced.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let own = u64::from_str_radix(maps.split('-').next().unwrap(), 16).unwrap();
    let file = sealed(&header(MIB, own, ID));
    let error = lookup_with(&primary, &secondary, &ID.to_ne_bytes(), Some(&file)).unwrap_err();
    assert!(matches!(error, MemoryError::Occupied { by: Some(_), .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::ADDRNOTAVAIL.raw_os_error());
    // And after all that a good one is taken.
    lookup_with(&primary, &secondary, &ID.to_ne_bytes(), Some(&sealed(&good))).unwrap();
    drop((secondary, primary, lock));
}

#[test]
fn a_primary_without_memory_to_hand_out_is_named_as_the_cause() {
    let scene = Scene::with_killed();
    let (primary, lock) = fake_primary(&scene);
    let secondary = scene.secondary();
    let zones = secondary.memzones();
    let looking = std::thread::spawn(move || zones.lookup("zone").map(drop).unwrap_err());
    primary.answer_one(Kind::Ignore, b"");
    let error = looking.join().unwrap();
    assert_eq!(error.errno(), Errno::NOTSUP.raw_os_error());
    drop((primary, lock));

    let error = secondary.memzones().lookup("zone").unwrap_err();
    let LookupError::Memory { source: MemoryError::Request { source }, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(matches!(source, RequestError::NoPrimary { .. }), "{error:?}");
}

#[test]
fn a_secondary_where_something_else_lies_is_told_what() {
    let scene = Scene::new();
    let other = scene.builder(Role::Primary).file_prefix("other").join().unwrap();
    let primary = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let error = secondary.memzones().iter().map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/memfd:rte-mp lies where the group has its memory, 1073741824 bytes at 0x100000000; \
         start the primary with another --base-virtaddr, or drop the zones of an earlier primary"
    );
    other.leave();
    secondary.memzones().iter().unwrap();
    drop(secondary);
    primary.end();
    fs::remove_dir(scene.base().join("dpdk/other")).unwrap();
}

#[test]
fn in_a_dpdk_primarys_memory_nothing_is_reserved() {
    let scene = Scene::with_killed();
    scene.make_dir();
    write_config(&scene, 0x160B_0B63);
    let _lock = Child::with_config_lock(&scene);
    let secondary = scene.secondary();
    let zones = secondary.memzones();
    let error = zones.reserve("zone", 1).commit().unwrap_err();
    assert!(
        matches!(error, ReserveError::Memory { source: MemoryError::Dpdk { .. }, .. }),
        "{error:?}"
    );
    assert_eq!(error.errno(), Errno::NOTSUP.raw_os_error());
    let error = secondary.heap().allocate(1, 0).unwrap_err();
    assert!(matches!(error, HeapError::Dpdk { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::NOTSUP.raw_os_error());
    // This config file has a primary's version, and no tables.
    let errnos = [
        zones.iter().map(drop).unwrap_err().errno(),
        zones.lookup("zone").unwrap_err().errno(),
        zones.dump(&mut Vec::new()).unwrap_err().errno(),
    ];
    assert_eq!(errnos, [Errno::PROTO.raw_os_error(); 3]);
}

#[test]
fn members_of_a_primary_that_ended_keep_their_memory() {
    for how in ["leave", "kill"] {
        let scene = Scene::with_killed();
        let mut primary = Child::member(&scene, "primary");
        primary.tell("reserve zone 8");
        primary.expect("zone");
        let (first, second) = (scene.secondary(), scene.secondary());
        first.memzones().lookup("zone").unwrap();
        match how {
            "leave" => {
                primary.tell("leave");
                primary.expect("left");
            }
            _ => primary.kill(),
        }
        first.memzones().lookup("zone").unwrap();
        first.memzones().reserve("new", 8).commit().unwrap();
        // Whoever has not attached before cannot now: nobody hands it out.
        let error = second.memzones().lookup("zone").unwrap_err();
        let attaches =
            matches!(error, LookupError::Memory { source: MemoryError::Request { .. }, .. });
        assert!(attaches, "{how}: {error:?}");
    }
}

#[test]
fn a_primary_that_restarts_has_another_memory_and_the_old_one_is_not_mixed_with_it() {
    for how in ["leave", "kill"] {
        let scene = Scene::with_killed();
        let mut primary = Child::member(&scene, "primary");
        primary.tell("reserve zone 8");
        primary.expect("zone");
        let (old, late) = (scene.secondary(), scene.secondary());
        let zone = old.memzones().lookup("zone").unwrap();
        zone.write_at(0, b"old").unwrap();
        match how {
            "leave" => {
                primary.tell("leave");
                primary.expect("left");
            }
            _ => primary.kill(),
        }
        let mut primary = Child::member(&scene, "primary");
        primary.tell("reserve zone 8");
        primary.expect("zone");

        let zones = old.memzones();
        let is_told = |error: &MemoryError| {
            let told = matches!(error, MemoryError::OtherPrimary { .. });
            assert!(told, "{how}: {error:?}");
            assert_eq!(error.errno(), Errno::STALE.raw_os_error());
        };
        // It may count for some milliseconds that the primary is the same.
        eventually("the change is noticed", || zones.iter().is_err());
        is_told(&zones.iter().map(drop).unwrap_err());
        match zones.lookup("zone").unwrap_err() {
            LookupError::Memory { source, .. } => is_told(&source),
            error => panic!("{error:?}"),
        }
        match zones.reserve("zone", 1).commit().unwrap_err() {
            ReserveError::Memory { source, .. } => is_told(&source),
            error => panic!("{error:?}"),
        }
        match zones.free(zone.clone()).unwrap_err() {
            FreeError::Memory { source, .. } => is_told(&source),
            error => panic!("{error:?}"),
        }
        // What is held stays what it was.
        let mut text = [0; 3];
        zone.read_at(0, &mut text).unwrap();
        assert_eq!(&text, b"old");
        // Messages go on; who has no memory yet would have the new one, were its place free.
        assert!(!ask(&old, "pid", b"").is_empty());
        let error = late.memzones().iter().map(drop).unwrap_err();
        assert!(matches!(error, MemoryError::Occupied { .. }), "{how}: {error:?}");
        drop((zone, zones, old));
        let found = late.memzones().lookup("zone").unwrap();
        found.read_at(0, &mut text).unwrap();
        assert_eq!(text, [0; 3], "{how}: zeros, and nothing of the old one");
        drop((found, late));
        primary.end();
    }
}

#[test]
fn a_dpdk_primary_in_the_place_of_a_native_one_ends_the_use_of_its_memory() {
    let scene = Scene::with_killed();
    let native = scene.primary();
    let secondary = scene.secondary();
    let zone = secondary.memzones().reserve("zone", 8).commit().unwrap();
    native.leave();
    write_config(&scene, 0x1A07_0063);
    let _dpdk = Child::with_config_lock(&scene);
    let zones = secondary.memzones();
    eventually("the change is noticed", || zones.iter().is_err());
    let error = zones.iter().map(drop).unwrap_err();
    assert!(matches!(error, MemoryError::OtherPrimary { .. }), "{error:?}");
    zone.write_at(0, b"kept").unwrap();
}

#[test]
fn the_memory_cannot_be_cut_short() {
    let scene = Scene::new();
    let (_primary, secondary) = (scene.primary(), scene.secondary());
    let file = arena_of(&secondary);
    for len in [0, MIB, 1 << 31] {
        let error = file.set_len(len).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::PERM.raw_os_error()));
    }
    let error = fcntl_add_seals(&file, SealFlags::WRITE).unwrap_err();
    assert_eq!(error, Errno::PERM, "nobody seals it for all others");
}

#[test]
fn a_member_that_is_stopped_with_the_lock_holds_up_changes_only_and_not_for_ever() {
    let scene = Scene::with_killed();
    let primary = scene.builder(Role::Primary).lock_timeout(SHORT).join().unwrap();
    let zones = primary.memzones();
    let zone = zones.reserve("zone", 8).commit().unwrap();
    let mut child = Child::member(&scene, "secondary");
    child.tell("lock memory");
    child.expect("locked");
    let process = Pid::from_raw(child.pid() as i32).unwrap();
    kill_process(process, Signal::STOP).unwrap();

    let error = zones.reserve("new", 8).commit().unwrap_err();
    assert_eq!(error.errno(), Errno::TIMEDOUT.raw_os_error());
    let text = "the group's memory was locked by another process for 200ms";
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), text);
    let error = zones.free(zone).unwrap_err();
    assert_eq!(error.errno(), Errno::TIMEDOUT.raw_os_error());
    at_once("reading", || {
        for _ in 0..100 {
            zones.lookup("zone").unwrap();
            assert_eq!(zones.iter().unwrap().count(), 1);
        }
    });
    // Nothing is to be mended when it dies.
    child.kill();
    at_once("reserving", || zones.reserve("new", 8).commit().unwrap());
}

#[test]
fn a_member_that_writes_rubbish_into_the_table_hurts_nobody() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(MIB).join().unwrap();
    let secondary = scene.secondary();
    echo(&primary, "echo");
    let (zones, others) = (primary.memzones(), secondary.memzones());
    let kept = others.reserve("kept", 64).zeroed().commit().unwrap();
    let file = arena_of(&secondary);
    let mut state = 1_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..50 {
        let words = match round {
            0 => vec![u64::MAX; 299_008 / 8],
            1 => vec![0; 299_008 / 8],
            2 => vec![1; 299_008 / 8],
            _ => (0..299_008 / 8).map(|_| random() & random() >> (random() % 64)).collect(),
        };
        let bytes: Vec<_> = words.iter().flat_map(|word: &u64| word.to_ne_bytes()).collect();
        file.write_all_at(&bytes, 0).unwrap();
        for zones in [&zones, &others] {
            at_once("getting along", || {
                for info in zones.iter().unwrap() {
                    if let Ok(zone) = zones.lookup(info.name()) {
                        let last = zone.len() - 1;
                        zone.read_at(last, &mut [0]).unwrap();
                    }
                }
                zones.dump(&mut Vec::new()).unwrap();
                let _ = zones.lookup("kept");
                if let Ok(zone) = zones.reserve("new", 5000).zeroed().commit() {
                    zone.write_at(4999, b"x").unwrap();
                    let _ = zones.free(zone);
                }
            });
        }
        kept.write_at(0, &[7; 64]).unwrap();
    }
    assert_eq!(ask(&secondary, "echo", b"well"), b"well");
}
