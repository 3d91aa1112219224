//! A peer without rules: a datagram socket that sends whatever it is told.
//!
//! Written from the wire's description and not with the library, so that the two check each other.
//! Every call ends within [`PATIENCE`], and panics if the other side kept it waiting.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rte_mp::PeerName;
use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect,
    recvmsg, sendmsg, sendmsg_addr, socket_with, sockopt,
};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Kinds of datagrams.
pub(crate) const MESSAGE: i32 = 0;
pub(crate) const REQUEST: i32 = 1;
pub(crate) const REPLY: i32 = 2;
pub(crate) const IGNORE: i32 = 3;

/// The longest name, with its NUL.
pub(crate) const NAME_LEN: usize = 64;
/// As many descriptors as the kernel passes at once.
pub(crate) const MAX_FDS: usize = 253;

/// The bytes of a datagram; a new one is right, and whoever wants it wrong changes it.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) bytes: Vec<u8>,
    form: Form,
}

/// Where the fields stand.
#[derive(Clone, Copy)]
struct Form {
    name: usize,
    param_len: usize,
    fd_count: usize,
    param: usize,
}

const FORM_340: Form = Form { name: 8, param_len: 72, fd_count: 76, param: 80 };
const FORM_332: Form = Form { name: 4, param_len: 68, fd_count: 72, param: 76 };

impl Wire {
    /// Makes a datagram of 340 bytes, as DPDK 25.11 sends it.
    pub(crate) fn new(kind: i32, name: &str) -> Self {
        Self { bytes: vec![0; 340], form: FORM_340 }.kind(kind).name(name.as_bytes())
    }

    /// Makes a datagram of 332 bytes, as DPDK 22.11 sends it.
    pub(crate) fn old(kind: i32, name: &str) -> Self {
        Self { bytes: vec![0; 332], form: FORM_332 }.kind(kind).name(name.as_bytes())
    }

    pub(crate) fn kind(self, kind: i32) -> Self {
        self.put(0, &kind.to_ne_bytes())
    }

    /// Puts `name`, and a NUL only where there is room for one.
    pub(crate) fn name(self, name: &[u8]) -> Self {
        let mut field = [0; NAME_LEN];
        field[..name.len()].copy_from_slice(name);
        let at = self.form.name;
        self.put(at, &field)
    }

    pub(crate) fn param(self, param: &[u8]) -> Self {
        let at = self.form.param;
        let len = i32::try_from(param.len()).expect("a parameter is short");
        self.put(at, param).param_len(len)
    }

    pub(crate) fn param_len(self, len: i32) -> Self {
        let at = self.form.param_len;
        self.put(at, &len.to_ne_bytes())
    }

    pub(crate) fn fd_count(self, count: i32) -> Self {
        let at = self.form.fd_count;
        self.put(at, &count.to_ne_bytes())
    }

    /// Puts the sender's own number of its first descriptor, in the form that has it.
    pub(crate) fn first_fd(self, fd: i32) -> Self {
        self.put(336, &fd.to_ne_bytes())
    }

    /// Cuts or prolongs it.
    pub(crate) fn len(mut self, len: usize) -> Self {
        self.bytes.resize(len, 0);
        self
    }

    fn put(mut self, at: usize, field: &[u8]) -> Self {
        self.bytes[at..at + field.len()].copy_from_slice(field);
        self
    }
}

/// What a peer received.
pub(crate) struct Incoming {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
    /// Where it came from; empty if the sender is bound to no path.
    pub(crate) from: PathBuf,
}

impl Incoming {
    pub(crate) fn kind(&self) -> i32 {
        self.number(0)
    }

    pub(crate) fn name(&self) -> &str {
        let field = &self.bytes[self.form().name..][..NAME_LEN];
        let end = field.iter().position(|&byte| byte == 0).expect("a name ends");
        str::from_utf8(&field[..end]).expect("a name of ours")
    }

    pub(crate) fn param(&self) -> &[u8] {
        let form = self.form();
        let len = usize::try_from(self.number(form.param_len)).expect("a length of ours");
        &self.bytes[form.param..][..len]
    }

    fn form(&self) -> Form {
        match self.bytes.len() {
            340 => FORM_340,
            332 => FORM_332,
            len => panic!("a member sent {len} bytes"),
        }
    }

    fn number(&self, at: usize) -> i32 {
        i32::from_ne_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"))
    }
}

/// A datagram socket. Its file, if it has one, is removed with it.
pub(crate) struct RawPeer {
    socket: OwnedFd,
    path: Option<PathBuf>,
}

impl RawPeer {
    /// Binds one to `path`.
    pub(crate) fn bind(path: impl AsRef<Path>) -> Self {
        let mut peer = Self::unbound();
        let address = SocketAddrUnix::new(path.as_ref()).expect("the path is short enough");
        bind(&peer.socket, &address).expect("the path is free");
        peer.path = Some(path.as_ref().to_owned());
        peer
    }

    /// Binds one where a secondary of this process would be.
    pub(crate) fn member(directory: &Path, unique: &str) -> Self {
        Self::bind(directory.join(format!("mp_socket_{}_{unique}", std::process::id())))
    }

    /// Makes one that is bound to nothing.
    pub(crate) fn unbound() -> Self {
        let flags = SocketFlags::CLOEXEC;
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).expect("a socket");
        for timeout in [sockopt::Timeout::Send, sockopt::Timeout::Recv] {
            sockopt::set_socket_timeout(&socket, timeout, Some(PATIENCE)).expect("a socket");
        }
        Self { socket, path: None }
    }

    /// Binds one to a name that is no file.
    pub(crate) fn abstract_name(name: &[u8]) -> Self {
        let peer = Self::unbound();
        let address = SocketAddrUnix::new_abstract_name(name).expect("the name is short enough");
        bind(&peer.socket, &address).expect("the name is free");
        peer
    }

    pub(crate) fn connect(&self, to: impl AsRef<Path>) {
        let address = SocketAddrUnix::new(to.as_ref()).expect("the path is short enough");
        connect(&self.socket, &address).expect("somebody is there");
    }

    /// Where it is bound.
    pub(crate) fn path(&self) -> &Path {
        self.path.as_deref().expect("it is bound")
    }

    /// Where it is bound, for a member that is to talk to it.
    pub(crate) fn name(&self) -> PeerName {
        PeerName::new(self.path()).expect("the path is short enough")
    }

    /// Sends without a control message.
    pub(crate) fn send(&self, to: impl AsRef<Path>, wire: &Wire) {
        self.send_bytes(to, &wire.bytes);
    }

    /// Sends without a control message.
    pub(crate) fn send_bytes(&self, to: impl AsRef<Path>, bytes: &[u8]) {
        self.transmit(Some(to.as_ref()), bytes, None, SendFlags::NOSIGNAL)
            .expect("there is room before patience ends");
    }

    /// Sends with a control message, even if there is nothing in it.
    pub(crate) fn send_with(&self, to: impl AsRef<Path>, wire: &Wire, fds: &[BorrowedFd<'_>]) {
        self.transmit(Some(to.as_ref()), &wire.bytes, Some(fds), SendFlags::NOSIGNAL)
            .expect("there is room before patience ends");
    }

    /// Sends to whom it is connected to.
    pub(crate) fn send_connected(&self, wire: &Wire) {
        self.transmit(None, &wire.bytes, None, SendFlags::NOSIGNAL)
            .expect("there is room before patience ends");
    }

    /// Sends if there is room at once.
    pub(crate) fn try_send(&self, to: impl AsRef<Path>, wire: &Wire) -> Result<(), Errno> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        self.transmit(Some(to.as_ref()), &wire.bytes, None, flags)
    }

    fn transmit(
        &self,
        to: Option<&Path>,
        bytes: &[u8],
        fds: Option<&[BorrowedFd<'_>]>,
        flags: SendFlags,
    ) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if let Some(fds) = fds {
            assert!(control.push(SendAncillaryMessage::ScmRights(fds)), "{} fds", fds.len());
        }
        let bytes = [IoSlice::new(bytes)];
        match to {
            Some(to) => {
                sendmsg_addr(&self.socket, &SocketAddrUnix::new(to)?, &bytes, &mut control, flags)
            }
            None => sendmsg(&self.socket, &bytes, &mut control, flags),
        }
        .map(drop)
    }

    /// Waits for a datagram.
    pub(crate) fn receive(&self) -> Incoming {
        self.take(RecvFlags::CMSG_CLOEXEC).expect("something comes before patience ends")
    }

    /// Takes a datagram that is there already.
    pub(crate) fn try_receive(&self) -> Option<Incoming> {
        self.take(RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT).ok()
    }

    fn take(&self, flags: RecvFlags) -> Result<Incoming, Errno> {
        let mut bytes = vec![0; 4096];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg(&self.socket, &mut slices, &mut control, flags)?;
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        bytes.truncate(received.bytes);
        let from = received.address.and_then(|address| SocketAddrUnix::try_from(address).ok());
        let from = from.and_then(|address| Some(address.path()?.into_owned()));
        let from = from.map(|path| path.into_string().expect("a path of ours"));
        Ok(Incoming { bytes, fds, from: from.unwrap_or_default().into() })
    }
}

impl AsFd for RawPeer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // A test may have removed it.
            let _ = fs::remove_file(path);
        }
    }
}
