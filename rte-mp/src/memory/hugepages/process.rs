//! Pages that are in no file with a name: asked of the primary's process, through `/proc`.
//!
//! `/proc/PID/map_files` has a link to the file behind each mapping. To open it takes
//! `CAP_SYS_ADMIN` or `CAP_CHECKPOINT_RESTORE`; DPDK keeps the files open, too, so that who lacks
//! both finds them among the process's descriptors, which its user may open.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::backing::Place;
use super::primary::Primary;
use crate::error::HugepagesError;
use crate::sys::area::Site;
use crate::sys::fixed::FileId;
use crate::sys::pages::Access;

/// A shared mapping of another process: a line of `/proc/PID/maps`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shared {
    addresses: Range<u64>,
    offset: u64,
    file: FileId,
}

/// What a process has mapped together with others.
#[derive(Debug)]
pub(super) struct Maps {
    process: PathBuf,
    shared: Vec<Shared>,
}

impl Maps {
    /// Reads what the primary, process `pid`, has mapped by now.
    pub(super) fn read(place: &Place<'_>, pid: u32) -> Result<Self, HugepagesError> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let path = process.join("maps");
        let gone = || HugepagesError::Gone { directory: place.directory.to_owned() };
        match fs::read(&path) {
            // One that is ending loses its memory first, and its lock and its id only later.
            Ok(maps) if maps.is_empty() => Err(gone()),
            Ok(maps) => {
                // Names, which may be anything, stand at the ends of the lines.
                let maps = String::from_utf8_lossy(&maps);
                Ok(Self { process, shared: maps.lines().filter_map(Shared::parse).collect() })
            }
            Err(error) if is_absent(&error) => Err(gone()),
            Err(error) => Err(refused(place, path, error)),
        }
    }

    /// Tells whether the process has `file` mapped at `address`, from `offset` on.
    pub(super) fn have(&self, address: u64, file: &File, offset: u64) -> bool {
        self.at(address)
            .is_some_and(|shared| shared.offset_of(address) == offset && shared.is_of(file))
    }

    fn at(&self, address: u64) -> Option<&Shared> {
        self.shared.iter().find(|shared| shared.addresses.contains(&address))
    }
}

/// Lays the pages over `site`, which is as long as they are, from the one at `at` on; by `maps` if
/// they were just read. Gives `false` if the process changed what it has mapped meanwhile.
pub(super) fn lay(
    place: &Place<'_>,
    site: &mut Site,
    at: u64,
    maps: Option<Maps>,
) -> Result<bool, HugepagesError> {
    let pid = place.primary.pid();
    let pid = pid.ok_or_else(|| HugepagesError::NoProcess { zone: place.zone.name() })?;
    let maps = maps.map_or_else(|| Maps::read(place, pid), Ok)?;
    let Range { start, end } = place.pages.addresses();
    let mut next = start + at;
    while next < end {
        let shared = maps.at(next).ok_or_else(|| HugepagesError::NotMapped {
            zone: place.zone.name(),
            pid,
            address: next,
        })?;
        let Some((file, path)) = shared.open(&maps.process, place)? else {
            return Ok(false);
        };
        let (at, until) = ((next - start) as usize, shared.addresses.end.min(end));
        place.lay_file(&file, &path, shared.offset_of(next), until - next, site, at)?;
        next = until;
    }
    Ok(true)
}

/// Looks at the file that the process has mapped at these addresses, if it is one mapping that
/// begins and ends with them, and we may look.
pub(super) fn mapped(primary: &Primary, addresses: Range<u64>) -> Option<fs::Metadata> {
    let Range { start, end } = addresses;
    fs::metadata(format!("/proc/{}/map_files/{start:x}-{end:x}", primary.pid()?)).ok()
}

impl Shared {
    /// Reads a line; nothing if the mapping is private or has no file.
    fn parse(line: &str) -> Option<Self> {
        let hex = |word: &str| u64::from_str_radix(word, 16).ok();
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let addresses = hex(start)?..hex(end)?;
        words.next().filter(|rights| rights.ends_with('s'))?;
        let offset = hex(words.next()?)?;
        let (major, minor) = words.next()?.split_once(':')?;
        let inode = words.next()?.parse().ok().filter(|&inode| inode != 0)?;
        let device = (hex(major)?.try_into().ok()?, hex(minor)?.try_into().ok()?);
        Some(Self { addresses, offset, file: FileId::new(device, inode) })
    }

    /// Gives which byte of the file is at `address`, which lies in it.
    fn offset_of(&self, address: u64) -> u64 {
        self.offset.saturating_add(address - self.addresses.start)
    }

    fn is_of(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|data| FileId::from(&data) == self.file)
    }

    /// Opens the file behind it, and says by which path. Gives nothing if it is another one, or
    /// none, by now.
    fn open(
        &self,
        process: &Path,
        place: &Place<'_>,
    ) -> Result<Option<(File, PathBuf)>, HugepagesError> {
        let Range { start, end } = self.addresses;
        let path = process.join("map_files").join(format!("{start:x}-{end:x}"));
        let opened = place.open(|access| {
            open(&path, access).or_else(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => self.open_descriptor(process, access, error),
                _ => Err(error),
            })
        });
        match opened {
            Ok(file) if self.is_of(&file) => Ok(Some((file, path))),
            Ok(_) => Ok(None),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(refused(place, path, error)),
        }
    }

    /// Opens the same file through a descriptor of the process; `error` if it has none.
    fn open_descriptor(
        &self,
        process: &Path,
        access: Access,
        error: io::Error,
    ) -> io::Result<File> {
        for descriptor in fs::read_dir(process.join("fd"))?.flatten() {
            let path = descriptor.path();
            if fs::metadata(&path).is_ok_and(|data| FileId::from(&data) == self.file) {
                return open(&path, access);
            }
        }
        Err(error)
    }
}

/// Tells whether a file of `/proc` is not there, or its process is not.
fn is_absent(error: &io::Error) -> bool {
    let no_process = Errno::SRCH.raw_os_error();
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(no_process)
}

fn open(path: &Path, access: Access) -> io::Result<File> {
    // Nothing that would block, whatever the descriptor has become.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    File::options().read(true).write(access == Access::Writable).custom_flags(flags).open(path)
}

/// Says what the process does not give us.
fn refused(place: &Place<'_>, path: PathBuf, source: io::Error) -> HugepagesError {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            HugepagesError::Rights { zone: place.zone.name(), path, source }
        }
        _ => HugepagesError::Io { action: "open", path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_mappings_of_files_are_taken() {
        let shared = "100600000-100800000 rw-s 00400000 00:27 2760655      /dev/hugepages/a b_0";
        let expected = Shared {
            addresses: 0x1_0060_0000..0x1_0080_0000,
            offset: 0x40_0000,
            file: FileId::new((0, 0x27), 2_760_655),
        };
        assert_eq!(Shared::parse(shared), Some(expected));
        for other in [
            "55d0c8a00000-55d0c8a02000 r--p 00000000 fe:00 131   /usr/bin/cat",
            "7ffd1000-7ffd2000 rw-s 00000000 00:00 0 ",
            "100600000 rw-s 00400000 00:27 1",
            "",
        ] {
            assert_eq!(Shared::parse(other), None, "{other}");
        }
    }
}
