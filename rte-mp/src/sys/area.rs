//! A stretch of this process's memory that other processes have mapped too.
//!
//! They may change any of it at any time, so nothing here gives out a reference to plain bytes:
//! there are atomics, and copies made by atomics.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use super::fixed::{FixedPages, Source};
use super::pages::{Access, Reservation};
use super::shared::Shared;

/// Addresses of ours, where pages are laid.
#[derive(Debug)]
pub(crate) enum Site {
    /// A range of our own, wherever there was room.
    Own(Reservation),
    /// Where another process has the pages; others here may share them.
    Fixed(FixedPages),
}

impl Site {
    /// Lays `len` bytes of a file at `at` from the start. Where pages may be shared, they are laid in
    /// their order.
    ///
    /// # Errors
    /// As [`Reservation::lay`] and [`FixedPages::lay`].
    pub(crate) fn lay(
        &mut self,
        at: usize,
        len: usize,
        source: &Source<'_>,
        access: Access,
    ) -> io::Result<()> {
        match self {
            Self::Own(range) => range.lay(at, len, source.file, source.offset, access),
            Self::Fixed(pages) => pages.lay(at, len, source, access),
        }
    }

    fn start(&self) -> NonNull<u8> {
        match self {
            Self::Own(range) => range.start(),
            Self::Fixed(pages) => pages.start(),
        }
    }

    /// Gives how many bytes may be touched, if all was laid that should be.
    fn len(&self) -> usize {
        match self {
            Self::Own(range) => range.len(),
            Self::Fixed(pages) => pages.len(),
        }
    }
}

/// A part of a mapping that is shared; what of the mapping nobody else has ends when this is dropped.
///
/// The files behind it cannot become shorter: they are sealed, or of a kind that only those who are
/// trusted can open.
#[derive(Debug)]
pub(crate) struct Area {
    site: Site,
    /// Where it begins in the site.
    start: usize,
    len: usize,
    access: Access,
}

impl Area {
    /// Maps the first `len` bytes of `file` at the address `at` and nowhere else.
    ///
    /// # Errors
    /// `AlreadyExists` if something lies there; else the kernel's.
    pub(crate) fn map(file: BorrowedFd<'_>, len: usize, at: usize) -> io::Result<Self> {
        let site = Site::Own(Reservation::of_file(file, len, at)?);
        Ok(Self { site, start: 0, len, access: Access::Writable })
    }

    /// Takes the `len` bytes from `start` on of a site all of which was laid with `access`.
    ///
    /// # Panics
    /// If they do not lie inside.
    pub(crate) fn over(site: Site, start: usize, len: usize, access: Access) -> Self {
        let inside = start.checked_add(len).is_some_and(|end| end <= site.len());
        assert!(inside, "{len} bytes at {start} of {}", site.len());
        Self { site, start, len, access }
    }

    /// Says what may be done to it: a write to one that may only be read ends the process.
    pub(crate) fn access(&self) -> Access {
        self.access
    }

    /// Gives the address of the first byte.
    pub(crate) fn address(&self) -> usize {
        self.pointer(0).addr()
    }

    /// Gives the length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Points to the byte at `offset`, which lies inside or at the end.
    ///
    /// # Panics
    /// If it does not.
    pub(crate) fn pointer(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.len, "offset {offset} of {}", self.len);
        // SAFETY: all of the area lies in the site, as was checked when it was made, and `offset`
        // is at most the area's length.
        unsafe { self.site.start().as_ptr().add(self.start + offset) }
    }

    /// Borrows the first `count` words.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn words(&self, count: usize) -> &[AtomicU64] {
        self.words_at(0, count)
    }

    /// Borrows `count` words from `offset` on.
    ///
    /// # Panics
    /// If they do not lie inside, or not on a multiple of 8 bytes.
    pub(crate) fn words_at(&self, offset: usize, count: usize) -> &[AtomicU64] {
        let first = self.pointer(offset).cast::<AtomicU64>();
        let room = (self.len - offset) / size_of::<AtomicU64>();
        assert!(count <= room, "{count} words at {offset} of {}", self.len);
        assert!(first.is_aligned(), "words at {offset}");
        // SAFETY: it is aligned and `count` words lie inside, as was just checked; they stay mapped
        // for as long as `self` is borrowed, and any bits are an `AtomicU64`.
        unsafe { slice::from_raw_parts(first, count) }
    }

    /// Borrows a value of atomics at `offset`, or gives nothing if it does not lie inside, or not
    /// on a multiple of its alignment.
    pub(crate) fn value<T: Shared>(&self, offset: usize) -> Option<&T> {
        let inside = offset.checked_add(size_of::<T>()).is_some_and(|end| end <= self.len);
        if !inside {
            return None;
        }
        let value = self.pointer(offset).cast::<T>();
        if !value.is_aligned() {
            return None;
        }
        // SAFETY: it lies inside and is aligned, as was just checked; it stays mapped for as
        // long as `self` is borrowed; and any bytes are a `T`, whoever changes them.
        Some(unsafe { &*value })
    }

    /// Copies bytes out, from `offset` on. An aligned word of 8 bytes is read at once, and so are
    /// aligned halves, quarters and bytes at the ends.
    ///
    /// # Panics
    /// If they do not lie inside.
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) {
        let mut at = self.checked(offset, bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, others) = rest.split_at_mut(piece(self.pointer(at).addr(), rest.len()));
            self.read_piece(at, piece);
            at += piece.len();
            rest = others;
        }
    }

    /// Copies bytes in, from `offset` on, in pieces as [`Area::read`] does.
    ///
    /// # Panics
    /// If they do not lie inside.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        let mut at = self.checked(offset, bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(piece(self.pointer(at).addr(), rest.len()));
            self.write_piece(at, piece);
            at += piece.len();
            rest = others;
        }
    }

    /// Writes zeros, whole words where that can be.
    ///
    /// # Panics
    /// If they do not lie inside.
    pub(crate) fn clear(&self, offset: usize, len: usize) {
        const ZEROS: [u8; size_of::<AtomicU64>()] = [0; size_of::<AtomicU64>()];
        let start = self.checked(offset, len);
        let before = self.pointer(start).addr().wrapping_neg() % ZEROS.len();
        let before = before.min(len);
        let words = (len - before) / ZEROS.len();
        let behind = (len - before) % ZEROS.len();
        self.write(start, &ZEROS[..before]);
        // Relaxed: as for writing.
        self.words_at(start + before, words).iter().for_each(|word| word.store(0, RELAXED));
        self.write(start + len - behind, &ZEROS[..behind]);
    }

    /// Copies `len` bytes from one place to another, both on multiples of 8 bytes, by whole words.
    ///
    /// # Panics
    /// If the words do not lie inside, or not on a multiple of 8 bytes.
    pub(crate) fn copy(&self, from: usize, to: usize, len: usize) {
        let count = len.div_ceil(size_of::<AtomicU64>());
        let words = self.words_at(from, count).iter().zip(self.words_at(to, count));
        // Relaxed: as for reading and writing.
        words.for_each(|(from, to)| to.store(from.load(RELAXED), RELAXED));
    }

    /// # Panics
    /// If the bytes do not lie inside.
    fn checked(&self, offset: usize, len: usize) -> usize {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len);
        assert!(inside, "{len} bytes at {offset} of {}", self.len);
        offset
    }

    /// Reads 1, 2, 4 or 8 aligned bytes.
    fn read_piece(&self, at: usize, piece: &mut [u8]) {
        // Relaxed: a copy orders nothing; whoever wants an order has atomics of his own.
        match piece.len() {
            8 => piece.copy_from_slice(&self.part::<AtomicU64>(at).load(RELAXED).to_ne_bytes()),
            4 => piece.copy_from_slice(&self.part::<AtomicU32>(at).load(RELAXED).to_ne_bytes()),
            2 => piece.copy_from_slice(&self.part::<AtomicU16>(at).load(RELAXED).to_ne_bytes()),
            _ => piece.copy_from_slice(&[self.part::<AtomicU8>(at).load(RELAXED)]),
        }
    }

    /// Writes 1, 2, 4 or 8 aligned bytes.
    fn write_piece(&self, at: usize, piece: &[u8]) {
        let mut word = [0; 8];
        word[..piece.len()].copy_from_slice(piece);
        let [a, b, c, d, ..] = word;
        // Relaxed: as for reading.
        match piece.len() {
            8 => self.part::<AtomicU64>(at).store(u64::from_ne_bytes(word), RELAXED),
            4 => self.part::<AtomicU32>(at).store(u32::from_ne_bytes([a, b, c, d]), RELAXED),
            2 => self.part::<AtomicU16>(at).store(u16::from_ne_bytes([a, b]), RELAXED),
            _ => self.part::<AtomicU8>(at).store(a, RELAXED),
        }
    }

    /// Borrows an atomic that lies inside and is aligned, as [`piece`] has seen to.
    fn part<T: Shared>(&self, at: usize) -> &T {
        debug_assert!(at + size_of::<T>() <= self.len);
        let part = self.pointer(at).cast::<T>();
        debug_assert!(part.is_aligned());
        // SAFETY: both callers take pieces of bytes that `checked` found inside, at addresses that
        // are multiples of their size; any bytes are a `T`, and it stays mapped while borrowed.
        unsafe { &*part }
    }
}

const RELAXED: Ordering = Ordering::Relaxed;

/// Gives the length of the largest piece at address `at` that is aligned and not longer than `len`: 8, 4, 2
/// or 1.
fn piece(at: usize, len: usize) -> usize {
    let aligned = if at == 0 { 8 } else { 1 << at.trailing_zeros().min(3) };
    if len >= aligned { aligned } else { 1 << len.ilog2() }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    const AT: usize = 0x2_0000_0000;

    fn area(at: usize) -> Area {
        let file: File = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        Area::map(file.as_fd(), 8192, at).unwrap()
    }

    #[test]
    fn copies_of_any_length_at_any_place_are_right() {
        let area = area(AT);
        let bytes: Vec<u8> = (1..=40).collect();
        for offset in 0..16 {
            for len in 0..bytes.len() {
                area.clear(0, 64);
                area.write(offset, &bytes[..len]);
                let mut all = [0xff; 64];
                area.read(0, &mut all);
                let mut expected = [0; 64];
                expected[offset..offset + len].copy_from_slice(&bytes[..len]);
                assert_eq!(all, expected, "{len} bytes at {offset}");
                let mut part = vec![0; len];
                area.read(offset, &mut part);
                assert_eq!(part, bytes[..len], "{len} bytes at {offset}");
            }
        }
    }

    #[test]
    fn pieces_are_as_large_as_their_place_allows() {
        let cases = [(0, 9, 8), (0, 7, 4), (0, 1, 1), (4, 8, 4), (6, 8, 2), (7, 8, 1), (8, 8, 8)];
        for (at, len, expected) in cases {
            assert_eq!(piece(at, len), expected, "{len} bytes at {at}");
        }
    }

    #[test]
    fn nothing_that_lies_there_is_replaced() {
        let first = area(AT + (1 << 30));
        let file: File = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        let error = Area::map(file.as_fd(), 8192, first.address() + 4096).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_value_lies_inside_and_on_its_alignment_or_there_is_none() {
        let area = area(AT + (2 << 30));
        assert!(area.value::<AtomicU64>(8184).is_some());
        for (what, offset) in [("misaligned", 4), ("past the end", 8188), ("far out", usize::MAX)] {
            assert!(area.value::<AtomicU64>(offset).is_none(), "{what}");
        }
        area.value::<AtomicU32>(4).unwrap().store(7, RELAXED);
        assert_eq!(area.words(1)[0].load(RELAXED).to_ne_bytes()[4..], 7_u32.to_ne_bytes());
    }
}
