//! Reads a pcapng capture that `rte-mp trace` wrote. The file is anybody's: every length is checked.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rte_mp::trace::Record;

use super::pcapng::{BYTE_ORDER, INTERFACE, LINK_TYPE, PACKET, SECTION};
use super::sources::{News, What};
use crate::status::Failure;

/// No block of ours is longer; those of others, which are passed over, hardly are.
const MAX_BLOCK: u32 = 1 << 20;
/// The type and the length before a block, the length behind it.
const FRAME: u32 = 12;

pub(super) struct Capture {
    path: PathBuf,
    file: BufReader<File>,
    /// What kind of packets each interface of the section has.
    link_types: Vec<u16>,
    /// How many interfaces were in the sections before.
    before: usize,
    is_begun: bool,
}

impl Capture {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| {
            Failure::refused(format_args!("cannot open {}: {error}", path.display()))
        })?;
        let file = BufReader::new(file);
        let path = path.to_owned();
        Ok(Self { path, file, link_types: Vec::new(), before: 0, is_begun: false })
    }

    /// Tells whether it is the file at `path`, which is then not to be written.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let (Ok(ours), Ok(other)) = (self.file.get_ref().metadata(), path.metadata()) else {
            return false;
        };
        ours.is_file() && (ours.dev(), ours.ino()) == (other.dev(), other.ino())
    }

    /// Reads the next record; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<News>, Failure> {
        while let Some((kind, body)) = self.block()? {
            match kind {
                SECTION => {
                    if word(&body, 0) != Some(BYTE_ORDER) {
                        return Err(self.failure("it is not little-endian, as ours are"));
                    }
                    self.before += self.link_types.len();
                    self.link_types.clear();
                    self.is_begun = true;
                }
                _ if !self.is_begun => return Err(self.failure("it is no pcapng file")),
                INTERFACE => {
                    let link_type = word(&body, 0).ok_or_else(|| self.failure(CUT))?;
                    self.link_types.push(link_type as u16);
                }
                PACKET => {
                    if let Some(news) = self.packet(&body)? {
                        return Ok(Some(news));
                    }
                }
                // Others may have added what they like.
                _ => {}
            }
        }
        match self.is_begun {
            true => Ok(None),
            false => Err(self.failure("it is no pcapng file")),
        }
    }

    /// Reads the record in a packet; nothing if it is of another program's interface.
    fn packet(&self, body: &[u8]) -> Result<Option<News>, Failure> {
        let cut = || self.failure(CUT);
        let interface = word(body, 0).ok_or_else(cut)? as usize;
        let link_type = self.link_types.get(interface);
        let link_type = link_type.ok_or_else(|| self.failure("a packet of no interface"))?;
        if *link_type != LINK_TYPE {
            return Ok(None);
        }
        let len = word(body, 12).ok_or_else(cut)? as usize;
        let bytes = body.get(20..).and_then(|rest| rest.get(..len)).ok_or_else(cut)?;
        let record = Record::decode(bytes).map_err(|error| self.failure(error))?;
        Ok(Some(News { stream: self.before + interface, what: What::Record(record) }))
    }

    /// Reads a block: its type, and what is in it.
    fn block(&mut self) -> Result<Option<(u32, Vec<u8>)>, Failure> {
        let mut head = [0; 8];
        match self.file.read(&mut head[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => self.fill(&mut head[1..])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return self.block(),
            Err(error) => return Err(self.failure(error)),
        }
        let (kind, len) = (word(&head, 0).unwrap_or(0), word(&head, 4).unwrap_or(0));
        if !self.is_begun && kind != SECTION {
            return Err(self.failure("it is no pcapng file"));
        }
        if !(FRAME..=MAX_BLOCK).contains(&len) || len % 4 != 0 {
            return Err(self.failure("a block of a length that cannot be"));
        }
        let mut body = vec![0; (len - 8) as usize];
        self.fill(&mut body)?;
        let end = body.len() - 4;
        if word(&body, end) != Some(len) {
            return Err(self.failure("a block that says two different lengths"));
        }
        body.truncate(end);
        Ok(Some((kind, body)))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Failure> {
        self.file.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.failure(CUT),
            _ => self.failure(error),
        })
    }

    fn failure(&self, why: impl std::fmt::Display) -> Failure {
        Failure::refused(format_args!("cannot read {}: {why}", self.path.display()))
    }
}

const CUT: &str = "it is cut short";

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}
