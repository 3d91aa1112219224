//! The asker's end of a lane.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use super::bell::{Bell, End, PATIENCE};
use super::ring::{self, AnswerTo, Full, Producer, Receipt, Server};
use super::slots::{self, Answer, Slots};
use super::{EMPTIED, LOOKS, WORDS};
use crate::sync::atomic::{Mutex, Ordering, fence, lock};
use crate::sys::region::Region;
use crate::time::monotonic;

/// After how many datagrams in a row that had to go by socket a lane counts as refused.
const GIVE_UP_AFTER: u32 = 4096;

/// What became of an attempt to put a datagram in.
#[derive(Debug)]
pub(crate) enum Push<T> {
    /// It is in.
    In(T),
    /// The server polls, and first has to take what is in, or to receive what went by socket.
    Later,
    /// It is for the socket: the lane is not open, or full, or would overtake what went by socket,
    /// and the server does not poll.
    Socket,
}

/// A lane, as the one sees it who asks. Its threads share it.
#[derive(Debug)]
pub(crate) struct Outlet {
    lane: Region,
    bell: Bell,
    /// Held by the thread that waits until it rings.
    waiting: Mutex<()>,
    desk: Mutex<Desk>,
}

/// What the asker's threads take turns at.
#[derive(Debug, Default)]
struct Desk {
    producer: Producer,
    slots: Slots,
    order: Order,
    /// How many datagrams have gone by socket, in all and since the last one that went here.
    by_socket: u64,
    in_a_row: u32,
    /// Whether the server is gone, or refuses the lane.
    broken: bool,
}

/// Whether a datagram that is put in can overtake one that went by socket.
#[derive(Debug, Default)]
enum Order {
    /// The server has received all of those.
    #[default]
    CaughtUp,
    /// It has not, as far as we know. It had looked into its inbox so often.
    Behind { looks: u64 },
}

/// A datagram that goes by socket, and whose answer is to be noted.
#[derive(Debug)]
pub(crate) struct BySocket {
    outlet: Arc<Outlet>,
    /// How many had gone before.
    number: u64,
}

impl BySocket {
    /// Notes that the server has answered it: it has received that, and all that went before. What
    /// other threads sent meanwhile may have gone later, even if they noted it earlier.
    pub(crate) fn note_answered(self) {
        let mut desk = lock(&self.outlet.desk);
        if desk.by_socket == self.number + 1 {
            desk.order = Order::CaughtUp;
        }
    }
}

impl Outlet {
    /// Makes a lane, and the descriptors that its server needs: the memory and a bell.
    pub(crate) fn create() -> io::Result<(Self, [OwnedFd; 2])> {
        let (lane, memory) = Region::create("rte-mp lane", WORDS)?;
        let (bell, other_end) = Bell::pair()?;
        Ok((Self::over(lane, bell), [memory, other_end]))
    }

    /// Puts one end on memory that is mapped.
    pub(super) fn over(lane: Region, bell: Bell) -> Self {
        Self { lane, bell, waiting: Mutex::default(), desk: Mutex::default() }
    }

    /// Tells whether the server is gone, or does not take the lane.
    pub(crate) fn is_broken(&self) -> bool {
        lock(&self.desk).broken
    }

    /// Begins to send something by socket whose answer is to be noted.
    pub(crate) fn before_socket(self: Arc<Self>) -> BySocket {
        let number = lock(&self.desk).by_socket;
        BySocket { outlet: self, number }
    }

    /// Notes that something has just gone to the server by socket.
    pub(crate) fn note_socket(&self) {
        // Locked before the look, so that an older number does not take the place of a newer one.
        let mut desk = lock(&self.desk);
        // SeqCst: pairs with the fence of `Inlet::note_look`.
        fence(Ordering::SeqCst);
        let looks = self.lane[LOOKS].load(Ordering::Relaxed);
        desk.order = Order::Behind { looks };
        desk.by_socket += 1;
        desk.in_a_row += 1;
        desk.broken |= desk.in_a_row >= GIVE_UP_AFTER;
    }

    /// Puts a one-way message in.
    pub(crate) fn send(&self, bytes: &[u8]) -> Push<()> {
        match self.push(&mut lock(&self.desk), None, bytes) {
            Push::In(_) => Push::In(()),
            Push::Later => Push::Later,
            Push::Socket => Push::Socket,
        }
    }

    /// Puts a request in, whose answer comes here or to the return address `number`.
    pub(crate) fn ask(self: &Arc<Self>, bytes: &[u8], number: u64) -> Push<Ticket> {
        let mut desk = lock(&self.desk);
        let Some(answer) = desk.slots.take(&self.lane) else { return Push::Socket };
        let refused = match self.push(&mut desk, Some((number, answer)), bytes) {
            Push::In(receipt) => {
                return Push::In(Ticket { outlet: Arc::clone(self), receipt, answer });
            }
            Push::Later => Push::Later,
            Push::Socket => Push::Socket,
        };
        desk.slots.put_back(answer);
        refused
    }

    fn push(&self, desk: &mut Desk, answer_to: Option<AnswerTo>, bytes: &[u8]) -> Push<Receipt> {
        let now = monotonic();
        let before = ring::server(&self.lane, now);
        desk.broken |= before == Server::Closed;
        if desk.broken || before == Server::Absent {
            return Push::Socket;
        }
        let pushed = match desk.is_caught_up(&self.lane) {
            true => desk.producer.push(&self.lane, answer_to, bytes),
            false => Err(Full),
        };
        let Ok(receipt) = pushed else {
            return if before == Server::Awake { Push::Later } else { Push::Socket };
        };
        let end = match ring::server(&self.lane, now) {
            Server::Awake => End::There,
            Server::Asleep => self.bell.ring(),
            Server::Absent | Server::Closed => End::Gone,
        };
        desk.broken = end == End::Gone;
        // What he has taken, he has handled before he went.
        if desk.broken && receipt.take_back(&self.lane) {
            return Push::Socket;
        }
        desk.in_a_row = 0;
        Push::In(receipt)
    }
}

impl Desk {
    fn is_caught_up(&mut self, lane: &Region) -> bool {
        if let Order::Behind { looks } = self.order {
            // Acquire: pairs with the Release of `Inlet::note_empty`.
            let emptied = lane[EMPTIED].load(Ordering::Acquire);
            // Numbers that pass each other are the work of a server that lies to itself.
            if emptied <= looks {
                return false;
            }
            self.order = Order::CaughtUp;
        }
        true
    }
}

/// A request under way through a lane.
#[derive(Debug)]
pub(crate) struct Ticket {
    outlet: Arc<Outlet>,
    receipt: Receipt,
    answer: u8,
}

/// Where a request is that was not answered through the lane in time.
#[derive(Debug)]
pub(crate) enum Whereabouts {
    /// Taken back from a server that is gone: it has not seen it.
    Nowhere,
    /// With the server, who answers to the return address.
    WithServer,
    /// Answered at the last moment.
    Answered,
}

impl Ticket {
    /// Looks for the answer.
    pub(crate) fn look(&self) -> Answer {
        slots::look(&self.outlet.lane, self.answer)
    }

    /// Blocks until there is an answer, for a few milliseconds at most.
    pub(crate) fn wait(&self) -> Answer {
        let Outlet { lane, bell, waiting, desk } = &*self.outlet;
        // There is one bell for all threads: who comes later does without.
        if let Ok(_turn) = waiting.try_lock()
            && slots::sleep(lane, self.answer)
        {
            let start = Instant::now();
            while matches!(self.look(), Answer::Awaited) && start.elapsed() < PATIENCE {
                if bell.wait() == End::Gone {
                    lock(desk).broken = true;
                    break;
                }
            }
        }
        self.look()
    }

    /// Ends the waiting for the answer here.
    pub(crate) fn give_up(&self) -> Whereabouts {
        let lane = &self.outlet.lane;
        if self.outlet.is_broken() && self.receipt.take_back(lane) {
            // As if the server had done with the slot: it has not seen it.
            slots::leave(lane, self.answer);
            Whereabouts::Nowhere
        } else if slots::go_away(lane, self.answer) {
            Whereabouts::WithServer
        } else {
            Whereabouts::Answered
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut desk = lock(&self.outlet.desk);
        if slots::is_done(&self.outlet.lane, self.answer) {
            desk.slots.put_back(self.answer);
        } else {
            desk.slots.give_up(self.answer);
        }
    }
}
