//! What `ps` writes: a group with its members.

use std::fmt;
use std::time::SystemTime;

use rte_mp::inspect::{GroupReport, Listing, MpStatus, SocketKind, SocketReport};
use rte_mp::{Flavor, Layout};
use serde::Serialize;

use crate::clock::age;
use crate::escape::Escaped;
use crate::group::role_word;
use crate::machine::process::Process;
use crate::machine::queues::Queues;
use crate::machine::survey::{kind_word, release, role, socket_word, state_word};
use crate::machine::{shown, shown_prefix};
use crate::output::nanoseconds;
use crate::table::table;

/// How much of a command line stands in a table.
const COMMAND_WIDTH: usize = 60;

/// A group and its members.
#[derive(Serialize)]
#[serde(tag = "type", rename = "group")]
pub(super) struct GroupRecord {
    file_prefix: String,
    directory: String,
    state: &'static str,
    /// `native` or `dpdk`.
    kind: Option<&'static str>,
    /// DPDK's.
    release: Option<String>,
    version_word: Option<u32>,
    datagram_len: Option<usize>,
    fd_max: Option<usize>,
    /// Why its layout is not known.
    layout_error: Option<String>,
    primary_pid: Option<u32>,
    command: Option<String>,
    age_ns: Option<u64>,
    multi_process: Option<&'static str>,
    /// Whether the sockets were listed under the directory's lock, without it, or not at all.
    listing: &'static str,
    members: Vec<MemberRecord>,
    return_addresses: usize,
}

/// A member: the socket that it has, or that was left of it.
#[derive(Serialize)]
pub(super) struct MemberRecord {
    pub(super) role: &'static str,
    pub(super) pid: Option<u32>,
    /// What its name, or the config file, says.
    claimed_pid: Option<u32>,
    pub(super) socket: String,
    #[serde(skip)]
    pub(super) file: String,
    state: &'static str,
    uid: u32,
    age_ns: Option<u64>,
    pub(super) command: Option<String>,
    queue: Option<&'static str>,
    first_datagram_len: Option<u32>,
}

impl GroupRecord {
    pub(super) fn new(group: &GroupReport, queues: &Queues) -> Self {
        let layout = group.layout();
        let known = layout.and_then(Result::ok);
        let primary = group.primary_pid().map(Process);
        Self {
            file_prefix: shown_prefix(group),
            directory: shown(&group.directory),
            state: state_word(group.state()),
            kind: group.flavor().map(kind_word),
            release: group.flavor().and_then(release),
            version_word: group.flavor().map(version_word),
            datagram_len: known.map(Layout::datagram_len),
            fd_max: known.map(Layout::fd_max),
            layout_error: layout.and_then(Result::err).map(|error| error.to_string()),
            primary_pid: group.primary_pid(),
            command: primary.and_then(Process::command),
            age_ns: primary.and_then(Process::age).map(nanoseconds),
            multi_process: group.multi_process.map(|status| match status {
                MpStatus::Unknown => "unknown",
                MpStatus::Disabled => "disabled",
                MpStatus::Enabled => "enabled",
            }),
            listing: match group.listing {
                Listing::Locked => "locked",
                Listing::Unlocked(_) => "unlocked",
                _ => "failed",
            },
            members: group.members().map(|socket| MemberRecord::new(socket, queues)).collect(),
            return_addresses: group
                .sockets
                .iter()
                .filter(|socket| socket.kind == SocketKind::ReturnAddress)
                .count(),
        }
    }

    /// Says what the group is and who leads, on one line.
    fn title(&self) -> String {
        let Self { file_prefix, directory, state, .. } = self;
        let kind = match (self.kind, &self.release) {
            (Some("native"), _) => "native".to_owned(),
            (Some(_), Some(release)) => format!("DPDK {release}"),
            _ => "of unknown kind".to_owned(),
        };
        let layout = match (self.datagram_len, &self.layout_error) {
            (Some(len), _) => format!(", {len}-byte messages"),
            (None, Some(_)) => ", of unknown layout".to_owned(),
            (None, None) => String::new(),
        };
        let age = self.age_ns.map(|time| format!(", for {}", age(time))).unwrap_or_default();
        let primary = self.primary_pid.map(|pid| format!(", primary {pid}{age}"));
        format!(
            "{file_prefix}  {kind}{layout}, {state}{}  {directory}",
            primary.unwrap_or_default()
        )
    }
}

impl MemberRecord {
    pub(super) fn new(socket: &SocketReport, queues: &Queues) -> Self {
        let file = socket.path.file_name().unwrap_or_default();
        Self {
            role: role_word(role(socket)),
            pid: socket.pid(),
            claimed_pid: socket.claimed_pid,
            socket: shown(&socket.path),
            file: Escaped::bytes(file.as_encoded_bytes()).to_string(),
            state: socket_word(socket.state),
            uid: socket.uid,
            age_ns: socket.age(SystemTime::now()).map(nanoseconds),
            // The process that a dead member was may be another one by now.
            command: socket.owner.map(Process).and_then(Process::command),
            queue: queues.word(socket),
            first_datagram_len: queues.first_datagram(socket),
        }
    }

    fn row(&self) -> [String; 7] {
        let dash = || "-".to_owned();
        [
            self.pid.map_or_else(dash, |pid| pid.to_string()),
            self.role.to_owned(),
            self.state.replace('_', " "),
            self.queue.unwrap_or("-").replace('_', " "),
            self.age_ns.map_or_else(dash, age),
            self.file.clone(),
            self.command.as_deref().map_or_else(dash, shortened),
        ]
    }
}

impl fmt::Display for GroupRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title())?;
        if self.members.is_empty() {
            return Ok(());
        }
        let header = [" PID", "ROLE", "STATE", "QUEUE", " AGE", "SOCKET", "COMMAND"];
        write!(f, "\n{}", table("  ", header, self.members.iter().map(MemberRecord::row)))
    }
}

fn version_word(flavor: Flavor) -> u32 {
    match flavor {
        Flavor::Native => Flavor::NATIVE_WORD,
        Flavor::Dpdk(version) => version.word(),
    }
}

fn shortened(command: &str) -> String {
    match command.char_indices().nth(COMMAND_WIDTH) {
        Some((end, _)) => format!("{}...", &command[..end]),
        None => command.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_cut_between_letters() {
        assert_eq!(shortened("dpdk-testpmd -l 0-1"), "dpdk-testpmd -l 0-1");
        let long = "é".repeat(COMMAND_WIDTH + 1);
        assert_eq!(shortened(&long), format!("{}...", "é".repeat(COMMAND_WIDTH)));
    }
}
