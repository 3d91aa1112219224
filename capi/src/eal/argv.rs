//! The words of a command line, as C has them: read, and put in another order.

use std::ffi::{c_char, c_int};

use rte_mp::EalArgs;

use crate::border::bytes;

/// `argc` words at `argv`.
#[derive(Debug)]
pub(super) struct Words<'a> {
    words: &'a mut [*mut c_char],
    texts: Vec<&'a [u8]>,
}

impl<'a> Words<'a> {
    /// Takes them, if there is one at least and none is missing.
    ///
    /// # Safety
    /// `argv` is null or points to `argc` pointers that are null or C strings; nobody else uses them
    /// for as long as the words do.
    pub(super) unsafe fn new(argc: c_int, argv: *mut *mut c_char) -> Option<Self> {
        let count = usize::try_from(argc).ok().filter(|&count| count > 0 && !argv.is_null())?;
        // SAFETY: it is no null pointer, and the caller says that there are so many.
        let words = unsafe { std::slice::from_raw_parts_mut(argv, count) };
        // SAFETY: the caller says that each is null or a C string that lives.
        let texts = words.iter().map(|&word| unsafe { bytes(word) }).collect::<Option<_>>()?;
        Some(Self { words, texts })
    }

    /// Gives all words, the program's name first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.texts.iter().copied()
    }

    /// Gives the program's name.
    pub(super) fn program(&self) -> &'a [u8] {
        self.texts[0]
    }

    /// Puts the words that are the program's own last, in their order, and the program's name before
    /// them, as `getopt_long` and `rte_eal_init` leave them.
    pub(super) fn arrange(&mut self, args: &EalArgs) {
        let mut rest = args.rest.iter().rev().peekable();
        let (mut own, mut eal) = (Vec::new(), Vec::new());
        // From the end: what follows `--` is the program's, whatever it looks like.
        for (&word, &text) in self.words[1..].iter().zip(&self.texts[1..]).rev() {
            match rest.next_if(|wanted| wanted.as_encoded_bytes() == text) {
                Some(_) => own.push(word),
                None => eal.push(word),
            }
        }
        let program = self.words[0];
        let ordered =
            std::iter::once(program).chain(eal.into_iter().rev()).chain(own.into_iter().rev());
        for (slot, word) in self.words.iter_mut().zip(ordered) {
            *slot = word;
        }
        if let Some(last) = self.words.get_mut(args.consumed) {
            *last = program;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::{CStr, CString, OsStr};
    use std::os::unix::ffi::OsStrExt;

    fn arranged(line: &str) -> (usize, String) {
        let words: Vec<CString> =
            line.split(' ').map(|word| CString::new(word).expect("no NUL")).collect();
        let mut argv: Vec<*mut c_char> =
            words.iter().map(|word| word.as_ptr().cast_mut()).collect();
        // SAFETY: they are C strings, and live as long as `words`.
        let mut split =
            unsafe { Words::new(argv.len() as c_int, argv.as_mut_ptr()) }.expect("there are words");
        let args = EalArgs::parse(split.iter().map(OsStr::from_bytes)).expect("it is right");
        split.arrange(&args);
        // SAFETY: they still are the same strings.
        let texts: Vec<_> = argv.iter().map(|&word| unsafe { CStr::from_ptr(word) }).collect();
        let texts: Vec<_> = texts.iter().map(|text| text.to_string_lossy()).collect();
        (args.consumed, texts[args.consumed..].join(" "))
    }

    #[test]
    fn the_programs_own_words_come_last_behind_its_name() {
        let cases = [
            ("app", 0, "app"),
            ("app -n 4", 2, "app"),
            ("app -n 4 -- -x y", 3, "app -x y"),
            ("app file -n 4 other", 2, "app file other"),
            ("app -n 4 -- -n 4", 3, "app -n 4"),
            ("app 4 -n 4 4 -- 4", 3, "app 4 4 4"),
            ("app -- -- --", 1, "app -- --"),
        ];
        for (line, consumed, expected) in cases {
            assert_eq!(arranged(line), (consumed, expected.to_owned()), "{line}");
        }
    }

    #[test]
    fn no_words_are_no_command_line() {
        let mut none: [*mut c_char; 1] = [std::ptr::null_mut()];
        let none = none.as_mut_ptr();
        let cases = [(0, none), (-1, none), (1, none)];
        for (argc, argv) in cases {
            // SAFETY: there is one pointer, which is null.
            assert!(unsafe { Words::new(argc, argv) }.is_none(), "{argc}");
        }
        // SAFETY: it is null.
        assert!(unsafe { Words::new(1, std::ptr::null_mut()) }.is_none());
    }
}
