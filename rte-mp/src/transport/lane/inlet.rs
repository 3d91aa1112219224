//! The server's end of a lane.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rte_mp_proto::{PeerName, path};

use super::bell::{Bell, End};
use super::ring::Consumer;
use super::slots::{self, Notice};
use super::{ANSWER_SLOTS, EMPTIED, LOOKS, MAX_LEN, WORDS};
use crate::sync::atomic::{Ordering, fence};
use crate::sys::region::Region;

/// A lane, as the one sees it who serves.
#[derive(Debug)]
pub(crate) struct Inlet {
    end: Arc<Served>,
    consumer: Consumer,
    /// The process id of the asker, as he has it.
    process: u32,
    /// Until when we have said that we poll.
    awake_until: u64,
    /// How often the inbox has been looked at.
    looks: u64,
    /// The return address of the last request: the next one mostly has the same.
    last: Option<(u64, PeerName)>,
}

/// What a lane and the answers on their way share.
#[derive(Debug)]
struct Served {
    lane: Region,
    bell: Bell,
}

/// What was taken out of a lane.
#[derive(Debug)]
pub(crate) struct Item {
    /// The datagram, with zeros behind it.
    pub(crate) bytes: [u8; MAX_LEN],
    /// Where the answer goes, for a request.
    pub(crate) way_back: Option<WayBack>,
    /// The return address of a request.
    pub(crate) from: Option<PeerName>,
}

/// Where the answer to a request goes, once. Dropping it has the answer go to the return address.
#[derive(Debug)]
pub(crate) struct WayBack {
    end: Arc<Served>,
    slot: u8,
    answered: bool,
}

impl Inlet {
    /// Takes the lane of process `process`, who made both descriptors. From now on it is used.
    pub(crate) fn open(memory: BorrowedFd<'_>, bell: OwnedFd, process: u32) -> io::Result<Self> {
        Ok(Self::over(Region::of_peer(memory, WORDS)?, Bell::of_peer(bell)?, process))
    }

    /// Puts one end on memory that is mapped.
    pub(super) fn over(lane: Region, bell: Bell, process: u32) -> Self {
        let consumer = Consumer::default();
        consumer.fall_asleep(&lane);
        let end = Arc::new(Served { lane, bell });
        Self { end, consumer, process, awake_until: 0, looks: 0, last: None }
    }

    /// Blocks until the asker rings, or is gone, as the event loop does with all it waits for.
    #[cfg(all(loom, test))]
    pub(super) fn wait(&self) -> End {
        self.end.bell.wait()
    }

    /// Takes the next datagram out. Return addresses lie in `directory`.
    pub(crate) fn take(&mut self, directory: &Path) -> Option<Item> {
        let taken = self.consumer.take(&self.end.lane)?;
        let answer_to = taken.answer_to.filter(|(_, slot)| usize::from(*slot) < ANSWER_SLOTS);
        let from = answer_to.and_then(|(number, _)| self.return_address(number, directory));
        let way_back = answer_to.map(|(_, slot)| WayBack {
            end: Arc::clone(&self.end),
            slot,
            answered: false,
        });
        Some(Item { bytes: taken.bytes, way_back, from })
    }

    /// Says that the inbox is looked at next.
    pub(crate) fn note_look(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        self.end.lane[LOOKS].store(self.looks, Ordering::Relaxed);
        // SeqCst: pairs with the fence of `Outlet::note_socket`: who does not see this number yet,
        // has sent by socket before this look.
        fence(Ordering::SeqCst);
    }

    /// Says that nothing was in the inbox at that look. All that was there before is handled before
    /// what is taken here from now on.
    pub(crate) fn note_empty(&mut self) {
        // Release: pairs with the Acquire of `Outlet`, which looks whether we have caught up.
        self.end.lane[EMPTIED].store(self.looks, Ordering::Release);
    }

    /// Says that we poll until `until`, in ns of the monotonic clock. What the asker knows already
    /// is renewed only when half of `promise` has passed, so that he can keep it in his cache.
    pub(crate) fn stay_awake(&mut self, until: u64, promise: u64) {
        if until.saturating_sub(self.awake_until) > promise / 2 {
            self.awake_until = until;
            self.consumer.stay_awake(&self.end.lane, until);
        }
    }

    /// Says that we do not poll any more, and tells whether nothing has come meanwhile.
    pub(crate) fn fall_asleep(&mut self) -> bool {
        self.awake_until = 0;
        self.consumer.fall_asleep(&self.end.lane)
    }

    /// Says that nothing is taken any more but what is there already.
    pub(crate) fn close(&mut self) {
        self.consumer.close(&self.end.lane);
    }

    /// Tells whether all was taken.
    pub(crate) fn is_empty(&self) -> bool {
        !self.consumer.is_waited_for(&self.end.lane)
    }

    /// Hears what the asker has rung.
    pub(crate) fn hush(&self) -> End {
        self.end.bell.hush()
    }

    /// Gives what polls as readable when the asker has rung, or is gone.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.end.bell.as_fd()
    }

    fn return_address(&mut self, number: u64, directory: &Path) -> Option<PeerName> {
        if let Some((last, name)) = self.last
            && last == number
        {
            return Some(name);
        }
        let name = directory.join(path::return_address(self.process, number));
        let name = PeerName::new(name).ok()?;
        self.last = Some((number, name));
        Some(name)
    }
}

impl WayBack {
    /// Answers; `false` if the answer is to go to the return address.
    pub(crate) fn answer(mut self, bytes: &[u8]) -> bool {
        let notice = slots::answer(&self.end.lane, self.slot, bytes);
        if notice == Notice::Ring {
            // Who is gone needs no answer.
            self.end.bell.ring();
        }
        self.answered = notice != Notice::ReturnAddress;
        self.answered
    }
}

impl Drop for WayBack {
    fn drop(&mut self) {
        if !self.answered && slots::leave(&self.end.lane, self.slot) == Notice::Ring {
            // He then waits at the return address.
            self.end.bell.ring();
        }
    }
}
