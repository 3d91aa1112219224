//! What `zones` writes.

use std::fmt;
use std::time::{Duration, SystemTime};

use rte_mp::{MemzoneInfo, ZoneName};
use serde::Serialize;

use crate::escape::{Escaped, hex};
use crate::output::nanoseconds;

/// A zone, by what its group says of it.
#[derive(Serialize)]
#[serde(tag = "type", rename = "zone")]
pub(super) struct Zone {
    name: String,
    len: u64,
    address: u64,
    page_len: u64,
    socket_id: i32,
    flags: u32,
    iova: Option<u64>,
}

/// Bytes of a zone.
#[derive(Serialize)]
#[serde(tag = "type", rename = "zone_bytes")]
pub(super) struct Bytes {
    name: String,
    offset: u64,
    bytes_hex: String,
    bytes_text: String,
}

/// Bytes that have changed.
#[derive(Serialize)]
#[serde(tag = "type", rename = "zone_change")]
pub(super) struct Change {
    name: String,
    unix_time_ns: u64,
    offset: u64,
    old_hex: String,
    new_hex: String,
}

/// What following a zone came to.
#[derive(Serialize)]
#[serde(tag = "type", rename = "zone_summary")]
pub(super) struct Summary {
    name: String,
    /// How often it was found changed.
    changes: u64,
    time_ns: u64,
    ended_by: End,
}

/// Why a zone is not followed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Interrupt,
    /// It was freed.
    Freed,
    /// Another zone has its name.
    Replaced,
    /// The primary has ended.
    PrimaryEnded,
}

impl From<MemzoneInfo> for Zone {
    fn from(info: MemzoneInfo) -> Self {
        Self {
            name: shown(info.name()),
            len: info.len() as u64,
            address: info.address(),
            page_len: info.page_len(),
            socket_id: info.socket(),
            flags: info.flags(),
            iova: info.iova(),
        }
    }
}

impl Zone {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Gives the cells of its row.
    pub(super) fn cells(&self) -> [String; 7] {
        [
            self.name.clone(),
            self.len.to_string(),
            format!("{:#x}", self.address),
            page(self.page_len),
            socket(self.socket_id),
            format!("{:#x}", self.flags),
            self.iova.map_or_else(|| "-".to_owned(), |iova| format!("{iova:#x}")),
        ]
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, len, address, page, socket, flags, iova] = self.cells();
        writeln!(f, "name     {name}")?;
        writeln!(f, "length   {len} bytes")?;
        writeln!(f, "address  {address}")?;
        writeln!(f, "pages    {page}")?;
        writeln!(f, "socket   {socket}")?;
        writeln!(f, "flags    {flags}")?;
        write!(f, "iova     {iova}")
    }
}

impl Bytes {
    pub(super) fn new(name: &ZoneName, offset: u64, bytes: &[u8]) -> Self {
        let bytes_text = Escaped::bytes(bytes).to_string();
        Self { name: shown(name), offset, bytes_hex: hex(bytes), bytes_text }
    }
}

impl Change {
    pub(super) fn new(
        name: &ZoneName,
        at: SystemTime,
        offset: u64,
        old: &[u8],
        new: &[u8],
    ) -> Self {
        let time = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (old_hex, new_hex) = (hex(old), hex(new));
        Self { name: shown(name), unix_time_ns: nanoseconds(time), offset, old_hex, new_hex }
    }
}

impl Summary {
    pub(super) fn new(name: &ZoneName, changes: u64, time: Duration, ended_by: End) -> Self {
        Self { name: shown(name), changes, time_ns: nanoseconds(time), ended_by }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = match self.changes {
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        };
        let time = Duration::from_nanos(self.time_ns);
        write!(f, "{changes} of {} in {:.1} s", self.name, time.as_secs_f64())
    }
}

fn shown(name: &ZoneName) -> String {
    Escaped::bytes(name.as_bytes()).to_string()
}

/// Says how large pages are as DPDK's options do.
fn page(len: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    let fits = |(unit, _): &&(u64, &str)| len >= *unit && len.is_multiple_of(*unit);
    match UNITS.iter().find(fits) {
        Some((unit, letter)) => format!("{}{letter}", len / unit),
        None => len.to_string(),
    }
}

fn socket(number: i32) -> String {
    if number < 0 { "any".to_owned() } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_pages_are_short_and_exact() {
        for (len, expected) in
            [(4096, "4K"), (2 << 20, "2M"), (1 << 30, "1G"), (5000, "5000"), (0, "0")]
        {
            assert_eq!(page(len), expected);
        }
        assert_eq!((socket(-1), socket(1)), ("any".to_owned(), "1".to_owned()));
    }
}
