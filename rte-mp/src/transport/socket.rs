//! Datagram sockets bound to a path: bind, send, probe.
//!
//! Receiving is in `sys::gaps`. Every socket here is close-on-exec and non-blocking; those that
//! receive ask the kernel who sent (`SO_PASSCRED`).

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rte_mp_proto::{Layout, PeerName};
use rustix::fs::{Mode, OFlags, fstat, open, stat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, bind, connect, sendmsg, sendmsg_addr, socket_with, sockopt,
};
use rustix::path::DecInt;

/// Makes a socket and binds it to `name`, which must not exist.
pub(crate) fn bound(name: &PeerName) -> io::Result<OwnedFd> {
    let socket = unbound()?;
    sockopt::set_socket_passcred(&socket, true)?;
    // What others have not read fills our own buffer; the kernel cuts this down to its limit.
    let _ = sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER);
    bind(&socket, &address(name)?)?;
    Ok(socket)
}

/// Makes `socket` exchange datagrams with `peer` only. The kernel then spares the path on every
/// send, refuses datagrams from others, and sets no limit to the peer's answers.
pub(crate) fn connect_to(socket: BorrowedFd<'_>, peer: &PeerName) -> io::Result<()> {
    Ok(connect(socket, &address(peer)?)?)
}

/// Makes a socket that polls as writable as soon as `peer` has room for a datagram.
pub(crate) fn waiter(peer: &PeerName) -> io::Result<OwnedFd> {
    let socket = unbound()?;
    connect_to(socket.as_fd(), peer)?;
    Ok(socket)
}

/// Whether somebody owns the socket at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// A process has it open.
    Alive,
    /// The file is there, but no process has the socket any more.
    Stale,
    /// There is no such file, or it is no datagram socket.
    Missing,
}

/// Finds whether somebody owns the socket at `name`, without sending anything.
pub(crate) fn probe(name: &PeerName) -> io::Result<Presence> {
    presence(waiter(name).map(drop))
}

fn presence(connected: io::Result<()>) -> io::Result<Presence> {
    let Err(error) = connected else { return Ok(Presence::Alive) };
    match Errno::from_io_error(&error) {
        // Alive, and connected to somebody else.
        Some(Errno::PERM) => Ok(Presence::Alive),
        Some(Errno::CONNREFUSED) => Ok(Presence::Stale),
        Some(Errno::NOENT | Errno::PROTOTYPE | Errno::NOTSOCK) => Ok(Presence::Missing),
        _ => Err(error),
    }
}

/// The file of a socket, held open. It leads to that very socket, also once it was removed and another
/// one has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile(OwnedFd);

impl SocketFile {
    /// Opens the file at `name` and makes `socket` exchange datagrams with its owner only, as
    /// [`connect_to`] does. Needs `/proc`.
    pub(crate) fn connect(name: &PeerName, socket: BorrowedFd<'_>) -> io::Result<Self> {
        let file = Self(open(name.as_path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?);
        file.lead(socket)?;
        Ok(file)
    }

    /// Finds whether somebody owns that very socket, without sending anything.
    pub(crate) fn probe(&self) -> io::Result<Presence> {
        presence(unbound().and_then(|socket| self.lead(socket.as_fd())))
    }

    /// Tells whether another file is at `name` now.
    pub(crate) fn is_replaced(&self, name: &PeerName) -> bool {
        match (fstat(&self.0), stat(name.as_path())) {
            (Ok(own), Ok(there)) => (own.st_dev, own.st_ino) != (there.st_dev, there.st_ino),
            _ => false,
        }
    }

    fn lead(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let link = Path::new("/proc/self/fd").join(DecInt::from_fd(&self.0));
        Ok(connect(socket, &SocketAddrUnix::new(link)?)?)
    }
}

/// Sends to the peer that `socket` is connected to.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    with_rights(fds, |rights| sendmsg(socket, &[IoSlice::new(bytes)], rights, FLAGS))
}

/// Sends to the socket at `peer`.
pub(crate) fn send_to(
    socket: BorrowedFd<'_>,
    peer: &PeerName,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let address = address(peer)?;
    with_rights(fds, |rights| sendmsg_addr(socket, &address, &[IoSlice::new(bytes)], rights, FLAGS))
}

/// Tells whether a failed send can succeed later: the peer's queue, or our own buffer, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AGAIN | Errno::NOBUFS))
}

/// Tells whether a failed send means that nobody owns the socket, or that its owner left.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::CONNREFUSED | Errno::NOENT | Errno::PIPE))
}

/// Gives DPDK's errno for such a failure: `ENOENT` where the file is gone, else `ECONNREFUSED`.
pub(crate) fn absent_errno(error: &io::Error) -> i32 {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => Errno::NOENT.raw_os_error(),
        _ => Errno::CONNREFUSED.raw_os_error(),
    }
}

const SEND_BUFFER: usize = 8 << 20;

const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

fn unbound() -> io::Result<OwnedFd> {
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?)
}

fn address(name: &PeerName) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(name.as_path())?)
}

/// Calls `send` with `fds` in a control message, or with none at all; goes on after a signal.
fn with_rights(
    fds: &[BorrowedFd<'_>],
    send: impl Fn(&mut SendAncillaryBuffer<'_, '_, '_>) -> rustix::io::Result<usize>,
) -> io::Result<()> {
    loop {
        let sent = if fds.is_empty() {
            send(&mut SendAncillaryBuffer::default())
        } else {
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(Layout::MAX_FDS))];
            let mut rights = SendAncillaryBuffer::new(&mut space);
            if !rights.push(SendAncillaryMessage::ScmRights(fds)) {
                return Err(Errno::TOOBIG.into());
            }
            send(&mut rights)
        };
        match sent {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_file_leads_to_the_socket_that_it_was_opened_for() {
        let directory = tempfile::tempdir().unwrap();
        let name = PeerName::new(directory.path().join("socket")).unwrap();
        let first = UnixDatagram::bind(name.as_path()).unwrap();
        let asker = unbound().unwrap();
        let file = SocketFile::connect(&name, asker.as_fd()).unwrap();
        let seen = || (file.probe().unwrap(), file.is_replaced(&name));
        assert_eq!(seen(), (Presence::Alive, false));
        fs::remove_file(name.as_path()).unwrap();
        assert_eq!(seen(), (Presence::Alive, false), "its file is gone");
        let second = UnixDatagram::bind(name.as_path()).unwrap();
        assert_eq!(seen(), (Presence::Alive, true), "another one has its name");
        send(asker.as_fd(), b"you", &[]).unwrap();
        assert_eq!(first.recv(&mut [0; 8]).unwrap(), 3);
        drop(first);
        assert_eq!(seen(), (Presence::Stale, true), "only the other one is left");
        assert_eq!(probe(&name).unwrap(), Presence::Alive);
        drop(second);
    }

    #[test]
    fn whom_nobody_owns_is_not_connected_to() {
        let directory = tempfile::tempdir().unwrap();
        let name = PeerName::new(directory.path().join("socket")).unwrap();
        let asker = unbound().unwrap();
        let connect = || SocketFile::connect(&name, asker.as_fd()).map(drop).unwrap_err().kind();
        assert_eq!(connect(), io::ErrorKind::NotFound);
        drop(UnixDatagram::bind(name.as_path()).unwrap());
        assert_eq!(connect(), io::ErrorKind::ConnectionRefused);
    }
}
