//! Who holds locks on a directory, as `/proc/locks` tells.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Finds the processes that hold a `flock` on a file or directory: those of our own pid namespace.
///
/// The kernel names a file by its device and number. The device of some file systems (btrfs, overlayfs) is
/// another one there than in `stat`, so only the number counts.
pub(crate) fn flock_holders(path: &Path) -> Vec<u32> {
    let Ok(metadata) = fs::metadata(path) else { return Vec::new() };
    holders(&fs::read_to_string("/proc/locks").unwrap_or_default(), metadata.ino())
}

/// Lists the numbers of all files and directories that somebody holds a `flock` on; see [`flock_holders`].
pub(crate) fn flocked() -> HashSet<u64> {
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    table.lines().filter_map(row).map(|(_, inode)| inode).collect()
}

fn holders(table: &str, inode: u64) -> Vec<u32> {
    let rows = table.lines().filter_map(row).filter(|(_, locked)| *locked == inode);
    let mut holders: Vec<_> = rows.map(|(pid, _)| pid).collect();
    holders.sort_unstable();
    holders.dedup();
    holders
}

/// Reads a line of a `flock`, as process and file: number, kind, ADVISORY, READ or WRITE, process,
/// `device:device:inode`, range. One that waits for another has an arrow behind its number.
fn row(line: &str) -> Option<(u32, u64)> {
    match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [_, "FLOCK", _, _, pid, file, ..] => {
            Some((pid.parse().ok()?, file.rsplit(':').next()?.parse().ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FlockOperation, flock};

    #[test]
    fn whoever_holds_a_lock_is_found_and_whoever_waits_is_not() {
        let table = "1: FLOCK  ADVISORY  WRITE 321 00:17:1234 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 322 00:17:1234 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 323 00:17:1234 144 17551\n\
                     3: FLOCK  ADVISORY  READ 324 00:17:12345 0 EOF\n";
        assert_eq!(holders(table, 1234), [321]);
        assert_eq!(holders(table, 12345), [324]);
        assert!(holders(table, 234).is_empty());
    }

    #[test]
    fn a_lock_of_this_process_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = fs::File::open(directory.path()).unwrap();
        assert!(flock_holders(directory.path()).is_empty());
        flock(&file, FlockOperation::LockShared).unwrap();
        assert_eq!(flock_holders(directory.path()), [std::process::id()]);
        assert!(flocked().contains(&fs::metadata(directory.path()).unwrap().ino()));
    }
}
