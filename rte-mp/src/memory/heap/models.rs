//! The heap in all orders in which two or three threads can meet, as far as loom tries them out.
//!
//! The heap is small here, and so are most of its spans: two or four blocks each. The arena's lock is one
//! of loom's. What a block holds is a word outside, written without atomics' order: who takes a
//! block must come after who freed it.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Mutex;
use loom::thread;

use super::class::{Class, UNIT};
use super::grid::Grid;
use super::place::{gaps, highest};
use super::spans::{Block, Small, Spans};
use crate::sync::atomic::AtomicU64;

const BASE: u64 = 1 << 32;
const DATA: std::ops::Range<u64> = 0..2 * UNIT;

/// Runs `model` in all orders with at most so many switches between threads that could go on.
fn explore(switches: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(model);
}

/// A heap of two units that threads share.
struct Heap {
    grid: Grid,
    words: Vec<AtomicU64>,
    lock: Mutex<()>,
    /// What each block of 16 KiB or more holds.
    contents: Vec<UnsafeCell<u32>>,
}

impl Heap {
    fn new() -> Arc<Self> {
        let grid = Grid::new(BASE, &DATA);
        let words = (0..grid.words()).map(|_| AtomicU64::new(0)).collect();
        let contents = (0..8).map(|_| UnsafeCell::new(0)).collect();
        Arc::new(Self { grid, words, lock: Mutex::new(()), contents })
    }

    fn spans(&self) -> Spans<'_, [AtomicU64]> {
        Spans::new(&self.words, &self.grid)
    }

    /// Uses a block; loom fails if somebody else does at the same time, or did without an order.
    fn touch(&self, block: Block) {
        let at = block.offset(&self.grid) / (UNIT / 4);
        self.contents[at as usize].with_mut(|_| ());
    }

    /// Allocates as the heap does.
    fn allocate(&self, len: u64) -> Option<Block> {
        let spans = self.spans();
        let class = Class::fitting(len, 64).next();
        let take = || class.and_then(|class| spans.take(class, 0)).map(Block::Small);
        let block = take().or_else(|| {
            let _held = self.lock.lock().expect("nobody panicked");
            spans.repair();
            take().or_else(|| {
                let offset = || highest(&gaps(spans.extents(), &DATA), BASE, UNIT, UNIT).ok();
                let offset = offset().or_else(|| {
                    spans.retire_all();
                    offset()
                })?;
                let unit = self.grid.unit_of(offset);
                Some(match class {
                    Some(class) => Block::Small(spans.make_spans(unit, 1, class)),
                    None => spans.make_run(unit, 1),
                })
            })
        })?;
        self.touch(block);
        Some(block)
    }

    fn free(&self, block: Block) {
        self.touch(block);
        let is_freed = match block {
            Block::Small(small) => self.spans().give_back(small),
            Block::Large { unit, units } => {
                let _held = self.lock.lock().expect("nobody panicked");
                self.spans().cut(unit, units, 0)
            }
        };
        assert!(is_freed, "{block:?}");
    }

    fn retire(&self) {
        let _held = self.lock.lock().expect("nobody panicked");
        self.spans().retire_all();
    }

    /// Checks that all units are free once nothing is taken.
    fn check_all_is_free(&self) {
        assert_eq!(self.spans().tally().blocks, 0);
        self.spans().retire_all();
        assert_eq!(self.spans().extents(), []);
    }
}

#[test]
fn nobody_takes_what_another_has() {
    explore(4, || {
        let heap = Heap::new();
        let first = heap.allocate(UNIT / 2).expect("all is free");
        let theirs = Arc::clone(&heap);
        let other = thread::spawn(move || {
            let block = theirs.allocate(UNIT / 2).expect("there is one left");
            theirs.touch(block);
            theirs.free(block);
        });
        let second = heap.allocate(UNIT / 2).expect("one may be left in each unit");
        assert_ne!(first, second);
        heap.touch(second);
        heap.free(first);
        other.join().unwrap();
        heap.free(second);
        heap.check_all_is_free();
    });
}

#[test]
fn one_frees_what_another_has_allocated_and_a_third_takes_it() {
    explore(3, || {
        let heap = Heap::new();
        let block = heap.allocate(UNIT / 2).expect("all is free");
        let other_block = heap.allocate(UNIT / 2).expect("half is free");
        let (one, another) = (Arc::clone(&heap), Arc::clone(&heap));
        let freeing = thread::spawn(move || one.free(block));
        let taking = thread::spawn(move || {
            let block = another.allocate(UNIT / 2).expect("another unit is free");
            another.free(block);
        });
        heap.free(other_block);
        freeing.join().unwrap();
        taking.join().unwrap();
        heap.check_all_is_free();
    });
}

#[test]
fn a_span_that_was_full_is_found_again() {
    explore(4, || {
        let heap = Heap::new();
        let class = Class::fitting(UNIT / 2, 64).next().expect("it is small");
        let blocks: Vec<Small> = (0..2)
            .map(|_| match heap.allocate(UNIT / 2) {
                Some(Block::Small(small)) => small,
                other => panic!("{other:?}"),
            })
            .collect();
        let theirs = Arc::clone(&heap);
        let given_back = blocks[0];
        // It is seen as full, and then it is not; its mark must not be lost.
        let looking = thread::spawn(move || theirs.spans().take(class, 0));
        heap.free(Block::Small(given_back));
        let taken = looking.join().unwrap();
        let found = heap.spans().take(class, 0);
        assert!(taken.is_some() != found.is_some(), "{taken:?} {found:?}");
    });
}

#[test]
fn a_span_is_retired_or_taken_from_but_not_both() {
    explore(4, || {
        let heap = Heap::new();
        let block = heap.allocate(UNIT / 2).expect("all is free");
        let theirs = Arc::clone(&heap);
        let retiring = thread::spawn(move || {
            theirs.retire();
            // Of another size, and large: where the span was, or beside it.
            let block = theirs.allocate(UNIT).expect("a unit is free");
            theirs.free(block);
        });
        heap.free(block);
        let again = heap.allocate(UNIT / 2).expect("a unit is free");
        heap.free(again);
        retiring.join().unwrap();
        heap.check_all_is_free();
    });
}

#[test]
fn a_unit_becomes_a_span_of_another_size() {
    explore(3, || {
        let heap = Heap::new();
        let theirs = Arc::clone(&heap);
        let other = thread::spawn(move || {
            for len in [UNIT / 2, UNIT / 4] {
                let block = theirs.allocate(len);
                theirs.retire();
                block.into_iter().for_each(|block| theirs.free(block));
            }
        });
        for len in [UNIT / 4, UNIT / 2] {
            let block = heap.allocate(len).expect("each has a unit at least");
            heap.free(block);
        }
        other.join().unwrap();
        heap.check_all_is_free();
    });
}

#[test]
fn a_block_of_a_span_that_has_become_another_is_not_taken() {
    explore(4, || {
        let heap = Heap::new();
        let Some(Block::Small(first)) = heap.allocate(UNIT / 2) else { panic!("all is free") };
        heap.free(Block::Small(first));
        let theirs = Arc::clone(&heap);
        let taking = thread::spawn(move || {
            let taken = theirs.spans().take_of(first.unit(), first.class);
            taken.map(Block::Small).into_iter().for_each(|block| {
                theirs.touch(block);
                theirs.free(block);
            });
        });
        let class = Class::fitting(UNIT / 4, 64).next().expect("it is small");
        if heap.spans().retire_all() > 0 {
            // The bits are as they were before.
            let block = heap.spans().make_spans(first.unit(), 1, class);
            assert!(heap.spans().give_back(block));
            let all = || (0..4).filter_map(|_| heap.spans().take(class, 0)).collect::<Vec<_>>();
            let blocks = all();
            assert!(blocks.len() >= 3, "one at most is in doubt");
            taking.join().unwrap();
            blocks.iter().for_each(|&block| heap.free(Block::Small(block)));
            assert_eq!(all().len(), 4, "none is in doubt any more, and it is known to have room");
        } else {
            taking.join().unwrap();
            heap.check_all_is_free();
        }
    });
}

#[test]
fn a_span_that_is_not_retired_after_all_has_all_its_blocks() {
    explore(3, || {
        let heap = Heap::new();
        // 64 blocks, whose bits are in two words.
        let Some(Block::Small(first)) = heap.allocate(1024) else { panic!("all is free") };
        heap.free(Block::Small(first));
        let theirs = Arc::clone(&heap);
        let taking = thread::spawn(move || theirs.spans().take_of(first.unit(), first.class));
        let is_retired = heap.spans().retire_all() > 0;
        let taken = taking.join().unwrap();
        assert!(taken.is_none() || !is_retired, "{taken:?}");
        if let Some(taken) = taken {
            assert!(heap.spans().give_back(taken));
            let others = (0..64).filter_map(|_| heap.spans().take(first.class, 0)).count();
            assert_eq!(others, 64);
        }
    });
}
