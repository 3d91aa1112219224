//! The datagrams on their way to the server: a ring with one producer and one consumer.
//!
//! Each slot begins with one word that says all there is to say of it, so that it is read once. The
//! lap in it tells a slot that is used for the next time from one that is still the same.

use super::{DATA_WORDS, MAX_LEN, RING, RING_SLOTS, SERVER, SLOT, read, write};
use crate::sync::atomic::{AtomicU64, Ordering, fence};

/// Who says that he is awake for longer than this, in ns, has another clock.
const LONGEST: u64 = 1_000_000;

/// The first word of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    state: State,
    /// Where the answer goes, for a request.
    answer: Option<u8>,
    len: u16,
    lap: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The producer's.
    Free,
    /// A datagram is in it, for the consumer to take or the producer to take back.
    Full,
    /// The consumer is reading it.
    Taken,
    /// The producer has taken it back; the consumer passes over it.
    TakenBack,
}

impl Word {
    const FREE: u64 = 0;

    fn encode(self) -> u64 {
        let state = match self.state {
            State::Free => 0,
            State::Full => 1,
            State::Taken => 2,
            State::TakenBack => 3,
        };
        let answer = self.answer.map_or(0, |slot| u64::from(slot) + 1);
        state | answer << 8 | u64::from(self.len) << 16 | u64::from(self.lap) << 32
    }

    fn decode(word: u64) -> Self {
        let state = match word & 3 {
            0 => State::Free,
            1 => State::Full,
            2 => State::Taken,
            _ => State::TakenBack,
        };
        Self {
            state,
            answer: ((word >> 8) as u8).checked_sub(1),
            len: (word >> 16) as u16,
            lap: (word >> 32) as u32,
        }
    }
}

fn slot(lane: &[AtomicU64], index: usize) -> &[AtomicU64] {
    &lane[RING + index * SLOT..][..SLOT]
}

/// Where the answer to a request goes: the number of the return address, and the slot in which it is
/// looked for while the asker is awake.
pub(super) type AnswerTo = (u64, u8);

/// The server has not taken what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// A datagram that was put in.
#[derive(Debug)]
pub(super) struct Receipt {
    index: usize,
    word: u64,
}

impl Receipt {
    /// Takes the datagram back; `false` if the server has taken it.
    pub(super) fn take_back(&self, lane: &[AtomicU64]) -> bool {
        let back = Word { state: State::TakenBack, ..Word::decode(self.word) }.encode();
        // Relaxed: nothing was written for the consumer, and nothing of his is read.
        let order = Ordering::Relaxed;
        slot(lane, self.index)[0].compare_exchange(self.word, back, order, order).is_ok()
    }
}

/// Where the asker goes on.
#[derive(Debug, Default)]
pub(super) struct Producer {
    count: usize,
}

impl Producer {
    /// Puts a datagram in. Then it is to be seen whether the server is awake.
    pub(super) fn push(
        &mut self,
        lane: &[AtomicU64],
        answer_to: Option<AnswerTo>,
        bytes: &[u8],
    ) -> Result<Receipt, Full> {
        let index = self.count % RING_SLOTS;
        let slot = slot(lane, index);
        // Acquire: pairs with the Release of `Consumer::free`, so that he has read it all.
        if slot[0].load(Ordering::Acquire) != Word::FREE {
            return Err(Full);
        }
        let word = Word {
            state: State::Full,
            answer: answer_to.map(|(_, answer)| answer),
            len: bytes.len() as u16,
            lap: (self.count / RING_SLOTS) as u32,
        };
        if let Some((number, _)) = answer_to {
            // Relaxed: as the datagram's words.
            slot[1].store(number, Ordering::Relaxed);
        }
        write(&slot[2..], bytes);
        let receipt = Receipt { index, word: word.encode() };
        // Release: pairs with the Acquire of `Consumer::take`, so that he reads all of the above.
        slot[0].store(receipt.word, Ordering::Release);
        self.count += 1;
        // SeqCst: pairs with the fence of `Consumer::say`: he sees the datagram, or who calls
        // `server` next sees what he said.
        fence(Ordering::SeqCst);
        Ok(receipt)
    }
}

/// What the server says of himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// He has not taken the lane, so far.
    Absent,
    /// He takes what is put in, and may have to be woken.
    Asleep,
    /// He polls.
    Awake,
    /// He takes nothing any more.
    Closed,
}

/// The words for it; any other is the time until which the server polls, in ns of the monotonic
/// clock.
const ABSENT: u64 = 0;
const ASLEEP: u64 = 1;
const CLOSED: u64 = u64::MAX;

/// Tells what the server says of himself, at the time `now` in ns of the monotonic clock.
pub(super) fn server(lane: &[AtomicU64], now: u64) -> Server {
    // Relaxed: where it matters, a fence stands before.
    match lane[SERVER].load(Ordering::Relaxed) {
        ABSENT => Server::Absent,
        CLOSED => Server::Closed,
        until if until > now && until - now < LONGEST => Server::Awake,
        _ => Server::Asleep,
    }
}

/// A datagram that was taken out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) answer_to: Option<AnswerTo>,
    pub(super) bytes: [u8; MAX_LEN],
}

/// Where the server goes on.
#[derive(Debug, Default)]
pub(super) struct Consumer {
    count: usize,
}

impl Consumer {
    /// Takes the next datagram out.
    pub(super) fn take(&mut self, lane: &[AtomicU64]) -> Option<Taken> {
        for _ in 0..RING_SLOTS {
            let slot = slot(lane, self.count % RING_SLOTS);
            // Acquire: pairs with the Release of `Producer::push`.
            let full = slot[0].load(Ordering::Acquire);
            let word = Word::decode(full);
            match word.state {
                State::Free | State::Taken => return None,
                State::TakenBack => self.free(slot),
                State::Full => {
                    let taken = Word { state: State::Taken, ..word }.encode();
                    // Acquire: as the load; it is the same value, stored by the same `push`.
                    let order = Ordering::Acquire;
                    if slot[0].compare_exchange(full, taken, order, Ordering::Relaxed).is_err() {
                        // Taken back just now; the next round passes over it.
                        continue;
                    }
                    let mut bytes = [0; MAX_LEN];
                    let len = usize::from(word.len).min(MAX_LEN);
                    read(&slot[2..2 + DATA_WORDS], &mut bytes[..len]);
                    // Relaxed: as the datagram's words.
                    let number = slot[1].load(Ordering::Relaxed);
                    let answer_to = word.answer.map(|answer| (number, answer));
                    self.free(slot);
                    return Some(Taken { answer_to, bytes });
                }
            }
        }
        None
    }

    fn free(&mut self, slot: &[AtomicU64]) {
        // Release: pairs with the Acquire of `Producer::push`.
        slot[0].store(Word::FREE, Ordering::Release);
        self.count += 1;
    }

    /// Tells whether a datagram may be there.
    pub(super) fn is_waited_for(&self, lane: &[AtomicU64]) -> bool {
        // Relaxed: `take` looks at it properly.
        let word = slot(lane, self.count % RING_SLOTS)[0].load(Ordering::Relaxed);
        word != Word::FREE
    }

    /// Says that the server polls until `until`, in ns of the monotonic clock.
    pub(super) fn stay_awake(&self, lane: &[AtomicU64], until: u64) {
        // Relaxed: it is a promise about later, and orders nothing.
        lane[SERVER].store(until, Ordering::Relaxed);
    }

    /// Says that the server does not poll any more. Tells whether nothing has come meanwhile; else
    /// it is to be taken.
    pub(super) fn fall_asleep(&self, lane: &[AtomicU64]) -> bool {
        self.say(lane, ASLEEP);
        !self.is_waited_for(lane)
    }

    /// Says that the server takes nothing any more but what is there already.
    pub(super) fn close(&self, lane: &[AtomicU64]) {
        self.say(lane, CLOSED);
    }

    fn say(&self, lane: &[AtomicU64], word: u64) {
        // Relaxed: the fence orders it.
        lane[SERVER].store(word, Ordering::Relaxed);
        // SeqCst: pairs with the fence of `Producer::push`.
        fence(Ordering::SeqCst);
    }
}
