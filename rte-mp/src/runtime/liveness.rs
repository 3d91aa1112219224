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

pub(crate) use super::owner::Owners;
use crate::transport::socket::{self, Presence};

/// How long a peer without a pidfd is left alone at most while somebody waits for it.
pub(crate) const MAX_PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// How the death of one peer is noticed.
#[derive(Debug)]
pub(crate) enum Liveness {
    /// Its process is known to own its socket.
    Process(Arc<OwnedFd>),
    /// Its socket is probed.
    Probe,
}

impl Liveness {
    /// Finds how to watch `peer`, which says that it is process `claimed_pid`.
    pub(crate) fn of(peer: &PeerName, claimed_pid: Option<u32>, owners: &mut Owners) -> Self {
        claimed_pid.and_then(|pid| owners.owner(pid, peer)).map_or(Self::Probe, Self::Process)
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
