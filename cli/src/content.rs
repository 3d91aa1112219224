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
}

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
            line("text", &self.param_text)?;
            line("hex", &self.param_hex)?;
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
