//! Sockets and files without the library: peers that do what no member of ours would.

use std::fs;
use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rte_mp::{Kind, Layout, PeerName};
use rte_mp_proto::config::{LEN, MAGIC};
use rte_mp_proto::{ActionName, Datagram, Param};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr,
};

use super::{LONG, Scene};

/// A socket in a group's directory, removed when it is dropped.
pub(crate) struct RawPeer {
    pub(crate) socket: UnixDatagram,
    path: PathBuf,
}

impl RawPeer {
    pub(crate) fn bind(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Self { socket, path }
    }

    pub(crate) fn name(&self) -> PeerName {
        PeerName::new(&self.path).unwrap()
    }

    /// Closes the socket and leaves the file behind.
    pub(crate) fn close(mut self) {
        self.path = PathBuf::new();
    }

    /// Fills its queue, so that it has no room for anything more.
    pub(crate) fn fill(&self) -> usize {
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        let mut count = 0;
        loop {
            match filler.send_to(b"full", &self.path) {
                Ok(_) => count += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return count,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Takes `count` datagrams out of its queue.
    pub(crate) fn discard(&self, count: usize) {
        for _ in 0..count {
            self.socket.recv(&mut [0; 512]).unwrap();
        }
    }

    /// Waits for a datagram, and gives it with where it came from.
    pub(crate) fn receive(&self) -> (Vec<u8>, Datagram, PathBuf) {
        loop {
            let mut bytes = [0; 512];
            let (len, from) = self.socket.recv_from(&mut bytes).expect("a datagram comes");
            let bytes = bytes[..len].to_vec();
            let datagram = Datagram::decode(Layout::of_len(len).unwrap(), &bytes).unwrap();
            // A lane that is offered may be left alone.
            if datagram.name.as_bytes() != b"rte-mp/lane" {
                return (bytes, datagram, from.as_pathname().unwrap().to_owned());
            }
        }
    }

    pub(crate) fn send(&self, to: impl AsRef<Path>, layout: Layout, datagram: Datagram) {
        self.socket.send_to(datagram.encode(layout).as_bytes(), to).unwrap();
    }

    /// Sends a datagram with descriptors.
    pub(crate) fn send_with(&self, to: impl AsRef<Path>, datagram: Datagram, fds: &[BorrowedFd]) {
        let datagram = Datagram { fd_count: fds.len(), ..datagram }.encode(Layout::DPDK_25_11);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(fds)));
        let to = SocketAddrUnix::new(to.as_ref()).unwrap();
        let bytes = [IoSlice::new(datagram.as_bytes())];
        sendmsg_addr(&self.socket, &to, &bytes, &mut control, SendFlags::empty()).unwrap();
    }

    /// Waits for a request and answers it.
    pub(crate) fn answer_one(&self, kind: Kind, param: &[u8]) {
        let (bytes, request, from) = self.receive();
        let layout = Layout::of_len(bytes.len()).unwrap();
        let name = request.name;
        self.send(from, layout, Datagram { name, ..datagram(kind, "any", param) });
    }
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

pub(crate) fn datagram(kind: Kind, name: &str, param: &[u8]) -> Datagram {
    let (name, param) = (ActionName::new(name).unwrap(), Param::new(param).unwrap());
    Datagram { kind, name, param, fd_count: 0 }
}

/// Makes a config file with this version word and DPDK's magic, or rewrites it; all else is zero.
pub(crate) fn write_config(scene: &Scene, version: u32) {
    write_config_with(scene, MAGIC, version);
}

/// As [`write_config`], with another magic: 0 is that of a primary that is starting.
pub(crate) fn write_config_with(scene: &Scene, magic: u32, version: u32) {
    let path = scene.path("config");
    if !path.exists() {
        fs::write(&path, vec![0; LEN as usize]).unwrap();
    }
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut bytes = vec![0; LEN as usize];
    bytes[..4].copy_from_slice(&magic.to_ne_bytes());
    bytes[4..8].copy_from_slice(&version.to_ne_bytes());
    file.write_all_at(&bytes, 0).unwrap();
}
