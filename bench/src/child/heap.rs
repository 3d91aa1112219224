//! Blocks of the heap, as a secondary allocates and frees them.
//!
//! - `small COUNT`: batches of [`BATCH`] blocks of [`SMALL_LEN`] bytes, each allocated and freed;
//! - `page COUNT`: the same, of [`PAGE_LEN`] bytes.
//!
//! The C program knows both.

use rte_mp::Heap;

use super::zones::{BATCH, PAGE_LEN};
use super::{Result, time_each};

pub(crate) const SMALL_LEN: usize = 64;

/// Measures what `verb` names.
pub(super) fn time(heap: &Heap, verb: &str, count: usize) -> Result<Vec<u64>> {
    let len = match verb {
        "small" => SMALL_LEN,
        "page" => PAGE_LEN,
        _ => return Err(format!("no such verb: {verb}").into()),
    };
    let pair = || Ok(heap.free(heap.allocate(len, 0)?)?);
    time_each(count, None, || (0..BATCH).try_for_each(|_| pair()))
}
