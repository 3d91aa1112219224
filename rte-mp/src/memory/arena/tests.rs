//! Arenas of this process: where they lie, what they cost, what is in new zones.

use std::os::unix::fs::MetadataExt;

use super::*;

const MIB: u64 = 1 << 20;
const LONG: Duration = Duration::from_secs(30);

fn arena(size: u64) -> Arena {
    Arena::create(&Wish { size: Some(size), ..Wish::default() }, 7).unwrap()
}

fn order(name: &str, len: u64) -> Order {
    let (name, amount) = (ZoneName::new(name).unwrap(), Amount::Exactly(len));
    Order { name, amount, align: 64, bound: None, zeroed: false }
}

/// How many bytes of memory the arena takes.
fn cost(arena: &Arena) -> u64 {
    arena.file().metadata().unwrap().blocks() * 512
}

#[test]
fn an_arena_costs_what_is_touched_of_it() {
    let arena = Arena::create(&Wish::default(), 7).unwrap();
    assert_eq!(arena.usage(&[]).size, 1 << 30);
    assert!(cost(&arena) < MIB, "{} bytes", cost(&arena));
    let zeroed = Order { zeroed: true, ..order("large", 512 * MIB) };
    let zone = arena.reserve(&zeroed, LONG).unwrap();
    assert!(cost(&arena) < MIB, "zeros cost nothing: {} bytes", cost(&arena));
    arena.area.clear(zone.offset as usize, 4 << 20);
    assert!(cost(&arena) >= 4 * MIB);
    assert!(arena.free(zone.ticket, LONG).unwrap());
    assert!(cost(&arena) < MIB, "and is given back: {} bytes", cost(&arena));
}

#[test]
fn a_zone_of_zeros_has_them_at_every_byte_and_its_neighbours_keep_theirs() {
    let arena = arena(MIB);
    let data = DATA_START..1 << 20;
    // Lengths from less than a cache line to many pages, all beginning off a page.
    for len in [1, 64, 5000, 80_000, 200_000_u64] {
        arena.area.write(data.start, &vec![0xff; data.len()]);
        let first = arena.reserve(&order("first", 100), LONG).unwrap();
        let zone = arena.reserve(&Order { zeroed: true, ..order("zone", len) }, LONG).unwrap();
        let mut bytes = vec![0xff; data.len()];
        arena.area.read(data.start, &mut bytes);
        let start = zone.offset as usize - data.start;
        let end = start + (len as usize).next_multiple_of(64);
        assert!(bytes[start..end].iter().all(|&byte| byte == 0), "{len}");
        let others = bytes[..start].iter().chain(&bytes[end..]);
        assert!(others.clone().all(|&byte| byte == 0xff), "{len}");
        for zone in [first, zone] {
            assert!(arena.free(zone.ticket, LONG).unwrap());
        }
    }
}

const DATA_START: usize = layout::DATA as usize;

#[test]
fn a_second_arena_of_a_process_lies_elsewhere() {
    let first = arena(MIB);
    let second = arena(MIB);
    assert_ne!(first.header.base, second.header.base);
    let usual = usual_addresses();
    assert!([first, second].iter().all(|arena| usual.contains(&arena.header.base)));
}

#[test]
fn members_of_one_process_share_a_mapping() {
    let first = arena(MIB);
    let handed_out = first.file().try_clone().unwrap();
    let second = Arena::attach(handed_out, 7).unwrap();
    assert!(Arc::ptr_eq(&first.area, &second.area));
    let zone = first.reserve(&order("zone", 10), LONG).unwrap();
    assert_eq!(second.lookup(&zone.name), Some(zone));
}

#[test]
fn an_arena_of_another_id_is_refused() {
    let arena = arena(MIB);
    let error = Arena::attach(arena.file().try_clone().unwrap(), 8).unwrap_err();
    assert!(matches!(error, MemoryError::NotAnArena { .. }), "{error:?}");
}

#[test]
fn an_arena_that_cannot_be_is_refused_with_what_would_be_right() {
    let create = |size, base| {
        let wish = Wish { size: Some(size), base: Some(base), huge_dir: None };
        Arena::create(&wish, 7).map(drop).unwrap_err()
    };
    let good = 0x5_0000_0000;
    for size in [0, MIB - 4096, 1 << 47, u64::MAX] {
        let error = create(size, good);
        assert!(matches!(error, ArenaError::Size { .. }), "{size}: {error:?}");
    }
    for base in [0, 4096, good + 1, u64::MAX - 4095, (1 << 47) - 4096] {
        let error = create(MIB, base);
        assert!(matches!(error, ArenaError::Address { .. }), "{base:#x}: {error:?}");
    }
    let first = Arena::create(&Wish { base: Some(good), ..Wish::default() }, 7).unwrap();
    let error = create(MIB, good + MIB);
    assert!(matches!(error, ArenaError::Occupied { by: Some(_), .. }), "{error:?}");
    drop(first);
    let wish = Wish { huge_dir: Some("/proc/self".into()), ..Wish::default() };
    let error = Arena::create(&wish, 7).unwrap_err();
    let text = "/proc/self (--huge-dir) is no hugetlbfs; mount one there: \
                mount -t hugetlbfs -o pagesize=2M none /proc/self";
    assert_eq!(error.to_string(), text);
    let wish = Wish { huge_dir: Some("/missing".into()), ..Wish::default() };
    let error = Arena::create(&wish, 7).unwrap_err();
    assert_eq!(error.to_string(), "no file can be made in /missing (--huge-dir)");
}

#[test]
fn a_size_is_rounded_up_to_whole_pages() {
    assert_eq!(arena(MIB + 1).header.size, MIB + 4096);
}
