//! What is recorded of a member's messages, and the bytes of a record.
//!
//! A member writes a stream of records: it begins with who the member is ([`Content::Joined`]), has
//! one record for each datagram that went out, came in or was dropped, and ends with
//! [`Content::Left`], unless the process is killed. What the reader was too slow for is not there,
//! and that is a record too ([`Content::Lost`]).
//!
//! One record is one packet of a `SOCK_SEQPACKET` socket, or of a pcapng file; `bytes` says how it is laid
//! out.

mod bytes;

use std::fmt;

use crate::dispatch::DropReason;
use crate::inline::Inline;
use crate::layout::Flavor;
use crate::members::Role;
use crate::message::{ActionName, Kind, Param, PeerName};

pub use self::bytes::RecordError;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Counts the records of a stream from 0 on, and what was lost with them: the next number is
    /// higher by one, or by [`Content::Lost`]'s count. So who reads knows that nothing is missing.
    pub sequence: u64,
    /// When it was recorded, in nanoseconds since 1970 (UTC).
    pub time_ns: u64,
    /// What happened.
    pub content: Content,
}

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are datagrams, and none is boxed")]
pub enum Content {
    /// The stream begins: whose it is.
    Joined(Joined),
    /// A datagram on its way.
    Datagram(Traced),
    /// So many records are missing here: their reader was too slow.
    Lost(u64),
    /// The member has left its group. Nothing follows.
    Left,
}

/// Whose records follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Its process id, as it has it.
    pub process_id: u32,
    /// What leads its group.
    pub flavor: Flavor,
    /// What it is in the group; never [`Role::Auto`].
    pub role: Role,
    /// Where it is reached.
    pub name: PeerName,
    /// What its process is called.
    pub process_name: ProcessName,
}

/// What a process is called: the first 15 bytes of its name, as in `/proc/PID/comm`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessName(Inline<{ ProcessName::MAX_LEN }>);

impl ProcessName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 15;

    /// Takes as much of `name` as there is room for.
    pub fn new(name: &[u8]) -> Self {
        let name = &name[..name.len().min(Self::MAX_LEN)];
        Self(Inline::new(name).unwrap_or(Inline::EMPTY))
    }

    /// Borrows the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A datagram that went out, came in, or was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// Which way it went.
    pub direction: Direction,
    /// What it is; nothing if its bytes do not tell.
    pub kind: Option<Kind>,
    /// How it travelled.
    pub path: Path,
    /// What became of it.
    pub fate: Fate,
    /// The sender's process id as the kernel says, for what came in by a path that tells.
    pub process_id: Option<u32>,
    /// The sender's user id, likewise.
    pub user_id: Option<u32>,
    /// How many descriptors went with it.
    pub fd_count: u16,
    /// Its length in bytes.
    pub len: u16,
    /// Our end: the member's own socket, or the return address of a request.
    pub local: PeerName,
    /// The other end, if it has a name.
    pub peer: Option<PeerName>,
    /// The action's name; nothing if the bytes do not tell.
    pub name: Option<ActionName>,
    /// The parameter; of a datagram that cannot be read, its first bytes.
    pub param: Param,
}

/// Which way a datagram went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the member to a peer.
    Out,
    /// From a peer to the member.
    In,
}

/// How a datagram travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// Through Unix sockets.
    Socket,
    /// Through memory that two rte-mp processes share.
    Lane,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is in its receiver's queue.
    Sent,
    /// It could not be sent; the errno.
    Failed(i32),
    /// It is an answer whose receiver has no room: it waits with the driver, and is sent or dropped
    /// later.
    Waiting,
    /// It was received, and somebody takes it.
    Received,
    /// It was received and dropped, or is an answer that was given up.
    Dropped(DropReason),
    /// It was a request whose time is over without an answer.
    TimedOut,
    /// It was a request to a peer that ended before it answered.
    Died,
    /// It was a request that nobody waits for any more.
    Abandoned,
}

impl Record {
    /// Gives the sequence number of the record that follows if nothing is missing between.
    pub fn next_sequence(&self) -> u64 {
        self.sequence.wrapping_add(match self.content {
            Content::Lost(count) => count,
            Content::Joined(_) | Content::Datagram(_) | Content::Left => 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_lost_records_closes_the_gap() {
        let record = |content| Record { sequence: 5, time_ns: 0, content };
        assert_eq!(record(Content::Left).next_sequence(), 6);
        assert_eq!(record(Content::Lost(3)).next_sequence(), 8);
    }
}
