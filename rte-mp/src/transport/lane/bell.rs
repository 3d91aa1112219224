//! How one end of a lane wakes the other, and learns that it is gone.
//!
//! A pair of connected sockets over which single bytes go; what they are means nothing. A socket,
//! because the scheduler then takes it that who wakes another goes to sleep himself, and lets the
//! other have the core.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair, sockopt,
};

/// How long [`Bell::wait`] blocks at most: a tick or two of the kernel's.
pub(super) const PATIENCE: Duration = Duration::from_millis(4);
/// How many rings are heard at once.
const RINGS: usize = 64;

/// Whether the other end is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    There,
    /// Its process has ended, or has closed it.
    Gone,
}

/// One end.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    /// Makes both ends; the other one is for another process.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok((Self(ours), theirs))
    }

    /// Takes the end that another process made.
    pub(super) fn of_peer(end: OwnedFd) -> io::Result<Self> {
        // Whatever else it is, it would not make us wait: every call says so for itself.
        match sockopt::socket_domain(&end)? {
            AddressFamily::UNIX => Ok(Self(end)),
            _ => Err(Errno::AFNOSUPPORT.into()),
        }
    }

    /// Wakes the other end.
    pub(super) fn ring(&self) -> End {
        match send(&self.0, &[0], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            // If there is no room, so many rings are there that it is awake soon.
            Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => End::There,
            Err(_) => End::Gone,
        }
    }

    /// Hears what has been rung.
    pub(super) fn hush(&self) -> End {
        self.hear(RecvFlags::DONTWAIT)
    }

    /// Blocks until it rings, for a few milliseconds at most.
    pub(super) fn wait(&self) -> End {
        self.hear(RecvFlags::empty())
    }

    fn hear(&self, flags: RecvFlags) -> End {
        match recv(&self.0, &mut [0; RINGS], flags) {
            Ok((0, _)) => End::Gone,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => End::There,
            Err(_) => End::Gone,
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
