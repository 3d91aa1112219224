//! The lanes of those who send much to us.
//!
//! Only the driver looks at them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process;
use std::time::Duration;

use rte_mp_proto::{ActionName, Kind, PeerName};
use rustix::io::Errno;

use super::{action, offerer};
use crate::incoming::Request;
use crate::sys::gaps::Credentials;
use crate::time::monotonic;
use crate::transport::lane::{End, Inlet, Item};

/// How many lanes a member serves.
const MAX_INLETS: usize = 64;

/// For how long we promise to poll, in ns. It is renewed all the time; if we die, whoever believes it
/// sends in vain.
const PROMISE: u64 = 100_000;

/// The lanes that lead to one member.
#[derive(Debug)]
pub(crate) struct Inlets {
    entries: Vec<Entry>,
    /// Who serves them.
    process: u32,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    inlet: Inlet,
    from: PeerName,
    credentials: Credentials,
    /// Its other end is gone; it is given up when all was taken.
    ended: bool,
}

/// Tells whether `name` is that of an offer.
pub(crate) fn is_offer(name: &ActionName, kind: Kind) -> bool {
    kind == Kind::Message && *name == action()
}

impl Inlets {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), process: process::id() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes a lane that was offered, under the number `id`, and gives what polls as readable when
    /// its other end has rung, or is gone.
    pub(crate) fn accept(&mut self, offer: &mut Request, id: u64) -> io::Result<BorrowedFd<'_>> {
        let process = offerer(offer.param()).ok_or(Errno::INVAL)?;
        let [memory, bell] =
            <[OwnedFd; 2]>::try_from(offer.take_fds()).map_err(|_| Errno::INVAL)?;
        let credentials = offer.credentials().ok_or(Errno::INVAL)?;
        if self.entries.len() == MAX_INLETS {
            return Err(Errno::NOBUFS.into());
        }
        let inlet = Inlet::open(memory.as_fd(), bell, process)?;
        self.entries.push(Entry { id, inlet, from: *offer.peer(), credentials, ended: false });
        Ok(self.entries[self.entries.len() - 1].inlet.bell())
    }

    /// Hears the bell of the lane with the number `id`, if there is one. Gives where it stands, its
    /// bell, and whether its other end is still there.
    pub(crate) fn hush(&self, id: u64) -> Option<(usize, BorrowedFd<'_>, End)> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        let inlet = &self.entries[index].inlet;
        Some((index, inlet.bell(), inlet.hush()))
    }

    /// Takes the next datagram out of the lane at `index`, and says who sent it.
    pub(crate) fn take(
        &mut self,
        index: usize,
        directory: &Path,
    ) -> Option<(Item, PeerName, Credentials)> {
        let entry = &mut self.entries[index];
        let item = entry.inlet.take(directory)?;
        let from = item.from.unwrap_or(entry.from);
        Some((item, from, entry.credentials))
    }

    /// Says to everybody that the inbox is looked at next.
    pub(crate) fn note_look(&mut self) {
        for entry in &mut self.entries {
            entry.inlet.note_look();
        }
    }

    /// Says to everybody that nothing was in the inbox at that look.
    pub(crate) fn note_empty(&mut self) {
        for entry in &mut self.entries {
            entry.inlet.note_empty();
        }
    }

    /// Says to everybody that we go on polling for a while, but no longer than `window`.
    pub(crate) fn stay_awake(&mut self, window: Duration) {
        if self.entries.is_empty() {
            return;
        }
        let promise =
            u64::try_from(window.as_nanos()).map_or(PROMISE, |window| window.min(PROMISE));
        let until = monotonic().saturating_add(promise);
        for entry in &mut self.entries {
            entry.inlet.stay_awake(until, promise);
        }
    }

    /// Says to everybody that nothing is taken any more but what is there already.
    pub(crate) fn close(&mut self) {
        // One that was forked off has them mapped, and does not serve them.
        if process::id() != self.process {
            return;
        }
        for entry in &mut self.entries {
            entry.inlet.close();
        }
    }

    /// Says to everybody that we do not poll any more, and tells whether nothing has come
    /// meanwhile.
    pub(crate) fn fall_asleep(&mut self) -> bool {
        let mut nothing_came = true;
        for entry in &mut self.entries {
            nothing_came &= entry.inlet.fall_asleep();
        }
        nothing_came
    }

    /// Notes that the other end of the lane with the number `id` is gone.
    pub(crate) fn end(&mut self, id: u64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.id == id) {
            entry.ended = true;
        }
    }

    /// Gives up the lanes whose other end is gone and of which all was taken. Nobody waits for their
    /// bells any more: an answer on its way may keep one open.
    pub(crate) fn give_up_ended(&mut self) {
        self.entries.retain(|entry| !(entry.ended && entry.inlet.is_empty()));
    }

    /// Lists what polls as readable when an asker has rung, or is gone.
    pub(crate) fn bells(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.entries.iter().map(|entry| entry.inlet.bell())
    }
}
