//! The files that hold a zone's pages, opened and laid side by side.
//!
//! Which file it is follows from where the page stands, or from a table (`--legacy-mem`). Files
//! that have no name here are asked of the primary's process.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rte_mp_proto::memory::{
    Backing, HUGEPAGE_DATA, HUGEPAGE_INFO, LegacyPage, Pages, TableError, mount_point,
};
use rustix::fs::OFlags;

use super::primary::Primary;
use super::process::{self, Maps};
use super::{Zone, tables};
use crate::error::HugepagesError;
use crate::sys::pages::{Access, Reservation};

/// More records than this no legacy primary has: pages of 2 MiB for 2 TiB.
const MAX_LEGACY_PAGES: u64 = 1 << 20;
/// The whole file has three records of some 4 KiB.
const MAX_INFO_LEN: u64 = 1 << 16;

/// Whose pages are laid, and how.
pub(super) struct Place<'a> {
    pub(super) directory: &'a Path,
    pub(super) primary: &'a Primary,
    pub(super) zone: &'a Zone,
    pub(super) access: Access,
}

/// A run of pages that lie in one file, one after the other.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    file: String,
    offset: u64,
    len: u64,
}

/// What became of a run.
enum Laid {
    Yes,
    /// The file was replaced by another one meanwhile.
    Replaced,
    /// There is no such file here: it was unlinked once it was mapped (`--huge-unlink`), or it is
    /// mounted elsewhere.
    Missing,
}

impl Place<'_> {
    /// Lays the pages over `range`, which is as long as they are. Gives `false` if a file of theirs
    /// was replaced meanwhile.
    pub(super) fn lay(
        &self,
        pages: &Pages,
        range: &mut Reservation,
    ) -> Result<bool, HugepagesError> {
        let runs = self.runs(pages)?;
        let mount = self.mount_point(pages)?;
        let (Some(runs), Some(mount)) = (runs, mount) else {
            return process::lay(self, pages, range);
        };
        // Files of these names may be others': of a primary that sees other mounts than we do. Where
        // we may not look, the names have to do.
        let maps = match self.primary.pid().map(|pid| Maps::read(self, pid)) {
            None | Some(Err(HugepagesError::Rights { .. })) => None,
            Some(maps) => Some(maps?),
        };
        let (start, mut at) = (pages.addresses().start, 0);
        for run in runs {
            let is_primarys = |file: &File| {
                maps.as_ref().is_none_or(|maps| maps.have(start + at, file, run.offset))
            };
            match self.lay_run(&mount.join(&run.file), &run, is_primarys, range, at)? {
                Laid::Yes => at += run.len,
                Laid::Replaced => return Ok(false),
                Laid::Missing => return process::lay(self, pages, range),
            }
        }
        Ok(true)
    }

    fn lay_run(
        &self,
        path: &Path,
        run: &Run,
        is_primarys: impl Fn(&File) -> bool,
        range: &mut Reservation,
        at: u64,
    ) -> Result<Laid, HugepagesError> {
        let file = match self.options().open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Laid::Missing),
            Err(error) => return Err(HugepagesError::io("open", path)(error)),
        };
        if !is_primarys(&file) {
            return Ok(Laid::Missing);
        }
        self.lay_file(&file, path, run.offset, run.len, range, at as usize)?;
        // The file was the page's if the zone is there afterwards and the file still has its name:
        // a primary that takes a page anew makes a new file.
        let here = file.metadata().map(|data| (data.dev(), data.ino())).ok();
        let there = fs::symlink_metadata(path).map(|data| (data.dev(), data.ino())).ok();
        Ok(if here.is_some() && here == there { Laid::Yes } else { Laid::Replaced })
    }

    /// Lays `len` bytes of `file` over `range` at `at`. A file that does not have them is refused:
    /// whoever touched them would be killed.
    pub(super) fn lay_file(
        &self,
        file: &File,
        path: &Path,
        offset: u64,
        len: u64,
        range: &mut Reservation,
        at: usize,
    ) -> Result<(), HugepagesError> {
        let data = file.metadata().map_err(HugepagesError::io("look at", path))?;
        let want = offset.saturating_add(len);
        if !data.is_file() || data.len() < want {
            return Err(HugepagesError::broken(path)(TableError::Short { len: data.len(), want }));
        }
        range
            .lay(at, len as usize, file, offset, self.access)
            .map_err(HugepagesError::io("map", path))
    }

    /// Gives how to open a file of pages: no link, and nothing that would block.
    fn options(&self) -> OpenOptions {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(self.access == Access::Writable)
            .custom_flags(flags.bits().cast_signed());
        options
    }

    /// Finds the files of all pages; nothing if there is one that has none.
    fn runs(&self, pages: &Pages) -> Result<Option<Vec<Run>>, HugepagesError> {
        // DPDK names the files after the prefix, which names the directory.
        let Some(prefix) = self.directory.file_name().and_then(OsStr::to_str) else {
            return Ok(None);
        };
        let page_len = pages.page_len();
        let files = match pages.backing() {
            Backing::Anonymous => None,
            Backing::Legacy => self.legacy_files(prefix, pages)?,
            backing @ (Backing::Numbered | Backing::ListAndPage | Backing::SingleFile) => {
                let file = |page| backing.file(prefix, pages.list(), page, page_len);
                pages.range().map(file).collect()
            }
        };
        Ok(files.map(|files| join(files, page_len)))
    }

    /// Looks the pages up in the legacy table.
    fn legacy_files(
        &self,
        prefix: &str,
        pages: &Pages,
    ) -> Result<Option<Vec<(String, u64)>>, HugepagesError> {
        let path = self.directory.join(HUGEPAGE_DATA);
        let table = match tables::open(&path) {
            Ok(table) => table,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HugepagesError::io("open", &path)(error)),
        };
        let len = table.metadata().map_err(HugepagesError::io("look at", &path))?.len();
        let record_len = LegacyPage::LEN as u64;
        let mut files = vec![None; pages.range().len()];
        let (addresses, page_len) = (pages.addresses(), pages.page_len());
        for at in (0..(len / record_len).min(MAX_LEGACY_PAGES)).map(|record| record * record_len) {
            let mut head = [0; LegacyPage::HEAD_LEN];
            table.read_exact_at(&mut head, at).map_err(HugepagesError::io("read", &path))?;
            let Some(page) = LegacyPage::parse(&head) else { continue };
            if page.len == page_len && addresses.contains(&page.address) {
                // It is one of them: the index is smaller than their number.
                let index = ((page.address - addresses.start) / page_len) as usize;
                files[index] = Some((page.file_name(prefix), 0));
            }
        }
        Ok(files.into_iter().collect())
    }

    /// Finds where the primary has mounted pages of this size, if it says.
    fn mount_point(&self, pages: &Pages) -> Result<Option<PathBuf>, HugepagesError> {
        let path = self.directory.join(HUGEPAGE_INFO);
        let file = match tables::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HugepagesError::io("open", &path)(error)),
        };
        let len = file.metadata().map_err(HugepagesError::io("look at", &path))?.len();
        let info = tables::read(&file, 0..len.min(MAX_INFO_LEN), &path)?;
        Ok(mount_point(&info, pages.page_len()).map(|path| OsStr::from_bytes(path).into()))
    }
}

/// Joins pages that lie in one file, one after the other.
fn join(files: Vec<(String, u64)>, page_len: u64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (file, offset) in files {
        match runs.last_mut() {
            Some(run) if run.file == file && run.offset + run.len == offset => run.len += page_len,
            _ => runs.push(Run { file, offset, len: page_len }),
        }
    }
    runs
}
