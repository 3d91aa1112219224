//! Bytes as text with escapes, and as hexadecimal digits: the inverse of `escape`.

use super::Param;

/// Reads text in which `\0`, `\xNN`, `\n`, `\r`, `\t` and `\\` stand for bytes.
///
/// # Errors
/// Where it is wrong, and what would be right.
pub(crate) fn unescape(text: &str) -> Result<Param, String> {
    bytes(text).and_then(Param::new)
}

pub(super) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, len) = escaped(after)?;
        bytes.push(byte);
        rest = &after[len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Reads what stands behind a backslash: the byte, and how much of the text is meant.
fn escaped(text: &str) -> Result<(u8, usize), String> {
    let byte = match text.chars().next() {
        Some('0') => b'\0',
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('\\') => b'\\',
        Some('x') => {
            let digits = text.get(1..3).filter(|digits| is_hex(digits));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            return byte
                .map(|byte| (byte, 3))
                .ok_or_else(|| "\\x takes two hexadecimal digits, as in \\x1b".to_owned());
        }
        Some(other) => {
            return Err(format!(
                "\\{other} stands for nothing; write \\\\ for a backslash, \\xNN for any byte"
            ));
        }
        None => return Err("a backslash stands alone at the end; write \\\\ for one".to_owned()),
    };
    Ok((byte, 1))
}

/// Reads hexadecimal digits, two for each byte, with blanks and colons between the bytes.
///
/// # Errors
/// What is wrong.
pub(super) fn unhex(text: &str) -> Result<Param, String> {
    hex_bytes(text).and_then(Param::new)
}

pub(super) fn hex_bytes(text: &str) -> Result<Vec<u8>, String> {
    let is_between = |letter: char| letter.is_whitespace() || letter == ':';
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for run in text.split(is_between) {
        if let Some(wrong) = run.chars().find(|letter| !letter.is_ascii_hexdigit()) {
            return Err(format!(
                "{wrong:?} is no hexadecimal digit; write two for each byte, as in 00ff41"
            ));
        }
        if run.len() % 2 != 0 {
            return Err(format!("{run:?} has an odd number of digits; write two for each byte"));
        }
        for at in (0..run.len()).step_by(2) {
            bytes
                .push(u8::from_str_radix(&run[at..at + 2], 16).map_err(|error| error.to_string())?);
        }
    }
    Ok(bytes)
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::escape::{Escaped, hex};

    #[test]
    fn escapes_stand_for_bytes() {
        let cases: [(&str, &[u8]); 6] = [
            ("", b""),
            ("plain é", "plain é".as_bytes()),
            (r"a\0b\x00\xfF", b"a\0b\0\xff"),
            (r"\n\r\t\\n", b"\n\r\t\\n"),
            (r"\01", b"\x001"),
            (r"\\x41", br"\x41"),
        ];
        for (text, expected) in cases {
            assert_eq!(unescape(text).as_ref().map(Param::as_bytes), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_escapes_are_told_what_is_right() {
        let cases = [
            (r"a\qb", r"\q stands for nothing; write \\ for a backslash, \xNN for any byte"),
            (r"a\", r"a backslash stands alone at the end; write \\ for one"),
            (r"\x4", r"\x takes two hexadecimal digits, as in \x1b"),
            (r"\x+1", r"\x takes two hexadecimal digits, as in \x1b"),
            (r"\x4é", r"\x takes two hexadecimal digits, as in \x1b"),
        ];
        for (text, expected) in cases {
            assert_eq!(unescape(text), Err(expected.to_owned()), "{text}");
        }
        let long = "a".repeat(257);
        let expected = "257 bytes are too many: a parameter has at most 256".to_owned();
        assert_eq!(unescape(&long), Err(expected));
        assert!(unescape(&long[1..]).is_ok());
    }

    #[test]
    fn digits_stand_for_bytes() {
        let expected = Ok(Param(vec![0, 255, 65]));
        for text in ["00ff41", "00 ff 41", "00:FF:41", " 00ff  41\n"] {
            assert_eq!(unhex(text), expected, "{text:?}");
        }
        let cases = [
            ("0g", "'g' is no hexadecimal digit; write two for each byte, as in 00ff41"),
            ("0x12", "'x' is no hexadecimal digit; write two for each byte, as in 00ff41"),
            ("0 0", "\"0\" has an odd number of digits; write two for each byte"),
        ];
        for (text, expected) in cases {
            assert_eq!(unhex(text), Err(expected.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_typed_again(param in proptest::collection::vec(any::<u8>(), 0..=256)) {
            let param = Param(param);
            let shown = Escaped::bytes(param.as_bytes()).to_string();
            prop_assert_eq!(unescape(&shown), Ok(param.clone()));
            prop_assert_eq!(unhex(&hex(param.as_bytes())), Ok(param));
        }

        #[test]
        fn no_text_is_too_strange_to_be_read(text in any::<String>()) {
            let _ = (unescape(&text), unhex(&text));
        }
    }
}
