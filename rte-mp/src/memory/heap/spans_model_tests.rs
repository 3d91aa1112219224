//! The heap run beside a simple model, and filled with rubbish.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::super::super::grid::CHANGING;
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Allocate { len: u64, align: u64, spans: usize },
    Free { which: prop::sample::Index },
    Cut { which: prop::sample::Index, kept: prop::sample::Index },
    Retire,
    Trim,
}

fn len() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1..2000_u64, 4 => 1..40_000_u64, 2 => 1..4 * UNIT]
}

fn align() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(64_u64), 2 => (6..19_u32).prop_map(|power| 1 << power)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        8 => (len(), align(), 1..4_usize)
            .prop_map(|(len, align, spans)| Step::Allocate { len, align, spans }),
        6 => index().prop_map(|which| Step::Free { which }),
        1 => (index(), index()).prop_map(|(which, kept)| Step::Cut { which, kept }),
        1 => Just(Step::Retire),
        1 => Just(Step::Trim),
    ];
    prop::collection::vec(step, 1..150)
}

/// Inputs that once failed are kept beside this file and tried first.
fn config() -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("regressions");
    let cases = if cfg!(debug_assertions) { 64 } else { 1024 };
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..Default::default() }
}

/// What a word of rubbish is made of: anything, or what looks like a unit.
fn rubbish() -> impl Strategy<Value = u64> {
    let like_a_unit = (0..4_u64, 0..22_u64).prop_map(|(kind, number)| kind | number << 8);
    prop_oneof![2 => any::<u64>(), 3 => like_a_unit, 1 => 0..30_u64]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_heap_does_what_a_simple_model_does(steps in steps()) {
        let memory = Memory::new();
        let spans = spans(&memory);
        let mut blocks: Vec<Block> = Vec::new();
        for step in steps {
            match step {
                Step::Allocate { len, align, spans: at_once } => {
                    if let Some(block) = allocate_by(&memory, len, align, at_once) {
                        prop_assert!(block.len() >= len);
                        prop_assert_eq!((BASE + extent(block).start) % align, 0);
                        blocks.push(block);
                    } else {
                        // There is no room for its units, and no block of its size is left.
                        let units = len.div_ceil(UNIT).max(at_once as u64) * UNIT;
                        let gaps = gaps(spans.extents(), &DATA);
                        prop_assert!(highest(&gaps, BASE, units, align.max(UNIT)).is_err());
                    }
                }
                Step::Free { which } if !blocks.is_empty() => {
                    let block = blocks.swap_remove(which.index(blocks.len()));
                    prop_assert!(free(&memory, block));
                }
                Step::Cut { which, kept } if !blocks.is_empty() => {
                    let which = which.index(blocks.len());
                    if let Block::Large { unit, units } = blocks[which] {
                        let kept = kept.index(units) + 1;
                        prop_assert!(spans.cut(unit, units, kept));
                        blocks[which] = Block::Large { unit, units: kept };
                    }
                }
                Step::Free { .. } | Step::Cut { .. } => {}
                Step::Retire => {
                    spans.retire_all();
                }
                Step::Trim => {
                    let taken: Vec<_> = blocks.iter().map(|&block| extent(block)).collect();
                    spans.trim(&[], |part| {
                        let apart = |of: &Range<u64>| {
                            of.end <= part.start || part.end <= of.start
                        };
                        assert!(taken.iter().all(apart), "{part:?} is in use");
                    });
                }
            }
            check(&memory, &blocks);
            let tally = spans.tally();
            prop_assert_eq!(tally.blocks, blocks.len() as u64);
            prop_assert_eq!(tally.used, blocks.iter().map(|block| block.len()).sum::<u64>());
        }
        check_nothing_is_lost(&memory, &blocks, 0);
    }

    /// Whatever a hostile member writes, all ends, and nothing lies outside.
    #[test]
    fn rubbish_in_the_directory_hurts_nobody(
        words in prop::collection::vec((0..UNITS, rubbish()), 0..60),
        others in prop::collection::vec((any::<prop::sample::Index>(), rubbish()), 0..60),
        changing in 0..2_u64,
        offsets in prop::collection::vec(any::<u64>(), 20),
        lens in prop::collection::vec((len(), align()), 1..10),
    ) {
        let memory = Memory::new();
        for (at, word) in others {
            memory.store(at.index(memory.0.len()), word);
        }
        memory.store(CHANGING, changing);
        for (unit, word) in words {
            memory.store(memory.grid().word_of(unit), word);
        }
        let spans = spans(&memory);
        let inside = |extent: &Range<u64>| {
            extent.start >= DATA.start && extent.end <= DATA.end && extent.start < extent.end
        };
        prop_assert!(spans.extents().iter().all(inside));
        let starts = (0..22 * 1024).map(|line| line * 64);
        for offset in starts.chain(offsets) {
            if let Some(block) = spans.block_at(offset) {
                prop_assert!(inside(&extent(block)), "{:?}", block);
                prop_assert_eq!(extent(block).start, offset);
                // It may be lost: others have counted wrongly.
                free(&memory, block);
                prop_assert_eq!(spans.block_at(offset), None);
            }
        }
        for (len, align) in lens {
            if let Some(block) = allocate_by(&memory, len, align, 2) {
                prop_assert!(inside(&extent(block)), "{:?}", block);
                prop_assert_eq!((BASE + extent(block).start) % align, 0);
            }
        }
        spans.retire_all();
        spans.trim(&[], |part| assert!(inside(&part)));
        spans.note_freed(usize::MAX);
        spans.tally();
    }
}
