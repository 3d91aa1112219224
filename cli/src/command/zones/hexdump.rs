//! Bytes as `hexdump -C` shows them: 16 in a row, repeated rows folded; and rows in which some have changed.

use std::fmt::Write;
use std::ops::Range;

use anstyle::{AnsiColor, Style};

/// Bytes in a row.
const WIDTH: usize = 16;
/// How a changed byte looks where there are colours; it stands in brackets everywhere.
const CHANGED: Style = AnsiColor::Red.on_default().bold();

/// Rows that were written so far.
#[derive(Debug, Default)]
pub(super) struct Dump {
    last: Option<[u8; WIDTH]>,
    is_folding: bool,
}

impl Dump {
    /// Makes rows of bytes that follow those before. All but the last piece must be whole rows.
    pub(super) fn rows(&mut self, offset: u64, bytes: &[u8]) -> Vec<String> {
        let mut rows = Vec::new();
        for (number, row) in bytes.chunks(WIDTH).enumerate() {
            let whole: Option<[u8; WIDTH]> = row.try_into().ok();
            if whole.is_some() && whole == self.last {
                if !self.is_folding {
                    rows.push("*".to_owned());
                }
                self.is_folding = true;
            } else {
                rows.push(self::row(offset + (number * WIDTH) as u64, row, |_| false));
                (self.last, self.is_folding) = (whole, false);
            }
        }
        rows
    }
}

/// Makes the line that ends a dump: where it ends.
pub(super) fn end(offset: u64) -> String {
    format!("{offset:08x}")
}

/// Makes a row of each 16 bytes in which some differ, those in brackets.
pub(super) fn changed_rows(offset: u64, old: &[u8], new: &[u8]) -> Vec<String> {
    let rows = old.chunks(WIDTH).zip(new.chunks(WIDTH)).enumerate();
    let changed = rows.filter(|(_, (old, new))| old != new);
    changed
        .map(|(number, (old, new))| {
            row(offset + (number * WIDTH) as u64, new, |at| old[at] != new[at])
        })
        .collect()
}

/// Finds the runs of bytes that differ.
pub(super) fn changes(old: &[u8], new: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let differing = old.iter().zip(new).enumerate().filter(|(_, (old, new))| old != new);
    for (at, _) in differing {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// Makes a row. A bracket stands in the place of a blank, so that columns stay where they are.
fn row(offset: u64, bytes: &[u8], is_changed: impl Fn(usize) -> bool) -> String {
    let mut row = format!("{offset:08x} ");
    let changed = |at: usize| at < bytes.len() && is_changed(at);
    for at in 0..=WIDTH {
        let (before, here) = (at > 0 && changed(at - 1), changed(at));
        let gap = at == WIDTH / 2;
        match (before, here) {
            (false, true) => {
                write!(row, "{}[{CHANGED}", if gap { " " } else { "" }).expect(INFALLIBLE);
            }
            (true, false) => {
                write!(row, "{CHANGED:#}]{}", if gap { " " } else { "" }).expect(INFALLIBLE);
            }
            _ => row.push_str(if gap { "  " } else { " " }),
        }
        match bytes.get(at) {
            Some(byte) => write!(row, "{byte:02x}").expect(INFALLIBLE),
            None if at < WIDTH => row.push_str("  "),
            None => {}
        }
    }
    let text: String = bytes.iter().map(|byte| printable(*byte)).collect();
    write!(row, " |{text}|").expect(INFALLIBLE);
    row
}

const INFALLIBLE: &str = "a string takes everything";

fn printable(byte: u8) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(rows: &[String]) -> String {
        anstream::adapter::strip_str(&rows.join("\n")).to_string()
    }

    #[test]
    fn rows_look_as_those_of_hexdump_and_repeated_ones_are_folded() {
        let mut bytes = b"hello, hexdump -C \x1b[2J\xff".to_vec();
        bytes.resize(32, 0);
        bytes.extend([0; 48]);
        bytes.extend([1; 16]);
        bytes.extend(b"end");
        let rows = Dump::default().rows(0x10, &bytes);
        let expected = "\
00000010  68 65 6c 6c 6f 2c 20 68  65 78 64 75 6d 70 20 2d  |hello, hexdump -|
00000020  43 20 1b 5b 32 4a ff 00  00 00 00 00 00 00 00 00  |C .[2J..........|
00000030  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
00000060  01 01 01 01 01 01 01 01  01 01 01 01 01 01 01 01  |................|
00000070  65 6e 64                                          |end|";
        assert_eq!(rows.join("\n"), expected);
        assert_eq!(end(0x73), "00000073");
    }

    #[test]
    fn rows_are_folded_across_pieces() {
        let mut dump = Dump::default();
        assert_eq!(dump.rows(0, &[0; 32]).len(), 2);
        assert_eq!(dump.rows(32, &[0; 64]), [""; 0]);
        assert_eq!(dump.rows(96, &[1; 16])[0][..8], *"00000060");
    }

    #[test]
    fn changed_bytes_stand_in_brackets_and_in_colour() {
        let old = [0; 40];
        let mut new = old;
        for at in [0, 1, 7, 8, 15, 39] {
            new[at] = 0x2a;
        }
        let rows = changed_rows(0x100, &old, &new);
        let expected = "\
00000100 [2a 2a]00 00 00 00 00[2a  2a]00 00 00 00 00 00[2a] |**.....**......*|
00000120  00 00 00 00 00 00 00[2a]                          |.......*|";
        assert_eq!(plain(&rows), expected);
        assert!(rows[0].contains("\u{1b}[1m"), "{rows:?}");
        assert_eq!(changes(&old, &new), [0..2, 7..9, 15..16, 39..40]);
        assert!(changes(&old, &old).is_empty());
    }
}
