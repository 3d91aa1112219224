//! `rte-mp zones`: the memory zones of a group, and their bytes.
//!
//! The list and a zone's row take no right to its memory. Bytes are mapped for reading and copied out:
//! of a few pages at most unless more is asked for.

mod follow;
mod hexdump;
mod records;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::ArgGroup;
use rte_mp::{Group, LookupError, Memzone, MemzoneInfo, ZoneName};

use self::hexdump::Dump;
use self::records::{Bytes, Zone};
use crate::args::{Common, interval};
use crate::output::Output;
use crate::status::{Failure, Status};
use crate::table::table;

/// How many bytes are shown unless others are asked for.
const DEFAULT_LEN: u64 = 4096;
/// How many bytes are copied, and stand in an object, at once.
const CHUNK: u64 = 64 << 10;
/// How many names are offered instead of one that is none.
const NEAR: usize = 3;
/// How near such a name is, from 0 to 1.
const NEARNESS: f64 = 0.8;

/// List the memory zones, or show the bytes of one.
///
/// Without NAME all zones are listed; with NAME it is that one. Beside a DPDK primary nothing of its is
/// locked or changed: zones are mapped for reading only.
#[derive(clap::Args)]
#[command(group = ArgGroup::new("bytes").multiple(true))]
pub(crate) struct Args {
    /// The zone
    name: Option<OsString>,

    /// Show its bytes
    #[arg(long, requires = "name", group = "bytes")]
    hex: bool,

    /// Show its bytes and then, until Ctrl-C, each change of them
    #[arg(long, requires = "name", group = "bytes")]
    follow: bool,

    /// How often to look for changes
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = interval, requires = "follow")]
    interval: Duration,

    /// Where in the zone to begin: 512, 0x200, 4K, 1M, 1G
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true, default_value = "0", value_parser = bytes, requires = "bytes")]
    offset: u64,

    /// How many bytes to show [default: at most 4096]
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true, value_parser = some_bytes, requires = "bytes")]
    len: Option<u64>,
}

/// A part of a zone.
#[derive(Debug, Clone, Copy)]
struct Window {
    offset: u64,
    len: u64,
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    let name = args.name.as_ref().map(|name| {
        ZoneName::new(name.as_bytes()).map_err(|source| {
            Failure::usage(format_args!("{:?} cannot be a memory zone: {source}", name.display()))
        })
    });
    let name = name.transpose()?;
    let group = common.join()?;
    match name {
        None => list(&group, output),
        Some(name) if args.follow => follow::run(args, &group, &name, output),
        Some(name) if args.hex => show_bytes(args, &group, &name, output),
        Some(name) => output.show(&Zone::from(find(&group, &name)?)).map(|()| Status::Done),
    }
}

fn list(group: &Group, output: &mut Output) -> Result<Status, Failure> {
    let zones: Vec<_> = group.memzones().iter()?.map(Zone::from).collect();
    if output.is_json() {
        zones.iter().try_for_each(|zone| output.object(zone))?;
        return Ok(Status::Done);
    }
    if !zones.is_empty() {
        let header = ["NAME", " LENGTH", " ADDRESS", " PAGE", " SOCKET", " FLAGS", " IOVA"];
        output.line(table("", header, zones.iter().map(Zone::cells)))?;
    }
    let sum = zones.iter().fold(0, |sum: u64, zone| sum.saturating_add(zone.len()));
    let zones = match zones.len() {
        1 => "1 zone".to_owned(),
        count => format!("{count} zones"),
    };
    output.line(format_args!("{zones} in {:?}, {sum} bytes", group.file_prefix()))?;
    Ok(Status::Done)
}

/// Finds a zone without mapping it.
fn find(group: &Group, name: &ZoneName) -> Result<MemzoneInfo, Failure> {
    let found = group.memzones().iter()?.find(|zone| zone.name() == name);
    found.ok_or_else(|| not_found(group, name))
}

/// Maps a zone for reading.
fn open(group: &Group, name: &ZoneName) -> Result<Memzone, Failure> {
    group.memzones().lookup(name).map_err(|error| match error {
        LookupError::NotFound { .. } => not_found(group, name),
        other => other.into(),
    })
}

/// Says that there is no such zone, and what may be meant.
fn not_found(group: &Group, name: &ZoneName) -> Failure {
    let names: Vec<_> =
        group.memzones().iter().into_iter().flatten().map(|zone| zone.name().to_string()).collect();
    let advice = match (near(&name.to_string(), &names)[..].join(", "), names.is_empty()) {
        (_, true) => "it has none".to_owned(),
        (near, _) if near.is_empty() => "see `rte-mp zones` for those there are".to_owned(),
        (near, _) => format!("did you mean {near}?"),
    };
    Failure::refused(format_args!(
        "there is no memory zone {name:?} in the group of file prefix {:?}; {advice}",
        group.file_prefix()
    ))
}

/// Chooses the names that are most like `name`, the best first.
fn near<'a>(name: &str, names: &'a [String]) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let likeness = |other: &str| {
        let other = other.to_lowercase();
        let part = other.contains(&wanted) || wanted.contains(&other);
        strsim::jaro_winkler(&wanted, &other).max(if part { NEARNESS } else { 0.0 })
    };
    let mut near: Vec<_> = names.iter().map(|other| (likeness(other), other.as_str())).collect();
    near.retain(|(likeness, _)| *likeness >= NEARNESS);
    near.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
    near.into_iter().take(NEAR).map(|(_, name)| name).collect()
}

impl Args {
    /// Says which part of a zone is meant, and notes if it is not all that is there.
    fn window(&self, zone: &Memzone, output: &Output) -> Result<Window, Failure> {
        let (offset, zone_len) = (self.offset, zone.len() as u64);
        let rest = zone_len.checked_sub(offset).filter(|rest| *rest > 0).ok_or_else(|| {
            Failure::usage(format_args!(
                "--offset {offset} is past the end of memory zone {:?}, which has {zone_len} bytes",
                zone.name()
            ))
        })?;
        let len = self.len.unwrap_or(DEFAULT_LEN).min(rest);
        if self.len.is_none() && len < rest {
            output.note(format_args!(
                "{len} of {zone_len} bytes are shown; --len {rest} shows all from there on"
            ));
        }
        Ok(Window { offset, len })
    }
}

impl Window {
    /// Goes through it in pieces of at most [`CHUNK`] bytes.
    fn chunks(self) -> impl Iterator<Item = Self> {
        let Self { offset, len } = self;
        (0..len.div_ceil(CHUNK)).map(move |number| {
            let start = number * CHUNK;
            Self { offset: offset + start, len: CHUNK.min(len - start) }
        })
    }

    /// Copies it out of a zone.
    fn read(self, zone: &Memzone) -> Result<Vec<u8>, Failure> {
        // It lies in the zone, whose length is a `usize`.
        let mut bytes = vec![0; self.len as usize];
        zone.read_at(self.offset as usize, &mut bytes)?;
        Ok(bytes)
    }
}

fn show_bytes(
    args: &Args,
    group: &Group,
    name: &ZoneName,
    output: &mut Output,
) -> Result<Status, Failure> {
    let zone = open(group, name)?;
    let window = args.window(&zone, output)?;
    if output.is_json() {
        output.object(&Zone::from(zone.info()))?;
    }
    let mut dump = Dump::default();
    for chunk in window.chunks() {
        show_chunk(&mut dump, name, chunk.offset, &chunk.read(&zone)?, output)?;
    }
    if !output.is_json() {
        output.line(hexdump::end(window.offset + window.len))?;
    }
    Ok(Status::Done)
}

/// Shows bytes that follow those that were shown before.
fn show_chunk(
    dump: &mut Dump,
    name: &ZoneName,
    offset: u64,
    bytes: &[u8],
    output: &mut Output,
) -> Result<(), Failure> {
    if output.is_json() {
        return output.object(&Bytes::new(name, offset, bytes));
    }
    let rows = dump.rows(offset, bytes);
    if rows.is_empty() { Ok(()) } else { output.line(rows.join("\n")) }
}

/// Reads a number of bytes: `512`, `0x200`, `4K`, `1M`, `1G`.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "write a number of bytes, as in 512, 0x200, 4K, 1M or 1G".to_owned();
    let (digits, radix, unit) = match (text.strip_prefix("0x"), text.as_bytes().last()) {
        (Some(digits), _) => (digits, 16, 1),
        (None, Some(b'K')) => (&text[..text.len() - 1], 10, 1 << 10),
        (None, Some(b'M')) => (&text[..text.len() - 1], 10, 1 << 20),
        (None, Some(b'G')) => (&text[..text.len() - 1], 10, 1 << 30),
        (None, _) => (text, 10, 1),
    };
    // `from_str_radix` would take a sign, too.
    let number =
        if digits.starts_with('+') { None } else { u64::from_str_radix(digits, radix).ok() };
    number.and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)
}

/// Reads a number of bytes that is not 0.
fn some_bytes(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("it takes 1 byte or more".to_owned()),
        len => Ok(len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes_are_read_as_people_write_them() {
        let cases = [
            ("0", Some(0)),
            ("512", Some(512)),
            ("0x200", Some(512)),
            ("4K", Some(4096)),
            ("1M", Some(1 << 20)),
            ("2G", Some(2 << 30)),
            ("", None),
            ("K", None),
            ("+1", None),
            ("-1", None),
            ("0x", None),
            ("0x+1", None),
            ("1.5K", None),
            ("1k", None),
            ("99999999999G", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text).ok(), expected, "{text:?}");
        }
        assert_eq!((some_bytes("1").ok(), some_bytes("0").ok()), (Some(1), None));
    }

    #[test]
    fn names_that_are_like_the_wanted_one_are_offered() {
        let names: Vec<_> = ["MP_mb_pool_0", "MP_mb_pool_1", "RG_MP_mb_pool_0", "rte_eth_dev_data"]
            .map(str::to_owned)
            .into();
        assert_eq!(near("MP_mb_pol_0", &names)[0], "MP_mb_pool_0");
        assert_eq!(near("eth_dev", &names), ["rte_eth_dev_data"]);
        assert_eq!(near("RTE_ETH_DEV_DATA", &names), ["rte_eth_dev_data"]);
        assert_eq!(near("mb_pool", &names).len(), 3);
        assert_eq!(near("quite another", &names), [""; 0]);
    }

    #[test]
    fn a_window_is_read_in_pieces() {
        let pieces = |offset, len| {
            Window { offset, len }.chunks().map(|w| (w.offset, w.len)).collect::<Vec<_>>()
        };
        assert_eq!(pieces(7, 1), [(7, 1)]);
        assert_eq!(pieces(7, CHUNK), [(7, CHUNK)]);
        assert_eq!(pieces(7, CHUNK + 1), [(7, CHUNK), (7 + CHUNK, 1)]);
    }
}
