//! What is refused of memory zones: names, lengths and alignments, places outside of them, types that
//! do not fit, and what is not theirs to free.

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use rte_mp::{FreeError, LookupError, ReserveError, Role, ZoneAccessError, ZoneNameError};
use rustix::io::Errno;

use crate::common::{Scene, arena_of};

rte_mp::shared_struct! {
    /// What C declares as a struct that is aligned to a cache line.
    #[repr(align(64))]
    struct Counters {
        force_quit: AtomicU32,
        requests: AtomicU64,
        spare: [AtomicU8; 3],
    }
}

#[test]
fn a_value_of_atomics_is_given_out_only_where_it_fits() {
    let scene = Scene::new();
    let primary = scene.primary();
    let zones = primary.memzones();
    let zone = zones.reserve("counters", size_of::<Counters>()).zeroed().commit().unwrap();
    let counters: &Counters = zone.shared().unwrap();
    counters.requests.store(7, Ordering::Relaxed);
    counters.force_quit.store(1, Ordering::Relaxed);
    counters.spare[2].store(9, Ordering::Relaxed);
    let mut bytes = [0; 24];
    zone.read_at(0, &mut bytes).unwrap();
    let expected = [1_u64.to_ne_bytes(), 7_u64.to_ne_bytes(), [0, 0, 9, 0, 0, 0, 0, 0]].concat();
    assert_eq!(bytes[..], expected, "as C lays it out");

    let small = zones.reserve("small", 63).commit().unwrap();
    let error = small.shared::<Counters>().map(drop).unwrap_err();
    let text = "memory zone \"small\" of 63 bytes cannot be a ";
    assert!(error.to_string().starts_with(text), "{error}");
    assert!(matches!(error, ZoneAccessError::TooSmall { size: 64, len: 63, .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::INVAL.raw_os_error());

    rte_mp::shared_struct! {
        #[repr(align(4096))]
        struct Page {
            words: [AtomicU64; 512],
        }
    }
    let _gap = zones.reserve("gap", 1).commit().unwrap();
    let askew = zones.reserve("askew", 4096).commit().unwrap();
    let error = askew.shared::<Page>().map(drop).unwrap_err();
    assert!(matches!(error, ZoneAccessError::Misaligned { align: 4096, .. }), "{error:?}");
    let page = zones.reserve("page", 4096).align(4096).commit().unwrap();
    page.shared::<Page>().unwrap().words[511].store(1, Ordering::Relaxed);
}

#[test]
fn copies_stay_inside_of_the_zone() {
    let scene = Scene::new();
    let primary = scene.primary();
    let zones = primary.memzones();
    let zone = zones.reserve("zone", 100).zeroed().commit().unwrap();
    zone.write_at(1, b"not aligned to anything").unwrap();
    let mut text = [0; 23];
    zone.read_at(1, &mut text).unwrap();
    assert_eq!(&text, b"not aligned to anything");
    zone.write_at(100, b"").unwrap();
    zone.write_at(99, b"x").unwrap();
    let cases = [(100, 1), (78, 23), (usize::MAX, 1), (101, 0), (1, usize::MAX >> 40)];
    for (offset, len) in cases {
        let mut bytes = vec![0; len];
        let expected = Some((offset, len, 100));
        for error in [zone.write_at(offset, &bytes), zone.read_at(offset, &mut bytes)] {
            let out = match error {
                Err(ZoneAccessError::OutOfBounds { offset, len, zone_len, .. }) => {
                    Some((offset, len, zone_len))
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(out, expected);
        }
    }
}

#[test]
fn what_cannot_be_reserved_is_refused_as_dpdk_refuses_it() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(1 << 20).join().unwrap();
    let zones = primary.memzones();
    zones.reserve("taken", 1).commit().unwrap();
    let long = "x".repeat(32);
    let cases: [(&str, usize, usize, Errno, &str); 12] = [
        ("", 1, 64, Errno::INVAL, "memory zone \"\" cannot be reserved"),
        ("a\0b", 1, 64, Errno::INVAL, "memory zone \"a\\x00b\" cannot be reserved"),
        (&long, 1, 64, Errno::NAMETOOLONG, &format!("memory zone \"{long}\" cannot be reserved")),
        (
            "none",
            0,
            64,
            Errno::INVAL,
            "memory zone \"none\" cannot have 0 bytes; it takes 1 or more",
        ),
        (
            "odd",
            1,
            48,
            Errno::INVAL,
            "memory zone \"odd\" cannot be aligned to 48; it takes a power of two",
        ),
        (
            "zero",
            1,
            0,
            Errno::INVAL,
            "memory zone \"zero\" cannot be aligned to 0; it takes a power of two",
        ),
        (
            "taken",
            1,
            64,
            Errno::EXIST,
            "there is a memory zone \"taken\" already; look it up, or free it first",
        ),
        (
            "large",
            1 << 20,
            64,
            Errno::NOMEM,
            "there is no room for memory zone \"large\" of 1048576 bytes aligned to 64: there is \
             for 749504; free zones, or start the primary with more memory (-m)",
        ),
        (
            "far",
            1,
            1 << 40,
            Errno::NOMEM,
            "there is no room for memory zone \"far\" of 1 bytes aligned to 1099511627776: there \
             is for 0; free zones, or start the primary with more memory (-m)",
        ),
        (
            "all",
            usize::MAX - 63,
            64,
            Errno::NOMEM,
            "there is no room for memory zone \"all\" of 18446744073709551552 bytes aligned to 64: \
             there is for 749504; free zones, or start the primary with more memory (-m)",
        ),
        (
            "more",
            usize::MAX - 62,
            64,
            Errno::INVAL,
            "memory zone \"more\" cannot have 18446744073709551553 bytes; no address space has room \
             for them",
        ),
        (
            "taken",
            usize::MAX,
            3,
            Errno::EXIST,
            "there is a memory zone \"taken\" already; look it up, or free it first",
        ),
    ];
    for (name, len, align, errno, text) in cases {
        let error = zones.reserve(name, len).align(align).commit().unwrap_err();
        assert_eq!((error.errno(), error.to_string().as_str()), (errno.raw_os_error(), text));
    }
    let error = zones.lookup(&long).unwrap_err();
    assert_eq!(error.errno(), Errno::NAMETOOLONG.raw_os_error());
    let source = ZoneNameError::TooLong { len: 32, max: 31 };
    assert!(matches!(error, LookupError::Name { source: found, .. } if found == source));
    assert_eq!(zones.lookup("").unwrap_err().errno(), Errno::INVAL.raw_os_error());
    assert_eq!(zones.lookup("other").unwrap_err().errno(), Errno::NOENT.raw_os_error());
    assert_eq!(zones.iter().unwrap().count(), 1, "nothing else was reserved");
}

#[test]
fn a_bound_that_a_zone_does_not_fit_into_is_refused_as_dpdk_refuses_it() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(1 << 20).join().unwrap();
    let zones = primary.memzones();
    let cases = [
        (1, 64, true),
        (64, 64, true),
        (65, 64, false),
        (65, 128, true),
        (1, 63, false),
        (1, 32, false),
        (1, 96, false),
        (1, 1 << 40, true),
        (100, 0, true),
    ];
    for (len, bound, expected) in cases {
        let reservation = zones.reserve("zone", len).bound(bound);
        assert_eq!(reservation.check().is_ok(), expected, "{len} bytes in {bound}");
        match reservation.commit() {
            Ok(zone) => zones.free(zone).unwrap(),
            Err(error) => assert_eq!(error.errno(), Errno::INVAL.raw_os_error(), "{error}"),
        }
    }
    let refused = zones.reserve("zone", 100).bound(96).commit().unwrap_err();
    let text = "memory zone \"zone\" of 100 bytes cannot have a bound of 96; it takes a power of two \
                that is not less than 128, or 0 for none";
    assert_eq!(refused.to_string(), text);
    assert!(matches!(refused, ReserveError::Bound { least: 128, .. }), "{refused:?}");
    assert!(zones.reserve_largest("zone").bound(32).commit().is_err());

    // Room for 749504 bytes, but for none of them a megabyte from a bound.
    let refused = zones.reserve("zone", 700_000).bound(1 << 20).align(1 << 18).commit();
    let refused = refused.unwrap_err().to_string();
    let text = "there is no room for memory zone \"zone\" of 700000 bytes aligned to 262144 that \
                crosses no multiple of 1048576: there is for 524288; free zones, or start the primary \
                with more memory (-m)";
    assert_eq!(refused, text);
}

#[test]
fn what_is_wrong_is_told_in_dpdks_order() {
    let scene = Scene::new();
    let primary = scene.primary();
    let zones = primary.memzones();
    zones.reserve("taken", 1).commit().unwrap();
    let long = "x".repeat(32);
    for (what, name, len, align, bound, expected) in [
        ("the name", &*long, 0, 3, 3, Errno::NAMETOOLONG),
        ("that it is taken", "taken", usize::MAX, 3, 3, Errno::EXIST),
        ("the alignment", "zone", usize::MAX, 3, 3, Errno::INVAL),
        ("room", "zone", 1 << 40, 64, 1 << 40, Errno::NOMEM),
    ] {
        let reservation = zones.reserve(name, len).align(align).bound(bound);
        let error = reservation.clone().commit().unwrap_err();
        assert_eq!(error.errno(), expected.raw_os_error(), "{what}: {error}");
        let checked = reservation.check().map_err(|error| error.to_string());
        let expected = if what == "room" { Ok(()) } else { Err(error.to_string()) };
        assert_eq!(checked, expected, "{what}");
    }
    assert_eq!(zones.iter().unwrap().count(), 1, "nothing else was reserved");
}

#[test]
fn a_zone_is_freed_once() {
    let scene = Scene::new();
    let primary = scene.primary();
    let zones = primary.memzones();
    let zone = zones.reserve("zone", 64).zeroed().commit().unwrap();
    let stale = zone.clone();
    zones.free(zone).unwrap();
    let error = zones.free(stale.clone()).unwrap_err();
    assert_eq!(error.to_string(), "memory zone \"zone\" was freed already");
    assert_eq!(error.errno(), Errno::INVAL.raw_os_error());

    // Its memory is the next one's, which the old handle shares, and cannot free.
    let next = zones.reserve("zone", 64).zeroed().commit().unwrap();
    assert_eq!(next.address(), stale.address());
    stale.write_at(0, b"late").unwrap();
    let error = zones.free(stale).unwrap_err();
    assert!(matches!(error, FreeError::Freed { .. }), "{error:?}");
    let mut text = [0; 4];
    zones.lookup("zone").unwrap().read_at(0, &mut text).unwrap();
    assert_eq!(&text, b"late");
}

#[test]
fn zones_of_another_group_are_not_freed() {
    let scene = Scene::new();
    let primary = scene.primary();
    let other = scene.builder(Role::Primary).file_prefix("other").join().unwrap();
    let zone = other.memzones().reserve("zone", 64).commit().unwrap();
    primary.memzones().reserve("zone", 64).commit().unwrap();
    let error = primary.memzones().free(zone).unwrap_err();
    let text = "memory zone \"zone\" is none of the group of file prefix \"test\"";
    assert_eq!((error.to_string().as_str(), error.errno()), (text, Errno::INVAL.raw_os_error()));
    assert!(other.memzones().lookup("zone").is_ok() && primary.memzones().lookup("zone").is_ok());
    other.leave();
    std::fs::remove_dir(scene.base().join("dpdk/other")).unwrap();
}

/// The table is filled by hand, as reserving so much takes a while where every load is watched.
#[test]
fn a_group_has_2560_zones_and_no_more() {
    const STATES: u64 = 4096;
    const ENTRIES: u64 = 36_864;
    const ZONES: u64 = 299_008;
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let file = arena_of(&secondary);
    for slot in 0..2560 {
        let name = format!("{slot:08}").into_bytes();
        let name = u64::from_ne_bytes(name.try_into().unwrap());
        let entry = [name, 0, 0, 0, ZONES + slot * 64, 64];
        file.write_all_at(entry.map(u64::to_ne_bytes).as_flattened(), ENTRIES + slot * 64).unwrap();
        file.write_all_at(&1_u64.to_ne_bytes(), STATES + slot * 8).unwrap();
    }
    let zones = primary.memzones();
    let error = zones.reserve("one more", 1).commit().unwrap_err();
    assert!(matches!(error, ReserveError::TooMany { max: 2560, .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::NOSPC.raw_os_error());
    // Whatever else is wrong.
    for (name, align) in [("one more", 3), ("00000001", 64), ("00000001", 3)] {
        let reservation = zones.reserve(name, 1).align(align);
        for error in [reservation.check().unwrap_err(), reservation.commit().unwrap_err()] {
            assert!(matches!(error, ReserveError::TooMany { .. }), "{name}: {error:?}");
        }
    }
    assert_eq!(zones.iter().unwrap().count(), 2560);
    file.write_all_at(&0_u64.to_ne_bytes(), STATES + 7 * 8).unwrap();
    let zone = zones.reserve("one more", 1).commit().unwrap();
    assert_eq!(zone.address(), (1 << 32) + ZONES + 7 * 64, "the place that was free");
}
