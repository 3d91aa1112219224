//! A member as it is seen from outside, without a datagram.

use rte_mp::{Member, PeerName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::nature::{self, Nature};

/// What is to be seen of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its socket is open and has room, and its IPC thread is there.
    Alive,
    /// Its socket is open and has room; its threads cannot be seen, or are not known.
    Open,
    /// Its IPC thread has ended: it hears nobody any more.
    DeadThread,
    /// Its queue is full: it does not read, or is slower than those who send.
    Full,
    /// Nobody has its socket any more.
    Stale,
    /// Its socket is not there any more.
    Gone,
    /// Its socket cannot be reached; the errno.
    Unreachable(i32),
}

impl State {
    pub(super) fn is_well(self) -> bool {
        matches!(self, Self::Alive | Self::Open)
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Open => "open",
            Self::DeadThread => "dead_thread",
            Self::Full => "full",
            Self::Stale => "stale",
            Self::Gone => "gone",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

/// Looks at a member that is not to be asked.
pub(super) fn at(member: &Member, nature: Nature) -> State {
    let listens = match nature {
        Nature::Dpdk => member.pid.and_then(nature::dpdk_listens),
        Nature::RteMp | Nature::Unknown => None,
    };
    match (has_room(&member.name), listens) {
        (Err(Errno::CONNREFUSED), _) => State::Stale,
        (Err(Errno::NOENT), _) => State::Gone,
        (Err(errno), _) => State::Unreachable(errno.raw_os_error()),
        (Ok(_), Some(false)) => State::DeadThread,
        (Ok(false), _) => State::Full,
        (Ok(true), Some(true)) => State::Alive,
        (Ok(true), None) => State::Open,
    }
}

/// Tells whether the queue of a socket has room for one more datagram.
fn has_room(name: &PeerName) -> rustix::io::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    match connect(&socket, &SocketAddrUnix::new(name.as_path())?) {
        // It is connected to somebody else, and takes nothing of others.
        Err(Errno::PERM) => return Ok(true),
        connected => connected?,
    }
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&now))? == 1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_socket_tells_whether_it_has_room() {
        let directory = tempfile::tempdir().expect("a directory");
        let name = PeerName::new(directory.path().join("socket")).expect("a short path");
        assert_eq!(has_room(&name), Err(Errno::NOENT));
        let socket = UnixDatagram::bind(name.as_path()).expect("a socket");
        assert_eq!(has_room(&name), Ok(true));
        let filler = UnixDatagram::unbound().expect("a socket");
        filler.set_nonblocking(true).expect("a flag");
        while filler.send_to(b"full", name.as_path()).is_ok() {}
        assert_eq!(has_room(&name), Ok(false));
        drop(socket);
        assert_eq!(has_room(&name), Err(Errno::CONNREFUSED));
    }
}
