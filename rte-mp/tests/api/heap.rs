//! The heap between members: allocated by one, used and freed by others, beside the zones.

use std::ptr::NonNull;
use std::sync::mpsc::channel;
use std::thread;

use rte_mp::{Group, HeapError, MemoryError, ReserveError, Role};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::child::Child;
use crate::common::heap_hammer::Bytes;
use crate::common::{SHORT, Scene, arenas, ask, at_once, echo};

const MIB: u64 = 1 << 20;

fn address(block: NonNull<u8>) -> u64 {
    block.as_ptr().addr() as u64
}

#[test]
fn what_one_member_allocates_another_finds_uses_and_frees() {
    let scene = Scene::new();
    let primary = scene.primary();
    let bytes = Bytes::of(&scene.secondary());
    let heap = primary.heap();
    let mut child = Child::member(&scene, "secondary");
    for len in [1, 64, 1000, 30_000, 100_000] {
        let ours = heap.allocate(len, 0).unwrap();
        bytes.write(address(ours), b"ours");
        child.tell(&format!("write-block {:#x} theirs", address(ours)));
        child.expect("written");
        assert_eq!(bytes.read(address(ours), 6), b"theirs");
        child.tell(&format!("free-block {:#x}", address(ours)));
        child.expect("freed");
        let error = heap.free(ours).unwrap_err();
        assert!(matches!(error, HeapError::NotABlock { .. }), "{error:?}");

        child.tell(&format!("allocate {len} 4096"));
        let theirs = u64::from_str_radix(child.expect("block").strip_prefix("0x").unwrap(), 16);
        let block = heap.find(theirs.unwrap() as usize).unwrap();
        assert_eq!(address(block) % 4096, 0);
        assert!(heap.usable_len(block).unwrap() >= len);
        heap.free(block).unwrap();
    }
    child.end();
}

#[test]
fn a_block_outlives_the_member_that_allocated_it() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let bytes = Bytes::of(&scene.secondary());
    for is_killed in [false, true] {
        let mut child = Child::member(&scene, "secondary");
        child.tell("allocate 100 64");
        let block = child.expect("block");
        child.tell(&format!("write-block {block} lasting"));
        child.expect("written");
        if is_killed {
            child.kill();
        } else {
            child.end();
        }
        let at = usize::from_str_radix(block.strip_prefix("0x").unwrap(), 16).unwrap();
        assert_eq!(bytes.read(at as u64, 7), b"lasting");
        primary.heap().free(primary.heap().find(at).unwrap()).unwrap();
    }
}

#[test]
fn blocks_are_aligned_as_was_asked_for() {
    let scene = Scene::new();
    let primary = scene.primary();
    let heap = primary.heap();
    let mut blocks = Vec::new();
    for power in 0..22 {
        for len in [1, 100, 5000, 70_000] {
            let block = heap.allocate(len, 1 << power).unwrap();
            assert_eq!(address(block) % (1 << power), 0, "{len} bytes");
            assert_eq!(address(block) % 64, 0, "on a cache line");
            assert!(heap.usable_len(block).unwrap() >= len);
            blocks.push(block);
        }
    }
    assert_eq!(heap.usage().unwrap().blocks, blocks.len() as u64);
    blocks.into_iter().for_each(|block| heap.free(block).unwrap());
    assert_eq!(heap.usage().unwrap().used, 0);
}

#[test]
fn what_cannot_be_is_refused_with_what_would_be_right() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(MIB).join().unwrap();
    let heap = primary.heap();
    let block = heap.allocate(100, 0).unwrap();
    let at = address(block);
    let none = |offset: usize| block.map_addr(|address| address.saturating_add(offset));
    let cases = [
        (
            heap.allocate(0, 0),
            Errno::INVAL,
            "a block of the heap cannot have 0 bytes; it takes 1 or more",
        ),
        (
            heap.resize(block, 0, 0),
            Errno::INVAL,
            "a block of the heap cannot have 0 bytes; it takes 1 or more",
        ),
        (
            heap.allocate_zeroed(1, 48),
            Errno::INVAL,
            "a block of the heap cannot be aligned to 48; it takes a power of two, or 0 for 64",
        ),
        (
            heap.allocate(MIB as usize, 0),
            Errno::NOMEM,
            "there is no room for a block of 1048576 bytes aligned to 64: there is for 589824; \
             free blocks or zones, or start the primary with more memory (-m)",
        ),
        (
            heap.resize(block, usize::MAX, 1 << 63),
            Errno::NOMEM,
            "there is no room for a block of 18446744073709551615 bytes aligned to \
             9223372036854775808: there is for 0; \
             free blocks or zones, or start the primary with more memory (-m)",
        ),
        (
            heap.resize(none(64), 100, 0),
            Errno::INVAL,
            &format!(
                "no block of the heap begins at {:#x}: it was freed already, or never was one",
                at + 64
            ),
        ),
    ];
    for (result, errno, text) in cases {
        let error = result.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.errno()), (text, errno.raw_os_error()));
    }
    for offset in [1, 8, 64, 128, 65_536, MIB as usize, usize::MAX] {
        let none = none(offset);
        for error in [
            heap.free(none).unwrap_err(),
            heap.usable_len(none).map(drop).unwrap_err(),
            heap.find(none.as_ptr().addr()).map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, HeapError::NotABlock { .. }), "{offset}: {error:?}");
            assert_eq!(error.errno(), Errno::INVAL.raw_os_error());
        }
    }
    let stranger = Box::new([0_u8; 64]);
    heap.free(NonNull::from(&stranger[0])).unwrap_err();
    heap.free(NonNull::dangling()).unwrap_err();
    heap.free(block).unwrap();
}

#[test]
fn the_heap_shows_among_no_zones_and_takes_none_of_their_number() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(4 * MIB).join().unwrap();
    let (zones, heap) = (primary.memzones(), primary.heap());
    let blocks: Vec<_> = (0..100).map(|n| heap.allocate(n * 300 + 1, 0).unwrap()).collect();
    assert_eq!(zones.iter().unwrap().count(), 0);
    let mut text = Vec::new();
    zones.dump(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("0 of 2560 memory zones in 4194304 bytes"), "{text}");
    let room: usize = text.split(' ').rev().nth(1).unwrap().parse().unwrap();
    assert!(room < 3 * MIB as usize, "{room} bytes are left");
    let error = zones.reserve("too long", room + 1).commit().unwrap_err();
    assert!(matches!(error, ReserveError::NoRoom { .. }), "{error:?}");
    let zone = zones.reserve("all", room).commit().unwrap();
    let extent = zone.address()..zone.address() + zone.len() as u64;
    assert!(blocks.iter().all(|&block| !extent.contains(&address(block))));
    zones.free(zone).unwrap();
    blocks.into_iter().for_each(|block| heap.free(block).unwrap());
    // All that was the heap's may be a zone's, but for the heap's own words.
    zones.reserve("nearly all", 3 * MIB as usize + 512 * 1024).commit().unwrap();
}

#[test]
fn handlers_use_the_heap_and_attach_from_inside() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    for group in [&primary, &secondary] {
        let heap = group.heap();
        group
            .register("allocate", move |request| {
                let block = heap.allocate_zeroed(500, 0).unwrap();
                request.reply(&address(block).to_ne_bytes())
            })
            .unwrap();
    }
    for (asks, frees) in [(&secondary, &primary), (&primary, &secondary)] {
        let reply = ask(asks, "allocate", b"").try_into().unwrap();
        let heap = frees.heap();
        heap.free(heap.find(u64::from_ne_bytes(reply) as usize).unwrap()).unwrap();
    }
}

#[test]
fn a_heap_ends_with_the_group_and_its_memory_with_the_last_handle() {
    let scene = Scene::new();
    let primary = scene.primary();
    let heap = primary.heap();
    let block = heap.allocate(100, 0).unwrap();
    primary.leave();
    let errors = [
        heap.allocate(1, 0).map(drop).unwrap_err(),
        heap.free(block).unwrap_err(),
        heap.resize(block, 1, 0).map(drop).unwrap_err(),
        heap.usable_len(block).map(drop).unwrap_err(),
        heap.usage().map(drop).unwrap_err(),
    ];
    for error in errors {
        let is_left = matches!(error, HeapError::Memory { source: MemoryError::Left { .. } });
        assert!(is_left && error.errno() == Errno::SHUTDOWN.raw_os_error(), "{error:?}");
    }
    assert_eq!(arenas(), 1, "the handle has it");
    drop(heap);
    assert_eq!(arenas(), 0);
}

#[test]
fn who_is_stopped_with_the_lock_holds_up_no_small_blocks() {
    let scene = Scene::with_killed();
    let primary = scene.builder(Role::Primary).lock_timeout(SHORT).join().unwrap();
    let heap = primary.heap();
    let large = heap.allocate(1 << 20, 0).unwrap();
    let small = heap.allocate(64, 0).unwrap();
    let mut child = Child::member(&scene, "secondary");
    child.tell("lock memory");
    child.expect("locked");
    let process = Pid::from_raw(child.pid() as i32).unwrap();
    kill_process(process, Signal::STOP).unwrap();
    at_once("allocating and freeing", || {
        for _ in 0..1000 {
            let block = heap.allocate(64, 0).unwrap();
            heap.free(block).unwrap();
        }
        heap.free(small).unwrap();
    });
    for error in [
        heap.allocate(1 << 20, 0).map(drop).unwrap_err(),
        heap.free(large).unwrap_err(),
        heap.resize(large, 1 << 21, 0).map(drop).unwrap_err(),
    ] {
        assert_eq!(error.errno(), Errno::TIMEDOUT.raw_os_error(), "{error:?}");
    }
    child.kill();
    at_once("freeing", || heap.free(large).unwrap());
}

#[test]
fn threads_of_several_members_allocate_and_free_each_others_blocks() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let work = |group: &Group| {
        let heap = group.heap();
        let (sender, receiver) = channel::<usize>();
        thread::scope(|scope| {
            let others = secondary.heap();
            scope.spawn(move || {
                for address in receiver {
                    others.free(others.find(address).unwrap()).unwrap();
                }
            });
            for number in 0..20_000_usize {
                let block = heap.allocate(64 + number % 700, 0).unwrap();
                sender.send(block.as_ptr().addr()).unwrap();
            }
            drop(sender);
        });
    };
    thread::scope(|scope| {
        scope.spawn(|| work(&primary));
        scope.spawn(|| work(&secondary));
    });
    assert_eq!(primary.heap().usage().unwrap().blocks, 0);
}

#[test]
fn a_member_that_writes_rubbish_into_the_heap_hurts_nobody() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).memory_size(2 * MIB).join().unwrap();
    let secondary = scene.secondary();
    echo(&primary, "echo");
    let bytes = Bytes::of(&secondary);
    let mut heaps = vec![primary.heap(), secondary.heap()];
    let blocks: Vec<_> = (1..60).map_while(|n| heaps[0].allocate(n * 700, 0).ok()).collect();
    let directory = u64::from_ne_bytes(bytes.read(bytes.range().start + 64, 8).try_into().unwrap());
    // It leads up to the end of the last whole cache line.
    let words = (bytes.range().end - bytes.range().start - directory) / 8;
    let mut state = 1_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..60 {
        let mut word = || match round {
            0 => u64::MAX,
            1 => 0,
            // What units are: a kind, and a size or a number.
            _ if random() % 2 == 0 => (random() % 4) | ((random() % 20) << 8),
            _ => random() & (random() >> (random() % 64)),
        };
        let rubbish: Vec<u64> = (0..words).map(|_| word()).collect();
        let rubbish: Vec<_> = rubbish.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.write(bytes.range().start + directory, &rubbish);
        if round == 30 {
            bytes.write(bytes.range().start + 64, &random().to_ne_bytes());
            heaps.push(scene.secondary().heap());
        }
        at_once("getting along", || {
            for heap in &heaps {
                for block in &blocks {
                    let _ = heap.usable_len(*block);
                    let _ = heap.resize(*block, 5000, 0);
                    let _ = heap.free(*block);
                }
                for len in [64, 3000, 100_000] {
                    if let Ok(block) = heap.allocate_zeroed(len, 0) {
                        let at = address(block);
                        assert!(bytes.range().contains(&at), "{at:#x}");
                        assert!(bytes.range().contains(&(at + len as u64 - 1)), "{at:#x}");
                        let _ = heap.free(block);
                    }
                }
                let _ = heap.usage();
            }
        });
        let zones = primary.memzones();
        if let Ok(zone) = zones.reserve("zone", 5000).zeroed().commit() {
            zones.free(zone).unwrap();
        }
    }
    assert_eq!(ask(&secondary, "echo", b"well"), b"well");
}
