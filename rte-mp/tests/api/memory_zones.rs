//! Memory zones between members: reserved, found, used, freed, listed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use rte_mp::{Drive, Group, LookupError, MemoryError, ReserveError, Role};
use rustix::io::Errno;

use crate::common::child::Child;
use crate::common::{Scene, arenas, ask, message, wait_for};

#[test]
fn what_one_member_reserves_every_member_finds_at_the_same_address() {
    let scene = Scene::new();
    let primary = scene.primary();
    let mut child = Child::member(&scene, "secondary");
    let zone = primary.memzones().reserve("MZ_SHARED_INFO", 24).zeroed().commit().unwrap();
    assert_eq!((*zone.name() == "MZ_SHARED_INFO", zone.len()), (true, 24));
    assert_eq!(zone.address(), zone.as_ptr().addr() as u64);
    assert_eq!(zone.address() % 64, 0, "on a cache line");

    child.tell("lookup MZ_SHARED_INFO");
    assert_eq!(child.expect("zone"), format!("{0:#x} {0:#x} 24", zone.address()));
    child.tell("reserve ITS_OWN 8");
    let its_own = child.expect("zone");
    child.tell("count ITS_OWN 1000");
    child.expect("counted");
    let found = primary.memzones().lookup("ITS_OWN").unwrap();
    assert_eq!(its_own, format!("{0:#x} {0:#x} 8", found.address()));
    assert_eq!(found.shared::<AtomicU64>().unwrap().load(Ordering::Relaxed), 1000);

    // And any member frees what another has reserved.
    child.tell("free MZ_SHARED_INFO");
    child.expect("freed");
    let error = primary.memzones().lookup("MZ_SHARED_INFO").unwrap_err();
    assert!(matches!(error, LookupError::NotFound { .. }), "{error:?}");
    primary.memzones().free(found).unwrap();
    child.tell("lookup ITS_OWN");
    child.expect("failed there is no memory zone \"ITS_OWN\" in the group of file prefix \"test\"");
    child.end();
}

#[test]
fn members_count_in_one_struct_of_atomics() {
    let scene = Scene::new();
    let primary = scene.primary();
    let mut children = [Child::member(&scene, "secondary"), Child::member(&scene, "secondary")];
    let zone = primary.memzones().reserve("count", 8).zeroed().commit().unwrap();
    for child in &mut children {
        child.tell("count count 20000");
    }
    let counter: &AtomicU64 = zone.shared().unwrap();
    for _ in 0..20_000 {
        counter.fetch_add(1, Ordering::Relaxed);
    }
    children.iter().for_each(|child| drop(child.expect("counted")));
    assert_eq!(counter.load(Ordering::Relaxed), 60_000);
    children.into_iter().for_each(Child::end);
}

#[test]
fn freed_space_is_merged_and_used_again() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(1 << 20).join().unwrap();
    let zones = primary.memzones();
    const ROOM: usize = (1 << 20) - 299_008;
    let thirds: Vec<_> = (0..3)
        .map(|n| zones.reserve(format!("third {n}"), ROOM / 3 - 64).commit().unwrap())
        .collect();
    let error = zones.reserve("half", ROOM / 2).commit().unwrap_err();
    assert!(matches!(error, ReserveError::NoRoom { .. }), "{error:?}");
    let [first, second, third] = thirds.try_into().unwrap();
    let address = first.address();
    zones.free(third).unwrap();
    zones.free(first).unwrap();
    zones.free(second).unwrap();
    let all = zones.reserve("all", ROOM).zeroed().commit().unwrap();
    assert_eq!(all.address(), address);
}

#[test]
fn a_zone_crosses_no_bound() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(1 << 20).join().unwrap();
    let zones = primary.memzones();
    let bounded = |n, len| zones.reserve(format!("bounded {n}"), len).bound(4096).commit().unwrap();
    let between = |address: u64, len: u64| address / 4096 == (address + len - 1) / 4096;
    let all: Vec<_> = (0..20).map(|n| bounded(n, 1500)).collect();
    for zone in &all {
        assert!(between(zone.address(), 1500), "{zone:?}");
    }
    // Two fit between two bounds; what is left there is not lost.
    let pages: Vec<_> =
        all.iter().map(|zone| zone.address() / 4096 - all[0].address() / 4096).collect();
    assert_eq!(pages, (0..20).map(|n| n / 2).collect::<Vec<_>>());
    let free = zones.reserve("free", 5000).commit().unwrap();
    assert!(free.address() > all[19].address());
    let small = zones.reserve("small", 1000).commit().unwrap();
    assert_eq!(small.address(), all[1].address() + 1536);
}

#[test]
fn the_largest_free_block_can_be_had() {
    const DATA: u64 = (1 << 20) - 299_008;
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(1 << 20).join().unwrap();
    let zones = primary.memzones();
    let first = zones.reserve("first", 100).commit().unwrap();
    let middle = zones.reserve("middle", 100_000).commit().unwrap();
    let last = zones.reserve_largest("last").zeroed().commit().unwrap();
    assert_eq!(last.address(), middle.address() + 100_032);
    assert_eq!(last.len() as u64, DATA - 128 - 100_032);
    last.write_at(last.len() - 1, &[1]).unwrap();
    let full = zones.reserve_largest("more").commit().unwrap_err();
    assert!(matches!(full, ReserveError::NoRoom { largest: 0, .. }), "{full:?}");
    assert_eq!(full.errno(), Errno::NOMEM.raw_os_error());

    zones.free(first).unwrap();
    let small = zones.reserve_largest("small").commit().unwrap();
    assert_eq!(small.len(), 128);
    zones.free(last).unwrap();
    let bounded = zones.reserve_largest("bounded").bound(65_536).align(4096).commit().unwrap();
    assert_eq!((bounded.len(), bounded.address() % 65_536), (65_536, 0));
    zones.free(bounded).unwrap();
    // As DPDK has it: as long as the bound, or not at all.
    let exact = zones.reserve("exact", 1 << 20).bound(1 << 20).commit().unwrap_err();
    assert_eq!(exact.errno(), Errno::NOMEM.raw_os_error());
    let aligned = zones.reserve_largest("aligned").align(1 << 18).commit().unwrap();
    assert_eq!((aligned.address() % (1 << 18), aligned.len()), (0, 1 << 19));
}

#[test]
fn a_native_zone_is_described_as_dpdk_describes_memory_without_hugepages() {
    let scene = Scene::new();
    let primary = scene.primary();
    let zone = primary.memzones().reserve("zone", 100).commit().unwrap();
    let info = zone.info();
    assert_eq!((info.name().as_bytes(), info.len()), (&b"zone"[..], 100));
    assert_eq!(info.address(), zone.as_ptr().addr() as u64);
    assert_eq!((info.page_len(), info.socket(), info.flags(), info.iova()), (4096, 0, 0, None));
    assert_eq!(primary.memzones().iter().unwrap().next(), Some(info));
}

#[test]
fn zones_are_listed_and_written_down_by_their_address() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(1 << 20).join().unwrap();
    let zones = primary.memzones();
    assert_eq!(zones.iter().unwrap().count(), 0);
    for (name, len) in [("b", 100), ("a\x1b", 1), ("c", 4096)] {
        zones.reserve(name, len).commit().unwrap();
    }
    let listed: Vec<_> =
        zones.iter().unwrap().map(|zone| (zone.name().to_string(), zone.len())).collect();
    let expected = [("b", 100), ("a\\x1b", 1), ("c", 4096)];
    assert_eq!(listed, expected.map(|(name, len)| (name.to_owned(), len)));
    let mut text = Vec::new();
    zones.dump(&mut text).unwrap();
    let base = zones.lookup("b").unwrap().address() - 299_008;
    let expected = format!(
        "3 of 2560 memory zones in 1048576 bytes at {base:#x}; \
         there is room for one of 745280 bytes\n\
         {:#x}: 100 bytes, \"b\"\n\
         {:#x}: 1 bytes, \"a\\x1b\"\n\
         {:#x}: 4096 bytes, \"c\"\n",
        base + 299_008,
        base + 299_008 + 128,
        base + 299_008 + 192,
    );
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    let error = zones.dump(&mut &mut [0_u8; 10][..]).unwrap_err();
    assert_eq!(error.to_string(), "the list of memory zones cannot be written");
}

#[test]
fn handlers_use_zones_and_attach_from_inside() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    for group in [&primary, &secondary] {
        let zones = group.memzones();
        group
            .register("reserve", move |request| {
                let name = request.param().to_vec();
                let zone = zones.reserve(&name, 8).zeroed().commit().unwrap();
                zone.shared::<AtomicU64>().unwrap().store(5, Ordering::Relaxed);
                zones.lookup(&name).unwrap();
                request.reply(&zone.address().to_ne_bytes())
            })
            .unwrap();
    }
    let address = |bytes: Vec<u8>| u64::from_ne_bytes(bytes.try_into().unwrap());
    let first = address(ask(&secondary, "reserve", b"by the primary"));
    let second = address(ask(&primary, "reserve", b"by the secondary"));
    let listed: Vec<_> = primary.memzones().iter().unwrap().map(|zone| zone.address()).collect();
    assert_eq!(listed, [first, second]);
}

#[test]
fn a_secondary_that_the_caller_drives_has_zones_without_being_driven() {
    let scene = Scene::new();
    let primary = scene.primary();
    primary.memzones().reserve("zone", 8).commit().unwrap();
    let secondary = scene.builder(Role::Secondary).drive(Drive::Caller).join().unwrap();
    secondary.memzones().lookup("zone").unwrap();
}

#[test]
fn a_primary_that_the_caller_drives_hands_out_its_memory_as_it_is_driven() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).drive(Drive::Caller).join().unwrap();
    primary.memzones().reserve("zone", 8).commit().unwrap();
    let (sender, found) = channel();
    let secondary = scene.secondary();
    thread::scope(|scope| {
        scope.spawn(move || sender.send(secondary.memzones().lookup("zone").map(drop)).unwrap());
        let found = loop {
            primary.process();
            if let Ok(found) = found.try_recv() {
                break found;
            }
        };
        found.unwrap();
    });
}

#[test]
fn threads_of_several_members_reserve_and_free_at_once() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let taken = primary.memzones().reserve("count", 8).zeroed().commit().unwrap();
    let work = |group: &Group, thread: usize| {
        let zones = group.memzones();
        for round in 0..50 {
            let own = format!("zone {thread} {round}");
            let zone = zones.reserve(&own, 1000).zeroed().commit().unwrap();
            let words: &[AtomicU64; 125] = zone.shared().unwrap();
            for word in words {
                assert_eq!(word.swap(thread as u64 + 1, Ordering::Relaxed), 0, "it is ours");
            }
            // All want this one, and one has it.
            match zones.reserve("contended", 64).commit() {
                Ok(zone) => {
                    let count = zones.lookup("count").unwrap();
                    count.shared::<AtomicU64>().unwrap().fetch_add(1, Ordering::Relaxed);
                    zones.free(zone).unwrap();
                }
                Err(ReserveError::Exists { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
            assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == thread as u64 + 1));
            zones.free(zone).unwrap();
        }
    };
    thread::scope(|scope| {
        for thread in 0..2 {
            let (primary, secondary) = (&primary, &secondary);
            scope.spawn(move || work(primary, 2 * thread));
            scope.spawn(move || work(secondary, 2 * thread + 1));
        }
    });
    assert!(taken.shared::<AtomicU64>().unwrap().load(Ordering::Relaxed) > 0);
    assert_eq!(primary.memzones().iter().unwrap().count(), 1);
}

#[test]
fn a_zone_outlives_the_group_and_its_memory_goes_with_the_last_of_them() {
    let scene = Scene::new();
    let primary = scene.primary();
    let zones = primary.memzones();
    let zone = zones.reserve("zone", 8).zeroed().commit().unwrap();
    primary.leave();
    zone.shared::<AtomicU64>().unwrap().store(7, Ordering::Relaxed);
    assert_eq!(arenas(), 1);

    let error = zones.lookup("zone").unwrap_err();
    let LookupError::Memory { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(source, MemoryError::Left { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::SHUTDOWN.raw_os_error());
    let left = [
        zones.reserve("new", 8).commit().unwrap_err().errno(),
        zones.free(zone.clone()).unwrap_err().errno(),
        zones.iter().unwrap_err().errno(),
        zones.dump(&mut Vec::new()).unwrap_err().errno(),
    ];
    assert_eq!(left, [Errno::SHUTDOWN.raw_os_error(); 4]);
    drop(zones);
    assert_eq!(arenas(), 1, "the zone has it");
    drop(zone);
    assert_eq!(arenas(), 0);
}

#[test]
fn memzones_do_not_keep_a_group_from_being_left() {
    let scene = Scene::new();
    let primary = scene.primary();
    let zones = primary.memzones();
    drop(primary);
    assert!(zones.iter().is_err());
    assert_eq!(scene.files(), [""; 0]);
}

#[test]
fn a_message_can_tell_where_to_look() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, seen) = channel();
    let zones = primary.memzones();
    primary
        .register("look", move |request| {
            let zone = zones.lookup(request.param()).unwrap();
            let mut bytes = vec![0; zone.len()];
            zone.read_at(0, &mut bytes).unwrap();
            sender.send(bytes).unwrap();
        })
        .unwrap();
    let zone = secondary.memzones().reserve("large", 1000).commit().unwrap();
    zone.write_at(0, &[7; 1000]).unwrap();
    let look = message("look").with_param(zone.name().as_bytes()).unwrap();
    secondary.send(&look).unwrap();
    assert_eq!(wait_for(&seen), [7; 1000]);
}
