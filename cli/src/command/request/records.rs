//! What is written about requests: an outcome for each peer, and a summary.

use std::fmt;
use std::time::Duration;

use rte_mp::{ActionName, Kind};
use serde::Serialize;

use super::asking::{Asked, Fate};
use crate::content::Content;
use crate::escape::{Escaped, shown};
use crate::group::{label, role_word};
use crate::latency::{self, Latency};
use crate::output::nanoseconds;
use crate::payload::Layout;

/// What became of one peer.
#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(rename = "type")]
    kind: &'static str,
    number: Option<u64>,
    peer: String,
    peer_pid: Option<u32>,
    role: &'static str,
    outcome: &'static str,
    error: Option<String>,
    time_ns: u64,
    #[serde(flatten)]
    pub(super) content: Option<Content>,
    #[serde(skip)]
    label: String,
    #[serde(skip)]
    timeout: Duration,
}

impl Answer {
    pub(super) fn new(
        asked: &Asked<'_>,
        number: Option<u64>,
        timeout: Duration,
        layout: Option<&Layout>,
    ) -> Self {
        let Asked { member, time, fate, .. } = asked;
        let (outcome, error, content) = match fate {
            Fate::Replied(reply) => {
                ("replied", None, Some(Content::new(Kind::Reply, reply, layout)))
            }
            Fate::Ignored => ("ignored", None, None),
            Fate::TimedOut => ("timed_out", None, None),
            Fate::Died => ("died", None, None),
            Fate::Unsendable(error) => ("unsendable", Some(error.clone()), None),
            Fate::Abandoned => ("abandoned", None, None),
        };
        Self {
            kind: "outcome",
            number,
            peer: shown(member.name.as_path()),
            peer_pid: member.pid,
            role: role_word(member.role),
            outcome,
            error,
            time_ns: nanoseconds(*time),
            content,
            label: label(member),
            timeout,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.number {
            write!(f, "#{number} ")?;
        }
        let time = Duration::from_nanos(self.time_ns);
        write!(f, "{} ", Escaped::message(&self.label))?;
        match (&self.content, &self.error, self.outcome) {
            (Some(content), ..) => write!(f, "replied in {time:.1?}: {}{content}", content.size()),
            (None, Some(error), _) => write!(f, "could not be asked: {}", Escaped::message(error)),
            (None, None, "ignored") => write!(
                f,
                "ignored it after {time:.1?}: it has no such action, or wants not to be counted"
            ),
            (None, None, "timed_out") => write!(f, "did not answer within {:?}", self.timeout),
            (None, None, "died") => write!(f, "ended before it answered, after {time:.1?}"),
            (None, None, _) => write!(f, "was not waited for any longer after {time:.1?}"),
        }
    }
}

/// How many of each outcome there were.
#[derive(Default)]
pub(super) struct Tally {
    latency: Option<Latency>,
    ignored: u64,
    timed_out: u64,
    died: u64,
    unsendable: u64,
    abandoned: u64,
}

impl Tally {
    /// Counts what became of a peer. Whom the user did not wait for was not asked to the end.
    pub(super) fn add(&mut self, asked: &Asked<'_>) {
        let latency = self.latency.get_or_insert_with(Latency::new);
        if !asked.is_abandoned() {
            latency.add_sent();
        }
        match asked.fate {
            Fate::Replied(_) => latency.add_received(asked.time),
            Fate::Ignored => self.ignored += 1,
            Fate::TimedOut => self.timed_out += 1,
            Fate::Died => self.died += 1,
            Fate::Unsendable(_) => self.unsendable += 1,
            Fate::Abandoned => self.abandoned += 1,
        }
    }

    /// Tells whether somebody replied, and nobody did anything else. That the user ended it is nobody's fault
    /// once there are replies.
    pub(super) fn all_replied(&self) -> bool {
        let summary = self.latency();
        summary.received > 0 && summary.received == summary.sent
    }

    fn latency(&self) -> latency::Summary {
        self.latency.as_ref().map_or_else(|| Latency::new().summary(), Latency::summary)
    }
}

/// What `--count` sums up.
#[derive(Serialize)]
pub(super) struct Summary {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    #[serde(flatten)]
    latency: latency::Summary,
    ignored: u64,
    timed_out: u64,
    died: u64,
    unsendable: u64,
    time_ns: u64,
    interrupted: bool,
}

impl Summary {
    pub(super) fn new(name: &ActionName, tally: &Tally, time: Duration, interrupted: bool) -> Self {
        Self {
            kind: "request_summary",
            name: Escaped::bytes(name.as_bytes()).to_string(),
            latency: tally.latency(),
            ignored: tally.ignored,
            timed_out: tally.timed_out,
            died: tally.died,
            unsendable: tally.unsendable,
            time_ns: nanoseconds(time),
            interrupted,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Duration::from_nanos(self.time_ns);
        write!(f, "{}: {}", self.name, self.latency)?;
        let counts = [
            (self.ignored, "ignored"),
            (self.timed_out, "timed out"),
            (self.died, "died"),
            (self.unsendable, "could not be asked"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "; {count} {what}")?;
        }
        write!(f, "; {time:.1?} in all{}", if self.interrupted { ", interrupted" } else { "" })
    }
}
