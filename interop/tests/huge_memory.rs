//! A native group's memory on a hugetlbfs. It stands here because this is where there are hugepages.

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use rte_mp::{ArenaError, JoinError, Role};
use rte_mp_interop::{free_hugepages, with_hugepages};

const MIB: u64 = 1 << 20;

#[test]
fn memory_of_hugepages_is_shared_and_given_back() {
    with_hugepages(|room, mount| {
        let free = free_hugepages();
        let files = || fs::read_dir(mount).expect("it is mounted").count();
        let before = files();
        let builder = || room.group(Role::Primary).huge_dir(mount);
        let primary = builder().memory_size(31 * MIB).join().expect("there are pages");
        assert_eq!(free_hugepages(), free - 16, "taken as we join, whole pages");
        assert_eq!(files(), before, "there is no file to be left behind");

        let secondary = room.member();
        let zones = secondary.memzones();
        // Dirty, freed, and reserved again with zeros: once within a page, once over many.
        for len in [1000, 20 * MIB as usize] {
            let zone = zones.reserve("zone", len).commit().expect("there is room");
            zone.write_at(0, &vec![0xff; len]).expect("it is that long");
            zones.free(zone).expect("it was there");
            let zone = zones.reserve("zone", len).zeroed().commit().expect("there is room");
            let mut bytes = vec![0xff; len];
            zone.read_at(0, &mut bytes).expect("it is that long");
            assert!(bytes.iter().all(|&byte| byte == 0), "{len} zeros");
            let seen = primary.memzones().lookup("zone").expect("it is published");
            seen.shared::<AtomicU64>().expect("it is long enough").store(7, Ordering::Relaxed);
            zone.read_at(0, &mut bytes).expect("it is that long");
            assert_eq!(bytes[..8], 7_u64.to_ne_bytes());
            zones.free(zone).expect("it was there");
        }
        let zone = zones.reserve("kept", 8).commit().expect("there is room");
        secondary.leave();
        primary.leave();
        drop(zones);
        assert_eq!(free_hugepages(), free - 16, "a zone keeps them");
        drop(zone);
        assert_eq!(free_hugepages(), free, "and with the last they are given back");
    });
}

#[test]
fn blocks_of_hugepages_are_filled_with_zeros() {
    const LEN: usize = 3 * MIB as usize + 1000;
    with_hugepages(|room, mount| {
        let primary = room.group(Role::Primary).huge_dir(mount).memory_size(16 * MIB);
        let primary = primary.join().expect("there are pages");
        let (heap, zones) = (primary.heap(), primary.memzones());
        // The heap's own words are there before the zone that has all the rest.
        heap.free(heap.allocate(MIB as usize, 0).expect("there is room")).expect("it was there");
        let mut text = Vec::new();
        zones.dump(&mut text).expect("it can be written");
        let text = String::from_utf8(text).expect("it is text");
        let room = text.split(' ').rev().nth(1).expect("it ends with the bytes left");
        let room = room.parse().expect("a number");
        let all = zones.reserve("all", room).commit().expect("there is room");
        all.write_at(0, &vec![0xff; room]).expect("it is that long");
        zones.free(all).expect("it was there");

        let block = heap.allocate_zeroed(LEN, 0).expect("there is room");
        heap.free(block).expect("it was there");
        let all = zones.reserve("all", room).commit().expect("there is room");
        let at = block.as_ptr().addr() - all.address() as usize;
        let mut bytes = vec![0; room];
        all.read_at(0, &mut bytes).expect("it is that long");
        assert!(bytes[at..at + LEN].iter().all(|&byte| byte == 0), "zeros");
        let others = bytes[..at].iter().chain(&bytes[at + LEN.next_multiple_of(64)..]);
        assert!(others.clone().all(|&byte| byte == 0xff), "nothing else is touched");
    });
}

#[test]
fn too_few_hugepages_are_counted_in_the_error() {
    with_hugepages(|room, mount| {
        let free = free_hugepages() as u64;
        let builder = room.group(Role::Primary).huge_dir(mount);
        let error = builder.memory_size((free + 1) * 2 * MIB).join().map(drop).unwrap_err();
        assert_eq!(free_hugepages() as u64, free, "nothing is kept");
        let JoinError::Memory { source, .. } = &error else { panic!("{error:?}") };
        assert!(matches!(source, ArenaError::HugePages { .. }), "{error:?}");
        let text = error.source().expect("it has a cause").to_string();
        let start =
            format!("the memory takes {} huge pages of 2048 kB, and {free} are free;", free + 1);
        assert!(text.starts_with(&start), "{text}");
        assert!(room.files().is_empty(), "the group was left");
    });
}
