//! Where records come from: the members that connect, or were asked.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use rte_mp::TraceStream;
use rte_mp::trace::{Content, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};
use tempfile::TempDir;

use super::note;
use super::paper::Paper;
use super::program::Program;
use crate::clock::unix_nanoseconds;
use crate::interrupt::Interrupt;
use crate::status::Failure;

/// How many records of one member are read before the others are looked at.
const BATCH: usize = 256;
/// How many members may connect before they are accepted.
const BACKLOG: i32 = 128;

/// A record, or the end of a member's records.
#[derive(Debug, Clone, Copy)]
pub(super) struct News {
    /// Whose it is, counted from 0 on.
    pub(super) stream: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "nearly all are records")]
pub(super) enum What {
    Record(Record),
    /// The process has ended, or cannot be read any more, without having left; at that time.
    Gone {
        time_ns: u64,
    },
}

impl News {
    pub(super) fn time_ns(&self) -> u64 {
        match &self.what {
            What::Record(record) => record.time_ns,
            What::Gone { time_ns } => *time_ns,
        }
    }

    /// Tells whether it is about what rte-mp processes say to each other of their own accord.
    pub(super) fn is_of_ours(&self) -> bool {
        match &self.what {
            What::Record(Record { content: Content::Datagram(traced), .. }) => {
                traced.name.is_some_and(|name| name.is_reserved())
            }
            What::Record(_) | What::Gone { .. } => false,
        }
    }
}

/// All members that are recorded.
pub(super) struct Sources {
    listener: Option<Listener>,
    streams: Vec<Option<Source>>,
    turned_away: u64,
}

struct Source {
    stream: TraceStream,
    has_left: bool,
    is_known: bool,
}

struct Listener {
    socket: OwnedFd,
    /// Holds its file; closed to other users.
    directory: TempDir,
    /// Given up for a moment to take in, and turn away, who connects when descriptors have run out.
    spare: Option<File>,
}

impl Sources {
    pub(super) fn new() -> Self {
        Self { listener: None, streams: Vec::new(), turned_away: 0 }
    }

    /// How many members there are and were.
    pub(super) fn count(&self) -> usize {
        self.streams.len()
    }

    /// How many members connected, but could not be taken in.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// Begins to accept members, and gives the path that they are to be told.
    pub(super) fn listen(&mut self) -> Result<PathBuf, Failure> {
        let directory = tempfile::Builder::new().prefix("rte-mp-trace-").tempdir()?;
        let path = directory.path().join("socket");
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let bound = SocketAddrUnix::new(&path).and_then(|address| bind(&socket, &address));
        bound.and_then(|()| listen(&socket, BACKLOG)).map_err(|errno| {
            Failure::refused(format_args!("cannot listen at {}: {errno}", path.display()))
        })?;
        let spare = Some(spare()?);
        self.listener = Some(Listener { socket, directory, spare });
        Ok(path)
    }

    /// Reads from one more member.
    pub(super) fn add(&mut self, stream: TraceStream) -> io::Result<()> {
        ioctl_fionbio(&stream, true)?;
        self.streams.push(Some(Source { stream, has_left: false, is_known: false }));
        Ok(())
    }

    /// Tells whether nobody who is recorded is left.
    pub(super) fn have_ended(&self) -> bool {
        self.streams.iter().all(Option::is_none)
    }

    /// Waits until there is something to read, the program has ended, Ctrl-C came, nobody reads any more, or it
    /// is time.
    pub(super) fn wait(
        &self,
        interrupt: &Interrupt,
        program: Option<&Program>,
        paper: &Paper<'_>,
        until: Option<Instant>,
    ) -> Result<(), Failure> {
        let readable = PollFlags::IN;
        let mut fds = Vec::with_capacity(self.streams.len() + 3);
        if !interrupt.is_caught() {
            fds.push(PollFd::new(interrupt, readable));
        }
        fds.extend(program.map(|program| PollFd::new(program, readable)));
        // That it is closed is always told.
        let stdout = io::stdout();
        fds.extend(paper.is_stdout().then(|| PollFd::new(&stdout, PollFlags::empty())));
        fds.extend(self.listener.iter().map(|listener| PollFd::new(&listener.socket, readable)));
        let streams = self.streams.iter().flatten();
        fds.extend(streams.map(|source| PollFd::from_borrowed_fd(source.stream.as_fd(), readable)));
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Reads all that is there, for as long as `time` at most, since more may come all the while. `take` is given
    /// the records.
    pub(super) fn read_out(
        &mut self,
        time: Duration,
        mut take: impl FnMut(Vec<News>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            let news = self.read();
            if news.is_empty() {
                return Ok(());
            }
            take(news)?;
            if start.elapsed() >= time {
                return Ok(());
            }
        }
    }

    /// Takes in who connects, and reads what is there.
    pub(super) fn read(&mut self) -> Vec<News> {
        self.accept();
        let mut news = Vec::new();
        for (stream, slot) in self.streams.iter_mut().enumerate() {
            let Some(source) = slot else { continue };
            if source.read(stream, &mut news) {
                continue;
            }
            if source.is_known && !source.has_left {
                news.push(News { stream, what: What::Gone { time_ns: now() } });
            }
            *slot = None;
        }
        news
    }

    fn accept(&mut self) {
        while let Some(listener) = &mut self.listener {
            debug_assert!(listener.directory.path().exists(), "its file is there as long as it is");
            let added = match accept_with(&listener.socket, SocketFlags::CLOEXEC) {
                Ok(socket) => self.add(TraceStream::from(socket)),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => Ok(()),
                Err(errno) => Err(errno.into()),
            };
            let Err(error) = added else { continue };
            // It says so even where nobody waits.
            if !self.turn_away() {
                return;
            }
            if self.turned_away == 0 {
                note(&format!("cannot record a member: {error}; it goes on, and so do the others"));
            }
            self.turned_away += 1;
        }
    }

    /// Takes in who waits to be accepted and lets go of him, who would wait, and wake us, for ever; where even
    /// that cannot be, nobody is accepted any more. Tells whether there was somebody.
    fn turn_away(&mut self) -> bool {
        let Some(listener) = &mut self.listener else { return false };
        listener.spare = None;
        let accepted = accept_with(&listener.socket, SocketFlags::CLOEXEC).map(drop);
        listener.spare = spare().ok();
        match accepted {
            Ok(()) => true,
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => false,
            Err(_) => {
                self.listener = None;
                true
            }
        }
    }
}

impl Source {
    /// Reads what is there, and tells whether there may be more later.
    fn read(&mut self, stream: usize, news: &mut Vec<News>) -> bool {
        for _ in 0..BATCH {
            let record = match self.stream.recv() {
                Ok(Some(record)) => record,
                Ok(None) => return false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) => {
                    tracing::debug!(%error, "a member's records end");
                    return false;
                }
            };
            let is_first = matches!(record.content, Content::Joined(_));
            if is_first == self.is_known {
                // Whose it is, is said once, and first.
                return false;
            }
            self.is_known = true;
            self.has_left |= matches!(record.content, Content::Left);
            news.push(News { stream, what: What::Record(record) });
        }
        true
    }
}

fn spare() -> io::Result<File> {
    File::open("/dev/null")
}

fn now() -> u64 {
    unix_nanoseconds(SystemTime::now())
}
