//! The file behind an arena: a memfd, or a nameless file on a hugetlbfs mount.
//!
//! A memfd is sealed, so that it cannot become shorter under those who have it mapped, which would
//! kill them. Files on a mount have no seals; their huge pages are all taken at once instead, and
//! who maps one trusts those whom the primary gave it to, as DPDK's processes trust each other.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fchmod, fstatfs, open};
use rustix::io::{Errno, retry_on_intr};

use super::layout::{Header, NotAnArena};
use crate::error::ArenaError;
use crate::sys::memfd;

/// What `statfs` calls a hugetlbfs.
const HUGETLBFS: u64 = 0x9584_58f6;

/// The size of ordinary pages as far as we need to know it: what they are a multiple of.
pub(super) const PAGE: u64 = 4096;

/// A file, and the size of the pages that it is made of.
#[derive(Debug)]
pub(super) struct Backing {
    pub(super) file: File,
    pub(super) page: u64,
}

impl Backing {
    /// Makes an empty one: on the mount at `huge_dir`, or of ordinary memory.
    pub(super) fn create(huge_dir: Option<&Path>) -> Result<Self, ArenaError> {
        match huge_dir {
            Some(path) => create_huge(path),
            None => create_memfd().map_err(ArenaError::io("make a memfd")),
        }
    }

    /// Gives how many bytes of huge pages are free, if it is made of them.
    pub(super) fn free(&self) -> Option<u64> {
        if self.is_huge() { Some(free_pages(self.page)? * self.page) } else { None }
    }

    pub(super) fn is_huge(&self) -> bool {
        self.page > PAGE
    }

    /// Gives it its length for good. Huge pages are taken now; ordinary ones when they are touched.
    pub(super) fn set_len(&self, len: u64, huge_dir: Option<&Path>) -> Result<(), ArenaError> {
        self.file.set_len(len).map_err(ArenaError::io("size the arena"))?;
        let Some(path) = huge_dir else {
            return memfd::seal(&self.file)
                .map_err(|errno| ArenaError::io("seal the arena")(errno.into()));
        };
        let all = || fallocate(&self.file, FallocateFlags::empty(), 0, len);
        match retry_on_intr(all) {
            Ok(()) => Ok(()),
            Err(Errno::NOSPC | Errno::NOMEM) => Err(ArenaError::HugePages {
                path: path.to_owned(),
                page: self.page,
                needed: len / self.page,
                // What we took ourselves is counted too: it is given back with the file.
                free: free_pages(self.page).map(|free| free + self.taken()),
            }),
            Err(errno) => Err(ArenaError::io("take huge pages")(errno.into())),
        }
    }

    /// How many pages the file has.
    fn taken(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.blocks() * 512 / self.page)
    }
}

fn create_memfd() -> io::Result<Backing> {
    Ok(Backing { file: memfd::create("rte-mp")?.into(), page: PAGE })
}

fn create_huge(path: &Path) -> Result<Backing, ArenaError> {
    let cannot = |errno: Errno| ArenaError::HugeDir { path: path.to_owned(), source: errno.into() };
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mount = fstatfs(open(path, directory, Mode::empty()).map_err(cannot)?).map_err(cannot)?;
    if mount.f_type as u64 != HUGETLBFS {
        return Err(ArenaError::NotHugetlbfs { path: path.to_owned() });
    }
    let file: File = open(path, flags, Mode::RUSR | Mode::WUSR).map_err(cannot)?.into();
    // Whoever is handed it opens it anew for the lock; nobody else can, for it has no name.
    fchmod(&file, Mode::from_raw_mode(0o666)).map_err(cannot)?;
    Ok(Backing { file, page: mount.f_bsize as u64 })
}

/// Asks the kernel how many huge pages of this size nobody has taken or been promised.
fn free_pages(page: u64) -> Option<u64> {
    let directory = format!("/sys/kernel/mm/hugepages/hugepages-{}kB", page / 1024);
    let count = |file: &str| -> Option<u64> {
        fs::read_to_string(format!("{directory}/{file}")).ok()?.trim().parse().ok()
    };
    Some(count("free_hugepages")?.saturating_sub(count("resv_hugepages")?))
}

/// Why a file that came from a primary is not mapped.
#[derive(Debug)]
pub(super) enum Unfit {
    Not(NotAnArena),
    Io(io::Error),
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Checks a file that came from a primary, before anything of it is mapped: it cannot become
/// shorter, and it begins as an arena of its length.
pub(super) fn check(file: File) -> Result<(Backing, Header), Unfit> {
    let not = |what| Unfit::Not(NotAnArena(what));
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(not("it is no file"));
    }
    // A memfd of huge pages has seals too.
    let page = match (huge_page(&file)?, memfd::is_sealed(&file)) {
        (Some(page), _) => page,
        (None, Ok(true)) => PAGE,
        (None, Ok(false) | Err(_)) => return Err(not("it is not sealed")),
    };
    let mut header = [0; Header::LEN];
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(not("it is empty")),
        result => result?,
    }
    let header = Header::parse(header, metadata.len()).map_err(Unfit::Not)?;
    if header.base % page != 0 || header.size % page != 0 {
        return Err(not("it does not lie on whole pages"));
    }
    Ok((Backing { file, page }, header))
}

/// Gives the size of a file's huge pages; a hugetlbfs has no others.
fn huge_page(file: &File) -> io::Result<Option<u64>> {
    let system = fstatfs(file)?;
    Ok((system.f_type as u64 == HUGETLBFS).then_some(system.f_bsize as u64))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{SealFlags, fcntl_add_seals};

    use super::super::layout::MIN_SIZE;
    use super::*;

    fn refusal(file: File) -> &'static str {
        match check(file) {
            Err(Unfit::Not(NotAnArena(what))) => what,
            other => panic!("{other:?}"),
        }
    }

    fn sealed(header: Option<Header>, len: u64) -> File {
        let backing = create_memfd().unwrap();
        backing.set_len(len, None).unwrap();
        if let Some(header) = header {
            backing.file.write_all_at(&header.to_bytes(), 0).unwrap();
        }
        backing.file
    }

    #[test]
    fn what_a_primary_made_is_taken() {
        let header = Header { size: MIN_SIZE, base: 1 << 32, id: 7 };
        let (backing, found) = check(sealed(Some(header), MIN_SIZE)).unwrap();
        assert_eq!((found, backing.page, backing.is_huge()), (header, PAGE, false));
    }

    #[test]
    fn what_could_hurt_who_maps_it_is_refused() {
        let good = Header { size: MIN_SIZE, base: 1 << 32, id: 7 };
        let cases = [
            (None, MIN_SIZE, "it does not begin as one"),
            (None, 0, "it is empty"),
            (Some(good), 2 * MIN_SIZE, "its length is not the one that its header names"),
            (
                Some(Header { base: (1 << 32) + 8, ..good }),
                MIN_SIZE,
                "it does not lie on whole pages",
            ),
        ];
        for (header, len, expected) in cases {
            assert_eq!(refusal(sealed(header, len)), expected);
        }
        let unsealed = create_memfd().unwrap();
        unsealed.file.set_len(MIN_SIZE).unwrap();
        unsealed.file.write_all_at(&good.to_bytes(), 0).unwrap();
        assert_eq!(refusal(unsealed.file), "it is not sealed");
        let on_disk: File = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        assert_eq!(refusal(on_disk), "it is not sealed");
        assert_eq!(refusal(File::open("/dev/zero").unwrap()), "it is no file");
        let partly = create_memfd().unwrap();
        partly.file.set_len(MIN_SIZE).unwrap();
        fcntl_add_seals(&partly.file, SealFlags::GROW).unwrap();
        assert_eq!(refusal(partly.file), "it is not sealed");
    }

    #[test]
    fn a_sealed_file_keeps_its_length() {
        let file = sealed(None, MIN_SIZE);
        file.set_len(0).expect_err("it may be mapped");
        file.set_len(2 * MIN_SIZE).expect_err("its header names its length");
    }
}
