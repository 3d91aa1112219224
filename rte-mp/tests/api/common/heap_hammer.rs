//! Allocates, resizes and frees at full speed, at random, for as long as it lives.
//!
//! Each member writes down in a zone, the ledger, which blocks it has: after it has allocated one,
//! and before it frees it. So whoever frees the blocks of one who was killed misses at most those
//! that were being allocated or freed. What is in a block tells which it is and whose.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rte_mp::{Group, Heap, HeapError, Memzone};

use super::arena_of;
use super::dice::Dice;

/// The size of the arena of these tests.
pub(crate) const SIZE: u64 = 8 << 20;

/// How many members there may be, and how many blocks each may have.
pub(crate) const ROWS: usize = 4;
const BLOCKS: usize = 64;

type Rows = [[AtomicU64; BLOCKS]; ROWS];

const LEDGER: &str = "ledger";

/// The bytes of an arena, without being mapped by us.
pub(crate) struct Bytes {
    file: File,
    base: u64,
}

impl Bytes {
    /// Those of the group's.
    pub(crate) fn of(secondary: &Group) -> Self {
        let file = arena_of(secondary);
        let mut base = [0; 8];
        file.read_exact_at(&mut base, 24).unwrap();
        Self { file, base: u64::from_ne_bytes(base) }
    }

    pub(crate) fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, address - self.base).unwrap();
        bytes
    }

    pub(crate) fn write(&self, address: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, address - self.base).unwrap();
    }

    /// Where addresses of the arena lie.
    pub(crate) fn range(&self) -> Range<u64> {
        self.base..self.base + self.file.metadata().unwrap().len()
    }
}

pub(crate) struct HeapHammer {
    heap: Heap,
    bytes: Bytes,
    ledger: Memzone,
    row: usize,
    dice: Dice,
}

/// Has the ledger be there.
pub(crate) fn open_ledger(group: &Group) {
    group.memzones().reserve(LEDGER, size_of::<Rows>()).zeroed().commit().unwrap();
}

impl HeapHammer {
    /// What it does depends on the seed alone. Its blocks are in this row of the ledger.
    pub(crate) fn new(group: &Group, row: usize, seed: u64) -> Self {
        let ledger = group.memzones().lookup(LEDGER).unwrap();
        let dice = Dice::new(seed);
        Self { heap: group.heap(), bytes: Bytes::of(group), ledger, row, dice }
    }

    /// Gives a number below `limit`.
    pub(crate) fn random(&mut self, limit: u64) -> u64 {
        self.dice.below(limit)
    }

    /// Goes on until something goes wrong.
    pub(crate) fn strike_forever(mut self) -> String {
        loop {
            if let Err(error) = self.strike() {
                return error;
            }
        }
    }

    /// Does one thing. That there is no room is no error.
    pub(crate) fn strike(&mut self) -> Result<(), String> {
        let index = self.random(BLOCKS as u64) as usize;
        let longest = if self.random(10) == 0 { 200_000 } else { 3000 };
        let (len, align) = (self.random(longest) as usize + 1, 64 << self.random(3));
        match self.slot(index).swap(0, Ordering::Relaxed) {
            0 => {
                let zeroed = self.random(3) == 0;
                let block = if zeroed {
                    self.heap.allocate_zeroed(len, align)
                } else {
                    self.heap.allocate(len, align)
                };
                match block {
                    Ok(block) if zeroed => self.check_zeros(block, len)?,
                    Ok(_) | Err(HeapError::NoRoom { .. }) => {}
                    Err(error) => return Err(format!("{error:?}")),
                }
                self.keep(index, block.ok())
            }
            address => {
                let block = self.check(address)?;
                if self.random(3) > 0 {
                    return self.heap.free(block).map_err(|error| format!("{error:?}"));
                }
                match self.heap.resize(block, len, align) {
                    Ok(new) => {
                        self.check_mark(new, mark(address, self.row))?;
                        self.keep(index, Some(new))
                    }
                    Err(HeapError::NoRoom { .. }) => self.keep(index, Some(block)),
                    Err(error) => Err(format!("{error:?}")),
                }
            }
        }
    }

    fn slot(&self, index: usize) -> &AtomicU64 {
        &self.ledger.shared::<Rows>().unwrap()[self.row][index]
    }

    /// Marks a block and writes it down.
    fn keep(&self, index: usize, block: Option<NonNull<u8>>) -> Result<(), String> {
        let Some(block) = block else { return Ok(()) };
        let address = block.as_ptr().addr() as u64;
        let len = self.heap.usable_len(block).map_err(|error| format!("{error:?}"))?;
        let mark = mark(address, self.row).to_ne_bytes();
        self.bytes.write(address, &mark);
        self.bytes.write(address + len as u64 - 8, &mark);
        self.slot(index).store(address, Ordering::Relaxed);
        Ok(())
    }

    /// Finds a block that was written down.
    fn check(&self, address: u64) -> Result<NonNull<u8>, String> {
        let block = self.heap.find(address as usize).map_err(|error| format!("{error:?}"))?;
        self.check_mark(block, mark(address, self.row))?;
        let len = self.heap.usable_len(block).map_err(|error| format!("{error:?}"))?;
        let last = self.bytes.read(address + len as u64 - 8, 8);
        if last != mark(address, self.row).to_ne_bytes() {
            return Err(format!("{len} bytes at {address:#x} end with {last:x?}"));
        }
        Ok(block)
    }

    fn check_mark(&self, block: NonNull<u8>, expected: u64) -> Result<(), String> {
        let found = self.bytes.read(block.as_ptr().addr() as u64, 8);
        if found != expected.to_ne_bytes() {
            return Err(format!("{block:?} begins with {found:x?}, not {expected:#x}"));
        }
        Ok(())
    }

    fn check_zeros(&self, block: NonNull<u8>, len: usize) -> Result<(), String> {
        let bytes = self.bytes.read(block.as_ptr().addr() as u64, len);
        match bytes.iter().position(|&byte| byte != 0) {
            Some(at) => Err(format!("no zero at {at} of {len} bytes at {block:?}")),
            None => Ok(()),
        }
    }

    /// Frees all blocks of a row, which are whole.
    pub(crate) fn free_row(&self, row: usize) {
        for slot in &self.ledger.shared::<Rows>().unwrap()[row] {
            let address = slot.swap(0, Ordering::Relaxed);
            if address != 0 {
                let block = self.heap.find(address as usize).unwrap();
                self.check_mark(block, mark(address, row)).unwrap();
                self.heap.free(block).unwrap();
            }
        }
    }
}

/// What tells a block from others, and whose it is.
fn mark(address: u64, row: usize) -> u64 {
    address.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ row as u64
}
