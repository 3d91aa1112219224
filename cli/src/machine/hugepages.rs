//! How many hugepages this machine has, and where DPDK processes can have them.

use std::fs::{self, DirEntry};
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::locks::flocked;

/// The hugepages of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pages {
    /// How large each is, in bytes.
    pub(crate) size: u64,
    pub(crate) total: u64,
    /// Those that nobody has.
    pub(crate) free: u64,
}

/// Lists the sizes of which there are any, the smallest first.
pub(crate) fn pages() -> Vec<Pages> {
    let sizes = fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten();
    let mut pages: Vec<_> = sizes
        .filter_map(|size| {
            let name = size.file_name();
            let kilobytes: u64 =
                name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let count = |file: &str| -> Option<u64> {
                fs::read_to_string(size.path().join(file)).ok()?.trim().parse().ok()
            };
            let (total, free) = (count("nr_hugepages")?, count("free_hugepages")?);
            Some(Pages { size: kilobytes << 10, total, free })
        })
        .filter(|pages| pages.total > 0)
        .collect();
    pages.sort_by_key(|pages| pages.size);
    pages
}

/// Lists the directories where a hugetlbfs is mounted.
pub(crate) fn mounts() -> Vec<PathBuf> {
    mounts_in(&fs::read_to_string("/proc/self/mounts").unwrap_or_default())
}

fn mounts_in(table: &str) -> Vec<PathBuf> {
    let mounts = table.lines().filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        // A blank in a path would be `\040`; nobody mounts hugepages there.
        [_, directory, "hugetlbfs", ..] => Some(PathBuf::from(directory)),
        _ => None,
    });
    mounts.collect()
}

/// Counts the files that DPDK processes of this prefix left in a hugetlbfs, and their bytes. A group that has
/// ended keeps its pages until somebody removes these.
///
/// There are none as long as any is in use, which keeps a lock on it: groups with one prefix have files of
/// the same names, whatever their runtime directories.
pub(crate) fn files_left(prefix: &str, mount: &Path) -> (usize, u64) {
    let start = format!("{prefix}map_");
    let entries = fs::read_dir(mount).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&start));
    let files: Vec<_> = files.collect();
    let locked = flocked();
    if files.iter().any(|file| locked.contains(&file.ino())) {
        return (0, 0);
    }
    let bytes = files.iter().flat_map(DirEntry::metadata).map(|metadata| metadata.len()).sum();
    (files.len(), bytes)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FlockOperation, flock};

    use super::*;

    #[test]
    fn only_hugetlbfs_counts_as_a_mount() {
        let table = "none /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n\
                     tmpfs /run tmpfs rw 0 0\n\
                     hugetlbfs /mnt/huge1g hugetlbfs rw,pagesize=1024M 0 0\n";
        assert_eq!(mounts_in(table), [Path::new("/dev/hugepages"), Path::new("/mnt/huge1g")]);
    }

    #[test]
    fn files_are_those_of_the_whole_prefix() {
        let mount = tempfile::tempdir().unwrap();
        for file in ["webmap_0", "webmap_1", "web2map_0", "web"] {
            fs::write(mount.path().join(file), [0; 8]).unwrap();
        }
        assert_eq!(files_left("web", mount.path()), (2, 16));
        assert_eq!(files_left("we", mount.path()), (0, 0));
        // As DPDK locks what it uses.
        let used = fs::File::open(mount.path().join("webmap_0")).unwrap();
        flock(&used, FlockOperation::LockShared).unwrap();
        assert_eq!(files_left("web", mount.path()), (0, 0));
    }
}
