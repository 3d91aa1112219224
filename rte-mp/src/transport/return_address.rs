//! Return addresses: sockets that replies come to, one request at a time.
//!
//! There is no request id on the wire, so a reply is told from the reply to an earlier request by
//! the socket it comes to. An address is pooled while nothing more can come to it; one on which
//! an answer is still due is closed, and a late answer finds nobody. This rests on what Unix
//! datagrams are, delivered once and in order, and on a peer that answers a request once.
//!
//! The name is outside the pattern `mp_socket_*`: broadcasts do not see it, and DPDK answers to it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rte_mp_proto::{PeerName, path};
use rustix::io::Errno;

use crate::runtime::liveness::Liveness;
use crate::sync::lock;
use crate::sys::gaps::Batch;
use crate::transport::socket::{self, SocketFile};
use crate::unique::random;

/// How many idle addresses are kept.
const MAX_IDLE: usize = 128;

/// A bound socket that answers come to; its file is removed with it.
pub(crate) struct ReturnAddress {
    socket: OwnedFd,
    name: PeerName,
    /// The number in its name.
    number: u64,
    /// The only peer it talks to, if it asks one.
    peer: Option<PeerName>,
    /// What leads to that very peer, whoever takes its place. Nothing where there is no `/proc`.
    pub(crate) peer_file: Option<SocketFile>,
    /// Where its datagrams are received.
    batch: Batch,
    /// How the deaths of the peers that are asked from here are noticed. Kept with the address: a
    /// pooled one that is connected still talks to the very process that was watched.
    pub(crate) liveness: HashMap<PeerName, Liveness>,
    /// Whether something came that nobody waited for.
    spoiled: bool,
    /// Who bound it: a process that was forked off must not remove it.
    process: u32,
}

impl ReturnAddress {
    fn bind(directory: &Path, peer: Option<PeerName>) -> io::Result<Self> {
        loop {
            let process = std::process::id();
            let number = random()?;
            let file = path::return_address(process, number);
            let name = PeerName::new(directory.join(file))
                .map_err(|_| io::Error::from(Errno::NAMETOOLONG))?;
            let socket = match socket::bound(&name) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
                socket => socket?,
            };
            let batch = match peer {
                Some(peer) => Batch::from_peer(peer),
                None => Batch::new(),
            };
            let mut address = Self {
                socket,
                name,
                number,
                peer,
                peer_file: None,
                batch,
                liveness: HashMap::new(),
                spoiled: false,
                process,
            };
            if let Some(peer) = &address.peer {
                address.peer_file = SocketFile::connect(peer, address.socket.as_fd()).ok();
                if address.peer_file.is_none() {
                    socket::connect_to(address.socket.as_fd(), peer)?;
                }
                // From here on only the peer can send; what somebody else sent before goes away.
                while address.has_mail() {}
            }
            return Ok(address);
        }
    }

    /// Sends from here to `peer`.
    pub(crate) fn send(
        &self,
        peer: &PeerName,
        bytes: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        match self.peer {
            Some(_) => socket::send(self.socket.as_fd(), bytes, fds),
            None => socket::send_to(self.socket.as_fd(), peer, bytes, fds),
        }
    }

    /// Gives its name.
    pub(crate) fn name(&self) -> &PeerName {
        &self.name
    }

    /// Gives the number in its name; the rest of the name is the same for all of this process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Tells whether it talks to one peer only.
    pub(crate) fn is_connected(&self) -> bool {
        self.peer.is_some()
    }

    /// Tells whether something lies in its queue, and throws it away.
    pub(crate) fn has_mail(&mut self) -> bool {
        self.batch.receive(self.socket.as_fd()).is_ok()
    }

    /// Notes that something came that nobody waited for: more may follow.
    pub(crate) fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// Tells whether it must not be used for another request.
    pub(crate) fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    /// Borrows the socket, the room to receive in, and the name.
    pub(crate) fn receiver(&mut self) -> (BorrowedFd<'_>, &mut Batch, &PeerName) {
        (self.socket.as_fd(), &mut self.batch, &self.name)
    }
}

impl AsFd for ReturnAddress {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for ReturnAddress {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // Nothing to tell anybody: the directory may be gone already.
            let _ = fs::remove_file(self.name.as_path());
        }
    }
}

/// The idle return addresses of a group.
pub(crate) struct Pool {
    directory: PathBuf,
    /// The one that was used last stands last. Nothing once the pool is closed.
    idle: Mutex<Option<Vec<ReturnAddress>>>,
}

impl Pool {
    /// Makes an empty pool, whose addresses are bound in `directory`.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, idle: Mutex::new(Some(Vec::new())) }
    }

    /// Gives an idle address that talks to `peer`, or to anybody.
    pub(crate) fn take_idle(&self, peer: Option<PeerName>) -> Option<ReturnAddress> {
        let mut idle = lock(&self.idle);
        let idle = idle.as_mut()?;
        let at = idle.iter().rposition(|address| address.peer == peer)?;
        Some(idle.remove(at))
    }

    /// Binds a new address that talks to `peer`, or to anybody. If descriptors have run out, the
    /// idle ones are closed for it.
    ///
    /// # Errors
    /// The kernel's; `ECONNREFUSED` or `ENOENT` if the peer is not there.
    pub(crate) fn bind(&self, peer: Option<PeerName>) -> io::Result<ReturnAddress> {
        ReturnAddress::bind(&self.directory, peer).or_else(|error| {
            match Errno::from_io_error(&error) {
                Some(Errno::MFILE | Errno::NFILE) => {
                    self.clear();
                    ReturnAddress::bind(&self.directory, peer)
                }
                _ => Err(error),
            }
        })
    }

    /// Keeps an address on which nothing more is due.
    pub(crate) fn put_back(&self, address: ReturnAddress) {
        let mut guard = lock(&self.idle);
        let Some(idle) = guard.as_mut() else { return };
        // Peers come and go, and nobody tells when one is not asked any more: the one that was not
        // used for the longest time gives way.
        let outlived = (idle.len() == MAX_IDLE).then(|| idle.remove(0));
        idle.push(address);
        drop(guard);
        drop(outlived);
    }

    /// Closes the idle addresses that talk to `peer`: it is gone.
    pub(crate) fn forget(&self, peer: &PeerName) {
        let is_of_peer = |address: &mut ReturnAddress| address.peer == Some(*peer);
        let forgotten: Option<Vec<_>> =
            lock(&self.idle).as_mut().map(|idle| idle.extract_if(.., is_of_peer).collect());
        drop(forgotten);
    }

    /// Closes all idle addresses, and keeps none any more.
    pub(crate) fn close(&self) {
        let closed = lock(&self.idle).take();
        drop(closed);
    }

    fn clear(&self) {
        let cleared = lock(&self.idle).as_mut().map(mem::take);
        drop(cleared);
    }
}
