//! Whether a peer still runs: a pidfd where its process is known, a probe where it is not.
//!
//! A pidfd tells of a death at once. It is trusted only if the process really owns the peer's
//! socket; a peer in another pid namespace, or of another user, is probed from time to time: its
//! socket refuses once it is dead. The next primary takes the name of the one before: who is connected
//! to a peer looks after that very socket, by the file that it had then.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rte_mp_proto::PeerName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(crate) use super::owner::Owners;
use crate::transport::socket::{self, Presence, SocketFile};

/// How often a peer with a pidfd is probed while somebody waits for it: its process may live on and
/// own the socket no more.
pub(crate) const SURE_PROBE_INTERVAL: Duration = Duration::from_secs(1);
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
    /// Finds how to watch `peer`, which says that it is process `claimed_pid`. If it was connected to
    /// by `file`, that is not the process of who has taken its place.
    pub(crate) fn of(
        peer: &PeerName,
        file: Option<&SocketFile>,
        claimed_pid: Option<u32>,
        owners: &mut Owners,
    ) -> Self {
        let owner = claimed_pid.and_then(|pid| owners.owner(pid, peer));
        // Asked last: if it is in place now, nobody else was when the owner was looked for.
        let is_replaced = file.is_some_and(|file| file.is_replaced(peer));
        owner.filter(|_| !is_replaced).map_or(Self::Probe, Self::Process)
    }

    /// Gives a descriptor that polls as readable when the peer is dead.
    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Process(pidfd) => Some(pidfd.as_fd()),
            Self::Probe => None,
        }
    }

    /// Tells whether `peer` is surely dead, or owns its socket no more. One that is leaving has
    /// removed the socket's file, and may still be answering. `file` leads to it all the same.
    pub(crate) fn is_dead(
        &self,
        peer: &PeerName,
        file: Option<&SocketFile>,
        owners: &mut Owners,
    ) -> bool {
        if self.has_ended() {
            return true;
        }
        match file {
            Some(file) => matches!(file.probe(), Ok(Presence::Stale)),
            None => match socket::probe(peer) {
                Ok(Presence::Stale) => true,
                Ok(Presence::Missing) => !owners.is_bound(peer),
                Ok(Presence::Alive) | Err(_) => false,
            },
        }
    }

    /// Tells whether the process of the peer has ended, as far as it is known.
    pub(crate) fn has_ended(&self) -> bool {
        self.pidfd().is_some_and(|pidfd| {
            let mut fds = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            matches!(poll(&mut fds, Some(&now)), Ok(1))
        })
    }
}
