//! The heap of arenas of this process: what blocks hold, what they cost, and who else is there.

use std::collections::BTreeMap;
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::AtomicBool;
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::super::super::arena::{Amount, Order, Wish};
use super::super::usage::HeapUsage;
use super::*;
use rte_mp_proto::memory::ZoneName;

const MIB: u64 = 1 << 20;
const LONG: Duration = Duration::from_secs(30);

fn arena(size: u64) -> Arena {
    Arena::create(&Wish { size: Some(size), ..Wish::default() }, 7).unwrap()
}

/// Another member's.
fn attached(arena: &Arena) -> Arena {
    Arena::attach(arena.file().try_clone().unwrap(), 7).unwrap()
}

fn store(arena: &Arena) -> Store<'_> {
    Store { arena, timeout: LONG }
}

fn want(len: u64, align: u64) -> Want {
    Want { len, align, zeroed: false }
}

fn zone(name: &str, len: u64) -> Order {
    Order {
        name: ZoneName::new(name).unwrap(),
        amount: Amount::Exactly(len),
        align: 64,
        bound: None,
        zeroed: false,
    }
}

/// How many bytes of memory the arena takes.
fn cost(arena: &Arena) -> u64 {
    arena.file().metadata().unwrap().blocks() * 512
}

/// Bytes that tell which block they are of.
fn fill(arena: &Arena, offset: u64, len: u64, mark: u8) {
    arena.area().write(offset as usize, &vec![mark; len as usize]);
}

fn holds(arena: &Arena, offset: u64, len: u64, mark: u8) -> bool {
    let mut bytes = vec![!mark; len as usize];
    arena.area().read(offset as usize, &mut bytes);
    bytes.iter().all(|&byte| byte == mark)
}

#[test]
fn a_heap_costs_what_is_touched_of_it_and_gives_much_back() {
    let arena = arena(1 << 30);
    let store = store(&arena);
    assert_eq!(store.free(1 << 29).ok(), Some(false), "there is no heap yet");
    let large = store.allocate(Want { zeroed: true, ..want(512 * MIB, 64) }).unwrap();
    assert!(cost(&arena) < MIB, "zeros cost nothing: {} bytes", cost(&arena));
    fill(&arena, large, 8 * MIB, 1);
    assert!(cost(&arena) >= 8 * MIB);
    assert!(store.free(large).unwrap());
    assert!(cost(&arena) < MIB, "a large block is given back: {} bytes", cost(&arena));

    let blocks: Vec<_> = (0..20_000).map(|_| store.allocate(want(1024, 64)).unwrap()).collect();
    blocks.iter().for_each(|&block| fill(&arena, block, 1024, 2));
    assert!(cost(&arena) >= 20_000 * 1024);
    blocks.iter().for_each(|&block| assert!(store.free(block).unwrap()));
    assert!(cost(&arena) < 6 * MIB, "most of many small ones: {} bytes", cost(&arena));
}

#[test]
fn a_block_of_zeros_has_them_where_others_had_their_bytes() {
    let arena = arena(4 * MIB);
    let store = store(&arena);
    for len in [1, 64, 100, 5000, 30_000, 65_536, 100_000, 2 * MIB + 1] {
        let used = store.allocate(want(len, 64)).unwrap();
        let beside = store.allocate(want(len, 64)).ok();
        for block in [Some(used), beside].into_iter().flatten() {
            fill(&arena, block, store.len_of(block).unwrap(), 0xff);
        }
        assert!(store.free(used).unwrap());
        let zeroed = store.allocate(Want { zeroed: true, ..want(len, 64) }).unwrap();
        assert!(holds(&arena, zeroed, len, 0), "{len}");
        if let Some(beside) = beside {
            assert!(holds(&arena, beside, store.len_of(beside).unwrap(), 0xff), "{len}");
            assert!(store.free(beside).unwrap());
        }
        assert!(store.free(zeroed).unwrap());
    }
}

#[test]
fn what_one_member_allocates_another_one_resizes_and_frees() {
    let arena = arena(8 * MIB);
    let (ours, other) = (store(&arena), attached(&arena));
    let theirs = store(&other);
    for len in [64, 4096, 200_000] {
        let block = ours.allocate(want(len, 64)).unwrap();
        fill(&arena, block, len, 5);
        assert_eq!(theirs.len_of(block), ours.len_of(block));
        let longer = theirs.resize(block, want(3 * len, 64)).unwrap();
        assert!(holds(&arena, longer, len, 5));
        assert_eq!(ours.len_of(block), None, "it is elsewhere");
        assert!(theirs.free(longer).unwrap());
        assert!(!ours.free(longer).unwrap(), "it was freed");
    }
}

#[test]
fn a_block_stays_where_it_is_unless_half_of_it_would_be_wasted() {
    let arena = arena(8 * MIB);
    let store = store(&arena);
    let resized = |from: u64, to: Want| {
        let block = store.allocate(want(from, 64)).unwrap();
        let len = store.len_of(block).unwrap();
        let new = store.resize(block, to).unwrap();
        let kept = (new == block, len, store.len_of(new).unwrap());
        assert!(store.free(new).unwrap());
        kept
    };
    assert_eq!(resized(100, want(128, 64)), (true, 128, 128), "it has that");
    assert_eq!(resized(100, want(129, 64)), (false, 128, 192));
    assert_eq!(resized(1000, want(600, 64)), (true, 1024, 1024));
    assert_eq!(resized(1000, want(300, 64)), (false, 1024, 384));
    assert_eq!(resized(5 * UNIT, want(3 * UNIT, 64)), (true, 5 * UNIT, 3 * UNIT));
    assert_eq!(resized(5 * UNIT, want(1000, 64)), (false, 5 * UNIT, 1024));
    assert_eq!(resized(5 * UNIT, want(6 * UNIT, 64)), (false, 5 * UNIT, 6 * UNIT));
    // The first block of a span of 192 bytes lies on any alignment up to the unit's, others do not.
    let first = store.allocate(want(192, 64)).unwrap();
    let second = store.allocate(want(192, 64)).unwrap();
    let aligned = store.resize(second, want(192, 128)).unwrap();
    assert_ne!(second, aligned);
    assert_eq!((arena.base() + aligned) % 128, 0);
    assert!(store.free(first).unwrap());
}

#[test]
fn a_block_becomes_shorter_although_there_is_no_room() {
    let arena = arena(MIB);
    let store = store(&arena);
    let block = store.allocate(want(30_000, 64)).unwrap();
    fill(&arena, block, 30_000, 9);
    while store.allocate(want(64, 64)).is_ok() {}
    let Err(Unresized::Lack(Lack::Room { largest: 0 })) = store.resize(block, want(40_000, 64))
    else {
        panic!("there is no room")
    };
    assert_eq!(store.resize(block, want(64, 64)).ok(), Some(block));
    assert!(holds(&arena, block, 30_000, 9), "it is untouched");
}

#[test]
fn zones_and_blocks_share_the_arena_down_to_the_last_byte() {
    let arena = arena(2 * MIB);
    let store = store(&arena);
    let mut blocks: Vec<u64> = Vec::new();
    for number in 0.. {
        match arena.reserve(&zone(&format!("zone {number}"), 50_000), LONG) {
            Ok(zone) => fill(&arena, zone.offset, zone.len, 0xee),
            Err(_) => break,
        }
        for len in [100, 30_000, 66_000] {
            if let Ok(block) = store.allocate(want(len, 64)) {
                fill(&arena, block, len, 0xdd);
                blocks.push(block);
            }
        }
    }
    let zones = arena.zones(LONG).unwrap();
    assert!(zones.len() > 5 && blocks.len() > 10, "{} {}", zones.len(), blocks.len());
    assert!(zones.iter().all(|zone| holds(&arena, zone.offset, zone.len, 0xee)));
    // What the heap frees, a zone can have, also where spans have nothing left in them.
    let usage = arena.usage(&zones);
    blocks.iter().for_each(|&block| assert!(store.free(block).unwrap()));
    for zone in zones {
        assert!(arena.free(zone.ticket, LONG).unwrap());
    }
    let all = arena.reserve(&zone("all", usage.size - 400_000), LONG).unwrap();
    assert!(store.allocate(want(64, 64)).is_err(), "nothing is left");
    assert!(arena.free(all.ticket, LONG).unwrap());
    store.allocate(want(64, 64)).unwrap();
}

#[test]
fn the_last_blocks_are_longer_than_need_be() {
    let arena = arena(MIB);
    let store = store(&arena);
    while store.allocate(want(3000, 64)).is_ok() {}
    let kept = store.allocate(want(64, 64));
    assert!(matches!(kept, Err(Lack::Room { largest: 0 })), "{kept:?}");
    let first = (0..MIB).step_by(64).find(|&offset| store.len_of(offset).is_some()).unwrap();
    assert!(store.free(first).unwrap());
    let instead = store.allocate(want(64, 64)).unwrap();
    assert_eq!((instead, store.len_of(instead)), (first, Some(3072)));
}

#[test]
fn what_blocks_of_one_size_have_left_others_have() {
    let arena = arena(MIB);
    let store = store(&arena);
    let fill_up = |len: u64| iter::from_fn(|| store.allocate(want(len, 64)).ok()).count() as u64;
    let free_all = || {
        let blocks = (0..MIB).step_by(64).filter(|&at| store.len_of(at).is_some());
        blocks.for_each(|block| assert!(store.free(block).unwrap()));
    };
    let units = fill_up(UNIT);
    for len in [64, 30_000, UNIT, 4096, 1000, UNIT] {
        free_all();
        let a_unit_has = Class::fitting(len, 64).next().map_or(1, Class::capacity) as u64;
        assert_eq!(fill_up(len), units * a_unit_has, "{len}");
    }
}

#[test]
fn a_heap_begins_with_nothing_where_a_zone_was_before() {
    let arena = arena(MIB);
    let all = arena.reserve(&zone("all", MIB - 299_008), LONG).unwrap();
    fill(&arena, all.offset, all.len, 0xff);
    assert!(arena.free(all.ticket, LONG).unwrap());
    let block = store(&arena).allocate(want(100, 64)).unwrap();
    assert_eq!(HeapUsage::of(&arena, LONG).unwrap().blocks, 1);
    assert!(store(&arena).free(block).unwrap());
}

/// The map of used units, as one leaves it who dies over it. It begins with the 17th word of the
/// directory, whose first one says that it is being changed.
#[test]
fn what_one_has_left_who_died_over_the_map_is_mended_by_who_comes_next() {
    for by_zones in [false, true] {
        let arena = arena(MIB);
        let store = store(&arena);
        let blocks: Vec<_> =
            [100, 70_000, 3000].map(|len| store.allocate(want(len, 64)).unwrap()).into();
        blocks.iter().for_each(|&block| fill(&arena, block, 100, 7));
        let mut directory = [0; 8];
        arena.area().read(64, &mut directory);
        let directory = u64::from_ne_bytes(directory) as usize;
        arena.area().write(directory, &1_u64.to_ne_bytes());
        arena.area().write(directory + 16 * 8, &0_u64.to_ne_bytes());
        if by_zones {
            for number in 0.. {
                let order = zone(&format!("zone {number}"), 1000);
                let Ok(zone) = arena.reserve(&order, LONG) else { break };
                fill(&arena, zone.offset, 1000, 9);
            }
        }
        while let Ok(block) = store.allocate(want(UNIT, 64)) {
            fill(&arena, block, UNIT, 9);
        }
        for &block in &blocks {
            assert!(holds(&arena, block, 100, 7));
            assert!(store.free(block).unwrap());
        }
    }
}

#[test]
fn what_is_used_is_counted() {
    let arena = arena(4 * MIB);
    let store = store(&arena);
    let usage = || HeapUsage::of(&arena, LONG).unwrap();
    let before = usage();
    assert_eq!((before.used, before.blocks, before.free_places), (0, 0, 1));
    assert_eq!((before.total, before.largest_free), (before.free, before.free));
    let small = store.allocate(want(100, 64)).unwrap();
    let large = store.allocate(want(UNIT + 1, 64)).unwrap();
    let with = usage();
    assert_eq!((with.used, with.blocks), (128 + 2 * UNIT, 2));
    assert_eq!(with.total, with.used + with.free);
    assert_eq!(with.free_places, 2, "the gap, and the span");
    // The directory has taken one unit.
    assert_eq!(with.largest_free, before.free - 4 * UNIT);
    let block = store.allocate(want(with.largest_free, 64)).unwrap();
    assert_eq!(usage().largest_free, 128);
    for block in [small, large, block] {
        assert!(store.free(block).unwrap());
    }
    assert_eq!(usage().blocks, 0);
}

#[test]
fn a_directory_that_cannot_be_is_told_and_hurts_no_zone() {
    for wrong in [1, 64, 4096, 299_008 - 64, MIB - 64, MIB, u64::MAX, u64::MAX - 63] {
        let arena = arena(MIB);
        arena.area().write(64, &wrong.to_ne_bytes());
        let store = store(&arena);
        let error = store.allocate(want(64, 64)).unwrap_err();
        assert!(matches!(error, Lack::Damaged), "{wrong:#x}: {error:?}");
        assert_eq!((store.free(MIB / 2).ok(), store.len_of(MIB / 2)), (Some(false), None));
        let all = arena.reserve(&zone("all", MIB - 299_008), LONG).unwrap();
        assert!(arena.free(all.ticket, LONG).unwrap());
        assert!(HeapUsage::of(&arena, LONG).unwrap().free > 0);
    }
}

#[test]
fn who_knows_where_the_directory_is_needs_not_be_told_again() {
    let arena = arena(MIB);
    let other = attached(&arena);
    let block = store(&arena).allocate(want(64, 64)).unwrap();
    assert_eq!(store(&other).len_of(block), Some(64));
    arena.area().write(64, &1_u64.to_ne_bytes());
    for arena in [&arena, &other] {
        assert_eq!(store(arena).len_of(block), Some(64));
    }
}

#[test]
fn threads_of_several_members_have_blocks_of_their_own() {
    let arena = arena(16 * MIB);
    let is_over = AtomicBool::new(false);
    let work = |member: Arena, mark: u8| {
        let store = store(&member);
        let mut state = u64::from(mark);
        let mut random = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % limit
        };
        let mut blocks: Vec<(u64, u64)> = Vec::new();
        let mut count = 0;
        while !is_over.load(Ordering::Relaxed) {
            if blocks.len() < 60 && random(2) == 0 {
                let len = if random(20) == 0 { 1 + random(200_000) } else { 1 + random(3000) };
                let block = store.allocate(want(len, 64)).unwrap();
                fill(&member, block, len, mark);
                blocks.push((block, len));
            } else if !blocks.is_empty() {
                let (block, len) = blocks.swap_remove(random(blocks.len() as u64) as usize);
                assert!(holds(&member, block, len, mark), "another has written there");
                assert!(store.free(block).unwrap());
                count += 1;
            }
        }
        blocks.iter().for_each(|&(block, _)| assert!(store.free(block).unwrap()));
        count
    };
    thread::scope(|scope| {
        let members: Vec<_> = (1..=4)
            .map(|mark| {
                let member = attached(&arena);
                scope.spawn(move || work(member, mark))
            })
            .collect();
        for number in 0..200 {
            let zone = arena.reserve(&zone(&format!("zone {number}"), 100_000), LONG).unwrap();
            fill(&arena, zone.offset, zone.len, 0xee);
            thread::yield_now();
            assert!(holds(&arena, zone.offset, zone.len, 0xee));
            assert!(arena.free(zone.ticket, LONG).unwrap());
        }
        is_over.store(true, Ordering::Relaxed);
        let counts: Vec<u64> = members.into_iter().map(|member| member.join().unwrap()).collect();
        assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    });
    let usage = HeapUsage::of(&arena, LONG).unwrap();
    assert_eq!((usage.used, usage.blocks), (0, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Allocate { len: u64, align: u64, zeroed: bool },
    Free { which: prop::sample::Index },
    Resize { which: prop::sample::Index, len: u64, align: u64 },
    Reserve { name: u8, len: u64 },
    Release { name: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = || prop_oneof![5 => 1..2000_u64, 3 => 1..40_000_u64, 2 => 1..300_000_u64];
    let align = || prop_oneof![4 => Just(64_u64), 2 => (6..18_u32).prop_map(|power| 1 << power)];
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        6 => (len(), align(), any::<bool>())
            .prop_map(|(len, align, zeroed)| Step::Allocate { len, align, zeroed }),
        4 => index().prop_map(|which| Step::Free { which }),
        4 => (index(), len(), align())
            .prop_map(|(which, len, align)| Step::Resize { which, len, align }),
        1 => (0..4_u8, 1..400_000_u64).prop_map(|(name, len)| Step::Reserve { name, len }),
        1 => (0..4_u8).prop_map(|name| Step::Release { name }),
    ];
    prop::collection::vec(step, 1..120)
}

/// Inputs that once failed are kept beside this file and tried first.
fn config() -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("regressions");
    let cases = if cfg!(debug_assertions) { 12 } else { 256 };
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..Default::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Two members take turns. The model is what each block holds.
    #[test]
    fn blocks_keep_what_they_hold_whatever_happens_beside_them(steps in steps()) {
        let first = arena(2 * MIB);
        let second = attached(&first);
        let mut blocks: Vec<(u64, u64, u8)> = Vec::new();
        let mut zones = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            let arena = if number % 2 == 0 { &first } else { &second };
            let (store, mark) = (store(arena), number as u8 | 1);
            match step {
                Step::Allocate { len, align, zeroed } => {
                    if let Ok(block) = store.allocate(Want { len, align, zeroed }) {
                        prop_assert_eq!((arena.base() + block) % align, 0);
                        prop_assert!(!zeroed || holds(arena, block, len, 0));
                        fill(arena, block, len, mark);
                        blocks.push((block, len, mark));
                    }
                }
                Step::Free { which } if !blocks.is_empty() => {
                    let (block, ..) = blocks.swap_remove(which.index(blocks.len()));
                    prop_assert!(store.free(block).unwrap());
                    prop_assert!(!store.free(block).unwrap(), "twice");
                }
                Step::Resize { which, len, align } if !blocks.is_empty() => {
                    let count = blocks.len();
                    let block = &mut blocks[which.index(count)];
                    let (at, old_len, mark) = *block;
                    if let Ok(new) = store.resize(at, want(len, align)) {
                        prop_assert_eq!((arena.base() + new) % align, 0);
                        prop_assert!(holds(arena, new, old_len.min(len), mark));
                        fill(arena, new, len, mark);
                        *block = (new, len, mark);
                    } else {
                        prop_assert!(len > store.len_of(at).unwrap() || align > 64);
                    }
                }
                Step::Free { .. } | Step::Resize { .. } => {}
                Step::Reserve { name, len } => {
                    if let Ok(new) = arena.reserve(&zone(&name.to_string(), len), LONG) {
                        fill(arena, new.offset, len, 0xee);
                        zones.insert(name, new);
                    }
                }
                Step::Release { name } => {
                    if let Some(zone) = zones.remove(&name) {
                        prop_assert!(arena.free(zone.ticket, LONG).unwrap());
                    }
                }
            }
            for &(block, len, mark) in &blocks {
                prop_assert!(holds(&first, block, len, mark), "{} bytes at {}", len, block);
                prop_assert!(store.len_of(block).unwrap() >= len);
            }
            for zone in zones.values() {
                prop_assert!(holds(&first, zone.offset, zone.len, 0xee), "{:?}", zone);
            }
        }
        let usage = HeapUsage::of(&first, LONG).unwrap();
        prop_assert_eq!(usage.blocks, blocks.len() as u64);
    }
}
