//! Findings on the members of a group: whether each reads what is sent to it, and is heard.

use std::time::Duration;

use rte_mp::inspect::{GroupReport, SocketKind, SocketReport, SocketState, State};
use rte_mp::{Flavor, Layout};

use super::finding::Finding;
use super::group::described;
use crate::machine::process::Process;
use crate::machine::queues::Queues;
use crate::machine::{shown, typed};
use crate::nature::{DPDK_INTERRUPTS, DPDK_MESSAGES, OURS};

/// How long it is waited before a thread that is missing is looked for again: a process that is just starting
/// binds its socket first.
const SECOND_LOOK: Duration = Duration::from_millis(50);

pub(super) fn findings(group: &GroupReport, queues: &Queues) -> Vec<Finding> {
    let mut findings = Vec::new();
    for socket in group.members() {
        let found = match socket.state {
            SocketState::Alive => alive(group, socket, queues),
            SocketState::NotASocket => vec![not_a_socket(socket)],
            SocketState::TooLong { len } => vec![too_long(socket, len)],
            // Stale ones are told of all at once.
            _ => Vec::new(),
        };
        findings.extend(found.into_iter().map(|finding| finding.of(group).process(socket.pid())));
    }
    findings
}

fn alive(group: &GroupReport, socket: &SocketReport, queues: &Queues) -> Vec<Finding> {
    let found = [
        reading(group, socket, queues),
        wrong_length(group, socket, queues),
        orphaned(socket),
        elsewhere(socket),
        other_user(group, socket),
    ];
    found.into_iter().flatten().collect()
}

/// Tells whether a member reads what is sent to it.
fn reading(group: &GroupReport, socket: &SocketReport, queues: &Queues) -> Option<Finding> {
    let is_full = socket.is_full().unwrap_or(false);
    let queue = match queues.first_datagram(socket) {
        _ if is_full => "its queue is full, and whoever sends to it waits",
        Some(1..) => "messages wait in its queue",
        _ => "its queue is empty still",
    };
    let who = name(socket);
    if socket.owner.map(Process).is_some_and(has_lost_its_ipc) && group.state() != State::Starting {
        return Some(Finding::error(
            "ipc_thread_dead",
            format_args!(
                "the IPC thread of {who} has ended for good, and it reads no message any more: {queue}. A malformed \
                 message does that to DPDK since 22.03, as does one of another release's length"
            ),
            "restart it, and find who sent it a message of a wrong length",
        ));
    }
    let stopped = socket.owner.filter(|&pid| Process(pid).is_stopped());
    match (is_full, stopped) {
        (_, Some(pid)) => Some(Finding::warning(
            "stopped",
            format_args!("{who} is stopped by a signal or a debugger: {queue}"),
            format_args!("kill -CONT {pid}"),
        )),
        (true, None) => Some(Finding::warning(
            "queue_full",
            format_args!("{who} does not keep up: {queue}"),
            "see what its handlers wait for; a larger net.unix.max_dgram_qlen takes longer bursts",
        )),
        (false, None) => None,
    }
}

/// Tells whether a DPDK process reads no messages any more: the thread that does is gone.
fn has_lost_its_ipc(process: Process) -> bool {
    let is_missing = || is_dpdk(process) && !has_thread(process, &DPDK_MESSAGES);
    is_missing() && {
        std::thread::sleep(SECOND_LOOK);
        is_missing()
    }
}

fn is_dpdk(process: Process) -> bool {
    has_thread(process, &DPDK_INTERRUPTS) && !has_thread(process, &OURS)
}

fn has_thread(process: Process, names: &[&str]) -> bool {
    process.threads().iter().any(|thread| names.contains(&thread.as_str()))
}

/// Tells whether a message waits of a length that its reader cannot take: DPDK takes that of the group only,
/// rte-mp those of all releases.
fn wrong_length(group: &GroupReport, socket: &SocketReport, queues: &Queues) -> Option<Finding> {
    let expected = group.layout()?.ok().map(Layout::datagram_len)?;
    let len = queues.first_datagram(socket).filter(|&len| len != 0)? as usize;
    let is_dpdks = matches!(group.flavor(), Some(Flavor::Dpdk(_)))
        && (socket.kind == SocketKind::Primary || socket.owner.map(Process).is_some_and(is_dpdk));
    let text =
        || format!("a message of {len} bytes waits for {}, in a group of {expected}", name(socket));
    let cure = "find the process that sends what is no message of this group, and end it";
    if is_dpdks && len != expected {
        let text = format!("{}; reading it ends the IPC thread of a DPDK process", text());
        Some(Finding::error("wrong_length", text, cure))
    } else if Layout::of_len(len).is_none() {
        Some(Finding::warning("wrong_length", format!("{}; it will be dropped", text()), cure))
    } else {
        None
    }
}

/// Tells whether the socket is kept open by another process than the member, which has ended.
fn orphaned(socket: &SocketReport) -> Option<Finding> {
    let (claimed, owner) = (socket.claimed_pid?, socket.owner?);
    let same_namespace = Process(owner).is_in_other_pid_namespace() == Some(false);
    (claimed != owner && same_namespace && !Process(claimed).exists()).then(|| {
        Finding::warning(
            "orphaned",
            format_args!(
                "process {claimed} has ended, and {} has inherited its socket {}: requests to it time out",
                described("process", owner),
                shown(&socket.path)
            ),
            format_args!("end process {owner}"),
        )
    })
}

/// Tells whether a member is in a place that we, and others, do not see into.
fn elsewhere(socket: &SocketReport) -> Option<Finding> {
    let who = name(socket);
    match socket.owner {
        Some(pid) => Process(pid).is_in_other_pid_namespace()?.then(|| {
            Finding::note(
                "pid_namespace",
                format_args!(
                    "{who} is in another pid namespace: its process id means nothing here (it says {}), and its \
                     end is noticed later",
                    socket.claimed_pid.map_or_else(|| "none".to_owned(), |pid| pid.to_string())
                ),
            )
        }),
        None => Some(Finding::note(
            "owner_unknown",
            format_args!(
                "{who} is alive, but no process that may be looked at has its socket: it is another user's or in \
                 another namespace; root sees more"
            ),
        )),
    }
}

/// Tells whether a member's messages are dropped by those of another user.
fn other_user(group: &GroupReport, socket: &SocketReport) -> Option<Finding> {
    if socket.kind == SocketKind::Primary {
        return None;
    }
    let user = |socket: &SocketReport| {
        socket.owner.map(Process).and_then(Process::user).unwrap_or(socket.uid)
    };
    let primary = group.primary().filter(|primary| primary.state == SocketState::Alive)?;
    let (own, other) = (user(socket), user(primary));
    (own != other && own != 0).then(|| {
        Finding::warning(
            "other_user",
            format_args!(
                "{} runs as user {own}, the primary as user {other}: members of rte-mp hear their own user and root \
                 only, and drop what it sends",
                name(socket)
            ),
            format_args!("run it as user {other}"),
        )
    })
}

fn not_a_socket(socket: &SocketReport) -> Finding {
    let path = shown(&socket.path);
    Finding::warning(
        "not_a_socket",
        format_args!(
            "{path} has the name of a member's socket and is none; a DPDK primary deletes such a file"
        ),
        format_args!("move it away: mv {} .", typed(&socket.path)),
    )
}

fn too_long(socket: &SocketReport, len: usize) -> Finding {
    Finding::error(
        "path_too_long",
        format_args!("nobody can reach {}: its path has {len} bytes", shown(&socket.path)),
        "take a shorter file prefix, or a shorter runtime directory",
    )
}

fn name(socket: &SocketReport) -> String {
    let what = if socket.kind == SocketKind::Primary { "the primary" } else { "member" };
    match socket.pid() {
        Some(pid) if socket.owner.is_some() => described(what, pid),
        Some(pid) => format!("{what} {pid}"),
        None => format!("{what} {}", shown(&socket.path)),
    }
}
