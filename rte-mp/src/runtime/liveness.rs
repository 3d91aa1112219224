//! Whether a peer still runs: a pidfd where its process is known, a probe where it is not.
//!
//! A pidfd tells of a death at once. It is trusted only if the process really owns the peer's
//! socket; a peer in another pid namespace, or of another user, is probed from time to time: its
//! socket refuses once it is dead.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rte_mp_proto::PeerName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::owner;
use crate::transport::socket::{self, Presence};

/// How long a peer without a pidfd is left alone at most while somebody waits for it.
pub(crate) const MAX_PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// How the death of one peer is noticed.
#[derive(Debug, Clone)]
pub(crate) enum Liveness {
    /// Its process is known to own its socket.
    Process(Arc<OwnedFd>),
    /// Its socket is probed.
    Probe,
}

impl Liveness {
    /// Finds how to watch `peer`, which says that it is process `claimed_pid`.
    pub(crate) fn of(peer: &PeerName, claimed_pid: Option<u32>) -> Self {
        Self::by_process(peer, claimed_pid).unwrap_or(Self::Probe)
    }

    fn by_process(peer: &PeerName, claimed_pid: Option<u32>) -> Option<Self> {
        let pid = claimed_pid?;
        let process = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let pidfd = pidfd_open(process, PidfdFlags::empty()).ok()?;
        // Opened first and checked then, so that the id cannot have changed hands in between.
        owner::owns(pid, peer).then(|| Self::Process(Arc::new(pidfd)))
    }

    /// Gives a descriptor that polls as readable when the peer is dead.
    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Process(pidfd) => Some(pidfd.as_fd()),
            Self::Probe => None,
        }
    }

    /// Tells whether `peer` is surely dead.
    pub(crate) fn is_dead(&self, peer: &PeerName) -> bool {
        match self {
            Self::Process(pidfd) => {
                let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                matches!(poll(&mut fds, Some(&now)), Ok(1))
            }
            Self::Probe => matches!(socket::probe(peer), Ok(Presence::Stale | Presence::Missing)),
        }
    }
}
