//! What ping writes: what came of each question, and of all.

use std::fmt;
use std::io;

use rte_mp::Member;
use serde::Serialize;

use super::look::State;
use super::{Pinged, Target};
use crate::escape::shown;
use crate::group::role_word;
use crate::latency;
use crate::nature::Nature;
use crate::output::nanoseconds;

/// Who was asked.
#[derive(Serialize)]
struct Who {
    pid: Option<u32>,
    socket: String,
    role: &'static str,
    nature: &'static str,
}

/// What came of one question.
#[derive(Serialize)]
#[serde(tag = "type", rename = "ping")]
pub(super) struct Pong {
    #[serde(flatten)]
    who: Who,
    sequence: u64,
    outcome: &'static str,
    time_ns: Option<u64>,
    #[serde(skip)]
    text: String,
}

/// What came of all questions to one member.
#[derive(Serialize)]
#[serde(tag = "type", rename = "ping_summary")]
pub(super) struct Summary {
    #[serde(flatten)]
    who: Who,
    ok: bool,
    /// Nothing for a member that was only looked at.
    #[serde(flatten)]
    latency: Option<latency::Summary>,
}

impl Who {
    fn of(target: &Target) -> Self {
        let Member { name, role, pid, .. } = &target.member;
        Self {
            pid: *pid,
            socket: shown(name.as_path()),
            role: role_word(*role),
            nature: target.nature.word(),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.role, self.pid) {
            ("primary", Some(pid)) => write!(f, "primary[{pid}]"),
            ("primary", None) => write!(f, "primary"),
            (_, Some(pid)) => write!(f, "{pid}"),
            (_, None) => write!(f, "{}", self.socket),
        }
    }
}

impl Pong {
    pub(super) fn of(target: &Target, sequence: u64, pinged: &Pinged) -> Self {
        let (outcome, time_ns, text) = match pinged {
            Pinged::Answered(time) => {
                ("replied", Some(nanoseconds(*time)), format!("time={time:.1?}"))
            }
            Pinged::Seen(state) => (state.word(), None, seen(*state, target.nature)),
            Pinged::Silent(why) => (*why, None, silent(why).to_owned()),
            Pinged::Interrupted => ("interrupted", None, "interrupted".to_owned()),
        };
        Self { who: Who::of(target), sequence, outcome, time_ns, text }
    }
}

impl fmt::Display for Pong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: seq={} {}", self.who, self.sequence, self.text)
    }
}

fn silent(why: &str) -> &'static str {
    match why {
        "gone" => "is not there any more",
        "replaced" => "another primary has taken its place",
        "timed_out" => "no answer in time",
        "died" => "ended before it answered",
        "ignored" => "does not know this question: an rte-mp process of an older release",
        "full" => "could not be asked: its queue is full",
        _ => "could not be asked",
    }
}

fn seen(state: State, nature: Nature) -> String {
    let what = match nature {
        Nature::Dpdk => "DPDK process, not asked: ",
        Nature::Unknown | Nature::RteMp => "of unknown kind, not asked: ",
    };
    let state = match state {
        State::Alive => "alive, its IPC thread runs and its queue has room",
        State::Open => "its socket is open and has room",
        State::DeadThread => {
            "its IPC thread has ended, it hears nobody any more; only a restart helps"
        }
        State::Full => "its queue is full, it does not read",
        State::Stale => "stale, nobody has its socket open; see `rte-mp doctor`",
        State::Gone => "it is not there any more",
        State::Unreachable(errno) => {
            return format!("{what}cannot be reached: {}", io::Error::from_raw_os_error(errno));
        }
    };
    format!("{what}{state}")
}

impl Summary {
    pub(super) fn of(target: &Target) -> Self {
        let asked = target.nature == Nature::RteMp;
        let latency = asked.then(|| target.latency.summary());
        Self { who: Who::of(target), ok: target.is_well, latency }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.who)?;
        match (&self.latency, self.ok) {
            (Some(latency), _) => latency.fmt(f),
            (None, true) => write!(f, "not asked, and well each time"),
            (None, false) => write!(f, "not asked, and not well each time"),
        }
    }
}
