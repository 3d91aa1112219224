//! What is written about that which arrives.

use std::fmt;
use std::time::SystemTime;

use rte_mp::{Group, Kind, Request};
use serde::Serialize;

use crate::clock::{time_of_day, unix_nanoseconds};
use crate::content::{Content, counted};
use crate::escape::{Escaped, hex, shown};
use crate::group::role_word;

/// The first record: from now on, everything is heard.
#[derive(Serialize)]
pub(super) struct Listening {
    #[serde(rename = "type")]
    kind: &'static str,
    file_prefix: String,
    role: &'static str,
    socket: String,
    pid: u32,
}

impl Listening {
    pub(super) fn new(group: &Group) -> Self {
        Self {
            kind: "listening",
            file_prefix: Escaped::bytes(group.file_prefix().as_bytes()).to_string(),
            role: role_word(group.role()),
            socket: shown(group.name().as_path()),
            pid: std::process::id(),
        }
    }
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file_prefix, role, pid, .. } = self;
        write!(f, "listening in the group {file_prefix} as {role} {pid}; Ctrl-C ends it")
    }
}

/// A message or request that came.
#[derive(Serialize)]
pub(super) struct Heard {
    #[serde(rename = "type")]
    record: &'static str,
    unix_time_ns: u64,
    kind: &'static str,
    name: String,
    peer: String,
    peer_pid: Option<u32>,
    peer_uid: Option<u32>,
    #[serde(flatten)]
    content: Content,
    #[serde(flatten)]
    reply: Reply,
    #[serde(skip)]
    time: SystemTime,
}

impl Heard {
    pub(super) fn new(request: &Request, layout: Option<&crate::payload::Layout>) -> Self {
        let time = SystemTime::now();
        Self {
            record: "heard",
            unix_time_ns: unix_nanoseconds(time),
            kind: if request.kind() == Kind::Request { "request" } else { "message" },
            name: Escaped::bytes(request.name().as_bytes()).to_string(),
            peer: shown(request.peer().as_path()),
            peer_pid: request.peer_pid(),
            peer_uid: request.peer_uid(),
            content: Content::new(request.kind(), request.message(), layout),
            reply: Reply::none(),
            time,
        }
    }

    /// Notes how it was answered.
    pub(super) fn answered(self, reply: Reply) -> Self {
        Self { reply, ..self }
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, peer, content, .. } = self;
        write!(f, "{}  {kind} {name} from ", time_of_day(self.time))?;
        match (self.peer_pid, self.peer_uid) {
            (Some(pid), Some(uid)) => write!(f, "{pid} (user {uid})")?,
            _ => f.write_str(peer)?,
        }
        write!(f, ": {}{content}{}", content.size(), self.reply)
    }
}

/// How a request was answered.
#[derive(Serialize)]
pub(super) struct Reply {
    /// `null` for a message.
    answer: Option<&'static str>,
    answer_text: Option<String>,
    answer_hex: Option<String>,
    answer_error: Option<String>,
}

impl Reply {
    /// Nothing was to be answered.
    pub(super) fn none() -> Self {
        Self { answer: None, answer_text: None, answer_hex: None, answer_error: None }
    }

    pub(super) fn replied(param: &[u8]) -> Self {
        let text = Escaped::bytes(param).to_string();
        Self {
            answer: Some("replied"),
            answer_text: Some(text),
            answer_hex: Some(hex(param)),
            ..Self::none()
        }
    }

    /// A request is ignored as it is dropped.
    pub(super) fn ignored(request: &Request) -> Self {
        let answer = (request.kind() == Kind::Request).then_some("ignored");
        Self { answer, ..Self::none() }
    }

    pub(super) fn ignored_as(request: &Request, reason: &str) -> Self {
        Self { answer_error: Some(reason.to_owned()), ..Self::ignored(request) }
    }

    pub(super) fn failed(error: String) -> Self {
        Self { answer: Some("failed"), answer_error: Some(error), ..Self::none() }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.answer_error.as_deref().map(Escaped::message);
        match (self.answer, &self.answer_text, reason) {
            (Some("replied"), Some(text), _) => write!(f, "\n  replied  {text}"),
            (Some(answer), _, Some(reason)) => write!(f, "\n  {answer:<8} {reason}"),
            (Some(answer), _, None) => write!(f, "\n  {answer}"),
            (None, _, Some(reason)) => write!(f, "\n  failed   {reason}"),
            (None, _, None) => Ok(()),
        }
    }
}

/// What was not printed, since its reader is too slow.
#[derive(Serialize)]
pub(super) struct Missed {
    #[serde(rename = "type")]
    kind: &'static str,
    count: u64,
}

impl Missed {
    pub(super) fn new(count: u64) -> Self {
        Self { kind: "missed", count }
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count;
        write!(
            f,
            "{count} more came and are not shown: they came faster than they could be written"
        )
    }
}

/// The last record.
#[derive(Serialize)]
pub(super) struct Summary {
    #[serde(rename = "type")]
    kind: &'static str,
    messages: u64,
    requests: u64,
    replied: u64,
    missed: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self { kind: "listen_summary", messages: 0, requests: 0, replied: 0, missed: 0 }
    }
}

impl Summary {
    pub(super) fn add(&mut self, heard: &Heard) {
        match heard.kind {
            "request" => self.requests += 1,
            _ => self.messages += 1,
        }
        if heard.reply.answer == Some("replied") {
            self.replied += 1;
        }
    }

    pub(super) fn add_missed(&mut self, count: u64) {
        self.missed += count;
    }

    pub(super) fn total(&self) -> u64 {
        self.messages + self.requests + self.missed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count =
            |count: u64, thing| counted(usize::try_from(count).unwrap_or(usize::MAX), thing);
        let (messages, requests) =
            (count(self.messages, "message"), count(self.requests, "request"));
        write!(f, "heard {messages} and {requests}, {} replied to", self.replied)?;
        match self.missed {
            0 => Ok(()),
            missed => write!(f, "; {missed} not shown"),
        }
    }
}
