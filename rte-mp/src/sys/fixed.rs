//! Pages of files at addresses that another process chose, shared by all who need them here.
//!
//! There is one place for such a page, so that it is laid once and goes with the last who has a
//! share of it. Nothing is ever laid over anything: what else lies there stays, and a page of another
//! file stays for as long as somebody has a share of it. The list of what is laid is a `static`,
//! because the address space that it is about is the process's.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex};

use rustix::fs::makedev;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect, munmap};

use super::pages::Access;
use crate::sync::lock;

/// What is laid in this process.
static LAID: Mutex<Laid> = Mutex::new(Laid { parts: BTreeMap::new() });

/// What tells a file from all others, for as long as somebody has it open or mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Takes the numbers as the kernel writes them down.
    pub(crate) fn new((major, minor): (u32, u32), inode: u64) -> Self {
        Self { device: makedev(major, minor), inode }
    }
}

impl From<&Metadata> for FileId {
    fn from(data: &Metadata) -> Self {
        Self { device: data.dev(), inode: data.ino() }
    }
}

/// Who says whose the pages are: tells one from all others, for as long as it or a page that it
/// spoke for is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witness(Arc<()>);

impl PartialEq for Witness {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Where pages come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a File,
    /// Which file that is.
    pub(crate) id: FileId,
    /// Where in it they begin.
    pub(crate) offset: u64,
    /// Who says so.
    pub(crate) witness: &'a Witness,
}

/// A share of pages that lie side by side. It stays the same memory for as long as this lives, but
/// may become writable, if somebody else who shares it wants it so.
#[derive(Debug)]
pub(crate) struct FixedPages {
    start: NonNull<u8>,
    /// So much is laid.
    len: usize,
}

// SAFETY: the pages belong to the process, not to a thread, and the share is given back once.
unsafe impl Send for FixedPages {}
// SAFETY: shared, it only gives out its address; laying more takes `&mut self`.
unsafe impl Sync for FixedPages {}

impl FixedPages {
    /// Begins at `address`, where nothing is laid for it yet.
    ///
    /// # Errors
    /// `EINVAL` for the address 0.
    pub(crate) fn at(address: usize) -> io::Result<Self> {
        // The pages are what was mapped, or will be, at just this address.
        let start = NonNull::new(ptr::with_exposed_provenance_mut(address)).ok_or(Errno::INVAL)?;
        Ok(Self { start, len: 0 })
    }

    /// Takes a share of all pages of `addresses`, if they are laid, may be made to be of use for
    /// `access`, and `witness` was the last who spoke for them.
    pub(crate) fn known(
        addresses: Range<usize>,
        access: Access,
        witness: &Witness,
    ) -> Option<Self> {
        let mut pages = Self::at(addresses.start).ok()?;
        let len = addresses.end.checked_sub(addresses.start)?;
        lock(&LAID).take(&addresses, access, witness).then(|| pages.len = len)?;
        Some(pages)
    }

    /// Lays the next `len` bytes, at `at` from the start, or takes a share of those that are there.
    /// Every one of `source` must be in the file: who touches one that is not is killed.
    ///
    /// # Errors
    /// `EEXIST` if something else lies there; `ESTALE` if it is pages of another file, or of another
    /// part of it, that were laid so; `EINVAL` if they are not the next ones; else the kernel's.
    pub(crate) fn lay(
        &mut self,
        at: usize,
        len: usize,
        source: &Source<'_>,
        access: Access,
    ) -> io::Result<()> {
        let addresses = self.addresses();
        let end = addresses.end.checked_add(len).filter(|_| at == self.len).ok_or(Errno::INVAL)?;
        lock(&LAID).lay(&(addresses.end..end), source, access)?;
        self.len += len;
        Ok(())
    }

    /// Tells whether the `len` bytes at `at` are those of this file, from `offset` on.
    pub(crate) fn are_of(&self, at: usize, len: usize, file: FileId, offset: u64) -> bool {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return false;
        }
        let first = self.addresses().start + at;
        let origin = origin(offset, first);
        // There is no gap within, since all of it is ours.
        lock(&LAID).within(&(first..first + len)).all(|part| part.is(file, origin))
    }

    /// Gives where it begins.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Gives how many bytes are laid.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn addresses(&self) -> Range<usize> {
        let start = self.start.as_ptr().addr();
        start..start + self.len
    }
}

impl Drop for FixedPages {
    fn drop(&mut self) {
        lock(&LAID).give_back(&self.addresses());
    }
}

/// Pages that lie side by side, in one file and in this process; `end` is their key's other end.
#[derive(Debug, Clone)]
struct Part {
    end: usize,
    file: FileId,
    /// Which byte of the file the address 0 would be; the same for all parts of one mapping.
    origin: u64,
    access: Access,
    /// How many have a share of it. Zero only while it is being laid or taken away.
    shares: usize,
    witness: Witness,
}

impl Part {
    fn is(&self, file: FileId, origin: u64) -> bool {
        self.file == file && self.origin == origin
    }
}

fn origin(offset: u64, address: usize) -> u64 {
    offset.wrapping_sub(address as u64)
}

/// The parts by their first addresses. They do not overlap, and each is mapped from end to end.
#[derive(Debug)]
struct Laid {
    parts: BTreeMap<usize, Part>,
}

impl Laid {
    fn take(&mut self, addresses: &Range<usize>, access: Access, witness: &Witness) -> bool {
        self.cut_out(addresses);
        let mut next = addresses.start;
        for (&start, part) in self.parts.range(addresses.clone()) {
            if start != next || part.witness != *witness {
                return false;
            }
            next = part.end;
        }
        // If it cannot be written, whoever lays it anew is told why.
        let taken = next == addresses.end && self.allow(addresses, access).is_ok();
        if taken {
            self.within(addresses).for_each(|part| part.shares += 1);
        }
        taken
    }

    fn lay(
        &mut self,
        addresses: &Range<usize>,
        source: &Source<'_>,
        access: Access,
    ) -> io::Result<()> {
        let origin = origin(source.offset, addresses.start);
        if self.within(addresses).any(|part| !part.is(source.id, origin)) {
            return Err(Errno::STALE.into());
        }
        for gap in self.gaps(addresses) {
            let offset = source.offset.saturating_add((gap.start - addresses.start) as u64);
            if let Err(error) = map(&gap, source.file, offset, access) {
                self.sweep(addresses);
                return Err(error);
            }
            let witness = source.witness.clone();
            let part = Part { end: gap.end, file: source.id, origin, access, shares: 0, witness };
            self.parts.insert(gap.start, part);
        }
        if let Err(error) = self.allow(addresses, access) {
            self.sweep(addresses);
            return Err(error);
        }
        for part in self.within(addresses) {
            part.shares += 1;
            part.witness = source.witness.clone();
        }
        Ok(())
    }

    fn give_back(&mut self, addresses: &Range<usize>) {
        self.within(addresses).for_each(|part| part.shares -= 1);
        self.sweep(addresses);
    }

    /// Goes through the parts within `addresses`, none of which reaches beyond.
    fn within(&mut self, addresses: &Range<usize>) -> impl Iterator<Item = &mut Part> {
        self.cut_out(addresses);
        self.parts.range_mut(addresses.clone()).map(|(_, part)| part)
    }

    /// Sees to it that no part lies across an end of `addresses`. Nothing is changed in the
    /// mapping.
    fn cut_out(&mut self, addresses: &Range<usize>) {
        for at in [addresses.start, addresses.end] {
            let before = self.parts.range_mut(..at).next_back();
            if let Some((_, part)) = before.filter(|(_, part)| part.end > at) {
                let upper = part.clone();
                part.end = at;
                self.parts.insert(at, upper);
            }
        }
    }

    /// Gives what of `addresses` lies in no part, after they were cut out.
    fn gaps(&self, addresses: &Range<usize>) -> Vec<Range<usize>> {
        let mut gaps = Vec::new();
        let mut next = addresses.start;
        for (&start, part) in self.parts.range(addresses.clone()) {
            gaps.push(next..start);
            next = part.end;
        }
        gaps.push(next..addresses.end);
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }

    /// Makes the parts within `addresses`, which were cut out, writable if that is asked for.
    fn allow(&mut self, addresses: &Range<usize>, access: Access) -> io::Result<()> {
        if access == Access::ReadOnly {
            return Ok(());
        }
        for (&start, part) in self.parts.range_mut(addresses.clone()) {
            if part.access == Access::ReadOnly {
                make_writable(start..part.end)?;
                part.access = Access::Writable;
            }
        }
        Ok(())
    }

    /// Takes the parts within `addresses`, which were cut out, away that nobody has a share of.
    fn sweep(&mut self, addresses: &Range<usize>) {
        let parts = self.parts.range(addresses.clone()).filter(|(_, part)| part.shares == 0);
        let unshared: Vec<_> = parts.map(|(&start, part)| start..part.end).collect();
        let mut run = 0..0;
        for part in unshared {
            self.parts.remove(&part.start);
            if run.end != part.start {
                unmap(run);
                run = part.start..part.start;
            }
            run.end = part.end;
        }
        unmap(run);
    }
}

/// Maps a part of a file at these addresses, if nothing lies there.
fn map(addresses: &Range<usize>, file: &File, offset: u64, access: Access) -> io::Result<()> {
    let wanted = ptr::without_provenance_mut(addresses.start);
    let protection = match access {
        Access::ReadOnly => ProtFlags::READ,
        Access::Writable => ProtFlags::READ | ProtFlags::WRITE,
    };
    // Without `NORESERVE` the kernel could set hugepages aside for us that others need.
    let flags = MapFlags::SHARED | MapFlags::FIXED_NOREPLACE | MapFlags::NORESERVE;
    let len = addresses.len();
    // SAFETY: with `FIXED_NOREPLACE` the kernel refuses rather than replace what lies there.
    let start = unsafe { mmap(wanted, len, protection, flags, file.as_fd(), offset) }?;
    // Who has a share of it makes its pointer of the address.
    if start.expose_provenance() == addresses.start {
        return Ok(());
    }
    // A kernel before 4.17 takes the address for a hint.
    // SAFETY: it was just mapped, with this length, and nobody knows of it.
    unsafe { munmap(start, len) }?;
    Err(Errno::EXIST.into())
}

/// Makes a mapping of ours writable; `EACCES` if its file was opened for reading only.
fn make_writable(addresses: Range<usize>) -> io::Result<()> {
    let start = ptr::with_exposed_provenance_mut(addresses.start);
    let access = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: it is a part of what is laid, which `LAID` is locked for, and nobody relies on it that
    // it cannot be written.
    unsafe { mprotect(start, addresses.len(), access) }?;
    Ok(())
}

/// Ends mappings of ours that nobody has a share of. Nothing is done for no addresses.
fn unmap(addresses: Range<usize>) {
    if !addresses.is_empty() {
        let start = ptr::with_exposed_provenance_mut(addresses.start);
        // It fails if the process has too many mappings to split one, or where pages are larger than
        // their owner says; the addresses then stay taken, which does no harm.
        // SAFETY: it is what was laid, and had no more shares while `LAID` was locked, so that
        // nobody has a pointer into it that is used again.
        let _ = unsafe { munmap(start, addresses.len()) };
    }
}

#[cfg(test)]
#[path = "fixed_tests.rs"]
mod tests;
