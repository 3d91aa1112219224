//! What all forms of output have in common: the order of writing, the words, and the totals.

use std::fmt;
use std::io;
use std::time::Duration;

use rte_mp::trace::{Content, Direction, Fate, Path, Traced};
use rte_mp::{DropReason, Kind};

use super::cast::Cast;
use super::paper::Paper;
use super::sources::{News, What};
use crate::status::Failure;

/// Writes records in one form.
pub(super) trait Scribe {
    fn begin(&mut self, paper: &mut Paper<'_>) -> Result<(), Failure>;

    fn write(&mut self, cast: &Cast, news: &News, paper: &mut Paper<'_>) -> Result<(), Failure>;

    fn end(&mut self, totals: &Totals, paper: &mut Paper<'_>) -> Result<(), Failure>;

    /// Whether it takes what rte-mp processes say of their own accord, too.
    fn wants_all(&self) -> bool {
        false
    }

    /// Whether the totals stand in what it writes.
    fn tells_totals(&self) -> bool {
        false
    }
}

/// What was recorded in all.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) members: u64,
    pub(super) datagrams: u64,
    /// Dropped, or never sent, or without an answer.
    pub(super) troubled: u64,
    pub(super) lost: u64,
    /// Members that could not be recorded.
    pub(super) unrecorded: u64,
    pub(super) time: Duration,
}

impl Totals {
    pub(super) fn count(&mut self, news: &News) {
        let What::Record(record) = &news.what else { return };
        match &record.content {
            Content::Joined(_) => self.members += 1,
            Content::Datagram(traced) => {
                // Its sending was counted.
                let is_end = matches!(traced.fate, Fate::TimedOut | Fate::Died | Fate::Abandoned);
                self.datagrams += u64::from(!is_end);
                self.troubled += u64::from(is_trouble(traced.fate));
            }
            Content::Lost(count) => self.lost = self.lost.saturating_add(*count),
            Content::Left => {}
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let (members, datagrams) = (self.members, self.datagrams);
        write!(f, "{datagrams} datagram{} of ", plural(datagrams))?;
        write!(f, "{members} member{} recorded, ", plural(members))?;
        match self.troubled {
            0 => {}
            count => write!(f, "{count} of them in trouble, ")?,
        }
        match self.lost {
            0 => write!(f, "no record lost"),
            count => write!(
                f,
                "{count} record{} lost: they came faster than they could be read",
                plural(count)
            ),
        }?;
        match self.unrecorded {
            0 => Ok(()),
            count => write!(
                f,
                "; {count} more member{} not recorded: no file descriptor was left",
                plural(count)
            ),
        }
    }
}

/// What a payload of DPDK's own says, in words.
pub(super) fn decoded(traced: &Traced) -> Option<String> {
    crate::decode::decode(traced.name.as_ref()?.as_bytes(), traced.kind?, traced.param.as_bytes())
}

/// Tells whether what became of a datagram is what somebody looks for who asks why.
pub(super) fn is_trouble(fate: Fate) -> bool {
    match fate {
        Fate::Sent | Fate::Received | Fate::Waiting => false,
        Fate::Failed(_) | Fate::Dropped(_) | Fate::TimedOut | Fate::Died | Fate::Abandoned => true,
    }
}

pub(super) fn kind(traced: &Traced) -> &'static str {
    match traced.kind {
        Some(Kind::Message) => "message",
        Some(Kind::Request) => "request",
        Some(Kind::Reply) => "reply",
        Some(Kind::Ignore) => "ignore",
        None => "unknown",
    }
}

pub(super) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "out",
        Direction::In => "in",
    }
}

pub(super) fn path(path: Path) -> &'static str {
    match path {
        Path::Socket => "socket",
        Path::Lane => "lane",
    }
}

pub(super) fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Sent => "sent",
        Fate::Failed(_) => "failed",
        Fate::Waiting => "waiting",
        Fate::Received => "received",
        Fate::Dropped(_) => "dropped",
        Fate::TimedOut => "timed_out",
        Fate::Died => "died",
        Fate::Abandoned => "abandoned",
    }
}

/// The word for a reason, as it stands in JSON.
pub(super) fn reason(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Length => "length",
        DropReason::Truncated => "truncated",
        DropReason::Malformed => "malformed",
        DropReason::FdCount => "fd_count",
        DropReason::Unbound => "unbound",
        DropReason::ForeignUser => "foreign_user",
        DropReason::WrongDoor => "wrong_door",
        DropReason::StrayAnswer => "stray_answer",
        DropReason::NoAction => "no_action",
        DropReason::Undelivered => "undelivered",
        _ => "other",
    }
}

/// What there is to say of a fate that is not the usual one.
pub(super) fn remark(fate: Fate) -> Option<String> {
    let remark = match fate {
        Fate::Sent | Fate::Received => return None,
        Fate::Failed(errno) => format!("not sent: {}", io::Error::from_raw_os_error(errno)),
        Fate::Waiting => "waits: the receiver has no room".to_owned(),
        Fate::Dropped(dropped) => format!("dropped: {}", explained(dropped)),
        Fate::TimedOut => "timed out: no answer came".to_owned(),
        Fate::Died => "no answer: the peer ended before it answered".to_owned(),
        Fate::Abandoned => "given up: nobody waits for the answer any more".to_owned(),
    };
    Some(remark)
}

fn explained(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Length => "no datagram has this length",
        DropReason::Truncated => "bytes or descriptors were cut off",
        DropReason::Malformed => "a field that cannot be",
        DropReason::FdCount => "more or fewer descriptors than it says",
        DropReason::Unbound => "its sender has no address",
        DropReason::ForeignUser => "of another user",
        DropReason::WrongDoor => "no answer, but at a return address",
        DropReason::StrayAnswer => "nobody waits for this answer",
        DropReason::NoAction => "no action of this name",
        DropReason::Undelivered => "the receiver had no room in time",
        _ => "for a reason that this release does not know",
    }
}

/// The file prefix of a member's group.
pub(super) fn prefix(joined: &rte_mp::trace::Joined) -> &[u8] {
    let directory = joined.name.as_path().parent().and_then(std::path::Path::file_name);
    directory.map_or(&[], |name| name.as_encoded_bytes())
}
