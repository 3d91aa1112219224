//! What was found out about one socket in a group's directory.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rte_mp_proto::{PeerName, PeerNameError, path};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::runtime::liveness::Owners;
use crate::runtime::sockets;
use crate::transport::socket::{self, Presence};

/// A file in a group's directory that is a socket of the group, or has the name of one.
#[derive(Debug)]
#[non_exhaustive]
pub struct SocketReport {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is, by its name.
    pub kind: SocketKind,
    /// Whether anybody owns it.
    pub state: SocketState,
    /// The process that its name says (a secondary's), or the config file (the primary's): its id in
    /// its own pid namespace, and only a claim.
    pub claimed_pid: Option<u32>,
    /// The process that has it open, as far as this process may look: the claimed one if that has,
    /// else any. Of another network namespace nothing shows.
    pub owner: Option<u32>,
    /// The user whose file it is.
    pub uid: u32,
    /// The number of the file, by which the kernel's own tables name it, too.
    pub inode: u64,
    /// When it was bound.
    pub bound_at: Option<SystemTime>,
    /// Tells apart the sockets that had this name one after the other.
    pub incarnation: u64,
    pidfd: Option<Arc<OwnedFd>>,
}

/// Whose a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketKind {
    /// The primary's, `mp_socket`.
    Primary,
    /// A secondary's, `mp_socket_*`.
    Secondary,
    /// One that only the replies to an rte-mp member's requests come to, `mp_reply_*`.
    ReturnAddress,
}

impl SocketKind {
    /// Tells by its name what a file is.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        if file == path::PRIMARY_SOCKET.as_bytes() {
            Some(Self::Primary)
        } else if path::is_secondary_socket(file) {
            Some(Self::Secondary)
        } else {
            path::is_return_address(file).then_some(Self::ReturnAddress)
        }
    }
}

/// Whether anybody owns a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketState {
    /// A process has it open.
    Alive,
    /// It was left behind: no process has it open.
    Stale,
    /// The file is no datagram socket. A DPDK primary removes it when it next sends to all.
    NotASocket,
    /// Its path is too long for an address: nobody can reach it here.
    TooLong {
        /// The path's length, in bytes; an address has 107.
        len: usize,
    },
    /// It was not found out: we may not look, or it is just being bound.
    Unknown,
}

impl SocketReport {
    /// Looks at the file at `path`, or gives nothing if it is gone.
    pub(super) fn of(
        path: PathBuf,
        kind: SocketKind,
        claimed_primary: Option<u32>,
        owners: &mut Owners,
    ) -> Option<Self> {
        let metadata = fs::symlink_metadata(&path).ok()?;
        let file = path.file_name().unwrap_or_default();
        let claimed_pid = match kind {
            SocketKind::Primary => claimed_primary,
            _ => path::process_id(file.as_encoded_bytes()),
        };
        let mut report = Self {
            kind,
            state: SocketState::NotASocket,
            claimed_pid,
            owner: None,
            uid: metadata.uid(),
            inode: metadata.ino(),
            bound_at: metadata.modified().ok(),
            incarnation: 0,
            pidfd: None,
            path,
        };
        if metadata.file_type().is_socket() {
            report.state = match PeerName::new(&report.path) {
                Ok(name) => report.look_at_socket(&name, owners)?,
                Err(PeerNameError::TooLong { len, .. }) => SocketState::TooLong { len },
                Err(_) => SocketState::Unknown,
            };
        }
        Some(report)
    }

    fn look_at_socket(&mut self, name: &PeerName, owners: &mut Owners) -> Option<SocketState> {
        self.incarnation = sockets::incarnation(name).ok()?;
        match socket::probe(name) {
            Ok(Presence::Alive) => {
                let claimed =
                    self.claimed_pid.and_then(|pid| Some((pid, owners.owner(pid, name)?)));
                if let Some((pid, pidfd)) = claimed.or_else(|| owners.any_owner(name)) {
                    (self.owner, self.pidfd) = (Some(pid), Some(pidfd));
                }
                Some(SocketState::Alive)
            }
            // Return addresses are bound without the directory's lock.
            Ok(Presence::Stale) if self.is_being_bound() => Some(SocketState::Unknown),
            Ok(Presence::Stale) => Some(SocketState::Stale),
            Ok(Presence::Missing) if self.path.exists() => Some(SocketState::NotASocket),
            // It left meanwhile.
            Ok(Presence::Missing) => None,
            Err(_) => Some(SocketState::Unknown),
        }
    }

    fn is_being_bound(&self) -> bool {
        self.kind == SocketKind::ReturnAddress && !sockets::is_old(&self.path)
    }

    /// Borrows the path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the process: the one that has the socket open, or else the one that it says to be.
    pub fn pid(&self) -> Option<u32> {
        self.owner.or(self.claimed_pid)
    }

    /// Tells for how long the socket has been there.
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        now.duration_since(self.bound_at?).ok()
    }

    /// Tells whether its queue is full, so that whoever sends to it waits. The kernel's limit is
    /// `net.unix.max_dgram_qlen` for each socket. Sends nothing.
    ///
    /// # Errors
    /// The kernel's, if nobody owns it, it may not be sent to, or is connected to somebody else.
    pub fn is_full(&self) -> io::Result<bool> {
        let name = PeerName::new(&self.path)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let waiter = socket::waiter(&name)?;
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut fds = [PollFd::new(&waiter, PollFlags::OUT)];
        poll(&mut fds, Some(&now))?;
        Ok(!fds[0].revents().contains(PollFlags::OUT))
    }

    /// Gives a descriptor that polls as readable once the owner has ended.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(|pidfd| pidfd.as_fd())
    }

    pub(super) fn share_pidfd(&self) -> Option<Arc<OwnedFd>> {
        self.pidfd.clone()
    }
}
