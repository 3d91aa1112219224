//! Where records go to: a socket of another process, or a channel in this one.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Weak;
use std::sync::mpsc::{SyncSender, TrySendError};

use rte_mp_proto::trace::{Content, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect as connect_socket,
    send, socket_with, sockopt,
};

/// What we ask the kernel to keep for a reader who is slower than we are; it cuts it down to its
/// limit.
const SEND_BUFFER: usize = 8 << 20;
/// What is kept free of it for the last two records: how many were lost, and that the group was left. It takes
/// both, beside one record that lies across the limit.
const RESERVE: usize = 8 << 10;

/// One recorder.
pub(crate) struct Sink {
    to: To,
    /// The number of the next record.
    sequence: u64,
    /// How many records there was no room for since the last one.
    lost: u64,
    /// Where a record is laid out.
    bytes: Vec<u8>,
}

enum To {
    Socket(OwnedFd),
    /// Into a channel, whose reader is there as long as the other can be upgraded.
    Channel(SyncSender<Record>, Weak<()>),
}

/// What became of one record.
enum Put {
    Taken,
    Full,
    Gone,
}

impl Sink {
    /// Records into a channel, until `reader` is gone.
    pub(crate) fn channel(sender: SyncSender<Record>, reader: Weak<()>) -> Self {
        Self::over(To::Channel(sender, reader))
    }

    /// Records into a socket that another process has made.
    ///
    /// # Errors
    /// `EPROTOTYPE` if it is none that keeps records apart and tells when its reader is gone.
    pub(crate) fn socket(socket: OwnedFd) -> io::Result<Self> {
        let is_fit = sockopt::socket_domain(&socket)? == AddressFamily::UNIX
            && sockopt::socket_type(&socket)? == SocketType::SEQPACKET;
        match is_fit {
            true => Ok(Self::over(To::Socket(socket))),
            false => Err(Errno::PROTOTYPE.into()),
        }
    }

    fn over(to: To) -> Self {
        Self { to, sequence: 0, lost: 0, bytes: Vec::new() }
    }

    /// Offers a record, and tells whether there is still somebody to read. One that there is no room
    /// for is counted; the count takes its place as soon as there is.
    pub(super) fn offer(&mut self, time_ns: u64, content: Content) -> bool {
        if self.lost > 0 {
            let lost =
                Record { sequence: self.sequence, time_ns, content: Content::Lost(self.lost) };
            match self.put(lost) {
                Put::Taken => {
                    self.sequence = lost.next_sequence();
                    self.lost = 0;
                }
                Put::Full => {
                    self.lost += 1;
                    return true;
                }
                Put::Gone => return false,
            }
        }
        let record = Record { sequence: self.sequence, time_ns, content };
        match self.put(record) {
            Put::Taken => self.sequence = record.next_sequence(),
            Put::Full => self.lost = 1,
            Put::Gone => return false,
        }
        true
    }

    /// Says as the last thing that the group was left. For that, and for how many records were lost, there is
    /// room even where a reader has read nothing.
    pub(super) fn end(mut self, time_ns: u64) {
        if let To::Socket(socket) = &self.to
            && let Ok(size) = kept_size(socket)
        {
            set_size(socket, size + RESERVE);
        }
        self.offer(time_ns, Content::Left);
    }

    fn put(&mut self, record: Record) -> Put {
        match &self.to {
            To::Channel(sender, _) => match sender.try_send(record) {
                Ok(()) => Put::Taken,
                Err(TrySendError::Full(_)) => Put::Full,
                Err(TrySendError::Disconnected(_)) => Put::Gone,
            },
            To::Socket(socket) => {
                self.bytes.clear();
                record.encode(&mut self.bytes);
                loop {
                    match send(socket, &self.bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                        Ok(_) => return Put::Taken,
                        Err(Errno::INTR) => {}
                        Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => return Put::Full,
                        Err(_) => return Put::Gone,
                    }
                }
            }
        }
    }

    /// Tells whether there is somebody to read, as far as that shows without a record.
    pub(super) fn is_open(&mut self) -> bool {
        match &self.to {
            To::Channel(_, reader) => reader.strong_count() > 0,
            To::Socket(socket) => {
                let mut fds = [PollFd::new(socket, PollFlags::empty())];
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                !matches!(poll(&mut fds, Some(&now)), Ok(1..))
            }
        }
    }
}

/// Connects to whoever records at `path`.
pub(crate) fn connect(path: &OsStr) -> io::Result<Sink> {
    // Non-blocking: a reader who accepts nobody is not waited for.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    widen(&socket);
    connect_socket(&socket, &SocketAddrUnix::new(Path::new(path))?)?;
    Ok(Sink::over(To::Socket(socket)))
}

/// Has the kernel keep as much as it likes of what is sent from `socket` and not read yet, but for the reserve.
pub(super) fn widen(socket: &OwnedFd) {
    set_size(socket, SEND_BUFFER);
    if let Ok(size) = kept_size(socket) {
        set_size(socket, size.saturating_sub(RESERVE));
    }
}

fn set_size(socket: &OwnedFd, size: usize) {
    if sockopt::set_socket_send_buffer_size_force(socket, size).is_err() {
        // A small one loses records sooner, and says so.
        let _ = sockopt::set_socket_send_buffer_size(socket, size);
    }
}

/// Gives what was set: the kernel tells twice as much (socket(7)).
fn kept_size(socket: &OwnedFd) -> io::Result<usize> {
    Ok(sockopt::socket_send_buffer_size(socket)? / 2)
}
