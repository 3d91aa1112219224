//! One who means to take a block, and is held up while its span becomes others.

use std::cell::RefCell;

use super::*;

/// Runs something before and after the first exchange of one word.
struct HeldUp<'a> {
    memory: &'a Memory,
    at: usize,
    before: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
    after: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
}

impl Heap for HeldUp<'_> {
    fn grid(&self) -> &Grid {
        &self.memory.1
    }
}

impl Words for HeldUp<'_> {
    fn load(&self, at: usize) -> u64 {
        self.memory.load(at)
    }

    fn store(&self, at: usize, value: u64) {
        self.memory.store(at, value);
    }

    fn exchange(&self, at: usize, old: u64, new: u64) -> bool {
        let run = |what: &RefCell<Option<Box<dyn FnOnce() + '_>>>| {
            if let Some(run) = what.take().filter(|_| at == self.at) {
                run();
            }
        };
        if at != self.at {
            return self.memory.exchange(at, old, new);
        }
        run(&self.before);
        let done = self.memory.exchange(at, old, new);
        run(&self.after);
        done
    }

    fn set(&self, at: usize, bits: u64) -> u64 {
        self.memory.set(at, bits)
    }

    fn clear(&self, at: usize, bits: u64) -> u64 {
        self.memory.clear(at, bits)
    }
}

/// How many writes it takes at most to make a span.
const WRITES: usize = 64;

/// Has the only unit made a span of this size by one who dies after so many writes, or does not.
fn make_and_perhaps_die(memory: &Memory, class: Class, allowed: usize) {
    let watched = Watched { memory, allowed: Cell::new(allowed) };
    let made = catch_unwind(AssertUnwindSafe(|| spans(&watched).make_spans(0, 1, class)));
    let heap = spans(memory);
    heap.repair();
    match made {
        Ok(block) => assert!(heap.give_back(block)),
        Err(panic) => assert!(panic.is::<Dead>()),
    }
}

/// Takes all blocks of this size that there are.
fn take_all(memory: &Memory, class: Class) -> Vec<Small> {
    iter::from_fn(|| spans(memory).take(class, 0)).collect()
}

#[test]
fn one_who_is_held_up_takes_nobody_elses_block() {
    let first = class(64);
    for (between, last) in [(UNIT / 2, 64), (UNIT / 2, 128), (128, 64), (1024, 64), (64, 1024)] {
        let (between, last) = (class(between), class(last));
        for allowed in 0..WRITES {
            let memory = Memory::over(0..UNIT);
            let heap = spans(&memory);
            let mut blocks = vec![heap.make_spans(0, 1, first)];
            // Then the next block has its bit in the second word.
            blocks.extend((1..PER_WORD).filter_map(|_| heap.take(first, 0)));
            let theirs = RefCell::new(Vec::new());
            let held_up = HeldUp {
                memory: &memory,
                at: memory.1.bitmap_of(0) + 1,
                before: RefCell::new(Some(Box::new(|| {
                    assert!(blocks.iter().all(|&block| heap.give_back(block)));
                    assert_eq!(heap.retire_all(), 1);
                    make_and_perhaps_die(&memory, between, allowed);
                }))),
                after: RefCell::new(Some(Box::new(|| {
                    heap.retire_all();
                    if heap.unit(0) == Some(Unit::Free) {
                        theirs.borrow_mut().push(heap.make_spans(0, 1, last));
                        theirs.borrow_mut().extend(take_all(&memory, last));
                    }
                }))),
            };
            let mine = spans(&held_up).take_of(0, first);
            let what = format!("{between:?}, then {last:?}, {allowed} writes");
            drop(held_up);
            let mut theirs = theirs.into_inner();
            assert!(mine.is_none_or(|mine| !theirs.contains(&mine)), "{what}: {mine:?} is theirs");
            let is_there =
                |&small: &Small| heap.block_at(Block::Small(small).offset(&memory.1)).is_some();
            assert!(theirs.iter().all(is_there), "{what}: one is theirs no more");
            let more = take_all(&memory, last);
            assert!(more.iter().all(|small| !theirs.contains(small)), "{what}: taken twice");
            // All can be given back, and then no more is taken than what somebody died over.
            theirs.extend(more);
            theirs.extend(mine);
            assert!(theirs.iter().all(|&block| heap.give_back(block)), "{what}");
            heap.retire_all();
            match heap.unit(0) {
                Some(Unit::Span(class)) => assert_eq!(heap.taken(0, class), 1, "{what}"),
                other => assert_eq!(other, Some(Unit::Free), "{what}"),
            }
        }
    }
}
