//! Where processes run: pinned to two cores, free, or both on one.

use std::fs;
use std::io;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How a server and its client are spread over the cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// The server on one core, the client on another.
    Pinned,
    /// Wherever the kernel puts them.
    Free,
    /// Both on the same core.
    OneCore,
}

impl Placement {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Free => "unpinned",
            Self::OneCore => "one core",
        }
    }

    /// Puts all threads of both processes in their places.
    pub(crate) fn apply(self, server: u32, client: u32) -> io::Result<()> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).map(only);
        let first = cores.next().unwrap_or(allowed);
        let (servers, clients) = match self {
            Self::Pinned => (first, cores.next().unwrap_or(first)),
            Self::Free => (allowed, allowed),
            Self::OneCore => (first, first),
        };
        place(server, &servers)?;
        place(client, &clients)
    }
}

fn only(cpu: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu);
    set
}

fn place(process: u32, set: &CpuSet) -> io::Result<()> {
    for thread in threads(process)? {
        sched_setaffinity(Pid::from_raw(thread), set)?;
    }
    Ok(())
}

/// Lists the ids of a process's threads.
pub(crate) fn threads(process: u32) -> io::Result<Vec<i32>> {
    let entries = fs::read_dir(format!("/proc/{process}/task"))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}
