//! Bare Unix datagrams of the same size: what the kernel takes, without any protocol.
//!
//! Nothing stands in their way: no control messages, no credentials, both ends connected.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::child::Child;
use super::contender::{Contender, Identity};
use super::server::Part;
use crate::status::Failure;

/// As long as the datagrams of a native group.
pub(super) const LEN: usize = 340;
/// The first byte of a datagram that is to be sent back.
pub(super) const ASKS: u8 = 1;
/// The first byte of one that is not.
const TELLS: u8 = 0;
/// How long a socket is looked at before its owner sleeps, as the members of a group do it.
const WINDOW: Duration = Duration::from_micros(50);
/// How many looks are taken between two at the clock.
const LOOKS: usize = 16;

/// How to wait for a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Polling,
    Blocking,
}

pub(super) struct Socket {
    identity: Identity,
    socket: UnixDatagram,
    wait: Wait,
    timeout: Duration,
    child: Child,
}

impl Socket {
    /// Starts a server in `base` that waits in this way, and asks it once.
    pub(super) fn start(
        base: &Path,
        wait: Wait,
        timeout: Duration,
    ) -> Result<Box<dyn Contender>, Failure> {
        let (part, kind) = match wait {
            Wait::Polling => (Part::PollingSocket, "socket-polling"),
            Wait::Blocking => (Part::BlockingSocket, "socket-blocking"),
        };
        let child = Child::start(base, part)?;
        let path = part.socket(base);
        let socket = UnixDatagram::bind(path.with_extension("client"))?;
        socket.connect(&path)?;
        socket.set_nonblocking(wait == Wait::Polling)?;
        // The kernel takes no timeout of zero; one this short is as good.
        let limit = timeout.max(Duration::from_micros(1));
        socket.set_read_timeout(Some(limit))?;
        socket.set_write_timeout(Some(limit))?;
        let identity = Identity { kind, pid: Some(child.id()), role: None };
        let mut asker = Self { identity, socket, wait, timeout, child };
        // Now both ends are connected.
        asker.round_trip()?;
        Ok(Box::new(asker))
    }

    fn failed(&self, error: &io::Error) -> Failure {
        let pid = self.child.id();
        Failure::refused(format_args!("the bare socket of process {pid} does not answer: {error}"))
    }

    fn ask(&self) -> io::Result<()> {
        send(&self.socket, &datagram(ASKS), Some(self.timeout))?;
        receive(&self.socket, &mut [0; LEN], self.wait, Some(self.timeout))
    }
}

/// Sends a datagram, and waits where a socket that polls has no room.
pub(super) fn send(
    socket: &UnixDatagram,
    datagram: &[u8; LEN],
    timeout: Option<Duration>,
) -> io::Result<()> {
    loop {
        match socket.send(datagram) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_for(socket, PollFlags::OUT, timeout)?;
            }
            sent => return sent.map(drop),
        }
    }
}

/// Receives a datagram; `socket` does not block if it is to be polled.
pub(super) fn receive(
    socket: &UnixDatagram,
    buffer: &mut [u8; LEN],
    wait: Wait,
    timeout: Option<Duration>,
) -> io::Result<()> {
    if wait == Wait::Blocking {
        return socket.recv(buffer).map(drop).map_err(in_time);
    }
    let start = Instant::now();
    while start.elapsed() < WINDOW {
        for _ in 0..LOOKS {
            match socket.recv(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received.map(drop),
            }
        }
    }
    wait_for(socket, PollFlags::IN, timeout)?;
    socket.recv(buffer).map(drop)
}

fn wait_for(socket: &UnixDatagram, what: PollFlags, timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(&mut [PollFd::new(socket, what)], timeout.as_ref())? {
        0 => Err(late()),
        _ => Ok(()),
    }
}

/// What the kernel says of a time limit of a socket, as what it is.
fn in_time(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { late() } else { error }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the time is over")
}

fn datagram(first: u8) -> [u8; LEN] {
    let mut datagram = [0; LEN];
    datagram[0] = first;
    datagram
}

impl Contender for Socket {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn round_trip(&mut self) -> Result<Duration, Failure> {
        let start = Instant::now();
        let asked = self.ask();
        let took = start.elapsed();
        asked.map(|()| took).map_err(|error| self.failed(&error))
    }

    /// What is asked last is answered when all before it has been taken in.
    fn one_way(&mut self, count: u64) -> Option<Result<Duration, Failure>> {
        let start = Instant::now();
        let sent =
            (0..count).try_for_each(|_| send(&self.socket, &datagram(TELLS), Some(self.timeout)));
        let asked = sent.and_then(|()| self.ask());
        let took = start.elapsed();
        Some(asked.map(|()| took).map_err(|error| self.failed(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_does_not_answer_in_time_is_late_however_it_waits() {
        let (socket, _silent) = UnixDatagram::pair().expect("sockets");
        let timeout = Duration::from_millis(1);
        for wait in [Wait::Blocking, Wait::Polling] {
            socket.set_nonblocking(wait == Wait::Polling).expect("a flag");
            socket.set_read_timeout(Some(timeout)).expect("a time");
            let error = receive(&socket, &mut [0; LEN], wait, Some(timeout)).expect_err("silence");
            assert_eq!(error.to_string(), "the time is over", "{wait:?}");
        }
    }
}
