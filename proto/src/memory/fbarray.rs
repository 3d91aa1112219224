//! A file-backed array: a table in a file of its own, described by a header in the config file.
//!
//! The elements come first, then the count of the mask's words, then the mask: bit `i % 64` of word
//! `i / 64` says whether element `i` is in use.
//!
//! DPDK 19.08 to 26.07: `rte_fbarray.h`, `struct rte_fbarray`; `eal_common_fbarray.c`,
//! `struct used_mask`.

use std::ops::Range;
use std::str;

use super::{u32_at, until_nul};
use crate::inline::Inline;

const NAME_LEN: usize = 64;
const LEN_AT: usize = 68;
const ELEMENT_LEN_AT: usize = 72;
/// The count of words, and what aligns the words themselves.
const MASK_HEAD: u64 = 8;
const WORD_BITS: u32 = 64;

/// A table that a header describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fbarray {
    name: Inline<{ NAME_LEN - 1 }>,
    len: u32,
    element_len: u32,
}

impl Fbarray {
    /// How many bytes a header has.
    pub const HEADER_LEN: usize = 96;
    /// The most elements that a table may have: pages of 4 KiB for 256 GiB (`--no-huge`).
    pub const MAX_LEN: u32 = 1 << 26;

    /// Reads the header of a table whose elements have `element_len` bytes.
    ///
    /// # Errors
    /// [`TableError`] says what in it cannot be.
    pub fn parse(header: &[u8; Self::HEADER_LEN], element_len: usize) -> Result<Self, TableError> {
        let name = until_nul(&header[..NAME_LEN]).filter(|name| is_part_of_file_name(name));
        let name = name.and_then(Inline::new).ok_or(TableError::Name)?;
        let len = u32_at(header, LEN_AT);
        let found = u32_at(header, ELEMENT_LEN_AT);
        if !(1..=Self::MAX_LEN).contains(&len) {
            return Err(TableError::Count { len, max: Self::MAX_LEN });
        }
        if usize::try_from(found) != Ok(element_len) {
            return Err(TableError::ElementLen { found, want: element_len });
        }
        Ok(Self { name, len, element_len: found })
    }

    /// Names its file in the runtime directory.
    pub fn file_name(&self) -> String {
        // Checked to be text when it was read.
        let name = str::from_utf8(self.name.as_bytes()).unwrap_or_default();
        format!("fbarray_{name}")
    }

    /// Gives the name itself.
    pub(super) fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// Gives how many elements it has room for.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Always `false`: a header without elements is refused.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Gives how many bytes of its file are the table's.
    pub fn file_len(&self) -> u64 {
        self.mask_range().end
    }

    /// Gives where in the file the mask is, the count of its words included.
    pub fn mask_range(&self) -> Range<u64> {
        let start = u64::from(self.len) * u64::from(self.element_len);
        start..start + MASK_HEAD + 8 * u64::from(self.len.div_ceil(WORD_BITS))
    }

    /// Gives where in the file these elements are. Elements that the table does not have are left
    /// out.
    pub fn element_range(&self, elements: Range<u32>) -> Range<u64> {
        let at = |element: u32| u64::from(element.min(self.len)) * u64::from(self.element_len);
        at(elements.start)..at(elements.end).max(at(elements.start))
    }
}

/// Says which elements of a table are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask<'a> {
    words: &'a [u8],
    len: u32,
}

impl<'a> Mask<'a> {
    /// Reads what stands at [`Fbarray::mask_range`].
    ///
    /// # Errors
    /// [`TableError`] if it is too short, or made for another number of elements.
    pub fn parse(array: &Fbarray, bytes: &'a [u8]) -> Result<Self, TableError> {
        let range = array.mask_range();
        let want = range.end - range.start;
        let (head, words) = usize::try_from(want)
            .ok()
            .and_then(|want| bytes.get(..want))
            .and_then(|bytes| bytes.split_at_checked(MASK_HEAD as usize))
            .ok_or(TableError::Short { len: bytes.len() as u64, want })?;
        let (found, want) = (u32_at(head, 0), array.len.div_ceil(WORD_BITS));
        if found != want {
            return Err(TableError::MaskLen { found, want });
        }
        Ok(Self { words, len: array.len })
    }

    /// Tells whether this element is in use.
    pub fn is_used(&self, element: u32) -> bool {
        element < self.len && self.word(element / WORD_BITS) & 1 << (element % WORD_BITS) != 0
    }

    /// Lists the elements in use, in order.
    pub fn used(self) -> impl Iterator<Item = u32> {
        (0..self.len.div_ceil(WORD_BITS)).flat_map(move |at| {
            let mut word = self.word(at);
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(at * WORD_BITS + bit)
            })
            // Bits beyond the last element mean nothing.
            .filter(move |&element| element < self.len)
        })
    }

    /// Reads a word of the mask; there is none beyond its end.
    fn word(&self, at: u32) -> u64 {
        let start = at as usize * 8;
        let word = self.words.get(start..start + 8).and_then(|word| word.try_into().ok());
        u64::from_ne_bytes(word.unwrap_or_default())
    }
}

/// A name that, put behind `fbarray_`, names a file in the directory and none elsewhere.
fn is_part_of_file_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'/')
}

/// What is wrong with a table, or with the header that describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Its file ends before it does.
    #[error("{len} bytes are there, and {want} should be")]
    Short {
        /// The bytes that are there.
        len: u64,
        /// The bytes that the table has.
        want: u64,
    },
    /// It has no name that a file can have.
    #[error("a table has no name that a file can have")]
    Name,
    /// It has no elements, or more than any primary has.
    #[error("a table has {len} elements; it can have 1 to {max}")]
    Count {
        /// The elements that the header says.
        len: u32,
        /// The most that are possible.
        max: u32,
    },
    /// Its elements are of another kind.
    #[error("a table's elements have {found} bytes, and should have {want}")]
    ElementLen {
        /// The bytes that the header says.
        found: u32,
        /// The bytes of an element of this kind.
        want: usize,
    },
    /// Its mask is for another number of elements.
    #[error("a table's mask has {found} words, and should have {want}")]
    MaskLen {
        /// The words that the file says.
        found: u32,
        /// The words for the elements that the header says.
        want: u32,
    },
    /// A record has no page size that can be.
    #[error("pages of {0} bytes cannot be")]
    PageLen(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &[u8], len: u32, element_len: u32) -> [u8; Fbarray::HEADER_LEN] {
        let mut header = [0xAA; Fbarray::HEADER_LEN];
        header[..name.len()].copy_from_slice(name);
        header[LEN_AT..LEN_AT + 4].copy_from_slice(&len.to_ne_bytes());
        header[ELEMENT_LEN_AT..ELEMENT_LEN_AT + 4].copy_from_slice(&element_len.to_ne_bytes());
        header
    }

    #[test]
    fn the_files_are_laid_out_as_dpdk_lays_them_out() {
        // Name, elements, bytes of each; where the mask was seen.
        let cases = [
            ("memzone", 2560, 72, 184_320),
            ("memseg-2048k-0-0", 8192, 48, 393_216),
            ("memseg-2048k-0-0", 32_768, 48, 1_572_864),
            ("nohugemem", 4096, 48, 196_608),
        ];
        for (name, len, element_len, mask_at) in cases {
            let header = header(format!("{name}\0").as_bytes(), len, element_len);
            let array = Fbarray::parse(&header, element_len as usize).unwrap();
            assert_eq!(array.file_name(), format!("fbarray_{name}"));
            assert_eq!(array.mask_range().start, mask_at, "{name}");
            assert_eq!(array.file_len(), mask_at + 8 + u64::from(len) / 8, "{name}");
            let size = u64::from(element_len);
            assert_eq!(array.element_range(3..5), 3 * size..5 * size, "{name}");
            assert_eq!(array.element_range(len..len + 9), mask_at..mask_at, "{name}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_is_refused() {
        let max = Fbarray::MAX_LEN;
        let cases = [
            ("no name", header(b"\0", 1, 72), TableError::Name),
            ("no end of the name", header(&[b'a'; 64], 1, 72), TableError::Name),
            ("a path", header(b"/../../etc/passwd\0", 1, 72), TableError::Name),
            ("a line break", header(b"a\nb\0", 1, 72), TableError::Name),
            ("no elements", header(b"a\0", 0, 72), TableError::Count { len: 0, max }),
            ("too many", header(b"a\0", max + 1, 72), TableError::Count { len: max + 1, max }),
            (
                "others' elements",
                header(b"a\0", 9, 48),
                TableError::ElementLen { found: 48, want: 72 },
            ),
        ];
        for (what, header, expected) in cases {
            assert_eq!(Fbarray::parse(&header, 72), Err(expected), "{what}");
        }
    }

    #[test]
    fn a_mask_says_what_is_used() {
        let array = Fbarray::parse(&header(b"a\0", 70, 48), 48).unwrap();
        let mut bytes = vec![0; 24];
        bytes[..4].copy_from_slice(&2_u32.to_ne_bytes());
        bytes[8..16].copy_from_slice(&(1_u64 | 1 << 63).to_ne_bytes());
        // 66, and one beyond the last element.
        bytes[16..].copy_from_slice(&(1_u64 << 2 | 1 << 6).to_ne_bytes());
        let mask = Mask::parse(&array, &bytes).unwrap();
        assert_eq!(mask.used().collect::<Vec<_>>(), [0, 63, 66]);
        assert!(mask.is_used(63) && !mask.is_used(1) && !mask.is_used(70));
        assert!(!mask.is_used(u32::MAX));
    }

    #[test]
    fn a_mask_of_another_length_is_refused() {
        let array = Fbarray::parse(&header(b"a\0", 70, 48), 48).unwrap();
        let short = TableError::Short { len: 23, want: 24 };
        assert_eq!(Mask::parse(&array, &[0; 23]), Err(short));
        let mask_len = TableError::MaskLen { found: 0, want: 2 };
        assert_eq!(Mask::parse(&array, &[0; 24]), Err(mask_len));
    }
}
