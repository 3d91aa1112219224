//! The primary's tables, read out of their files.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rte_mp_proto::memory::{Fbarray, Mask, Memseg, MemzoneEntry, Pages, TableError};
use rustix::fs::OFlags;

use super::Zone;
use crate::error::HugepagesError;

/// How many records of pages are read at once.
const PAGES_AT_ONCE: u32 = 1024;

/// Opens a file of the primary's for reading: no link, and nothing that would block.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Tells whether the open file is the one that stands at `path`.
pub(super) fn is_in_place(file: &File, path: &Path) -> bool {
    let number = |data: Metadata| (data.dev(), data.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => number(open) == number(there),
        _ => false,
    }
}

/// Reads a part of a file, which must have all of it.
pub(super) fn read(file: &File, part: Range<u64>, path: &Path) -> Result<Vec<u8>, HugepagesError> {
    let len = file.metadata().map_err(HugepagesError::io("look at", path))?.len();
    let short = |len| HugepagesError::broken(path)(TableError::Short { len, want: part.end });
    // Before room is made for it: the length comes from a file, too.
    if len < part.end {
        return Err(short(len));
    }
    let mut bytes = vec![0; usize::try_from(part.end - part.start).map_err(|_| short(len))?];
    match file.read_exact_at(&mut bytes, part.start) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(short(part.start)),
        Err(error) => Err(HugepagesError::io("read", path)(error)),
    }
}

/// One table of the primary's, in its file.
#[derive(Debug)]
struct Table {
    array: Fbarray,
    file: File,
    path: PathBuf,
}

impl Table {
    fn open(directory: &Path, array: Fbarray) -> Result<Self, HugepagesError> {
        let path = directory.join(array.file_name());
        let file = open(&path).map_err(HugepagesError::io("open", &path))?;
        Ok(Self { array, file, path })
    }

    fn read(&self, part: Range<u64>) -> Result<Vec<u8>, HugepagesError> {
        read(&self.file, part, &self.path)
    }

    fn read_mask(&self) -> Result<Vec<u8>, HugepagesError> {
        self.read(self.array.mask_range())
    }

    fn mask<'a>(&self, bytes: &'a [u8]) -> Result<Mask<'a>, HugepagesError> {
        Mask::parse(&self.array, bytes).map_err(HugepagesError::broken(&self.path))
    }
}

/// The table of zones.
#[derive(Debug)]
pub(super) struct ZoneTable(Table);

impl ZoneTable {
    pub(super) fn open(directory: &Path, array: Fbarray) -> Result<Self, HugepagesError> {
        Table::open(directory, array).map(Self)
    }

    /// Tells whether the primary's table is still this one.
    pub(super) fn is_in_place(&self) -> bool {
        is_in_place(&self.0.file, &self.0.path)
    }

    /// Reads all zones that are whole, once.
    pub(super) fn read(&self) -> Result<Vec<Zone>, HugepagesError> {
        let mask = self.0.read_mask()?;
        let mask = self.0.mask(&mask)?;
        let end = mask.used().last().map_or(0, |last| last + 1);
        let bytes = self.0.read(self.0.array.element_range(0..end))?;
        let (records, _) = bytes.as_chunks::<{ MemzoneEntry::LEN }>();
        let zone = |(index, record)| Some(Zone { index, entry: MemzoneEntry::parse(record)? });
        let used = (0..).zip(records).filter(|(index, _)| mask.is_used(*index));
        Ok(used.filter_map(zone).collect())
    }

    /// Tells whether `zone` stands in the table as it was read.
    pub(super) fn holds(&self, zone: &Zone) -> Result<bool, HugepagesError> {
        let bytes = self.0.read(self.0.array.element_range(zone.index..zone.index + 1))?;
        let same = bytes.first_chunk().and_then(MemzoneEntry::parse) == Some(zone.entry);
        // The mask last: the primary clears an entry before it marks it as free.
        Ok(same && self.0.mask(&self.0.read_mask()?)?.is_used(zone.index))
    }
}

/// The table of a list of pages.
#[derive(Debug)]
pub(super) struct PageTable(Table);

impl PageTable {
    pub(super) fn open(directory: &Path, pages: &Pages) -> Result<Self, HugepagesError> {
        Table::open(directory, *pages.table()).map(Self)
    }

    /// Finds the first of `pages` that is not in use, or stands in the table otherwise; its
    /// address.
    pub(super) fn first_other_than(&self, pages: &Pages) -> Result<Option<u64>, HugepagesError> {
        let mask = self.0.read_mask()?;
        let mask = self.0.mask(&mask)?;
        let range = pages.range();
        for start in range.clone().step_by(PAGES_AT_ONCE as usize) {
            let end = start.saturating_add(PAGES_AT_ONCE).min(range.end);
            let bytes = self.0.read(self.0.array.element_range(start..end))?;
            let (records, _) = bytes.as_chunks::<{ Memseg::LEN }>();
            let other = (start..end).zip(records).find(|(page, record)| {
                !mask.is_used(*page) || !pages.is_record_of(*page, &Memseg::parse(record))
            });
            if let Some((page, _)) = other {
                return Ok(Some(pages.address_of(page)));
            }
        }
        Ok(None)
    }
}
