//! The heap of an arena at work: which span a block is taken from, when units are taken and given
//! back.
//!
//! A small block takes no lock while there is a span of its size with room, which is looked for from
//! where this process has last found one. Spans in which nothing is taken are given up together,
//! once there are many, or when memory gets scarce; another size, a large block or a zone may have
//! them then. A program that allocates and frees the same block again and again makes none.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::class::{Class, UNIT};
use super::spans::{Block, Small, Spans};
use crate::memory::arena::{Arena, Lack};

/// After how many units that were freed, or could be, their pages are given back to the system.
const TRIM_FROM: u64 = 64;

/// How many spans are made at once at most.
const MOST_SPANS: usize = 16;

/// What is wanted of a block, checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    /// More than zero.
    pub(super) len: u64,
    /// A power of two.
    pub(super) align: u64,
    pub(super) zeroed: bool,
}

impl Want {
    fn class(self) -> Option<Class> {
        Class::fitting(self.len, self.align).next()
    }

    fn units(self) -> u64 {
        self.len.div_ceil(UNIT)
    }
}

/// What this process remembers of each size. It says no more than where to look first, and how many
/// spans to make at once.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// The units where blocks were found last.
    found: [AtomicUsize; Class::COUNT],
    /// How many spans were made.
    made: [AtomicUsize; Class::COUNT],
}

impl Hints {
    // Relaxed, all: a hint says everything itself.

    fn found(&self, class: Class) -> usize {
        self.found[class.number()].load(Ordering::Relaxed)
    }

    fn look_first_at(&self, class: Class, unit: usize) {
        self.found[class.number()].store(unit, Ordering::Relaxed);
    }

    /// How many spans to make next: a quarter of those that there are, so that a program which takes
    /// many blocks seldom takes the lock for them, and few are spare.
    fn to_make(&self, class: Class) -> usize {
        (self.made[class.number()].load(Ordering::Relaxed) / 4).clamp(1, MOST_SPANS)
    }

    fn note_made(&self, class: Class, spans: usize) {
        self.made[class.number()].fetch_add(spans, Ordering::Relaxed);
    }
}

/// Why a block is not resized.
#[derive(Debug)]
pub(super) enum Unresized {
    NotABlock,
    Lack(Lack),
}

type Heap<'a> = Spans<'a, [AtomicU64]>;

/// The heap of an arena. Blocks are known by their offsets.
pub(super) struct Store<'a> {
    pub(super) arena: &'a Arena,
    pub(super) timeout: Duration,
}

impl Store<'_> {
    /// Allocates a block.
    pub(super) fn allocate(&self, want: Want) -> Result<u64, Lack> {
        let block = match want.class() {
            Some(class) => Block::Small(match self.take(class) {
                Some(small) => small,
                None => self.take_of_new(want, class)?,
            }),
            None => self.allocate_large(want)?,
        };
        let offset = block.offset(self.arena.grid());
        if want.zeroed {
            self.arena.zero_block(&(offset..offset + block.len()), want.len);
        }
        Ok(offset)
    }

    /// Makes spans of this size, and takes a block of one of them.
    fn take_of_new(&self, want: Want, class: Class) -> Result<Small, Lack> {
        let locked = self.arena.lock(self.timeout)?;
        let heap = locked.heap()?;
        // Who had the lock before may have made some.
        if let Some(small) = self.take(class) {
            return Ok(small);
        }
        let hints = self.arena.hints();
        let several = hints.to_make(class);
        let units = match locked.units(several as u64, UNIT).map(|unit| (unit, several)) {
            Err(_) if several > 1 => locked.units(1, UNIT).map(|unit| (unit, 1)),
            found => found,
        };
        let small = match units {
            Ok((unit, spans)) => {
                hints.note_made(class, spans);
                heap.make_spans(unit, spans, class)
            }
            // Rather a block that is too long than none.
            Err(lack) => {
                let mut others = Class::fitting(want.len, want.align);
                others.find_map(|class| heap.search(class)).ok_or(lack)?
            }
        };
        hints.look_first_at(small.class, small.unit());
        Ok(small)
    }

    fn allocate_large(&self, want: Want) -> Result<Block, Lack> {
        let locked = self.arena.lock(self.timeout)?;
        let heap = locked.heap()?;
        let unit = locked.units(want.units(), want.align)?;
        // There is room for them, so that they are counted by a `usize`.
        Ok(heap.make_run(unit, want.units() as usize))
    }

    /// Takes a block out of a span that there is.
    fn take(&self, class: Class) -> Option<Small> {
        let heap = self.arena.heap()?;
        let hints = self.arena.hints();
        let hint = hints.found(class);
        heap.take_of(hint, class).or_else(|| {
            let small = heap.take(class, hint)?;
            hints.look_first_at(class, small.unit());
            Some(small)
        })
    }

    /// Frees the block at `offset`, and says whether there was one.
    pub(super) fn free(&self, offset: u64) -> Result<bool, Lack> {
        let Some(heap) = self.arena.heap() else { return Ok(false) };
        match heap.block_at(offset) {
            Some(Block::Small(small)) => Ok(self.free_small(&heap, small)),
            Some(Block::Large { unit, units }) => self.shorten(&heap, unit, units, 0),
            None => Ok(false),
        }
    }

    fn free_small(&self, heap: &Heap<'_>, small: Small) -> bool {
        if !heap.give_back(small) {
            return false;
        }
        let (unit, class) = (small.unit(), small.class);
        let hints = self.arena.hints();
        let hint = hints.found(class);
        if unit != hint {
            if !heap.has_room(hint, class) {
                hints.look_first_at(class, unit);
            } else if heap.is_empty(unit, class) && heap.note_freed(1) >= TRIM_FROM {
                // If others have the lock, one who frees later will do it.
                if let Ok(locked) = self.arena.lock(Duration::ZERO) {
                    locked.trim();
                }
            }
        }
        true
    }

    /// Frees the units of a large block behind those that are `kept`, and says whether it was there.
    fn shorten(
        &self,
        heap: &Heap<'_>,
        unit: usize,
        units: usize,
        kept: usize,
    ) -> Result<bool, Lack> {
        let locked = self.arena.lock(self.timeout)?;
        let is_there = heap.cut(unit, units, kept);
        if is_there && heap.note_freed(units - kept) >= TRIM_FROM {
            locked.trim();
        }
        Ok(is_there)
    }

    /// Makes a block longer or shorter, and gives where it is then.
    pub(super) fn resize(&self, offset: u64, want: Want) -> Result<u64, Unresized> {
        let heap = self.arena.heap().ok_or(Unresized::NotABlock)?;
        let block = heap.block_at(offset).ok_or(Unresized::NotABlock)?;
        let is_aligned = (self.arena.base() + offset).is_multiple_of(want.align);
        let may_stay = is_aligned && want.len <= block.len();
        if may_stay && self.is_worth_keeping(&heap, block, want) {
            return Ok(offset);
        }
        match self.allocate(want) {
            Ok(new) => {
                // Both lie in the mapping, whose length is a `usize`.
                let len = block.len().min(want.len) as usize;
                self.arena.area().copy(offset as usize, new as usize, len);
                match self.free(offset) {
                    Ok(_) => Ok(new),
                    Err(lack) => {
                        // As it was before, if that can be had.
                        let _ = self.free(new);
                        if may_stay { Ok(offset) } else { Err(Unresized::Lack(lack)) }
                    }
                }
            }
            // It is longer than wanted, which does no harm.
            Err(_) if may_stay => Ok(offset),
            Err(lack) => Err(Unresized::Lack(lack)),
        }
    }

    /// Tells whether a block that is long enough stays where it is: not if half of it would be
    /// wasted. A large one gives up the units that are too many, if it can.
    fn is_worth_keeping(&self, heap: &Heap<'_>, block: Block, want: Want) -> bool {
        match (block, want.class()) {
            (Block::Small(small), Some(class)) => class.size() * 2 > small.class.size(),
            (Block::Large { unit, units }, None) => {
                let kept = want.units() as usize;
                if kept < units {
                    let _ = self.shorten(heap, unit, units, kept);
                }
                true
            }
            (Block::Small(_), None) | (Block::Large { .. }, Some(_)) => false,
        }
    }

    /// Gives the length of the block at `offset`, if there is one.
    pub(super) fn len_of(&self, offset: u64) -> Option<u64> {
        Some(self.arena.heap()?.block_at(offset)?.len())
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
