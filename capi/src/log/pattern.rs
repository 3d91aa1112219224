//! Names of types as shell patterns and regular expressions match them: as libc does, which DPDK asks.

use std::ffi::CStr;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr;

/// What a name may match.
#[derive(Debug)]
pub(super) enum Pattern {
    Shell(CString),
    Regular(Regex),
}

impl Pattern {
    pub(super) fn matches(&self, name: &CStr) -> bool {
        match self {
            // SAFETY: both are C strings.
            Self::Shell(pattern) => unsafe {
                libc::fnmatch(pattern.as_ptr(), name.as_ptr(), 0) == 0
            },
            Self::Regular(regex) => regex.matches(name),
        }
    }
}

/// A basic regular expression of POSIX's, which may match anywhere in a name.
pub(super) struct Regex(Box<libc::regex_t>);

// SAFETY: it owns what it points to, and belongs to no thread.
unsafe impl Send for Regex {}

impl Regex {
    /// Reads one; `None` if it is none.
    pub(super) fn new(text: &CStr) -> Option<Self> {
        let mut regex = Box::new(MaybeUninit::<libc::regex_t>::uninit());
        // SAFETY: it fills in the struct, and the text is a C string.
        let result = unsafe { libc::regcomp(regex.as_mut_ptr(), text.as_ptr(), 0) };
        if result != 0 {
            return None;
        }
        // SAFETY: it was filled in, as the result says.
        Some(Self(unsafe { regex.assume_init() }))
    }

    fn matches(&self, name: &CStr) -> bool {
        let regex: *const libc::regex_t = &raw const *self.0;
        // SAFETY: it was compiled, the name is a C string, and no places are asked for.
        unsafe { libc::regexec(regex, name.as_ptr(), 0, ptr::null_mut(), 0) == 0 }
    }
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: it was compiled, and nobody uses it from now on.
        unsafe { libc::regfree(&raw mut *self.0) };
    }
}

impl std::fmt::Debug for Regex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Regex").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_pattern_matches_the_whole_name_and_a_regular_expression_any_part() {
        let shell = |text: &CStr| Some(Pattern::Shell(text.to_owned()));
        let regular = |text: &CStr| Regex::new(text).map(Pattern::Regular);
        let cases = [
            ("a name", shell(c"lib.eal"), Some(true)),
            ("a part of it", shell(c"eal"), Some(false)),
            ("a star", shell(c"lib.*"), Some(true)),
            ("a set", shell(c"lib.[a-e]al"), Some(true)),
            ("a part, as an expression", regular(c"eal"), Some(true)),
            ("its start", regular(c"^eal"), Some(false)),
            ("a basic expression, where + is itself", regular(c"e+al"), Some(false)),
            ("no expression", regular(c"\\("), None),
        ];
        for (what, pattern, expected) in cases {
            assert_eq!(pattern.map(|pattern| pattern.matches(c"lib.eal")), expected, "{what}");
        }
    }
}
