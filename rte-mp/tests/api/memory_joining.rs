//! The memory that a primary makes as it joins: how large, where, of what; and why it cannot.

use std::fs;

use rte_mp::{ArenaError, JoinError, Role};
use rustix::io::Errno;

use crate::common::child::Child;
use crate::common::{PREFIX, Scene, descriptors_of};

/// The first line of a dump: how large the memory is, and where.
fn heading(scene: &Scene, size: u64, address: u64) -> (String, String) {
    let primary = scene.builder(Role::Primary).memory_size(size).base_virtaddr(address).join();
    let mut text = Vec::new();
    primary.unwrap().memzones().dump(&mut text).unwrap();
    let expected = format!(
        "0 of 2560 memory zones in {size} bytes at {address:#x}; there is room for one of {} bytes\n",
        size - 299_008
    );
    (String::from_utf8(text).unwrap(), expected)
}

#[test]
fn a_group_has_a_gibibyte_where_dpdk_has_it_unless_told_otherwise() {
    let scene = Scene::new();
    let primary = scene.primary();
    let zone = primary.memzones().reserve("first", (1 << 30) - 299_008).commit().unwrap();
    assert_eq!(zone.address(), 0x1_0000_0000 + 299_008);
}

#[test]
fn the_builder_says_how_much_memory_and_where() {
    let scene = Scene::new();
    for (size, address) in [(1 << 20, 0x7_0000_0000), (3 << 30, 0x8_0000_0000)] {
        let (text, expected) = heading(&scene, size, address);
        assert_eq!(text, expected);
    }
}

#[test]
fn a_command_line_says_how_much_memory_and_where() {
    let scene = Scene::new();
    let mut child = Child::start(&scene);
    child.tell(
        &format!("start -n 4 -m 64 --base-virtaddr=0x7_00000000 --file-prefix={PREFIX}")
            .replace('_', ""),
    );
    assert_eq!(child.expect("started with"), "[\"-n 4\"] ignored");
    child.tell("dump");
    child.expect("0 of 2560 memory zones in 67108864 bytes at 0x700000000;");
    // A secondary's are the primary's.
    let mut other = Child::start(&scene);
    other.tell(&format!(
        "start -m 1 --base-virtaddr=900000000 --huge-dir=/missing --proc-type=secondary \
         --file-prefix={PREFIX}"
    ));
    assert_eq!(other.expect("started with"), "[] ignored");
    other.tell("dump");
    other.expect("0 of 2560 memory zones in 67108864 bytes at 0x700000000;");
    other.end();
    child.end();
}

#[test]
fn memory_that_cannot_be_made_is_refused_and_nothing_is_left() {
    let scene = Scene::new();
    let other = scene.builder(Role::Primary).file_prefix("other").base_virtaddr(0x9_0000_0000);
    let other = other.join().unwrap();
    let builder = || scene.builder(Role::Primary);
    let cases = [
        ("small", builder().memory_size(1 << 19), Errno::INVAL),
        ("vast", builder().memory_size(u64::MAX), Errno::INVAL),
        ("nowhere", builder().base_virtaddr(1), Errno::INVAL),
        ("occupied", builder().base_virtaddr(0x9_1000_0000), Errno::ADDRNOTAVAIL),
        ("no mount", builder().huge_dir(scene.base()), Errno::INVAL),
        ("no directory", builder().huge_dir(scene.base().join("missing")), Errno::NOENT),
        ("a file", builder().huge_dir("/proc/version"), Errno::NOTDIR),
    ];
    for (what, builder, errno) in cases {
        let error = builder.join().map(drop).unwrap_err();
        assert!(matches!(error, JoinError::Memory { .. }), "{what}: {error:?}");
        assert_eq!(error.errno(), errno.raw_os_error(), "{what}: {error:?}");
        assert_eq!(scene.files(), [""; 0], "{what}");
    }
    let error = builder().base_virtaddr(0x9_1000_0000).join().map(drop).unwrap_err();
    let JoinError::Memory { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(
        source.to_string(),
        "/memfd:rte-mp lies where 1073741824 bytes of memory were to begin, at 0x910000000; \
         choose another address (--base-virtaddr)"
    );
    assert!(matches!(source, ArenaError::Occupied { .. }));
    other.leave();
    fs::remove_dir(scene.base().join("dpdk/other")).unwrap();
}

#[test]
fn a_secondary_has_no_memory_before_it_uses_it() {
    let scene = Scene::new();
    let primary = scene.primary();
    let mut child = Child::member(&scene, "secondary");
    let memfds = || {
        let links = descriptors_of(child.pid()).into_values();
        links.filter(|link| link.starts_with("/memfd:rte-mp (deleted)")).count()
    };
    assert_eq!(memfds(), 0);
    primary.memzones().reserve("zone", 8).commit().unwrap();
    child.tell("lookup zone");
    child.expect("zone");
    let memfds = descriptors_of(child.pid())
        .into_values()
        .filter(|link| link.to_string_lossy().contains("memfd:rte-mp"))
        .count();
    assert_eq!(memfds, 1);
    child.end();
}
