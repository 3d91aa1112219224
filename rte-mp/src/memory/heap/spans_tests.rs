//! Blocks taken and given back beside a simple model, by members that die after any write, and on
//! words full of rubbish.

use std::cell::Cell;
use std::iter;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::slice;

use super::super::place::{gaps, highest};
use super::*;

#[path = "spans_model_tests.rs"]
mod model;
#[path = "spans_stale_tests.rs"]
mod stale;

const BASE: u64 = 0x1_0000_0000;
/// The arena has room for twenty units, and begins and ends off a unit.
const DATA: Range<u64> = 4096..21 * UNIT + 64;
const UNITS: usize = 20;

/// The words of a heap in a test.
#[derive(Clone)]
struct Memory(Vec<Cell<u64>>, Grid);

impl Memory {
    fn new() -> Self {
        let memory = Self::over(DATA);
        assert_eq!(memory.1.count, UNITS);
        memory
    }

    fn over(data: Range<u64>) -> Self {
        let grid = Grid::new(BASE, &data);
        Self(vec![Cell::new(0); grid.words()], grid)
    }
}

/// Memory, as it is or as it is watched.
trait Heap: Words + Sized {
    fn grid(&self) -> &Grid;
}

impl Heap for Memory {
    fn grid(&self) -> &Grid {
        &self.1
    }
}

impl Heap for Watched<'_> {
    fn grid(&self) -> &Grid {
        &self.memory.1
    }
}

impl Words for Memory {
    fn load(&self, at: usize) -> u64 {
        self.0[at].get()
    }

    fn store(&self, at: usize, value: u64) {
        self.0[at].set(value);
    }

    fn exchange(&self, at: usize, old: u64, new: u64) -> bool {
        let is_old = self.load(at) == old;
        if is_old {
            self.store(at, new);
        }
        is_old
    }

    fn set(&self, at: usize, bits: u64) -> u64 {
        self.0[at].replace(self.load(at) | bits)
    }

    fn clear(&self, at: usize, bits: u64) -> u64 {
        self.0[at].replace(self.load(at) & !bits)
    }
}

/// Has the process die at the write that comes after the last one allowed.
struct Watched<'a> {
    memory: &'a Memory,
    allowed: Cell<usize>,
}

struct Dead;

impl Watched<'_> {
    fn write(&self) -> &Memory {
        match self.allowed.get().checked_sub(1) {
            Some(left) => self.allowed.set(left),
            None => resume_unwind(Box::new(Dead)),
        }
        self.memory
    }
}

impl Words for Watched<'_> {
    fn load(&self, at: usize) -> u64 {
        self.memory.load(at)
    }

    fn store(&self, at: usize, value: u64) {
        self.write().store(at, value);
    }

    fn exchange(&self, at: usize, old: u64, new: u64) -> bool {
        self.write().exchange(at, old, new)
    }

    fn set(&self, at: usize, bits: u64) -> u64 {
        self.write().set(at, bits)
    }

    fn clear(&self, at: usize, bits: u64) -> u64 {
        self.write().clear(at, bits)
    }
}

fn spans<W: Heap>(words: &W) -> Spans<'_, W> {
    Spans::new(words, words.grid())
}

fn class(len: u64) -> Class {
    Class::fitting(len, 64).next().expect("it is a small block")
}

/// Allocates as the heap does, with no other member in the arena; makes so many spans at once.
fn allocate_by<W: Heap>(words: &W, len: u64, align: u64, spans_at_once: usize) -> Option<Block> {
    let spans = spans(words);
    let class = Class::fitting(len, align).next();
    if let Some(small) = class.and_then(|class| spans.take(class, 7)) {
        return Some(Block::Small(small));
    }
    spans.repair();
    let units = class.map_or(len.div_ceil(UNIT) as usize, |_| spans_at_once);
    let place = || {
        let gaps = gaps(spans.extents(), &DATA);
        let offset = highest(&gaps, BASE, units as u64 * UNIT, align.max(UNIT)).ok()?;
        Some(spans.grid.unit_of(offset))
    };
    let unit = place().or_else(|| if spans.retire_all() > 0 { place() } else { None })?;
    Some(match class {
        Some(class) => Block::Small(spans.make_spans(unit, units, class)),
        None => spans.make_run(unit, units),
    })
}

fn allocate<W: Heap>(words: &W, len: u64, align: u64) -> Option<Block> {
    allocate_by(words, len, align, 1)
}

/// Frees as the heap does, and says whether it was there.
fn free<W: Heap>(words: &W, block: Block) -> bool {
    let spans = spans(words);
    match block {
        Block::Small(small) => spans.give_back(small),
        Block::Large { unit, units } => {
            spans.repair();
            spans.cut(unit, units, 0)
        }
    }
}

/// What a block covers.
fn extent(block: Block) -> Range<u64> {
    let start = block.offset(&Grid::new(BASE, &DATA));
    start..start + block.len()
}

/// Checks that these blocks are taken, lie inside and apart, and where the heap says that it is.
fn check(memory: &Memory, blocks: &[Block]) {
    let spans = spans(memory);
    let mut extents: Vec<_> = blocks.iter().map(|&block| extent(block)).collect();
    for (&block, extent) in blocks.iter().zip(&extents) {
        assert_eq!(spans.block_at(extent.start), Some(block), "it is taken");
        assert!(extent.start >= DATA.start && extent.end <= DATA.end, "{block:?} lies outside");
        let heap = spans.extents();
        assert!(heap.iter().any(|of| of.start <= extent.start && extent.end <= of.end));
    }
    extents.sort_by_key(|extent| extent.start);
    for pair in extents.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:?} overlap");
    }
}

/// Frees all, and checks that all units can be had, but for those of at most so many blocks that
/// were lost: each has a unit, or as many as it had.
fn check_nothing_is_lost(memory: &Memory, blocks: &[Block], lost: u64) {
    let spans = spans(memory);
    for &block in blocks {
        assert!(free(memory, block), "{block:?}");
        assert!(!free(memory, block), "{block:?} is freed twice");
    }
    spans.repair();
    spans.retire_all();
    let tally = spans.tally();
    assert!(tally.blocks <= lost, "{tally:?}");
    let kept: u64 = spans.extents().iter().map(|extent| extent.end - extent.start).sum();
    assert!(tally.blocks > 0 || kept == 0, "{kept} bytes are lost");
    let free = UNITS as u64 * UNIT - kept;
    let mut runs = Vec::new();
    while let Some(block) = allocate(memory, 2 * UNIT, 64).or_else(|| allocate(memory, UNIT, 64)) {
        runs.push(block);
    }
    assert_eq!(runs.iter().map(|run| run.len()).sum::<u64>(), free);
    check(memory, &runs);
}

/// What a member does when it dies.
#[derive(Debug, Clone, Copy)]
enum Act {
    Allocate(u64),
    /// With four spans at once.
    Grow(u64),
    Free(usize),
    Cut(usize, usize),
    Retire,
    Trim,
}

fn act<W: Heap>(words: &W, blocks: &[Block], act: Act) {
    let spans = spans(words);
    match act {
        Act::Allocate(len) => assert!(allocate(words, len, 64).is_some(), "there is room"),
        Act::Grow(len) => assert!(allocate_by(words, len, 64, 4).is_some(), "there is room"),
        Act::Free(number) => assert!(free(words, blocks[number]), "it is there"),
        Act::Cut(number, kept) => {
            let Block::Large { unit, units } = blocks[number] else { panic!("it is small") };
            assert!(spans.cut(unit, units, kept), "it is there");
        }
        Act::Retire => assert!(spans.retire_all() > 0, "one is empty"),
        Act::Trim => spans.trim(&[], |_| ()),
    }
}

#[test]
fn whoever_dies_between_two_writes_loses_one_block_at_most() {
    type Scene<'a> = (&'a str, &'a [u64], &'a [usize], Act);
    let scenes: &[Scene] = &[
        ("the first block", &[], &[], Act::Allocate(100)),
        ("a second one", &[100], &[], Act::Allocate(100)),
        ("the last of a span", &[30_000], &[], Act::Allocate(30_000)),
        ("the first of a second span", &[30_000, 30_000], &[], Act::Allocate(30_000)),
        ("the first of several spans", &[64], &[], Act::Grow(30_000)),
        ("a large one", &[100], &[], Act::Allocate(5 * UNIT - 3)),
        ("all that there is", &[], &[], Act::Allocate(20 * UNIT)),
        ("room that was retired", &[100, 19 * UNIT], &[0], Act::Allocate(3000)),
        ("what was freed", &[9 * UNIT, 9 * UNIT], &[0], Act::Allocate(8 * UNIT)),
        ("one of many", &[64; 200], &[], Act::Free(100)),
        ("the only one", &[64], &[], Act::Free(0)),
        ("a large one goes", &[3 * UNIT, 2 * UNIT], &[], Act::Free(0)),
        ("a large one is cut", &[3 * UNIT, 7 * UNIT], &[], Act::Cut(1, 2)),
        ("spans are retired", &[64, 128, 256, 512], &[0, 2, 3], Act::Retire),
        ("pages go back", &[3 * UNIT, 64, 5 * UNIT], &[0, 2], Act::Trim),
        ("all pages go back", &[3 * UNIT, 64, 5 * UNIT], &[0, 1, 2], Act::Trim),
    ];
    let mut deaths = 0;
    for (what, lens, freed, last) in scenes {
        let before = Memory::new();
        let all: Vec<_> = lens.iter().map(|&len| allocate(&before, len, 64).unwrap()).collect();
        for &number in *freed {
            assert!(free(&before, all[number]));
        }
        let others: Vec<_> = (0..all.len())
            .filter(|number| !freed.contains(number))
            .filter(|&number| !matches!(last, Act::Free(n) | Act::Cut(n, _) if *n == number))
            .map(|number| all[number])
            .collect();
        for allowed in 0.. {
            let memory = before.clone();
            let watched = Watched { memory: &memory, allowed: Cell::new(allowed) };
            let lived = catch_unwind(AssertUnwindSafe(|| act(&watched, &all, *last))).is_ok();
            println!("{what}: {allowed} writes");
            spans(&memory).repair();
            check(&memory, &others);
            // Who dies may have had the block, or not yet, or not any more.
            check_nothing_is_lost(&memory, &others, 1);
            if lived {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 80, "only {deaths} deaths");
}

#[test]
fn a_block_is_found_by_its_first_byte_alone_and_while_it_is_taken() {
    let memory = Memory::new();
    let spans = spans(&memory);
    let small = allocate(&memory, 100, 64).unwrap();
    let large = allocate(&memory, 3 * UNIT, 64).unwrap();
    for block in [small, large] {
        let at = extent(block).start;
        assert_eq!(spans.block_at(at), Some(block));
        for none in [at - 1, at + 1, at + 64, at + 128, at + UNIT, 0, DATA.end, u64::MAX] {
            assert_eq!(spans.block_at(none), None, "{block:?}: {none}");
        }
        assert!(free(&memory, block));
        assert_eq!((spans.block_at(at), free(&memory, block)), (None, false));
    }
}

#[test]
fn a_span_fills_up_and_only_an_empty_one_is_retired() {
    let memory = Memory::new();
    let spans = spans(&memory);
    for len in [64, 100, 200, 21_000, 32_768] {
        let class = class(len);
        let Some(Block::Small(first)) = allocate(&memory, len, 64) else { panic!("{len}") };
        let mut blocks = vec![first];
        blocks.extend(iter::from_fn(|| spans.take_of(first.unit(), class)));
        assert_eq!(blocks.len(), class.capacity());
        check(&memory, &blocks.iter().copied().map(Block::Small).collect::<Vec<_>>());
        assert_eq!(spans.take(class, 0), None);
        while let Some(block) = blocks.pop() {
            assert_eq!(spans.retire_all(), 0, "{} are taken", blocks.len() + 1);
            assert!(spans.give_back(block));
            assert_eq!(spans.taken(first.unit(), class), blocks.len() as u64);
            // What was full has room again, and is found.
            let again = spans.take(class, 0).unwrap();
            assert!(spans.give_back(again));
        }
        assert_eq!(spans.retire_all(), 1);
        assert_eq!((spans.take_of(first.unit(), class), spans.take(class, 0)), (None, None));
    }
}

#[test]
fn bits_that_others_have_set_are_no_blocks() {
    for len in [64, 21_000] {
        let memory = Memory::new();
        let spans = spans(&memory);
        let all = spans.grid.bitmap_of(UNITS - 1)..spans.grid.bitmap_of(UNITS);
        all.clone().for_each(|at| memory.store(at, u64::MAX));
        let Some(Block::Small(first)) = allocate(&memory, len, 64) else { panic!("{len}") };
        let mut last = first;
        let others = iter::from_fn(|| spans.take(first.class, 0)).inspect(|&small| last = small);
        assert_eq!(others.count() + 1, first.class.capacity(), "a new span begins anew");
        all.for_each(|at| memory.store(at, u64::MAX));
        let behind = extent(Block::Small(last)).end;
        assert_eq!(spans.block_at(behind), None, "there is no room for another in the unit");
    }
}

#[test]
fn blocks_come_from_the_end_of_the_arena_and_with_the_alignment() {
    let memory = Memory::new();
    let first = allocate(&memory, UNIT, 64).unwrap();
    assert_eq!(extent(first).end, 21 * UNIT, "the last unit");
    let aligned = allocate(&memory, UNIT + 1, 4 * UNIT).unwrap();
    assert_eq!(extent(aligned), 16 * UNIT..18 * UNIT);
    let between = allocate(&memory, 2 * UNIT, 64).unwrap();
    assert_eq!(extent(between), 18 * UNIT..20 * UNIT, "in the last gap");
    assert_eq!(allocate(&memory, UNIT, 1 << 40), None);
    check(&memory, &[first, aligned, between]);
}

#[test]
fn pages_are_given_back_once_and_not_where_others_are() {
    let memory = Memory::new();
    let spans = spans(&memory);
    let lens = [4 * UNIT, UNIT, 3 * UNIT];
    let [first, kept, last] = lens.map(|len| allocate(&memory, len, 64).unwrap());
    let given_back = |others: &[Range<u64>]| {
        let mut extents = Vec::new();
        let used = spans.extents().into_iter().chain(others.iter().cloned()).collect();
        spans.trim(&gaps(used, &DATA), |extent| extents.push(extent));
        extents
    };
    assert_eq!(given_back(&[]), []);
    assert!(free(&memory, first) && free(&memory, last));
    // A zone lies in the second unit of the last block, and up to the edge of the first one.
    let zone = extent(last).start + UNIT + 64..extent(last).start + 2 * UNIT;
    let edge = extent(first).start - 64..extent(first).start;
    let parts = |block: Block, at: Range<u64>| {
        extent(block).start + at.start * UNIT..extent(block).start + at.end * UNIT
    };
    let expected = [parts(last, 0..1), parts(last, 2..3), extent(first)];
    // One that somebody has written, which overlaps the other and ends before it.
    let rubbish = zone.start..zone.start + 64;
    assert_eq!(given_back(&[zone.clone(), rubbish, edge]), expected);
    assert_eq!(given_back(slice::from_ref(&zone)), []);
    let again = allocate(&memory, 100, 64).unwrap();
    assert_eq!(given_back(&[]), [parts(last, 1..2)], "once the zone is freed");
    check(&memory, &[kept, again]);
}

#[test]
fn maps_are_marked_and_read_unit_by_unit() {
    let memory = Memory::over(0..200 * UNIT);
    let spans = spans(&memory);
    let marked = |units| spans.marked(Map::Touched, units).collect::<Vec<_>>();
    for units in [0..200, 0..64, 63..65, 64..128, 100..101, 130..200, 5..5, 200..200] {
        spans.mark(Map::Touched, units.clone());
        assert_eq!(marked(0..200), units.clone().collect::<Vec<_>>());
        assert_eq!(marked(units.clone()), units.clone().collect::<Vec<_>>());
        assert_eq!(marked(0..units.start), []);
        assert_eq!(marked(units.end..200), []);
        assert_eq!(spans.marked(Map::Used, 0..200).count(), 0, "another map");
        spans.unmark(Map::Touched, units);
        assert_eq!(marked(0..200), []);
    }
}
