//! The lanes of those who send much to us.
//!
//! Only the driver looks at them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rte_mp_proto::{ActionName, Kind, PeerName};
use rustix::io::Errno;

use super::{action, offerer};
use crate::action::Request;
use crate::sys::gaps::Credentials;
use crate::time::monotonic;
use crate::transport::lane::{End, Inlet, Item};

/// How many lanes a member serves.
const MAX_INLETS: usize = 64;

/// The lanes that lead to one member.
#[derive(Debug, Default)]
pub(crate) struct Inlets {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    inlet: Inlet,
    from: PeerName,
    credentials: Credentials,
}

/// Tells whether `name` is that of an offer.
pub(crate) fn is_offer(name: &ActionName, kind: Kind) -> bool {
    kind == Kind::Message && *name == action()
}

impl Inlets {
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
        self.entries.push(Entry { id, inlet, from: *offer.peer(), credentials });
        Ok(self.entries[self.entries.len() - 1].inlet.bell())
    }

    /// Hears the bell of the lane with the number `id`, if there is one, and tells where it stands
    /// and whether its other end is still there.
    pub(crate) fn hush(&self, id: u64) -> Option<(usize, End)> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        Some((index, self.entries[index].inlet.hush()))
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

    /// Says to everybody that we poll for another `window`.
    pub(crate) fn stay_awake(&mut self, window: Duration) {
        if self.entries.is_empty() {
            return;
        }
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        let until = monotonic().saturating_add(window);
        for entry in &mut self.entries {
            entry.inlet.stay_awake(until, window);
        }
    }

    /// Says to everybody that nothing is taken any more but what is there already.
    pub(crate) fn close(&mut self) {
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

    /// Gives up the lane with the number `id`: its other end is gone. What it holds is to be taken
    /// first.
    pub(crate) fn remove(&mut self, id: u64) {
        self.entries.retain(|entry| entry.id != id);
    }
}
