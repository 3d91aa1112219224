//! Numbers and texts at fixed places of a payload.

use std::io;

use crate::escape::Escaped;

/// A payload of exactly `N` bytes, as one C struct has.
pub(super) struct Struct<'a, const N: usize>(&'a [u8; N]);

impl<'a, const N: usize> Struct<'a, N> {
    /// Takes bytes of that length only.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        u16::from_ne_bytes(self.take(at))
    }

    pub(super) fn i32(&self, at: usize) -> i32 {
        i32::from_ne_bytes(self.take(at))
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.take(at))
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.take(at))
    }

    /// Quotes the text in `len` bytes, up to its NUL.
    pub(super) fn text(&self, at: usize, len: usize) -> String {
        let bytes = &self.0[at..at + len];
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or(bytes);
        format!("\"{}\"", Escaped::bytes(text))
    }

    fn take<const LEN: usize>(&self, at: usize) -> [u8; LEN] {
        std::array::from_fn(|index| self.0[at + index])
    }
}

/// Says what a result of C means: 0, or a negative errno.
pub(super) fn result(code: i32) -> String {
    match code {
        0 => "done".to_owned(),
        i32::MIN..0 => format!("failed: {}", io::Error::from_raw_os_error(code.saturating_neg())),
        _ => format!("failed: {code}"),
    }
}
