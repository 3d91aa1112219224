//! Where an arena lies in this process: at the same address as in every other.
//!
//! A process may be several members of one group, and they cannot each have the arena mapped, since
//! there is but one place for it. So they share one mapping, which is found by the file's identity.
//! That list is a `static`, because the address space that it is about is the process's too.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, Weak};
use std::thread;

use crate::sync::lock;
use crate::sys::area::Area;

/// The arenas that this process has mapped.
static PLACES: Mutex<Vec<(Identity, Weak<Area>)>> = Mutex::new(Vec::new());

/// Device and inode: nobody else's for as long as the file is mapped.
type Identity = (u64, u64);

/// How often to look again at a mapping that is just being ended by another thread.
const TRIES: usize = 10_000;

/// Maps the first `len` bytes of `file` at the address `base`, or shares the mapping that is there.
///
/// # Errors
/// `AlreadyExists` if something else lies there; else the kernel's.
pub(super) fn map(file: &File, len: usize, base: usize) -> io::Result<Arc<Area>> {
    let metadata = file.metadata()?;
    let identity = (metadata.dev(), metadata.ino());
    for _ in 0..TRIES {
        let mut places = lock(&PLACES);
        let known = places.iter().find(|(known, _)| *known == identity);
        if let Some(area) = known.and_then(|(_, area)| area.upgrade()) {
            let same = (area.address(), area.len()) == (base, len);
            return if same { Ok(area) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        let is_ending = known.is_some();
        match Area::map(file.as_fd(), len, base) {
            Ok(area) => {
                let area = Arc::new(area);
                places.retain(|(_, area)| area.strong_count() > 0);
                places.push((identity, Arc::downgrade(&area)));
                return Ok(area);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_ending => {
                drop(places);
                thread::yield_now();
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Names what lies in the way of `len` bytes at `base`, as the kernel names it.
pub(super) fn what_lies_at(base: usize, len: usize) -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let wanted = base..base.saturating_add(len);
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        let in_the_way = start < wanted.end && wanted.start < end;
        let name = rest.split_ascii_whitespace().nth(4).unwrap_or("a mapping without a name");
        in_the_way.then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: usize = 1 << 20;

    fn file() -> File {
        let file: File = tempfile::tempfile().unwrap();
        file.set_len(LEN as u64).unwrap();
        file
    }

    #[test]
    fn one_file_is_mapped_once_whoever_asks() {
        const AT: usize = 0x3_0000_0000;
        let file = file();
        let first = map(&file, LEN, AT).unwrap();
        let second = map(&file.try_clone().unwrap(), LEN, AT).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let error = map(&file, LEN, AT + (1 << 30)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "one address, and no other");
        drop((first, second));
        assert_eq!(what_lies_at(AT, LEN), None, "the last one ends it");
        map(&file, LEN, AT).unwrap();
    }

    #[test]
    fn what_lies_in_the_way_is_named() {
        const AT: usize = 0x4_0000_0000;
        let _first = map(&file(), LEN, AT).unwrap();
        let error = map(&file(), LEN, AT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let name = what_lies_at(AT + LEN / 2, LEN).unwrap();
        assert!(name.starts_with('/'), "{name}");
        assert_eq!(what_lies_at(AT + LEN, LEN), None);
    }
}
