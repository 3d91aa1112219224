//! Bytes of others as text that a terminal can be given: no control character, nothing that is invisible or
//! turns the direction of writing.
//!
//! What comes out can be typed again as `--param`: `\\` for a backslash, `\0` for NUL, `\xNN` for any other
//! byte.

use std::fmt::{self, Write};
use std::path::Path;

/// Bytes or text that are shown with whatever is dangerous escaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Escaped<'a> {
    bytes: &'a [u8],
    /// Backslashes are doubled where what is shown is to be read back.
    exact: bool,
}

impl<'a> Escaped<'a> {
    /// Shows bytes so that they can be told from what is shown.
    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Self { bytes, exact: true }
    }

    /// Shows a text of ours in which words of others may stand: backslashes are left as they are.
    pub(crate) fn message(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), exact: false }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.bytes.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '\\' if self.exact => f.write_str("\\\\")?,
                    '\\' | '\'' | '"' => f.write_char(letter)?,
                    _ if is_printable(letter) => f.write_char(letter)?,
                    _ => escape(letter.encode_utf8(&mut [0; 4]).as_bytes(), f)?,
                }
            }
            escape(chunk.invalid(), f)?;
        }
        Ok(())
    }
}

/// Tells whether a letter is one that is seen, by the standard library's notion of it: no control character,
/// no mark that combines, nothing that changes the direction.
fn is_printable(letter: char) -> bool {
    letter.escape_debug().eq([letter])
}

fn escape(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| match byte {
        0 => f.write_str("\\0"),
        _ => write!(f, "\\x{byte:02x}"),
    })
}

/// Shows a path, which anybody may have made, safely.
pub(crate) fn shown(path: &Path) -> String {
    Escaped::bytes(path.as_os_str().as_encoded_bytes()).to_string()
}

/// Bytes as hexadecimal digits, two each and no blanks: what `--hex` takes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a string takes everything");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_stays_and_all_else_is_escaped() {
        let cases: [(&[u8], &str); 9] = [
            (b"SYNC Hello 1 from Client", "SYNC Hello 1 from Client"),
            (b"\x1b[2Jgone\x07\r\n\t\0", r"\x1b[2Jgone\x07\x0d\x0a\x09\0"),
            ("进程 é".as_bytes(), "进程 é"),
            (
                "\u{202e}txt.exe \u{200b}\u{9b}2J".as_bytes(),
                r"\xe2\x80\xaetxt.exe \xe2\x80\x8b\xc2\x9b2J",
            ),
            (b"\xff\xfe a", r"\xff\xfe a"),
            (br"a\b", r"a\\b"),
            (b"'\"", "'\""),
            (b"\x7f", r"\x7f"),
            (b"", ""),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Escaped::bytes(bytes).to_string(), expected);
        }
        assert_eq!(Escaped::message("C:\\ \u{1b}").to_string(), r"C:\ \x1b");
        assert_eq!(hex(b"\0\xffA"), "00ff41");
    }
}
