//! What a message or a reply carries, shown: the parameter in every notation, and what each descriptor is.
//!
//! Nothing is read here but the names of descriptors, which does not block, whatever they are.

use std::fmt;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rte_mp::{Kind, Message};
use serde::Serialize;

use crate::decode::decode;
use crate::escape::{Escaped, hex};
use crate::payload::Layout;
use crate::payload::layout::Row;

/// What a message carries.
#[derive(Debug, Serialize)]
pub(crate) struct Content {
    param_len: usize,
    param_text: String,
    param_hex: String,
    /// What DPDK's own payloads say.
    decoded: Option<String>,
    /// The fields of `--show-struct`.
    fields: Option<Vec<Row>>,
    /// Why there are none.
    fields_error: Option<String>,
    pub(crate) fds: Vec<Descriptor>,
    /// How many NULs are at the end, which people do not want to count.
    #[serde(skip)]
    padding: usize,
}

/// So many NULs at the end of a parameter are shown as a number.
const LONG_PADDING: usize = 8;

impl Content {
    pub(crate) fn new(kind: Kind, message: &Message, layout: Option<&Layout>) -> Self {
        let param = message.param();
        let (fields, fields_error) = match layout.map(|layout| layout.unpack(param)) {
            None => (None, None),
            Some(Ok(rows)) => (Some(rows), None),
            Some(Err(problem)) => (None, Some(problem)),
        };
        Self {
            param_len: param.len(),
            param_text: Escaped::bytes(param).to_string(),
            param_hex: hex(param),
            decoded: decode(message.name().as_bytes(), kind, param),
            fields,
            fields_error,
            fds: message.fds().iter().enumerate().map(Descriptor::new).collect(),
            padding: param.iter().rev().take_while(|byte| **byte == 0).count(),
        }
    }

    /// Says how much it is.
    pub(crate) fn size(&self) -> String {
        let bytes = counted(self.param_len, "byte");
        match self.fds.len() {
            0 => bytes,
            fds => format!("{bytes}, {}", counted(fds, "descriptor")),
        }
    }
}

/// One of them, or several.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Indented lines, each of which ends what stands before it.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |word: &str, text: &dyn fmt::Display| write!(f, "\n  {word:<8} {text}");
        if self.param_len > 0 {
            line("text", &folded(&self.param_text, "\\0", self.padding))?;
            line("hex", &folded(&self.param_hex, "00", self.padding))?;
        }
        if let Some(words) = &self.decoded {
            line("means", words)?;
        }
        for row in self.fields.iter().flatten() {
            line("field", row)?;
        }
        if let Some(problem) = &self.fields_error {
            line("fields", problem)?;
        }
        for fd in &self.fds {
            line(&format!("fd {}", fd.number), fd)?;
        }
        Ok(())
    }
}

/// Shortens a text that ends in `count` times `digits`.
fn folded(text: &str, digits: &str, count: usize) -> String {
    match text.len().checked_sub(count * digits.len()) {
        Some(0) if count >= LONG_PADDING => format!("{count} times {digits}"),
        Some(len) if count >= LONG_PADDING => {
            format!("{} and {count} times {digits}", &text[..len])
        }
        _ => text.to_owned(),
    }
}

/// A descriptor that was received.
#[derive(Debug, Serialize)]
pub(crate) struct Descriptor {
    number: usize,
    /// What the kernel calls it: a path, `/memfd:NAME`, `pipe:[N]`, `socket:[N]`, `anon_inode:NAME`.
    target: Option<String>,
    /// The file that it was saved to.
    pub(crate) saved: Option<String>,
    /// How much was saved, in bytes.
    pub(crate) saved_len: Option<u64>,
    /// Why not all of it was.
    pub(crate) not_saved: Option<String>,
}

impl Descriptor {
    fn new((number, fd): (usize, &OwnedFd)) -> Self {
        Self { number, target: target(fd.as_fd()), saved: None, saved_len: None, not_saved: None }
    }
}

/// Says what the kernel calls a descriptor.
fn target(fd: BorrowedFd<'_>) -> Option<String> {
    let link = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
    Some(Escaped::bytes(link.as_os_str().as_bytes()).to_string())
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.target.as_deref().unwrap_or("unknown"))?;
        if let (Some(file), Some(len)) = (&self.saved, self.saved_len) {
            write!(f, "; {len} bytes saved as {file}")?;
        }
        if let Some(reason) = &self.not_saved {
            write!(f, "; {}{reason}", if self.saved.is_some() { "" } else { "not saved: " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nuls_at_the_end_are_counted_for_people() {
        let shown = |param: &[u8]| {
            let message = Message::new("name").and_then(|m| m.with_param(param)).unwrap();
            Content::new(Kind::Request, &message, None).to_string()
        };
        let lines = |text: &str, hex: &str| format!("\n  text     {text}\n  hex      {hex}");
        assert_eq!(
            shown(b"ab\0\0\0\0\0\0\0\0"),
            lines(r"ab and 8 times \0", "6162 and 8 times 00")
        );
        assert_eq!(shown(b"\\0\0"), lines(r"\\0\0", "5c3000"));
        assert_eq!(shown(&[0; 256]), lines(r"256 times \0", "256 times 00"));
        assert_eq!(shown(b""), "");
    }
}
