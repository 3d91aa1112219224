//! One byte of a file that other processes have mapped, changed as they change it: atomically.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// How much of the file is mapped: its first page.
const PAGE: usize = 4096;

/// Puts `new` at `offset` of `file` if `old` stands there, and gives what stood there.
///
/// `offset` lies in the file's first 4096 bytes.
///
/// # Errors
/// The kernel's, and `UnexpectedEof` for a file that ends before its first page does.
pub(crate) fn compare_exchange(file: &File, offset: u64, old: u8, new: u8) -> io::Result<u8> {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    if offset >= PAGE || file.metadata()?.len() < PAGE as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing.
    let page = unsafe {
        mmap(
            ptr::null_mut(),
            PAGE,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
            file.as_fd(),
            0,
        )
    }?;
    // SAFETY: `offset` is below the length of the mapping.
    let byte = unsafe { page.cast::<u8>().add(offset) };
    // SAFETY: the byte stays mapped until the end of this function, any bits are a valid `u8`, and
    // DPDK changes it by an atomic operation too.
    let byte = unsafe { AtomicU8::from_ptr(byte) };
    // Relaxed: the byte says everything itself; nothing else is read because of it.
    let found = match byte.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(found) | Err(found) => found,
    };
    // SAFETY: the mapping was made above with this length, and `byte` is not used any more.
    unsafe { munmap(page, PAGE) }?;
    Ok(found)
}
