//! The files that hold a zone's pages, opened and laid side by side.
//!
//! Which file it is follows from where the page stands, or from a table (`--legacy-mem`). Files
//! that have no name here are asked of the primary's process.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rte_mp_proto::memory::{
    Backing, HUGEPAGE_DATA, HUGEPAGE_INFO, LegacyPage, Pages, TableError, mount_point,
};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::primary::Primary;
use super::process::{self, Maps};
use super::{Placement, Zone, tables};
use crate::error::HugepagesError;
use crate::sys::area::Site;
use crate::sys::fixed::{FileId, FixedPages, Source, Witness};
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
    pub(super) pages: &'a Pages,
    pub(super) access: Access,
    pub(super) placement: Placement,
    pub(super) witness: &'a Witness,
}

/// A run of pages that lie in one file, one after the other.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    file: String,
    offset: u64,
    len: u64,
}

/// The files with names in which pages were found.
pub(super) struct Files(Vec<(PathBuf, FileId)>);

impl Files {
    /// Tells whether they still have their names: a primary that takes a page anew makes a new file.
    /// Asked once it is known that the zone is still there, so that they were its pages' then.
    pub(super) fn are_in_place(&self) -> bool {
        let id_at = |path| fs::symlink_metadata(path).map(|data| FileId::from(&data));
        self.0.iter().all(|(path, id)| id_at(path).is_ok_and(|found| found == *id))
    }
}

impl Place<'_> {
    /// Finds addresses for the pages.
    pub(super) fn site(&self) -> Result<Site, HugepagesError> {
        let site = || -> io::Result<Site> {
            let Range { start, end } = self.addresses()?;
            Ok(match self.placement {
                Placement::Anywhere => {
                    let page_len = usize::try_from(self.pages.page_len());
                    let page_len = page_len.map_err(|_| Errno::NOMEM)?;
                    Site::Own(Reservation::anywhere(end - start, page_len)?)
                }
                Placement::SameAddress => Site::Fixed(FixedPages::at(start)?),
            })
        };
        site().map_err(HugepagesError::io("reserve addresses for the pages of", self.directory))
    }

    /// Takes a share of the pages if all of them are laid at their addresses, and were found to be
    /// this primary's.
    pub(super) fn find_laid(&self) -> Option<FixedPages> {
        match self.placement {
            Placement::Anywhere => None,
            Placement::SameAddress => {
                FixedPages::known(self.addresses().ok()?, self.access, self.witness)
            }
        }
    }

    /// Tells whether `laid`, which were found to be the pages, still are: whether their files have
    /// their names, or the primary's process has them mapped. Asked last, as
    /// [`Files::are_in_place`].
    pub(super) fn still_has(&self, laid: &FixedPages) -> Result<bool, HugepagesError> {
        match self.pages.backing() {
            // For as long as it runs, such a primary takes no page and gives none back.
            Backing::Legacy | Backing::Anonymous => return Ok(true),
            Backing::Numbered | Backing::ListAndPage | Backing::SingleFile => {}
        }
        let (Some(runs), Some(mount)) = (self.runs()?, self.mount_point()?) else {
            return Ok(false);
        };
        let mut next = self.pages.addresses().start;
        Ok(runs.iter().all(|run| {
            let addresses = next..next + run.len;
            next = addresses.end;
            let at = (addresses.start - self.pages.addresses().start) as usize;
            let are_of = |data: fs::Metadata| {
                laid.are_of(at, run.len as usize, FileId::from(&data), run.offset)
            };
            fs::symlink_metadata(mount.join(&run.file)).is_ok_and(are_of)
                || process::mapped(self.primary, addresses).is_some_and(are_of)
        }))
    }

    /// Lays the pages over `site`, which is as long as they are. Gives nothing if the primary's
    /// process changed what it has mapped meanwhile.
    pub(super) fn lay(&self, site: &mut Site) -> Result<Option<Files>, HugepagesError> {
        let mut files = Files(Vec::new());
        let (Some(runs), Some(mount)) = (self.runs()?, self.mount_point()?) else {
            return Ok(process::lay(self, site, 0, None)?.then_some(files));
        };
        // Files of these names may be others': of a primary that sees other mounts than we do. Where
        // we may not look, the names have to do.
        let maps = match self.primary.pid().map(|pid| Maps::read(self, pid)) {
            None | Some(Err(HugepagesError::Rights { .. })) => None,
            Some(maps) => Some(maps?),
        };
        let (start, mut at) = (self.pages.addresses().start, 0);
        for run in runs {
            let path = mount.join(&run.file);
            let is_primarys = |file: &File| {
                maps.as_ref().is_none_or(|maps| maps.have(start + at, file, run.offset))
            };
            let file = match self.open(|access| open(&path, access)) {
                Ok(file) if is_primarys(&file) => file,
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(HugepagesError::io("open", &path)(error));
                }
                // There is no such file here: it was unlinked once it was mapped (`--huge-unlink`),
                // or it is mounted elsewhere.
                Ok(_) | Err(_) => return Ok(process::lay(self, site, at, maps)?.then_some(files)),
            };
            let id = self.lay_file(&file, &path, run.offset, run.len, site, at as usize)?;
            files.0.push((path, id));
            at += run.len;
        }
        Ok(Some(files))
    }

    /// Lays `len` bytes of `file` over `site` at `at`. A file that does not have them is refused:
    /// whoever touched them would be killed.
    pub(super) fn lay_file(
        &self,
        file: &File,
        path: &Path,
        offset: u64,
        len: u64,
        site: &mut Site,
        at: usize,
    ) -> Result<FileId, HugepagesError> {
        let data = file.metadata().map_err(HugepagesError::io("look at", path))?;
        let want = offset.saturating_add(len);
        if !data.is_file() || data.len() < want {
            return Err(HugepagesError::broken(path)(TableError::Short { len: data.len(), want }));
        }
        let id = FileId::from(&data);
        let source = Source { file, id, offset, witness: self.witness };
        site.lay(at, len as usize, &source, self.access).map_err(|error| {
            let (zone, addresses) = (self.zone.name(), self.pages.addresses());
            match error.kind() {
                io::ErrorKind::AlreadyExists => HugepagesError::AddressTaken { zone, addresses },
                io::ErrorKind::StaleNetworkFileHandle => {
                    HugepagesError::AddressHeld { zone, addresses }
                }
                _ => HugepagesError::io("map", path)(error),
            }
        })?;
        Ok(id)
    }

    /// Opens a file of pages for what is to be done to them; for writing, too, where others may
    /// share the mapping and want to write, if it can be had.
    pub(super) fn open(&self, open: impl Fn(Access) -> io::Result<File>) -> io::Result<File> {
        match (self.access, self.placement) {
            (Access::ReadOnly, Placement::SameAddress) => {
                open(Access::Writable).or_else(|_| open(Access::ReadOnly))
            }
            (access, _) => open(access),
        }
    }

    fn addresses(&self) -> io::Result<Range<usize>> {
        let Range { start, end } = self.pages.addresses();
        let number = |number: u64| usize::try_from(number).map_err(|_| Errno::NOMEM);
        Ok(number(start)?..number(end)?)
    }

    /// Finds the files of all pages; nothing if there is one that has none.
    fn runs(&self) -> Result<Option<Vec<Run>>, HugepagesError> {
        let pages = self.pages;
        // DPDK names the files after the prefix, which names the directory.
        let Some(prefix) = self.directory.file_name().and_then(OsStr::to_str) else {
            return Ok(None);
        };
        let page_len = pages.page_len();
        let files = match pages.backing() {
            Backing::Anonymous => None,
            Backing::Legacy => self.legacy_files(prefix)?,
            backing @ (Backing::Numbered | Backing::ListAndPage | Backing::SingleFile) => {
                let file = |page| backing.file(prefix, pages.list(), page, page_len);
                pages.range().map(file).collect()
            }
        };
        Ok(files.map(|files| join(files, page_len)))
    }

    /// Looks the pages up in the legacy table.
    fn legacy_files(&self, prefix: &str) -> Result<Option<Vec<(String, u64)>>, HugepagesError> {
        let pages = self.pages;
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
    fn mount_point(&self) -> Result<Option<PathBuf>, HugepagesError> {
        let path = self.directory.join(HUGEPAGE_INFO);
        let file = match tables::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HugepagesError::io("open", &path)(error)),
        };
        let len = file.metadata().map_err(HugepagesError::io("look at", &path))?.len();
        let info = tables::read(&file, 0..len.min(MAX_INFO_LEN), &path)?;
        Ok(mount_point(&info, self.pages.page_len()).map(|path| OsStr::from_bytes(path).into()))
    }
}

/// Opens a file of pages: no link, and nothing that would block.
fn open(path: &Path, access: Access) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(access == Access::Writable);
    options.custom_flags(flags.bits().cast_signed()).open(path)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_replaced_are_not_in_place() {
        let room = tempfile::tempdir().unwrap();
        let make = |name| {
            let path = room.path().join(name);
            let id = FileId::from(&File::create(&path).unwrap().metadata().unwrap());
            (path, id)
        };
        let files = Files(vec![make("first"), make("second")]);
        assert!(files.are_in_place());
        let (other, _) = make("other");
        fs::rename(other, room.path().join("second")).unwrap();
        assert!(!files.are_in_place(), "another one has its name");
        fs::remove_file(room.path().join("second")).unwrap();
        assert!(!files.are_in_place(), "none has its name");
    }
}
