//! The bytes of a record.
//!
//! Integers are
//! little-endian, since files travel; a field is where this table says, and the names and the
//! parameter follow each other without padding:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `RMPT` |
//! | 4 | 1 | version of this table: 1 |
//! | 5 | 1 | what the record is: 0 joined, 1 datagram, 2 lost, 3 left |
//! | 6 | 2 | zero |
//! | 8 | 8 | sequence number |
//! | 16 | 8 | time, in ns since 1970 (UTC) |
//!
//! A *datagram* goes on with:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 24 | 1 | direction: 0 out, 1 in |
//! | 25 | 1 | kind: 0 message, 1 request, 2 reply, 3 ignore, 255 cannot be told |
//! | 26 | 1 | path: 0 socket, 1 lane |
//! | 27 | 1 | fate, see [`Fate`]: 0 sent, 1 failed, 2 waiting, 3 received, 4 dropped, 5 timed out, 6 died, 7 abandoned |
//! | 28 | 4 | errno of a failure; index in [`DropReason::ALL`]; else 0 |
//! | 32 | 4 | process id of the sender, 0 if not known |
//! | 36 | 4 | user id of the sender, `0xffffffff` if not known |
//! | 40 | 2 | descriptors |
//! | 42 | 2 | length of the datagram, in bytes |
//! | 44 | 2 | length of the parameter |
//! | 46 | 1 | length of our own address |
//! | 47 | 1 | length of the peer's address, 0 if it has none |
//! | 48 | 1 | length of the action's name, 0 if it cannot be told |
//! | 49 | 3 | zero |
//! | 52 | | our own address, the peer's, the name, the parameter |
//!
//! *Joined* goes on with the process id (4 bytes), the version word of the group's primary (4, see
//! [`Flavor::from_word`]), the role (1: 0 primary, 1 secondary), the lengths of the member's name and of
//! the process's (1 each), a zero byte, and these two names. *Lost* goes on with a count (8).

use super::{Content, Direction, Fate, Joined, Path, ProcessName, Record, Traced};
use crate::dispatch::DropReason;
use crate::layout::Flavor;
use crate::members::Role;
use crate::message::{ActionName, Kind, Param, PeerName};

/// What each record begins with.
const MAGIC: [u8; 4] = *b"RMPT";
/// The version of the form.
const VERSION: u8 = 1;
const DATAGRAM: usize = 52;
const NO_KIND: u8 = 0xff;
const NO_USER: u32 = u32::MAX;

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It does not begin like one.
    #[error("these bytes are no record of rte-mp")]
    Foreign,
    /// A later form.
    #[error("a record of version {0}, and this release of rte-mp reads version {VERSION}")]
    Version(u8),
    /// Fewer or more bytes than it says.
    #[error("a record of the wrong length")]
    Length,
    /// A field that cannot be.
    #[error("a record whose {0} is impossible")]
    Field(&'static str),
}

impl Record {
    /// The longest record, in bytes.
    pub const MAX_LEN: usize =
        DATAGRAM + 2 * PeerName::MAX_LEN + ActionName::MAX_LEN + Param::MAX_LEN;

    /// Appends the record's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(MAGIC);
        out.extend([VERSION, self.content.code(), 0, 0]);
        out.extend(self.sequence.to_le_bytes());
        out.extend(self.time_ns.to_le_bytes());
        match &self.content {
            Content::Joined(joined) => joined.encode(out),
            Content::Datagram(traced) => traced.encode(out),
            Content::Lost(count) => out.extend(count.to_le_bytes()),
            Content::Left => {}
        }
    }

    /// Reads a record that is all of `bytes`.
    ///
    /// # Errors
    /// [`RecordError`] says what is wrong with them.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader(bytes);
        if reader.array().ok() != Some(MAGIC) {
            return Err(RecordError::Foreign);
        }
        match reader.u8()? {
            VERSION => {}
            version => return Err(RecordError::Version(version)),
        }
        let code = reader.u8()?;
        reader.zeros::<2>()?;
        let (sequence, time_ns) = (reader.u64()?, reader.u64()?);
        let content = match code {
            0 => Content::Joined(Joined::decode(&mut reader)?),
            1 => Content::Datagram(Traced::decode(&mut reader)?),
            2 => Content::Lost(reader.u64()?),
            3 => Content::Left,
            _ => return Err(RecordError::Field("type")),
        };
        match reader.0 {
            [] => Ok(Self { sequence, time_ns, content }),
            _ => Err(RecordError::Length),
        }
    }
}

impl Content {
    fn code(&self) -> u8 {
        match self {
            Self::Joined(_) => 0,
            Self::Datagram(_) => 1,
            Self::Lost(_) => 2,
            Self::Left => 3,
        }
    }
}

impl Joined {
    fn encode(&self, out: &mut Vec<u8>) {
        let version = match self.flavor {
            Flavor::Native => Flavor::NATIVE_WORD,
            Flavor::Dpdk(version) => version.word(),
        };
        let role = u8::from(self.role != Role::Primary);
        let (name, process) = (self.name.as_bytes(), self.process_name.as_bytes());
        out.extend(self.process_id.to_le_bytes());
        out.extend(version.to_le_bytes());
        out.extend([role, short(name), short(process), 0]);
        out.extend(name);
        out.extend(process);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let process_id = reader.u32()?;
        let flavor = Flavor::from_word(reader.u32()?);
        let role = match reader.u8()? {
            0 => Role::Primary,
            1 => Role::Secondary,
            _ => return Err(RecordError::Field("role")),
        };
        let (name, process) = (reader.u8()?, reader.u8()?);
        reader.zeros::<1>()?;
        let name = address(reader.take(name)?)?.ok_or(RecordError::Field("member"))?;
        let process = reader.take(process)?;
        if process.len() > ProcessName::MAX_LEN {
            return Err(RecordError::Field("process name"));
        }
        Ok(Self { process_id, flavor, role, name, process_name: ProcessName::new(process) })
    }
}

impl Traced {
    fn encode(&self, out: &mut Vec<u8>) {
        let direction = u8::from(self.direction == Direction::In);
        let kind = self.kind.map_or(NO_KIND, |kind| kind as u8);
        let path = u8::from(self.path == Path::Lane);
        let (fate, detail) = self.fate.code();
        let local = self.local.as_bytes();
        let peer = self.peer.as_ref().map_or(&[][..], PeerName::as_bytes);
        let name = self.name.as_ref().map_or(&[][..], ActionName::as_bytes);
        let param = self.param.as_bytes();
        out.extend([direction, kind, path, fate]);
        out.extend(detail.to_le_bytes());
        out.extend(self.process_id.unwrap_or(0).to_le_bytes());
        out.extend(self.user_id.unwrap_or(NO_USER).to_le_bytes());
        out.extend(self.fd_count.to_le_bytes());
        out.extend(self.len.to_le_bytes());
        // At most 256.
        out.extend((param.len() as u16).to_le_bytes());
        out.extend([short(local), short(peer), short(name), 0, 0, 0]);
        for part in [local, peer, name, param] {
            out.extend(part);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let direction = match reader.u8()? {
            0 => Direction::Out,
            1 => Direction::In,
            _ => return Err(RecordError::Field("direction")),
        };
        let kind = match reader.u8()? {
            NO_KIND => None,
            code => match Kind::from_code(code.into()) {
                Some(kind) => Some(kind),
                None => return Err(RecordError::Field("kind")),
            },
        };
        let path = match reader.u8()? {
            0 => Path::Socket,
            1 => Path::Lane,
            _ => return Err(RecordError::Field("path")),
        };
        let (fate, detail) = (reader.u8()?, reader.u32()?);
        let fate = Fate::from_code(fate, detail).ok_or(RecordError::Field("fate"))?;
        let process_id = Some(reader.u32()?).filter(|&id| id != 0);
        let user_id = Some(reader.u32()?).filter(|&id| id != NO_USER);
        let (fd_count, len, param) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let (local, peer, name) = (reader.u8()?, reader.u8()?, reader.u8()?);
        reader.zeros::<3>()?;
        let local = address(reader.take(local)?)?.ok_or(RecordError::Field("address"))?;
        let peer = address(reader.take(peer)?)?;
        let name = match reader.take(name)? {
            [] => None,
            name => Some(ActionName::new(name).map_err(|_| RecordError::Field("name"))?),
        };
        let param = Param::new(reader.take(param)?).map_err(|_| RecordError::Field("parameter"))?;
        Ok(Self {
            direction,
            kind,
            path,
            fate,
            process_id,
            user_id,
            fd_count,
            len,
            local,
            peer,
            name,
            param,
        })
    }
}

impl Fate {
    fn code(self) -> (u8, u32) {
        match self {
            Self::Sent => (0, 0),
            Self::Failed(errno) => (1, errno.cast_unsigned()),
            Self::Waiting => (2, 0),
            Self::Received => (3, 0),
            Self::Dropped(reason) => (4, reason as u32),
            Self::TimedOut => (5, 0),
            Self::Died => (6, 0),
            Self::Abandoned => (7, 0),
        }
    }

    fn from_code(code: u8, detail: u32) -> Option<Self> {
        let fate = match code {
            0 => Self::Sent,
            1 => Self::Failed(detail.cast_signed()),
            2 => Self::Waiting,
            3 => Self::Received,
            4 => Self::Dropped(*DropReason::ALL.get(usize::try_from(detail).ok()?)?),
            5 => Self::TimedOut,
            6 => Self::Died,
            7 => Self::Abandoned,
            _ => return None,
        };
        (fate.code() == (code, detail)).then_some(fate)
    }
}

/// The length of a name, none of which has more than 107 bytes.
fn short(name: &[u8]) -> u8 {
    name.len() as u8
}

fn address(bytes: &[u8]) -> Result<Option<PeerName>, RecordError> {
    match bytes {
        [] => Ok(None),
        bytes => match PeerName::from_bytes(bytes) {
            Ok(name) => Ok(Some(name)),
            Err(_) => Err(RecordError::Field("address")),
        },
    }
}

/// What is left of a record's bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: impl Into<usize>) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(len.into()).ok_or(RecordError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(RecordError::Length)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn zeros<const N: usize>(&mut self) -> Result<(), RecordError> {
        match self.array::<N>()? == [0; N] {
            true => Ok(()),
            false => Err(RecordError::Field("padding")),
        }
    }

    fn u8(&mut self) -> Result<u8, RecordError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, RecordError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: usize = 24;

    fn traced() -> Traced {
        Traced {
            direction: Direction::In,
            kind: Some(Kind::Request),
            path: Path::Lane,
            fate: Fate::Dropped(DropReason::NoAction),
            process_id: Some(0x0102_0304),
            user_id: Some(0),
            fd_count: 2,
            len: 340,
            local: PeerName::new("/l").unwrap(),
            peer: Some(PeerName::new("/peer").unwrap()),
            name: Some(ActionName::new("hello").unwrap()),
            param: Param::new(b"abc").unwrap(),
        }
    }

    fn encoded(content: Content) -> Vec<u8> {
        let mut bytes = Vec::new();
        Record { sequence: 7, time_ns: 0x1122_3344_5566_7788, content }.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_datagrams_record_stands_as_the_table_says() {
        let bytes = encoded(Content::Datagram(traced()));
        let expected = [
            &b"RMPT\x01\x01\0\0\x07\0\0\0\0\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11"[..],
            b"\x01\x01\x01\x04\x08\0\0\0\x04\x03\x02\x01\0\0\0\0",
            b"\x02\0\x54\x01\x03\0\x02\x05\x05\0\0\0",
            b"/l/peerhelloabc",
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn the_other_records_stand_as_the_table_says() {
        let joined = Joined {
            process_id: 9,
            flavor: Flavor::Native,
            role: Role::Secondary,
            name: PeerName::new("/m").unwrap(),
            process_name: ProcessName::new(b"a name of many bytes"),
        };
        let expected = b"\x09\0\0\0\x01pmr\x01\x02\x0f\0/ma name of many ";
        assert_eq!(&encoded(Content::Joined(joined))[HEADER..], expected);
        assert_eq!(&encoded(Content::Lost(3))[HEADER..], b"\x03\0\0\0\0\0\0\0");
        assert_eq!(&encoded(Content::Left)[HEADER..], b"");
    }

    #[test]
    fn the_longest_record_has_the_length_that_is_promised() {
        let name = PeerName::new("p".repeat(PeerName::MAX_LEN)).unwrap();
        let content = Content::Datagram(Traced {
            local: name,
            peer: Some(name),
            name: Some(ActionName::new("n".repeat(ActionName::MAX_LEN)).unwrap()),
            param: Param::new(&[1; Param::MAX_LEN]).unwrap(),
            ..traced()
        });
        assert_eq!(encoded(content).len(), Record::MAX_LEN);
    }

    #[test]
    fn a_record_cut_short_or_prolonged_is_none() {
        let bytes = encoded(Content::Datagram(traced()));
        for len in 0..bytes.len() {
            assert!(Record::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Record::decode(&longer), Err(RecordError::Length));
    }

    #[test]
    fn what_is_impossible_is_refused_by_its_name() {
        let cases = [
            (0, b'X', RecordError::Foreign),
            (4, 2, RecordError::Version(2)),
            (5, 4, RecordError::Field("type")),
            (6, 1, RecordError::Field("padding")),
            (24, 2, RecordError::Field("direction")),
            (25, 4, RecordError::Field("kind")),
            (26, 2, RecordError::Field("path")),
            (27, 8, RecordError::Field("fate")),
            (28, 10, RecordError::Field("fate")),
            (44, 4, RecordError::Length),
            (46, 0, RecordError::Field("address")),
            (48, 64, RecordError::Length),
            (49, 1, RecordError::Field("padding")),
            (52, 0, RecordError::Field("address")),
            (59, 0, RecordError::Field("name")),
        ];
        for (at, value, expected) in cases {
            let mut bytes = encoded(Content::Datagram(traced()));
            bytes[at] = value;
            assert_eq!(Record::decode(&bytes), Err(expected), "byte {at}");
        }
    }
}
