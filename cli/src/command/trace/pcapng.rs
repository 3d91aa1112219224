//! A pcapng capture: an interface for each member, a packet for each record. `PCAPNG.md` describes it for those
//! who read it.

use rte_mp::trace::{Content, Direction, Joined, Record};

use super::cast::{Cast, label};
use super::paper::Paper;
use super::scribe::{Scribe, Totals, kind, prefix, remark};
use super::sources::{News, What};
use crate::escape::Escaped;
use crate::status::Failure;

pub(super) const SECTION: u32 = 0x0a0d_0d0a;
pub(super) const INTERFACE: u32 = 1;
pub(super) const PACKET: u32 = 6;
pub(super) const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// `LINKTYPE_USER0`: for whoever writes to say what it is.
pub(super) const LINK_TYPE: u16 = 147;

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const SHB_USERAPPL: u16 = 4;
const EPB_FLAGS: u16 = 2;
/// Timestamps are in ns: ten to the power of minus nine.
const NANOSECONDS: u8 = 9;

#[derive(Default)]
pub(super) struct Pcapng {
    /// The members that have an interface, in order.
    interfaces: Vec<usize>,
}

impl Scribe for Pcapng {
    fn begin(&mut self, paper: &mut Paper<'_>) -> Result<(), Failure> {
        let mut block = Block::new(SECTION);
        block.u32(BYTE_ORDER);
        // Version 1.0, of a length that is not known.
        block.u16(1);
        block.u16(0);
        block.bytes(&u64::MAX.to_le_bytes());
        block.option(SHB_USERAPPL, concat!("rte-mp ", env!("CARGO_PKG_VERSION")).as_bytes());
        paper.bytes(&block.end())
    }

    fn write(&mut self, cast: &Cast, news: &News, paper: &mut Paper<'_>) -> Result<(), Failure> {
        // That somebody has ended without leaving shows by his last packet.
        let What::Record(record) = &news.what else { return Ok(()) };
        if let Content::Joined(joined) = &record.content {
            self.interfaces.push(news.stream);
            paper.bytes(&interface(joined))?;
        }
        match self.interfaces.iter().rposition(|stream| *stream == news.stream) {
            Some(interface) => paper.bytes(&packet(cast, news.stream, interface, record)),
            None => Ok(()),
        }
    }

    fn end(&mut self, _: &Totals, _: &mut Paper<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn wants_all(&self) -> bool {
        true
    }
}

fn interface(joined: &Joined) -> Vec<u8> {
    let mut block = Block::new(INTERFACE);
    block.u16(LINK_TYPE);
    block.u16(0);
    // No packet is cut.
    block.u32(0);
    block.option(IF_NAME, label(joined).as_bytes());
    let (prefix, name) = (Escaped::bytes(prefix(joined)), joined.name);
    let description = format!("member of {:?} at {name}", prefix.to_string());
    block.option(IF_DESCRIPTION, description.as_bytes());
    block.option(IF_TSRESOL, &[NANOSECONDS]);
    block.end()
}

fn packet(cast: &Cast, stream: usize, interface: usize, record: &Record) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(Record::MAX_LEN);
    record.encode(&mut bytes);
    let mut block = Block::new(PACKET);
    block.u32(u32::try_from(interface).unwrap_or(u32::MAX));
    block.u32((record.time_ns >> 32) as u32);
    block.u32(record.time_ns as u32);
    for _captured_and_whole in 0..2 {
        // At most a few hundred.
        block.u32(bytes.len() as u32);
    }
    block.bytes(&bytes);
    let (flags, comment) = match &record.content {
        Content::Datagram(traced) => {
            let arrow = match traced.direction {
                Direction::In => "from",
                Direction::Out => "to",
            };
            let name = traced.name.map(|name| Escaped::bytes(name.as_bytes()).to_string());
            let peer = cast.peer(stream, traced);
            let fate = remark(traced.fate).map(|remark| format!(", {remark}"));
            let comment = format!(
                "{} {} {arrow} {peer}{}",
                kind(traced),
                name.as_deref().unwrap_or("-"),
                fate.unwrap_or_default()
            );
            (Some(traced.direction), comment)
        }
        Content::Joined(joined) => (None, format!("{} is recorded from here on", label(joined))),
        Content::Lost(count) => (None, format!("{count} records lost")),
        Content::Left => (None, "left the group".to_owned()),
    };
    block.option(COMMENT, comment.as_bytes());
    if let Some(direction) = flags {
        let inbound_or_outbound: u32 = match direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        block.option(EPB_FLAGS, &inbound_or_outbound.to_le_bytes());
    }
    block.end()
}

/// A block under construction: its type, its length, what is in it, its length once more.
struct Block {
    bytes: Vec<u8>,
    has_options: bool,
}

impl Block {
    fn new(kind: u32) -> Self {
        let mut block = Self { bytes: Vec::new(), has_options: false };
        block.u32(kind);
        block.u32(0);
        block
    }

    fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// Appends bytes, and zeros up to the next word.
    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        self.has_options = true;
        self.u16(code);
        self.u16(value.len() as u16);
        self.bytes(value);
    }

    fn end(mut self) -> Vec<u8> {
        if self.has_options {
            self.u16(END_OF_OPTIONS);
            self.u16(0);
        }
        let len = u32::try_from(self.bytes.len() + 4).unwrap_or(u32::MAX);
        self.bytes[4..8].copy_from_slice(&len.to_le_bytes());
        self.u32(len);
        self.bytes
    }
}
