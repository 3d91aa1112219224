//! A range of addresses of our own, over which pages of files are laid.
//!
//! The whole range is reserved first, so that nothing of ours or anybody else's in this process can
//! be replaced: pages are only ever laid over the reservation. All of it goes when it is dropped.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

/// What may be done to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It may be read.
    ReadOnly,
    /// It may be read and written.
    Writable,
}

/// A range of addresses that is ours. Where no file was laid over it, it cannot be touched.
#[derive(Debug)]
pub(crate) struct Reservation {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the range belongs to the process, not to a thread, and is given back once, by `drop`.
unsafe impl Send for Reservation {}
// SAFETY: shared, it only gives out its address; laying pages over it takes `&mut self`.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves `len` bytes anywhere, at a multiple of `align`, a power of two.
    ///
    /// # Errors
    /// The kernel's: `ENOMEM` if there is no such range.
    pub(crate) fn anywhere(len: usize, align: usize) -> io::Result<Self> {
        let roomy = len.checked_add(align).ok_or(Errno::NOMEM)?;
        let reserved = Self::reserve(roomy)?;
        let skip = reserved.start.as_ptr().align_offset(align);
        Ok(reserved.cut(skip, len))
    }

    /// Maps the first `len` bytes of `file` at `address`, for reading and writing, shared with all
    /// who have the file mapped. On a hugetlbfs the pages are set aside for it.
    ///
    /// # Errors
    /// The kernel's: `EEXIST` if this process has something there already.
    pub(crate) fn of_file(file: BorrowedFd<'_>, len: usize, address: usize) -> io::Result<Self> {
        let wanted = ptr::without_provenance_mut(address);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::FIXED_NOREPLACE;
        // SAFETY: with `FIXED_NOREPLACE` the kernel refuses rather than replace what lies there.
        let start = unsafe { mmap(wanted, len, access, flags, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        let mapped = Self { start, len }.only_at(address)?;
        // A core dump would take every page that nobody has touched.
        // SAFETY: the range is ours, and the advice changes nothing in it.
        let advised = unsafe { madvise(start.as_ptr().cast(), len, Advice::LinuxDontDump) };
        debug_assert!(advised.is_ok(), "{advised:?}");
        Ok(mapped)
    }

    /// Gives itself back if it is elsewhere: a kernel before 4.17 takes the address for a hint.
    fn only_at(self, address: usize) -> io::Result<Self> {
        if self.start.as_ptr().addr() == address { Ok(self) } else { Err(Errno::EXIST.into()) }
    }

    fn reserve(len: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), flags) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, len })
    }

    /// Keeps `len` bytes from `skip` on, and gives the rest back.
    fn cut(self, skip: usize, len: usize) -> Self {
        let end = skip + len;
        debug_assert!(end <= self.len, "room was made for any alignment");
        unmap(self.start, skip);
        // SAFETY: `end` lies in the range, or is its end.
        let behind = unsafe { self.start.add(end) };
        unmap(behind, self.len - end);
        // SAFETY: `skip` lies in the range, or is its end.
        let start = unsafe { self.start.add(skip) };
        // What is left is the new one's to give back.
        std::mem::forget(self);
        Self { start, len }
    }

    /// Lays `len` bytes of `file`, from `offset` on, over the range at `at`, shared with all who
    /// have the file mapped.
    ///
    /// # Errors
    /// The kernel's; and `EINVAL` if the bytes do not lie in the range.
    pub(crate) fn lay(
        &mut self,
        at: usize,
        len: usize,
        file: &File,
        offset: u64,
        access: Access,
    ) -> io::Result<()> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(Errno::INVAL.into());
        }
        let protection = match access {
            Access::ReadOnly => ProtFlags::READ,
            Access::Writable => ProtFlags::READ | ProtFlags::WRITE,
        };
        // Without `NORESERVE` the kernel could set hugepages aside for us that others need.
        let flags = MapFlags::SHARED | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: `at` is not above `len`, so it lies in the range, or is its end.
        let place = unsafe { self.start.add(at) };
        // SAFETY: what is replaced lies in our own reservation, checked above, and nobody has a
        // pointer to it yet: `&mut self` says that it is still being laid out.
        unsafe { mmap(place.as_ptr().cast(), len, protection, flags, file.as_fd(), offset) }?;
        Ok(())
    }

    /// Gives where it begins.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Gives how many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        unmap(self.start, self.len);
    }
}

/// Gives back a part of a reservation, which nobody uses any more. Nothing is done for 0 bytes.
fn unmap(start: NonNull<u8>, len: usize) {
    if len > 0 {
        // SAFETY: the callers own the range, and have no pointer into it that is used again.
        let result = unsafe { munmap(start.as_ptr().cast(), len) };
        // It fails for ranges that are none, and if the process has too many mappings to split
        // one; the addresses then stay taken, which does no harm.
        debug_assert!(result.is_ok(), "{result:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    const PAGE: usize = 4096;

    fn lines_with(what: &str) -> usize {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains(what)).count()
    }

    #[test]
    fn pages_are_laid_side_by_side_and_all_go_with_the_reservation() {
        let mut file = tempfile::Builder::new().prefix("laid-pages-").tempfile().unwrap();
        file.write_all(&[b'a'; PAGE]).unwrap();
        file.write_all(&[b'b'; PAGE]).unwrap();
        let name = file.path().file_name().unwrap().to_str().unwrap().to_owned();
        let two_mib = 1 << 21;
        let mut range = Reservation::anywhere(2 * PAGE, two_mib).unwrap();
        assert_eq!(range.start.as_ptr().addr() % two_mib, 0);
        range.lay(0, PAGE, file.as_file(), PAGE as u64, Access::ReadOnly).unwrap();
        range.lay(PAGE, PAGE, file.as_file(), 0, Access::Writable).unwrap();
        assert_eq!(lines_with(&name), 2);
        let start = range.start.as_ptr().addr();
        let at = |address| Reservation::of_file(file.as_file().as_fd(), PAGE, address);
        let taken = at(start + PAGE).unwrap_err();
        assert_eq!(taken.raw_os_error(), Some(Errno::EXIST.raw_os_error()));
        drop(range);
        assert_eq!(lines_with(&name), 0);
        assert_eq!(at(start + PAGE).unwrap().start.as_ptr().addr(), start + PAGE);
    }

    #[test]
    fn a_core_dump_touches_no_page() {
        const AT: usize = 0x5_0000_0000;
        let file = tempfile::tempfile().unwrap();
        file.set_len(PAGE as u64).unwrap();
        let range = Reservation::of_file(file.as_fd(), PAGE, AT).unwrap();
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let ours = maps.split_once(&format!("{AT:x}-")).unwrap().1;
        let flags = ours.lines().find(|line| line.starts_with("VmFlags:")).unwrap();
        assert!(flags.split(' ').any(|flag| flag == "dd"), "{flags}");
        drop(range);
    }

    #[test]
    fn nothing_is_laid_beyond_the_reservation() {
        let file = tempfile::tempfile().unwrap();
        let mut range = Reservation::anywhere(PAGE, PAGE).unwrap();
        for (at, len) in [(0, 2 * PAGE), (PAGE, PAGE), (usize::MAX, PAGE)] {
            let error = range.lay(at, len, &file, 0, Access::ReadOnly).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::INVAL.raw_os_error()), "{at} {len}");
        }
        assert!(Reservation::anywhere(usize::MAX, PAGE).is_err());
    }
}
