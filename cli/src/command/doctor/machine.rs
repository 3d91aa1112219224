//! Findings on the machine: where groups can be, queues, hugepages.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rte_mp::inspect::{Base, GroupReport, SocketState, State};
use rte_mp::{Flavor, Layout};

use super::finding::Finding;
use crate::machine::hugepages::{files_left, mounts, pages};
use crate::machine::survey::Survey;
use crate::machine::{shown, typed};

const MAX_QUEUE: &str = "/proc/sys/net/unix/max_dgram_qlen";
/// The kernel's default, which DPDK was made for.
const USUAL_QUEUE: u64 = 10;

/// Write access for others, by which they could put files of theirs in the place of ours.
const OPEN: u32 = 0o022;

pub(super) fn findings(survey: &Survey, queues: Option<&io::Error>) -> Vec<Finding> {
    let mut findings: Vec<_> = survey.bases.iter().filter_map(base).collect();
    findings.extend(survey.unreadable.iter().map(|(path, error)| unreadable(path, error)));
    findings.extend(queue_length());
    findings.extend(queues.map(|error| {
        Finding::note(
            "queues_unknown",
            format_args!("the kernel does not tell about queues: {error}"),
        )
    }));
    findings.extend(layouts(&survey.groups));
    let is_dpdk = |group: &&GroupReport| matches!(group.flavor(), Some(Flavor::Dpdk(_)));
    let dpdk: Vec<_> = survey.groups.iter().filter(is_dpdk).collect();
    if !dpdk.is_empty() {
        findings.extend(hugepages(&dpdk));
    }
    findings
}

/// Tells where groups can be, whose that is, and who may write there.
fn base(base: &Base) -> Option<Finding> {
    let path = base.dpdk_directory();
    let metadata = fs::symlink_metadata(&path).ok()?;
    let (mode, owner, command) = (metadata.mode() & 0o7777, metadata.uid(), typed(&path));
    let path = shown(&path);
    if !metadata.is_dir() {
        return Some(Finding::error(
            "base_not_a_directory",
            format_args!("{path} is no directory, so that no group can be there"),
            format_args!("remove it: rm {command}"),
        ));
    }
    if mode & OPEN != 0 {
        return Some(Finding::error(
            "base_open",
            format_args!(
                "{path} (user {owner}, mode {mode:04o}) can be changed by other users; rte-mp joins no group there"
            ),
            format_args!("chmod 0700 {command}"),
        ));
    }
    let text = format!("groups can be in {path} (user {owner}, mode {mode:04o})");
    Some(Finding::note("base", text))
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let path = shown(path);
    Finding::note(
        "base_unreadable",
        format_args!(
            "{path} cannot be looked into: {error}; run this as its user or as root to see its groups"
        ),
    )
}

fn queue_length() -> Option<Finding> {
    let length: u64 = fs::read_to_string(MAX_QUEUE).ok()?.trim().parse().ok()?;
    let text = format!(
        "the kernel queues {} messages for each socket (net.unix.max_dgram_qlen = {length}); whoever sends \
         more waits until they are read",
        length.saturating_add(1)
    );
    Some(if length < USUAL_QUEUE {
        Finding::warning(
            "queue_short",
            text,
            format_args!(
                "sysctl -w net.unix.max_dgram_qlen={USUAL_QUEUE}, before the groups start"
            ),
        )
    } else {
        Finding::note("queue_length", text)
    })
}

/// Tells whether groups of both layouts run: a process that finds its way into the wrong one does harm there.
fn layouts(groups: &[GroupReport]) -> Option<Finding> {
    let live = groups.iter().filter(|group| group.state() == State::Live);
    let lengths = live.filter_map(|group| group.layout()?.ok().map(Layout::datagram_len));
    let lengths: BTreeSet<_> = lengths.collect();
    (lengths.len() > 1).then(|| {
        let lengths: Vec<_> = lengths.iter().map(usize::to_string).collect();
        Finding::note(
            "layouts_mixed",
            format_args!(
                "groups with messages of {} bytes run side by side; a DPDK process that sends to one of another \
                 layout ends the receiver's IPC thread",
                lengths.join(" and ")
            ),
        )
    })
}

/// Tells how many hugepages there are, and which are held by groups that have ended.
fn hugepages(dpdk: &[&GroupReport]) -> Vec<Finding> {
    let is_live = |group: &&&GroupReport| matches!(group.state(), State::Live | State::Starting);
    let (mounts, pages) = (mounts(), pages());
    let mut findings = Vec::new();
    for pages in &pages {
        let (size, total, free) = (megabytes(pages.size), pages.total, pages.free);
        let text = format!("{free} of {total} hugepages of {size} MB are free");
        findings.push(match free {
            0 if dpdk.iter().any(|group| is_live(&group)) => Finding::warning(
                "hugepages_used_up",
                format_args!("{text}; a DPDK primary cannot have more memory than it has"),
                "reserve more in /sys/kernel/mm/hugepages, or end what holds them",
            ),
            _ => Finding::note("hugepages", text),
        });
    }
    if pages.is_empty() {
        let text = "this machine has no hugepages; DPDK runs with --no-huge only";
        findings.push(Finding::note("hugepages", text));
    }
    let places: Vec<_> = mounts.iter().map(|mount| shown(mount)).collect();
    findings.push(match places[..] {
        [] => Finding::note("hugetlbfs", "no hugetlbfs is mounted"),
        _ => Finding::note(
            "hugetlbfs",
            format_args!("hugetlbfs is mounted at {}", places.join(", ")),
        ),
    });
    for group in dpdk.iter().filter(|group| group.state() == State::Dead) {
        // A secondary that lives on may use them.
        if group.members().any(|member| member.state == SocketState::Alive) {
            continue;
        }
        for mount in &mounts {
            let (count, bytes) = files_left(&group.prefix, mount);
            if bytes > 0 {
                let place = typed(&mount.join(format!("{}map_", group.prefix)));
                let finding = Finding::warning(
                    "hugepages_left",
                    format_args!(
                        "has ended, and {count} files of it still hold {} MB of hugepages in {}",
                        megabytes(bytes),
                        shown(mount)
                    ),
                    format_args!("start it again, or remove them: rm {place}*"),
                );
                findings.push(finding.of(group));
            }
        }
    }
    findings
}

fn megabytes(bytes: u64) -> u64 {
    bytes >> 20
}
