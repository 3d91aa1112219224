//! What the kernel tells about the queues of Unix sockets (`NETLINK_SOCK_DIAG`), as `ss -xa` shows it.
//!
//! Of a datagram socket it tells the length of the first datagram that waits, not how many there are: 0 is an
//! empty queue, or an empty datagram. Sockets of another network namespace do not show.
//!
//! The messages are those of `linux/netlink.h` and `linux/unix_diag.h`, in the byte order of the machine.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;

use rte_mp::inspect::SocketReport;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const AF_UNIX: u8 = 1;
const UDIAG_SHOW_NAME: u32 = 0x1;
const UDIAG_SHOW_VFS: u32 = 0x2;
const UDIAG_SHOW_RQLEN: u32 = 0x10;
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_VFS: u16 = 1;
const UNIX_DIAG_RQLEN: u16 = 4;

/// The length of a message's header, and of what stands before a socket's attributes.
const HEADER: usize = 16;
const SOCKET_HEADER: usize = 16;

/// The queues of all Unix sockets that are bound to a path.
#[derive(Default)]
pub(crate) struct Queues {
    /// By path and the low half of the file's number, which is all that the kernel gives.
    first: HashMap<(Vec<u8>, u32), u32>,
}

impl Queues {
    /// Asks the kernel.
    ///
    /// # Errors
    /// The kernel's: it may be built without `CONFIG_UNIX_DIAG`.
    pub(crate) fn read() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let protocol = Some(netlink::SOCK_DIAG);
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        send(&socket, &request(), SendFlags::empty())?;
        let mut queues = Self::default();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let (len, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
            if len == 0 || queues.take(&buffer[..len])? {
                return Ok(queues);
            }
        }
    }

    /// The word for how full the queue of a socket is: `empty`, `waiting`, `full`, or `not_full` where no more
    /// is known.
    pub(crate) fn word(&self, socket: &SocketReport) -> Option<&'static str> {
        match (socket.is_full().ok(), self.first_datagram(socket)) {
            (Some(true), _) => Some("full"),
            (_, Some(1..)) => Some("waiting"),
            (_, Some(0)) => Some("empty"),
            (Some(false), None) => Some("not_full"),
            (None, None) => None,
        }
    }

    /// Gives the length of the first datagram in a socket's queue, in bytes; 0 if there is none.
    pub(crate) fn first_datagram(&self, socket: &SocketReport) -> Option<u32> {
        let path = socket.path.as_os_str().as_bytes().to_owned();
        // What is cut off tells two files apart that nobody will ever have both.
        self.first.get(&(path, socket.inode as u32)).copied()
    }

    /// Takes the messages of one datagram of the kernel's, and tells whether they were the last.
    fn take(&mut self, mut messages: &[u8]) -> io::Result<bool> {
        while let Some((len, kind)) = read_u32(messages, 0).zip(read_u16(messages, 4)) {
            let len = len as usize;
            let Some(message) = messages.get(HEADER..len) else { break };
            match kind {
                NLMSG_DONE => return Ok(true),
                NLMSG_ERROR => {
                    let errno = read_u32(message, 0).unwrap_or_default().cast_signed();
                    return Err(io::Error::from_raw_os_error(errno.saturating_neg()));
                }
                SOCK_DIAG_BY_FAMILY => self.take_socket(message),
                _ => {}
            }
            messages = messages.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(false)
    }

    fn take_socket(&mut self, message: &[u8]) {
        let (mut path, mut file, mut first) = (None, None, None);
        for (kind, value) in attributes(message.get(SOCKET_HEADER..).unwrap_or_default()) {
            match kind {
                UNIX_DIAG_NAME => path = value.split(|&byte| byte == 0).next(),
                UNIX_DIAG_VFS => file = read_u32(value, 0),
                UNIX_DIAG_RQLEN => first = read_u32(value, 0),
                _ => {}
            }
        }
        if let (Some(path), Some(file), Some(first)) = (path, file, first) {
            self.first.insert((path.to_owned(), file), first);
        }
    }
}

/// Asks for name, file and queue of every Unix socket in whatever state.
fn request() -> Vec<u8> {
    let show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_RQLEN;
    let mut body = vec![AF_UNIX, 0, 0, 0];
    // States, file, what to show, and two words that name one socket.
    for word in [u32::MAX, 0, show, 0, 0] {
        body.extend(word.to_ne_bytes());
    }
    let len = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut message = len.to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // No number, and no address: there is only one conversation.
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Reads attributes one after the other: length with its four bytes of header, kind, value.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(read_u16(rest, 0)?);
        let kind = read_u16(rest, 2)?;
        let value = rest.get(4..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn read_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn the_kernel_tells_the_length_of_the_first_datagram() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        let key = || {
            let inode = std::fs::metadata(&path).unwrap().ino() as u32;
            (path.as_os_str().as_bytes().to_owned(), inode)
        };
        let first = || Queues::read().unwrap().first.get(&key()).copied();
        assert_eq!(first(), Some(0), "it is empty");
        let sender = UnixDatagram::unbound().unwrap();
        for len in [340, 332] {
            sender.send_to(&vec![0; len], &path).unwrap();
        }
        assert_eq!(first(), Some(340), "not 672");
        socket.recv(&mut [0; 512]).unwrap();
        assert_eq!(first(), Some(332));
        // Another socket that takes the path is another one.
        std::fs::remove_file(&path).unwrap();
        let _second = UnixDatagram::bind(&path).unwrap();
        assert_eq!(first(), Some(0));
        drop(socket);
    }

    #[test]
    fn broken_messages_end_the_reading() {
        let mut whole = 40_u32.to_ne_bytes().to_vec();
        whole.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        whole.resize(HEADER + SOCKET_HEADER, 0);
        whole.extend([8, 0, 4, 0, 1, 0, 0, 0]);
        for len in 0..whole.len() {
            assert!(!Queues::default().take(&whole[..len]).unwrap(), "{len} bytes");
        }
        assert!(!Queues::default().take(&[0; 64]).unwrap(), "a length of zero");
        assert!(!Queues::default().take(&[0xff; 64]).unwrap(), "a length beyond everything");
        let mut refused = 20_u32.to_ne_bytes().to_vec();
        refused.extend(NLMSG_ERROR.to_ne_bytes());
        refused.resize(HEADER, 0);
        refused.extend((-1_i32).to_ne_bytes());
        let error = Queues::default().take(&refused).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(1));
    }
}
