//! Findings on one group: its directory, its primary, its locks, its layout, what was left behind.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rte_mp::inspect::{
    Config, GroupReport, Listing, MpStatus, SocketState, State, remove_stale_sockets,
};
use rte_mp::{Flavor, PeerName};

use super::finding::Finding;
use crate::content::counted;
use crate::machine::locks::flock_holders;
use crate::machine::process::Process;
use crate::machine::{shown, typed};

/// What others may not do with a group's directory, and its own group of users may not: as rte-mp checks it.
const OPEN: u32 = 0o027;

/// A file name of the longest kind: `mp_socket_`, a process id of 10 digits, `_`, 16 more.
const LONGEST_NAME: usize = 37;
/// How many bytes short of the limit is near.
const NEAR: usize = 8;

/// How long a primary may take to start before it is strange.
const START: Duration = Duration::from_secs(60);

/// Tells what is wrong with the group's directory, be there a group or not.
pub(super) fn directory(group: &GroupReport) -> Option<Finding> {
    let metadata = fs::symlink_metadata(&group.directory).ok()?;
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    let path = shown(&group.directory);
    (mode & OPEN != 0).then(|| {
        Finding::error(
            "directory_open",
            format_args!(
                "{path} (user {owner}, mode {mode:04o}) is open to other users; rte-mp joins no such group"
            ),
            format_args!("chmod 0700 {}", typed(&group.directory)),
        )
        .of(group)
    })
}

/// Tells what is to be known of the group as a whole.
pub(super) fn findings(group: &GroupReport) -> Vec<Finding> {
    let found = [lead(group), layout(group), primary_socket(group), lock(group), length(group)];
    let disabled = (group.multi_process == Some(MpStatus::Disabled)).then(|| {
        Finding::note("disabled", "its primary has disabled multi-process: nobody can join")
    });
    found.into_iter().chain([disabled]).flatten().map(|finding| finding.of(group)).collect()
}

/// Tells who leads, or what became of who did.
fn lead(group: &GroupReport) -> Option<Finding> {
    let pid = group.primary_pid();
    let primary = pid.map_or_else(|| "its primary".to_owned(), |pid| described("its primary", pid));
    match group.state() {
        State::Live => Some(Finding::note("live", format_args!("{primary} leads, and holds its lock"))),
        State::Starting => Some(starting(pid, &primary)),
        State::Unlocked => Some(Finding::error(
            "lock_lost",
            format_args!(
                "{primary} runs and has lost its lock; a DPDK primary that asks whether it is alive loses it. \
                 Nobody can join, and another primary may take its place at any time"
            ),
            "restart the group, and do not call rte_eal_primary_proc_alive() in the primary",
        )),
        State::Dead => dead(group),
        State::Vacant => left_alone(group),
        _ => match &group.config {
            Config::Unreadable(error) => Some(unreadable(error)),
            _ => None,
        },
    }
    .map(|finding| finding.process(pid))
}

fn starting(pid: Option<u32>, primary: &str) -> Finding {
    let age = pid.map(Process).and_then(Process::age).filter(|age| *age > START);
    match age {
        None => Finding::note("starting", format_args!("{primary} is starting")),
        Some(age) => Finding::warning(
            "start_hangs",
            format_args!(
                "{primary} has not finished its start for {}; who joins waits for it",
                humantime::format_duration(Duration::from_secs(age.as_secs()))
            ),
            "look at what it waits for, or restart it",
        ),
    }
}

/// A config file whose primary has ended, or that is none.
fn dead(group: &GroupReport) -> Option<Finding> {
    if let Config::NotAConfig { magic } = group.config {
        let path = shown(&group.directory.join("config"));
        return Some(Finding::error(
            "not_a_config",
            format_args!("{path} is no config file: it begins with {magic:#010x}"),
            "move it away, or take another file prefix",
        ));
    }
    left_alone(group).or_else(|| {
        let how = match group.flavor() {
            Some(Flavor::Dpdk(_)) => "has ended, and left its files as DPDK primaries do",
            _ => "was killed, and left its config file",
        };
        Some(Finding::note("dead", format_args!("its primary {how}; the next one takes it over")))
    })
}

/// Members that have lost their primary.
fn left_alone(group: &GroupReport) -> Option<Finding> {
    let alive = group.members().filter(|member| member.state == SocketState::Alive);
    let pids =
        alive.map(|member| member.pid().map_or_else(|| shown(&member.path), |pid| pid.to_string()));
    let pids: Vec<_> = pids.collect();
    if pids.is_empty() {
        return None;
    }
    let cure = match group.flavor() {
        Some(Flavor::Dpdk(_)) => format!(
            "end {} first: a DPDK primary cannot start while they have its files open; then start the primary",
            pids.join(", ")
        ),
        _ => "start the primary; they find it by themselves".to_owned(),
    };
    let text = format!("its primary has ended, and members go on without it: {}", pids.join(", "));
    Some(Finding::warning("left_alone", text, cure))
}

fn unreadable(error: &io::Error) -> Finding {
    let text = format!("its config file cannot be read: {error}");
    match error.kind() {
        io::ErrorKind::PermissionDenied => Finding::note(
            "config_unreadable",
            format_args!("{text}; run this as its user or as root"),
        ),
        _ => Finding::error(
            "config_unreadable",
            text,
            "it must be a file of its primary's; move it away, or take another file prefix",
        ),
    }
}

/// Nobody joins where no primary is, whatever the last one was.
fn layout(group: &GroupReport) -> Option<Finding> {
    let problem = group.layout()?.err().filter(|_| group.is_locked)?;
    Some(Finding::error(
        "layout_unknown",
        format_args!(
            "{problem}; rte-mp sends nothing to it, since a message of the wrong length may end its IPC"
        ),
        "use an rte-mp that knows this release",
    ))
}

/// Tells whether the socket is there that a live primary must have.
fn primary_socket(group: &GroupReport) -> Option<Finding> {
    if group.state() != State::Live {
        return None;
    }
    let problem = match group.primary().map(|socket| socket.state) {
        None => "has been removed, as cleaners of /tmp and /run do",
        Some(SocketState::Stale) => "is one that nobody owns",
        Some(SocketState::NotASocket) => "has been replaced by what is no socket",
        Some(_) => return None,
    };
    let finding = Finding::error(
        "primary_unreachable",
        format_args!("its primary runs, but its socket {problem}: nobody can reach it"),
        "restart the primary",
    );
    Some(finding.process(group.primary_pid()))
}

/// Tells who keeps others from joining.
fn lock(group: &GroupReport) -> Option<Finding> {
    let error = match &group.listing {
        Listing::Locked => return None,
        Listing::Unlocked(error) | Listing::Failed(error) => error,
        _ => return None,
    };
    if error.kind() != io::ErrorKind::TimedOut {
        let text = format!("its directory cannot be listed under its lock: {error}");
        return Some(Finding::note("directory_unlisted", text));
    }
    let holders = flock_holders(&group.directory);
    let names: Vec<_> = holders.iter().map(|&pid| described("process", pid)).collect();
    let who = if names.is_empty() { "somebody".to_owned() } else { names.join(", ") };
    let finding = Finding::warning(
        "directory_locked",
        format_args!(
            "{who} holds the lock of its directory: nobody can join meanwhile. A DPDK primary does so while it \
             waits for replies"
        ),
        "wait for the timeout of its request; if it stays, see what the process waits for, or end it",
    );
    Some(finding.process(holders.first().copied()))
}

/// Tells whether sockets in it have paths that fit an address.
fn length(group: &GroupReport) -> Option<Finding> {
    let len = group.directory.as_os_str().as_bytes().len() + 1 + LONGEST_NAME;
    let max = PeerName::MAX_LEN;
    let base = "take a shorter file prefix, or a shorter runtime directory";
    if len > max {
        return Some(Finding::warning(
            "path_too_long",
            format_args!(
                "the path of a socket in it can have {len} bytes, and an address has {max}; rte-mp does not join, and \
                 DPDK up to 25.11 cuts the path off, so that members take each other's socket"
            ),
            base,
        ));
    }
    (len + NEAR > max).then(|| {
        let text =
            format!("the path of a socket in it can have {len} of the {max} bytes of an address");
        Finding::note("path_long", text)
    })
}

/// Tells which sockets nobody owns, and with `fix` removes them.
pub(super) fn stale_sockets(group: &GroupReport, fix: bool, timeout: Duration) -> Vec<Finding> {
    let stale: Vec<_> =
        group.sockets.iter().filter(|socket| socket.state == SocketState::Stale).collect();
    if stale.is_empty() {
        return Vec::new();
    }
    let names = |paths: &mut dyn Iterator<Item = &std::path::Path>| {
        let names = paths.map(|path| shown(path.file_name().unwrap_or_default().as_ref()));
        names.collect::<Vec<_>>().join(", ")
    };
    let all = names(&mut stale.iter().map(|socket| socket.path()));
    let count = |count| counted(count, "socket");
    let text = format!("{} left behind by processes that were killed: {all}", count(stale.len()));
    if !fix {
        let cure = "rte-mp doctor --fix removes them; the next rte-mp process that joins does, too";
        return vec![Finding::warning("stale_sockets", text, cure).of(group)];
    }
    match remove_stale_sockets(&group.directory, timeout) {
        Err(error) => {
            let cure = format!("{error}; run this as the directory's user, when nobody joins");
            vec![Finding::warning("stale_sockets", text, cure).of(group)]
        }
        Ok(removed) => {
            let all = names(&mut removed.iter().map(|path| path.as_path()));
            let text = format!("removed {} that nobody owned: {all}", count(removed.len()));
            let left = stale.iter().filter(|socket| socket.path.exists()).count();
            let mut findings = Vec::new();
            if !removed.is_empty() {
                findings.push(Finding::cured("stale_sockets", text).of(group));
            }
            if left > 0 {
                let text = format!("{} that nobody owns could not be removed", count(left));
                let cure = "run this as the directory's user";
                findings.push(Finding::warning("stale_sockets", text, cure).of(group));
            }
            findings
        }
    }
}

/// Names a process by its id and what runs in it.
pub(super) fn described(what: &str, pid: u32) -> String {
    match Process(pid).command() {
        Some(command) => {
            let program = command.split(' ').next().unwrap_or_default();
            let program = program.rsplit('/').next().unwrap_or(program);
            format!("{what} {pid} ({program})")
        }
        None => format!("{what} {pid}"),
    }
}
