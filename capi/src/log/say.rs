//! What the library itself has to say, under the type of EAL.

use std::error::Error;
use std::ffi::{CString, c_char, c_int};

use super::{CRIT, DEBUG, ERR, WARNING};
use crate::version::VERSION;

/// `RTE_LOGTYPE_EAL`.
const EAL: u32 = 0;

unsafe extern "C" {
    fn rte_log(level: u32, logtype: u32, format: *const c_char, ...) -> c_int;
}

fn say(level: u32, text: &str) {
    // A NUL comes from the command line at the most, and would end the text.
    let text = CString::new(text.replace('\0', "?")).unwrap_or_default();
    // SAFETY: the format takes one string, which lives until it returns.
    unsafe { rte_log(level, EAL, c"EAL: %s\n".as_ptr(), text.as_ptr()) };
}

/// Says that something failed.
pub(crate) fn error(text: &str) {
    say(ERR, text);
}

/// Says that something failed, and why, with all causes.
pub(crate) fn failure(text: &str, error: &dyn Error) {
    let mut line = format!("{text}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    say(ERR, &line);
}

/// Says that something is done in another way than was asked for.
pub(super) fn warning(text: &str) {
    say(WARNING, text);
}

/// Says what happens, for those who want to know all.
pub(crate) fn debug(text: &str) {
    say(DEBUG, text);
}

/// Says which version this is. Asked for as it was, it is said at any level but the highest.
pub(crate) fn version() {
    say(CRIT, &VERSION.to_string_lossy());
}
