//! What kind of process a member is. A DPDK process must not be asked what it has no action for: it notes an
//! error and stays silent.
//!
//! DPDK 22.11 and 25.11: `eal_common_proc.c`, `rte_mp_channel_init`, and `eal_interrupts.c`, `rte_eal_intr_init`,
//! for the names of the threads.

use rte_mp::{Flavor, Group, Member, Role};

use crate::machine::process::Process;

/// A DPDK process's thread for messages: up to 23.07, and later.
pub(crate) const DPDK_MESSAGES: [&str; 2] = ["rte_mp_handle", "dpdk-mp-msg"];
/// Its thread for interrupts, which lives as long as it does.
pub(crate) const DPDK_INTERRUPTS: [&str; 2] = ["eal-intr-thread", "dpdk-intr"];
/// The thread for messages of an rte-mp process. A C program of rte-mp has a thread of DPDK's name for alarms
/// beside it.
pub(crate) const OURS: [&str; 1] = ["mp-msg"];

/// What a member is, as far as it can be seen without asking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    RteMp,
    Dpdk,
    /// Its process is not to be seen, or has none of the known threads.
    Unknown,
}

impl Nature {
    pub(crate) fn of(group: &Group, member: &Member) -> Self {
        Self::of_socket(group.flavor(), member.role, member.pid)
    }

    /// Tells what the owner of a member's socket is, in a group of this flavor that need not be joined.
    pub(crate) fn of_socket(flavor: Flavor, role: Role, owner: Option<u32>) -> Self {
        match (flavor, role) {
            // There are no others: DPDK's secondaries need a DPDK primary.
            (Flavor::Native, _) => Self::RteMp,
            (Flavor::Dpdk(_), Role::Primary) => Self::Dpdk,
            (Flavor::Dpdk(_), Role::Secondary | Role::Auto) => {
                owner.map_or(Self::Unknown, |pid| Self::by_threads(&Process(pid).threads()))
            }
        }
    }

    /// Gives the word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::RteMp => "rte-mp",
            Self::Dpdk => "dpdk",
            Self::Unknown => "unknown",
        }
    }

    fn by_threads(threads: &[String]) -> Self {
        let has = |names: &[&str]| threads.iter().any(|thread| names.contains(&thread.as_str()));
        match (has(&OURS), has(&DPDK_MESSAGES), has(&DPDK_INTERRUPTS)) {
            (true, false, _) => Self::RteMp,
            (false, true, _) | (false, false, true) => Self::Dpdk,
            // Both: a DPDK application that has joined by rte-mp, too. Which of its sockets is which does
            // not show.
            (true, true, _) | (false, false, false) => Self::Unknown,
        }
    }
}

/// Tells whether a DPDK process has its thread for messages; nothing if its threads cannot be seen.
pub(crate) fn dpdk_listens(pid: u32) -> Option<bool> {
    let threads = Process(pid).threads();
    let listens = threads.iter().any(|thread| DPDK_MESSAGES.contains(&thread.as_str()));
    (!threads.is_empty()).then_some(listens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_tell_what_a_process_is() {
        let cases: [(&[&str], Nature); 7] = [
            (&["app", "mp-msg"], Nature::RteMp),
            (&["dpdk-testpmd", "eal-intr-thread", "rte_mp_handle"], Nature::Dpdk),
            (&["dpdk-testpmd", "dpdk-intr", "dpdk-mp-msg"], Nature::Dpdk),
            (&["dpdk-testpmd", "eal-intr-thread"], Nature::Dpdk),
            (&["app"], Nature::Unknown),
            (&["c-app", "mp-msg", "eal-intr-thread"], Nature::RteMp),
            (&["dpdk-app", "mp-msg", "dpdk-intr", "dpdk-mp-msg"], Nature::Unknown),
        ];
        for (threads, expected) in cases {
            let threads: Vec<_> = threads.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(Nature::by_threads(&threads), expected, "{threads:?}");
        }
    }
}
