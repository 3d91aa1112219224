//! The datagrams of DPDK 25.11 to 26.07, and what its receiver does not survive.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    bind, recvmsg, sendmsg_addr, socket_with,
};

const LEN: usize = 340;
const MAX_FDS: usize = 253;
const MAX_PARAM: usize = 256;
const KIND_AT: usize = 0;
const NAME_AT: usize = 8;
const NAME_LEN: usize = 64;
const PARAM_LEN_AT: usize = 72;
const FD_COUNT_AT: usize = 76;
const PARAM_AT: usize = 80;
const LAST_WORD_AT: usize = 336;

/// What DPDK's senders leave in the bytes that carry nothing.
const STACK: u8 = 0xA5;

/// The type code of a datagram: any number is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(i32);

impl Kind {
    pub(super) const MESSAGE: Self = Self(0);
    pub(super) const REQUEST: Self = Self(1);
    pub(super) const REPLY: Self = Self(2);
    pub(super) const IGNORE: Self = Self(3);
}

/// A message that came in.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) param: Vec<u8>,
    pub(super) fds: Vec<OwnedFd>,
    /// The sender's own number of its first descriptor.
    pub(super) last_word: i32,
    /// Whether all the bytes that carry nothing were zero.
    pub(super) zeroed: bool,
}

/// Why the receiving thread ended.
#[derive(Debug)]
pub(super) enum Fatal {
    Length(usize),
    Truncated,
    Empty,
    FdCount(i32),
    ParamLen(i32),
    Receive(Errno),
}

pub(super) struct Socket {
    fd: OwnedFd,
    /// The address buffer is not cleared between datagrams: who does not bind is taken for the
    /// sender before him.
    last_sender: Mutex<PathBuf>,
}

impl Socket {
    pub(super) fn bind(path: &Path) -> Result<Self, Errno> {
        let fd = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::empty(), None)?;
        // There may be none.
        let _ = std::fs::remove_file(path);
        bind(&fd, &SocketAddrUnix::new(path)?)?;
        Ok(Self { fd, last_sender: Mutex::default() })
    }

    pub(super) fn send(
        &self,
        to: &Path,
        kind: Kind,
        name: &str,
        param: &[u8],
        fds: &[OwnedFd],
    ) -> Result<(), Errno> {
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
            return Err(Errno::TOOBIG);
        }
        let first_fd = fds.first().map_or(4242, AsRawFd::as_raw_fd);
        let bytes = encode(kind, name, param, fds.len(), first_fd);
        let address = SocketAddrUnix::new(to)?;
        sendmsg_addr(&self.fd, &address, &[IoSlice::new(&bytes)], &mut control, SendFlags::empty())
            .map(drop)
    }

    pub(super) fn receive(&self) -> Result<(Message, PathBuf), Fatal> {
        let mut bytes = [0; LEN];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.fd, &mut parts, &mut control, RecvFlags::TRUNC) {
                Err(Errno::INTR) => {}
                other => break other.map_err(Fatal::Receive)?,
            }
        };
        let fds = control
            .drain()
            .find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds.collect()),
                _ => None,
            })
            .unwrap_or_default();
        if received.bytes == 0 {
            return Err(Fatal::Empty);
        }
        if received.bytes != LEN {
            return Err(Fatal::Length(received.bytes));
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(Fatal::Truncated);
        }
        let message = decode(&bytes, fds)?;
        let mut sender = self.last_sender.lock().unwrap_or_else(PoisonError::into_inner);
        let address = received.address.and_then(|any| SocketAddrUnix::try_from(any).ok());
        if let Some(path) = address.as_ref().and_then(SocketAddrUnix::path_bytes) {
            *sender = PathBuf::from(String::from_utf8_lossy(path).into_owned());
        }
        Ok((message, sender.clone()))
    }
}

fn encode(kind: Kind, name: &str, param: &[u8], fd_count: usize, first_fd: i32) -> [u8; LEN] {
    let mut bytes = [STACK; LEN];
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(KIND_AT, &kind.0.to_ne_bytes());
    put(NAME_AT, name.as_bytes());
    put(NAME_AT + name.len(), &[0]);
    put(PARAM_LEN_AT, &(param.len() as i32).to_ne_bytes());
    put(FD_COUNT_AT, &(fd_count as i32).to_ne_bytes());
    put(PARAM_AT, param);
    put(LAST_WORD_AT, &first_fd.to_ne_bytes());
    bytes
}

fn decode(bytes: &[u8; LEN], fds: Vec<OwnedFd>) -> Result<Message, Fatal> {
    let word = |at: usize| {
        let word = bytes[at..at + 4].try_into().expect("four bytes");
        i32::from_ne_bytes(word)
    };
    let fd_count = word(FD_COUNT_AT);
    if usize::try_from(fd_count).map_or(true, |count| count > MAX_FDS) {
        return Err(Fatal::FdCount(fd_count));
    }
    let param_len = word(PARAM_LEN_AT);
    let param = match usize::try_from(param_len) {
        Ok(len) if len <= MAX_PARAM => &bytes[PARAM_AT..PARAM_AT + len],
        _ => return Err(Fatal::ParamLen(param_len)),
    };
    let name = bytes[NAME_AT..NAME_AT + NAME_LEN].split(|&byte| byte == 0).next();
    let name = name.unwrap_or_default();
    let carry_nothing = [
        &bytes[KIND_AT + 4..NAME_AT],
        &bytes[NAME_AT + name.len()..PARAM_LEN_AT],
        &bytes[PARAM_AT + param.len()..LAST_WORD_AT],
    ];
    Ok(Message {
        kind: Kind(word(KIND_AT)),
        name: String::from_utf8_lossy(name).into_owned(),
        param: param.to_vec(),
        fds,
        last_word: word(LAST_WORD_AT),
        zeroed: carry_nothing.concat().iter().all(|&byte| byte == 0),
    })
}
