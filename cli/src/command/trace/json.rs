//! A JSON object for each record; see `JSON.md`.

use rte_mp::trace::{Content, Fate, Joined, Record, Traced};
use serde::Serialize;

use super::cast::Cast;
use super::paper::Paper;
use super::scribe::{Scribe, Totals, decoded, direction, fate, kind, path, prefix, reason};
use super::sources::{News, What};
use crate::escape::{Escaped, hex, shown};
use crate::group::role_word;
use crate::machine::survey::{kind_word, release};
use crate::output::nanoseconds;
use crate::status::Failure;

pub(super) struct Json;

#[derive(Serialize)]
#[serde(tag = "type")]
enum Object<'a> {
    #[serde(rename = "trace_joined")]
    Joined {
        #[serde(flatten)]
        whose: Whose,
        process: String,
        role: &'a str,
        file_prefix: String,
        kind: &'a str,
        release: Option<String>,
    },
    #[serde(rename = "trace_datagram")]
    Datagram {
        #[serde(flatten)]
        whose: Whose,
        direction: &'a str,
        kind: Option<&'a str>,
        name_text: Option<String>,
        name_hex: Option<String>,
        param_len: usize,
        param_text: String,
        param_hex: String,
        decoded: Option<String>,
        fd_count: u16,
        len: u16,
        local: String,
        peer: Option<String>,
        peer_pid: Option<u32>,
        peer_uid: Option<u32>,
        path: &'a str,
        fate: &'a str,
        errno: Option<i32>,
        reason: Option<&'a str>,
    },
    #[serde(rename = "trace_lost")]
    Lost {
        #[serde(flatten)]
        whose: Whose,
        count: u64,
    },
    #[serde(rename = "trace_left")]
    Left {
        #[serde(flatten)]
        whose: Whose,
        clean: bool,
    },
    #[serde(rename = "trace_summary")]
    Summary {
        members: u64,
        datagrams: u64,
        troubled: u64,
        lost: u64,
        unrecorded: u64,
        time_ns: u64,
    },
}

/// Which record of whom.
#[derive(Serialize)]
struct Whose {
    unix_time_ns: u64,
    pid: Option<u32>,
    socket: Option<String>,
    sequence: Option<u64>,
}

fn address(name: &rte_mp::PeerName) -> String {
    shown(name.as_path())
}

fn joined(whose: Whose, joined: &Joined) -> Object<'static> {
    Object::Joined {
        whose,
        process: Escaped::bytes(joined.process_name.as_bytes()).to_string(),
        role: role_word(joined.role),
        file_prefix: Escaped::bytes(prefix(joined)).to_string(),
        kind: kind_word(joined.flavor),
        release: release(joined.flavor),
    }
}

fn datagram(whose: Whose, traced: &Traced) -> Object<'static> {
    let name = traced.name.as_ref().map(rte_mp::ActionName::as_bytes);
    let param = traced.param.as_bytes();
    Object::Datagram {
        whose,
        direction: direction(traced.direction),
        kind: traced.kind.map(|_| kind(traced)),
        name_text: name.map(|name| Escaped::bytes(name).to_string()),
        name_hex: name.map(hex),
        param_len: param.len(),
        param_text: Escaped::bytes(param).to_string(),
        param_hex: hex(param),
        decoded: decoded(traced),
        fd_count: traced.fd_count,
        len: traced.len,
        local: address(&traced.local),
        peer: traced.peer.as_ref().map(address),
        peer_pid: traced.process_id,
        peer_uid: traced.user_id,
        path: path(traced.path),
        fate: fate(traced.fate),
        errno: match traced.fate {
            Fate::Failed(errno) => Some(errno),
            _ => None,
        },
        reason: match traced.fate {
            Fate::Dropped(dropped) => Some(reason(dropped)),
            _ => None,
        },
    }
}

impl Scribe for Json {
    fn begin(&mut self, _: &mut Paper<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn write(&mut self, cast: &Cast, news: &News, paper: &mut Paper<'_>) -> Result<(), Failure> {
        let member = cast.member(news.stream);
        let whose = Whose {
            unix_time_ns: news.time_ns(),
            pid: member.map(|joined| joined.process_id),
            socket: member.map(|joined| address(&joined.name)),
            sequence: match &news.what {
                What::Record(record) => Some(record.sequence),
                What::Gone { .. } => None,
            },
        };
        let object = match &news.what {
            What::Record(Record { content, .. }) => match content {
                Content::Joined(who) => joined(whose, who),
                Content::Datagram(traced) => datagram(whose, traced),
                Content::Lost(count) => Object::Lost { whose, count: *count },
                Content::Left => Object::Left { whose, clean: true },
            },
            What::Gone { .. } => Object::Left { whose, clean: false },
        };
        paper.line(serde_json::to_string(&object)?)
    }

    fn end(&mut self, totals: &Totals, paper: &mut Paper<'_>) -> Result<(), Failure> {
        let &Totals { members, datagrams, troubled, lost, unrecorded, time } = totals;
        let time_ns = nanoseconds(time);
        let summary = Object::Summary { members, datagrams, troubled, lost, unrecorded, time_ns };
        paper.line(serde_json::to_string(&summary)?)
    }

    fn tells_totals(&self) -> bool {
        true
    }
}
