//! What one look found: the record that programs get, and that is drawn.

use std::path::PathBuf;
use std::time::Instant;

use rte_mp::{MemzoneInfo, Stats};
use serde::{Serialize, Serializer};

use crate::escape::Escaped;
use crate::nature::Nature;

/// What there was at one moment.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "top")]
pub(super) struct Look {
    pub(super) unix_time_ns: u64,
    pub(super) groups: Vec<Group>,
    /// The one that was looked into, if there is any.
    pub(super) chosen: Option<Chosen>,
    /// What is to be said where there is no group: not all may have been seen.
    #[serde(skip)]
    pub(super) proviso: &'static str,
    #[serde(skip)]
    pub(super) taken: Instant,
}

/// A group as it is seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Group {
    pub(super) file_prefix: String,
    pub(super) directory: String,
    pub(super) state: &'static str,
    /// `native` or `dpdk`.
    pub(super) kind: Option<&'static str>,
    pub(super) release: Option<String>,
    pub(super) primary_pid: Option<u32>,
    /// Those that are alive.
    pub(super) member_count: usize,
    pub(super) stale_count: usize,
    #[serde(skip)]
    pub(super) path: PathBuf,
}

/// The group that was looked into.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Chosen {
    pub(super) file_prefix: String,
    pub(super) directory: String,
    /// Why it was not joined: there are then no counters and no zones.
    pub(super) error: Option<String>,
    pub(super) members: Vec<Member>,
    pub(super) zones: Option<Zones>,
    pub(super) zones_error: Option<String>,
    #[serde(skip)]
    pub(super) path: PathBuf,
}

/// A member of it, or what is left of one.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Member {
    pub(super) role: &'static str,
    pub(super) pid: Option<u32>,
    #[serde(serialize_with = "in_a_word")]
    pub(super) nature: Nature,
    pub(super) socket: String,
    pub(super) state: &'static str,
    pub(super) queue: Option<&'static str>,
    pub(super) age_ns: Option<u64>,
    pub(super) command: Option<String>,
    /// Since it joined; of rte-mp processes only.
    pub(super) counters: Option<Counters>,
    /// Why an rte-mp process did not tell its counters.
    pub(super) error: Option<String>,
    /// Tells apart members, also those that had one socket's name one after the other.
    #[serde(skip)]
    pub(super) key: Key,
}

pub(super) type Key = (PathBuf, u64);

/// The counters of a member: [`Stats`] by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Counters {
    pub(super) sent: ByKind,
    pub(super) received: ByKind,
    pub(super) dropped: Dropped,
    pub(super) requests: Outcomes,
    pub(super) panics: u64,
    pub(super) closed_fds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct ByKind {
    pub(super) messages: u64,
    pub(super) requests: u64,
    pub(super) replies: u64,
    pub(super) ignores: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Dropped {
    pub(super) length: u64,
    pub(super) truncated: u64,
    pub(super) malformed: u64,
    pub(super) fd_count: u64,
    pub(super) unbound: u64,
    pub(super) foreign_user: u64,
    pub(super) wrong_door: u64,
    pub(super) stray_answer: u64,
    pub(super) no_action: u64,
    pub(super) undelivered: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Outcomes {
    pub(super) replied: u64,
    pub(super) ignored: u64,
    pub(super) timed_out: u64,
    pub(super) died: u64,
    pub(super) unsendable: u64,
    pub(super) abandoned: u64,
}

/// The memory zones of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Zones {
    pub(super) count: usize,
    /// Of all together, in bytes.
    pub(super) len: u64,
    /// The largest first.
    pub(super) largest: Vec<Zone>,
    /// All of them, in the same order.
    #[serde(skip)]
    pub(super) all: Vec<Zone>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Zone {
    pub(super) name: String,
    pub(super) len: u64,
    pub(super) address: u64,
}

/// How many zones stand in a record.
const LARGEST: usize = 10;

impl Group {
    /// Says which DPDK it is, or that it is native.
    pub(super) fn kind_and_release(&self) -> String {
        match (self.kind, &self.release) {
            (Some("native"), _) => "native".to_owned(),
            (Some(_), Some(release)) => format!("DPDK {release}"),
            _ => "unknown".to_owned(),
        }
    }
}

impl Zones {
    pub(super) fn new(mut all: Vec<Zone>) -> Self {
        all.sort_by(|one, other| other.len.cmp(&one.len).then_with(|| one.name.cmp(&other.name)));
        let len = all.iter().fold(0, |sum: u64, zone| sum.saturating_add(zone.len));
        let largest = all.iter().take(LARGEST).cloned().collect();
        Self { count: all.len(), len, largest, all }
    }
}

impl From<MemzoneInfo> for Zone {
    fn from(info: MemzoneInfo) -> Self {
        let name = Escaped::bytes(info.name().as_bytes()).to_string();
        Self { name, len: info.len() as u64, address: info.address() }
    }
}

fn in_a_word<S: Serializer>(nature: &Nature, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(nature.word())
}

impl ByKind {
    pub(super) fn total(&self) -> u64 {
        let Self { messages, requests, replies, ignores } = self;
        [messages, requests, replies, ignores].into_iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

impl Dropped {
    /// Lists the reasons with their counts.
    pub(super) fn reasons(&self) -> [(&'static str, u64); 10] {
        [
            ("length", self.length),
            ("truncated", self.truncated),
            ("malformed", self.malformed),
            ("fd_count", self.fd_count),
            ("unbound", self.unbound),
            ("foreign_user", self.foreign_user),
            ("wrong_door", self.wrong_door),
            ("stray_answer", self.stray_answer),
            ("no_action", self.no_action),
            ("undelivered", self.undelivered),
        ]
    }

    pub(super) fn total(&self) -> u64 {
        self.reasons().into_iter().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }
}

impl From<rte_mp::ByKind> for ByKind {
    fn from(count: rte_mp::ByKind) -> Self {
        Self {
            messages: count.messages,
            requests: count.requests,
            replies: count.replies,
            ignores: count.ignores,
        }
    }
}

impl From<Stats> for Counters {
    fn from(stats: Stats) -> Self {
        let (dropped, requests) = (stats.dropped, stats.requests);
        Self {
            sent: stats.sent.into(),
            received: stats.received.into(),
            dropped: Dropped {
                length: dropped.length,
                truncated: dropped.truncated,
                malformed: dropped.malformed,
                fd_count: dropped.fd_count,
                unbound: dropped.unbound,
                foreign_user: dropped.foreign_user,
                wrong_door: dropped.wrong_door,
                stray_answer: dropped.stray_answer,
                no_action: dropped.no_action,
                undelivered: dropped.undelivered,
            },
            requests: Outcomes {
                replied: requests.replied,
                ignored: requests.ignored,
                timed_out: requests.timed_out,
                died: requests.died,
                unsendable: requests.unsendable,
                abandoned: requests.abandoned,
            },
            panics: stats.panics,
            closed_fds: stats.closed_fds,
        }
    }
}
