//! Strings and numbers in them: `rte_strsplit`, `rte_strscpy`, `rte_str_to_size`.
//!
//! DPDK 22.11: `eal_common_string_fns.c`.

use std::ffi::{c_char, c_int};

use crate::border::{Errno, bytes, enter, set_errno};

/// Splits a string at a character, in place. `rte_strsplit`.
///
/// # Safety
/// `string` is null or has `len` bytes, or fewer with a NUL behind them, that may be written to;
/// `pieces` is null or has room for `max` pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_strsplit(
    string: *mut c_char,
    len: c_int,
    pieces: *mut *mut c_char,
    max: c_int,
    delimiter: c_char,
) -> c_int {
    enter(-1, || {
        if string.is_null() || pieces.is_null() {
            // SAFETY: it takes nothing.
            let errno = unsafe { libc::__errno_location() };
            // SAFETY: it is a variable of this thread's.
            unsafe { errno.write(libc::EINVAL) };
            return Ok(-1);
        }
        let (mut count, mut is_start) = (0, true);
        for at in 0..usize::try_from(len).unwrap_or(0) {
            let place = string.wrapping_add(at);
            // SAFETY: the caller says that it is there: no NUL was before it.
            let character = unsafe { place.read() };
            if character == 0 || count >= max {
                break;
            }
            if is_start {
                // SAFETY: the caller says that there is room; fewer than `max` were written.
                unsafe { pieces.wrapping_add(count as usize).write(place) };
                count += 1;
            }
            is_start = character == delimiter;
            if is_start {
                // SAFETY: the caller says that it may be written to.
                unsafe { place.write(0) };
            }
        }
        Ok(count)
    })
}

/// Copies a string, or as much of it as there is room for. `rte_strscpy`.
///
/// # Safety
/// `to` has `size` bytes, and `from` is a C string or has at least as many.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_strscpy(
    to: *mut c_char,
    from: *const c_char,
    size: usize,
) -> isize {
    enter(-libc::EFAULT as isize, || {
        for at in 0..size {
            // SAFETY: the caller says that it is there: no NUL was before it.
            let character = unsafe { from.wrapping_add(at).read() };
            // SAFETY: the caller says that there are `size` bytes.
            unsafe { to.wrapping_add(at).write(character) };
            if character == 0 {
                return Ok(at as isize);
            }
        }
        if let Some(last) = size.checked_sub(1) {
            // SAFETY: as before.
            unsafe { to.wrapping_add(last).write(0) };
        }
        set_errno(Errno(libc::E2BIG));
        Ok(-libc::E2BIG as isize)
    })
}

/// Reads a number of bytes. `rte_str_to_size`.
///
/// Differs from DPDK: one that does not fit into 64 bits with its unit is 0, too.
///
/// # Safety
/// `text` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_str_to_size(text: *const c_char) -> u64 {
    enter(0, || {
        // SAFETY: the caller says that it is a C string.
        let text = unsafe { bytes(text) }.ok_or(Errno::INVALID)?;
        Ok(size(text).unwrap_or(0))
    })
}

fn size(text: &[u8]) -> Option<u64> {
    let (number, rest) = number(text)?;
    let unit = rest.strip_prefix(b" ").unwrap_or(rest).first();
    let power =
        unit.and_then(|unit| b"KMGTPE".iter().position(|&u| u == unit.to_ascii_uppercase()));
    let factor = power.map_or(1, |power| 1 << (10 * (power + 1)));
    number.checked_mul(factor)
}

/// Reads a number as C writes it (`strtoull` with base 0), and gives what comes after it. `None` if there is
/// none, if it is negative, or if it does not fit.
pub(crate) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let (digits, base) = match text {
        [b'0', b'x' | b'X', digits @ ..] if digits.first().is_some_and(u8::is_ascii_hexdigit) => {
            (digits, 16)
        }
        [b'0', ..] => (text, 8),
        _ => (text, 10),
    };
    let digit = |&byte: &u8| (byte as char).to_digit(base);
    let len = digits.iter().take_while(|byte| digit(byte).is_some()).count();
    if len == 0 {
        return None;
    }
    let value = digits[..len].iter().filter_map(digit).try_fold(0_u64, |value, digit| {
        value.checked_mul(base.into())?.checked_add(digit.into())
    })?;
    Some((value, &digits[len..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::{CStr, CString};

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        let cases: [(&[u8], u64); 18] = [
            (b"64", 64),
            (b" 0x40", 64),
            (b"0X40k", 65536),
            (b"0100", 64),
            (b"+1", 1),
            (b"2 M", 2 << 20),
            (b"2  M", 2),
            (b"1g", 1 << 30),
            (b"1T", 1 << 40),
            (b"1p", 1 << 50),
            (b"15E", 15 << 60),
            (b"16E", 0),
            (b"3x", 3),
            (b"", 0),
            (b"-1", 0),
            (b"K", 0),
            (b"08", 0),
            (b"18446744073709551616", 0),
        ];
        for (text, expected) in cases {
            let string = CString::new(text).unwrap();
            // SAFETY: it is a C string.
            let size = unsafe { rte_str_to_size(string.as_ptr()) };
            assert_eq!(size, expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_string_is_split_as_far_as_there_is_room() {
        let cases: [(&CStr, c_int, c_int, &[&str]); 7] = [
            (c"a,b,c", 5, 4, &["a", "b", "c"]),
            (c"a,b,c", 5, 2, &["a", "b,c"]),
            (c"a,b,c", 3, 4, &["a", "b,c"]),
            (c"a,,c", 9, 4, &["a", "", "c"]),
            (c",a,", 9, 4, &["", "a"]),
            (c"", 9, 4, &[]),
            (c"a", -1, 4, &[]),
        ];
        for (text, len, max, expected) in cases {
            let mut string = text.to_bytes_with_nul().to_vec();
            let mut pieces = [std::ptr::null_mut(); 4];
            let first = string.as_mut_ptr().cast();
            // SAFETY: both are there, and as long as is said.
            let count =
                unsafe { rte_strsplit(first, len, pieces.as_mut_ptr(), max, b',' as c_char) };
            let found = pieces.iter().take(count as usize).map(|&piece| {
                // SAFETY: the last piece ends by the string's own NUL.
                unsafe { CStr::from_ptr(piece) }.to_str().unwrap()
            });
            assert_eq!(found.collect::<Vec<_>>(), expected, "{text:?} {len} {max}");
        }
    }

    #[test]
    fn a_copy_is_cut_short_and_says_so() {
        let cases = [(4, 3, "abc"), (3, -7, "ab"), (1, -7, ""), (0, -7, "....")];
        for (size, expected, copy) in cases {
            let mut to = *b"....\0";
            // SAFETY: there is room for as many.
            let result = unsafe { rte_strscpy(to.as_mut_ptr().cast(), c"abc".as_ptr(), size) };
            assert_eq!(result, expected, "{size}");
            assert_eq!(CStr::from_bytes_until_nul(&to).unwrap().to_str(), Ok(copy), "{size}");
        }
    }
}
