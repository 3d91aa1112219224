//! How records are read: of this process, and of another one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

use rte_mp_proto::trace::Record;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::sink::Sink;

/// How many records wait for a reader in this process before he loses some.
const MAX_RECORDS: usize = 1024;

/// The records of a member in this process; made by [`Group::trace`](crate::Group::trace).
///
/// It begins with [`Content::Joined`](crate::trace::Content::Joined) and ends when the group is left.
/// At most 1024 records wait for their reader; what comes then is lost and counted. Recording ends
/// when this is dropped.
#[derive(Debug)]
#[must_use = "recording ends when it is dropped"]
pub struct Trace {
    receiver: Receiver<Record>,
    /// Tells the writer that it is still there, which the channel does only as it is written to.
    _reader: Arc<()>,
}

impl Trace {
    /// Makes one, and where its records go to.
    pub(super) fn channel() -> (Sink, Self) {
        let (sender, receiver) = sync_channel(MAX_RECORDS);
        let reader = Arc::new(());
        (Sink::channel(sender, Arc::downgrade(&reader)), Self { receiver, _reader: reader })
    }

    /// Waits for the next record; `None` once the group is left and all was read.
    pub fn recv(&self) -> Option<Record> {
        self.receiver.recv().ok()
    }

    /// Waits for the next record for at most `timeout`.
    ///
    /// # Errors
    /// Says whether the time is over or the group was left.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Record, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout)
    }

    /// Gives the next record if there is one already.
    ///
    /// # Errors
    /// Says whether there is none yet or the group was left.
    pub fn try_recv(&self) -> Result<Record, TryRecvError> {
        self.receiver.try_recv()
    }
}

impl Iterator for Trace {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.recv()
    }
}

/// The records of a member in another process: a connected `SOCK_SEQPACKET` socket with one record
/// in each packet.
///
/// [`To::trace`](crate::To::trace) makes one. Another way is to listen at a path, to start a program with
/// `RTE_MP_TRACE` set to it, and to make one of each connection that is accepted: every group that the
/// program or one of its children joins makes one. Recording ends when this is dropped.
#[derive(Debug)]
#[must_use = "recording ends when it is dropped"]
pub struct TraceStream {
    socket: OwnedFd,
}

impl TraceStream {
    /// Reads the next record; `None` once the member has left or its process has ended. Whether it
    /// did leave tells [`Content::Left`](crate::trace::Content::Left).
    ///
    /// Blocks until there is one, unless the descriptor is set not to.
    ///
    /// # Errors
    /// The kernel's; [`io::ErrorKind::WouldBlock`] where it would block;
    /// [`io::ErrorKind::InvalidData`], with a [`RecordError`](crate::trace::RecordError) in it, for
    /// what is no record.
    pub fn recv(&self) -> io::Result<Option<Record>> {
        // One more, so that a longer packet shows.
        let mut bytes = [0; Record::MAX_LEN + 1];
        loop {
            match recv(&self.socket, &mut bytes[..], RecvFlags::empty()) {
                Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(None),
                Ok((len, _)) => {
                    let record = Record::decode(&bytes[..len.min(bytes.len())]);
                    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
                    return record.map(Some).map_err(invalid);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl From<OwnedFd> for TraceStream {
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

/// The descriptor that polls as readable when there is a record, or no more to come.
impl AsFd for TraceStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
