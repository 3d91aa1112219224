//! The border to C: errors become `rte_errno`, panics stay here, strings are looked at.

use std::ffi::{CStr, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a C function failed: what `rte_errno` is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) c_int);

impl Errno {
    /// An argument is wrong.
    pub(crate) const INVALID: Self = Self(libc::EINVAL);
    /// It cannot be done in this kind of process or group.
    pub(crate) const UNSUPPORTED: Self = Self(libc::ENOTSUP);
    /// Memory has run out.
    pub(crate) const NO_MEMORY: Self = Self(libc::ENOMEM);
}

unsafe extern "C" {
    safe fn rtemp_set_errno(value: c_int);
}

/// Sets the calling thread's `rte_errno`.
pub(crate) fn set_errno(errno: Errno) {
    rtemp_set_errno(errno.0);
}

/// Runs the inside of a C function, which gives `failed` and sets `rte_errno` if it fails. A panic,
/// which is a bug of ours, is `EFAULT`.
pub(crate) fn enter<T>(failed: T, inside: impl FnOnce() -> Result<T, Errno>) -> T {
    // What was left half done is behind locks that say so.
    match catch_unwind(AssertUnwindSafe(inside)) {
        Ok(Ok(value)) => value,
        Ok(Err(errno)) => {
            set_errno(errno);
            failed
        }
        Err(panic) => {
            // What it panicked with may panic itself as it is dropped.
            std::mem::forget(panic);
            set_errno(Errno(libc::EFAULT));
            failed
        }
    }
}

/// Runs the inside of a C function that says by its result how it went: 0, or a negative errno.
pub(crate) fn negative(inside: impl FnOnce() -> Result<(), Errno>) -> c_int {
    match enter(Err(Errno(libc::EFAULT)), || Ok(inside())) {
        Ok(()) => 0,
        Err(Errno(errno)) => -errno,
    }
}

/// Writes text to a stream of C's.
///
/// # Safety
/// `file` is null or a stream that may be written to.
pub(crate) unsafe fn write(file: *mut libc::FILE, text: &[u8]) -> Result<(), Errno> {
    if file.is_null() {
        return Err(Errno::INVALID);
    }
    // SAFETY: the text is as long as is said, and the caller says that it is a stream.
    let written = unsafe { libc::fwrite(text.as_ptr().cast(), 1, text.len(), file) };
    if written == text.len() { Ok(()) } else { Err(Errno(libc::EIO)) }
}

/// Borrows the bytes of a C string, without its NUL.
///
/// # Safety
/// `string` is null or a C string that lives, unchanged, for as long as the result is used.
pub(crate) unsafe fn bytes<'a>(string: *const c_char) -> Option<&'a [u8]> {
    if string.is_null() {
        return None;
    }
    // SAFETY: it is no null pointer, and the caller says that it ends by a NUL and lives.
    Some(unsafe { CStr::from_ptr(string) }.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        safe fn rtemp_errno() -> c_int;
    }

    #[test]
    fn an_error_sets_the_errno_of_its_thread_only() {
        set_errno(Errno(0));
        assert_eq!(enter(-1, || Err(Errno::INVALID)), -1);
        assert_eq!(rtemp_errno(), libc::EINVAL);
        let other = std::thread::spawn(|| rtemp_errno()).join();
        assert_eq!(other.ok(), Some(0));
    }

    #[test]
    fn success_leaves_the_errno_alone() {
        set_errno(Errno::NO_MEMORY);
        assert_eq!(enter(-1, || Ok(7)), 7);
        assert_eq!(rtemp_errno(), libc::ENOMEM);
    }

    #[test]
    fn an_error_may_be_the_result_itself() {
        set_errno(Errno(0));
        assert_eq!(negative(|| Err(Errno::INVALID)), -libc::EINVAL);
        assert_eq!(negative(|| Ok(())), 0);
        assert_eq!(rtemp_errno(), 0);
    }

    #[test]
    fn a_panic_stays_inside() {
        assert_eq!(enter(-1, || panic!("a bug")), -1);
        assert_eq!(rtemp_errno(), libc::EFAULT);
    }
}
