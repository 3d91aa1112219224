//! The answers on their way back: a slot for each request under way.
//!
//! The server acts once on each slot: it answers there, or leaves it, because the asker has said
//! that he is away or because the answer carries descriptors. Only then is the slot used again.

use super::{ANSWER_SLOTS, ANSWERS, DATA_WORDS, MAX_LEN, SLOT, read, write};
use crate::sync::atomic::{AtomicU64, Ordering};

/// The states of a slot, in the low half of its first word; the length stands in the other half.
/// The asker looks for an answer here.
const AWAITED: u64 = 1;
/// The asker waits until it rings.
const ASLEEP: u64 = 2;
/// The asker waits for more than one thing: the answer is to go to the return address.
const AWAY: u64 = 3;
/// The answer is here.
const ANSWERED: u64 = 4;
/// The server has done with the slot; the answer, if there is one, goes to the return address.
const LEFT: u64 = 5;

fn slot(lane: &[AtomicU64], index: u8) -> &[AtomicU64] {
    &lane[ANSWERS + usize::from(index) * SLOT..][..SLOT]
}

/// What has become of a request that was put into a lane.
#[derive(Debug)]
#[cfg_attr(
    not(loom),
    expect(clippy::large_enum_variant, reason = "a box would cost more than the copy")
)]
pub(crate) enum Answer {
    /// Nothing yet.
    Awaited,
    /// It will come to the return address.
    Elsewhere,
    /// A datagram, with zeros behind it.
    Here([u8; MAX_LEN]),
}

/// Which slots the asker has given away.
#[derive(Debug, Default)]
pub(super) struct Slots {
    used: u32,
    /// Those of `used` that nobody waits for any more, until the server has done with them.
    given_up: u32,
}

impl Slots {
    /// Takes a slot, and waits for an answer in it.
    pub(super) fn take(&mut self, lane: &[AtomicU64]) -> Option<u8> {
        let mut free = !self.used & ((1 << ANSWER_SLOTS) - 1);
        if free == 0 {
            self.reclaim(lane);
            free = !self.used & ((1 << ANSWER_SLOTS) - 1);
        }
        if free == 0 {
            return None;
        }
        let index = free.trailing_zeros() as u8;
        self.used |= 1 << index;
        // Relaxed: the server learns of it through the ring, which orders it.
        slot(lane, index)[0].store(AWAITED, Ordering::Relaxed);
        Some(index)
    }

    /// Gives back a slot whose request the server has not seen, or has done with.
    pub(super) fn put_back(&mut self, index: u8) {
        self.used &= !(1 << index);
    }

    /// Gives up a slot that the server may still act on.
    pub(super) fn give_up(&mut self, index: u8) {
        self.given_up |= 1 << index;
    }

    fn reclaim(&mut self, lane: &[AtomicU64]) {
        let given_up = self.given_up;
        let is_given_up = |index: &u8| given_up & (1 << index) != 0;
        for index in (0..ANSWER_SLOTS as u8).filter(is_given_up) {
            if is_done(lane, index) {
                self.given_up &= !(1 << index);
                self.put_back(index);
            }
        }
    }
}

/// Tells whether the server does nothing more to a slot.
pub(super) fn is_done(lane: &[AtomicU64], index: u8) -> bool {
    // Acquire: pairs with the Release of `answer` and `leave`: it has written its last word.
    let word = slot(lane, index)[0].load(Ordering::Acquire);
    matches!(word & u64::from(u32::MAX), ANSWERED | LEFT)
}

/// Looks for the answer in a slot.
pub(super) fn look(lane: &[AtomicU64], index: u8) -> Answer {
    let slot = slot(lane, index);
    // Acquire: pairs with the Release of `answer`.
    let word = slot[0].load(Ordering::Acquire);
    match word & u64::from(u32::MAX) {
        AWAITED | ASLEEP => Answer::Awaited,
        ANSWERED => {
            let mut bytes = [0; MAX_LEN];
            let len = ((word >> 32) as usize).min(MAX_LEN);
            read(&slot[1..=DATA_WORDS], &mut bytes[..len]);
            Answer::Here(bytes)
        }
        _ => Answer::Elsewhere,
    }
}

/// Has it rung when the answer is here; `false` if the server has acted on the slot already.
pub(super) fn sleep(lane: &[AtomicU64], index: u8) -> bool {
    // Relaxed, both: if the server has acted, `look` reads it properly.
    let order = Ordering::Relaxed;
    slot(lane, index)[0].compare_exchange(AWAITED, ASLEEP, order, order).is_ok()
}

/// Has the answer sent to the return address; `false` if the server has acted on the slot already.
pub(super) fn go_away(lane: &[AtomicU64], index: u8) -> bool {
    // Relaxed, both: as in `sleep`. Nobody but the server changes it meanwhile.
    let order = Ordering::Relaxed;
    let word = slot(lane, index)[0].load(order);
    matches!(word, AWAITED | ASLEEP)
        && slot(lane, index)[0].compare_exchange(word, AWAY, order, order).is_ok()
}

/// How the asker learns of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// He looks.
    None,
    /// It has to ring.
    Ring,
    /// The answer is to go to the return address, and the slot to be left.
    ReturnAddress,
}

/// Answers in a slot, if the asker still waits for the answer there.
pub(super) fn answer(lane: &[AtomicU64], index: u8, bytes: &[u8]) -> Notice {
    let slot = slot(lane, index);
    write(&slot[1..=DATA_WORDS], bytes);
    let answered = ANSWERED | (bytes.len() as u64) << 32;
    // Release: pairs with the Acquire of `look`. The asker writes nothing that is read here.
    let put = |word| slot[0].compare_exchange(word, answered, Ordering::Release, Ordering::Relaxed);
    if put(AWAITED).is_ok() {
        Notice::None
    } else if put(ASLEEP).is_ok() {
        Notice::Ring
    } else {
        Notice::ReturnAddress
    }
}

/// Does nothing more to a slot. Tells whether the asker sleeps there, and has to be rung.
pub(super) fn leave(lane: &[AtomicU64], index: u8) -> Notice {
    // Release: pairs with the Acquire of `is_done`, so that the slot's words are written before.
    match slot(lane, index)[0].swap(LEFT, Ordering::Release) {
        ASLEEP => Notice::Ring,
        _ => Notice::None,
    }
}
