//! The table of zones: the only truth about what is reserved.
//!
//! A slot is one state word and an entry. The word says whether the slot is empty, freed or used,
//! with a few bits of the name's hash and a number that grows with every change. **Storing that one
//! word is what publishes a zone or frees it.** Everything before it touches only what nobody looks
//! at, so whoever is killed between two stores leaves either the table of before or that of after.
//!
//! Names are found by open addressing: from a name's home slot on, until an empty slot. Zones never
//! move. A freed slot therefore stays a bridge until no chain leads over it; see [`Table::tidy`].
//!
//! Changes are made under the arena's lock, lookups without any. A lookup copies an entry between
//! two looks at its word. If they differ, the zone was freed in between, and at that moment there
//! was none of that name in this slot: so it just goes on.
//!
//! What other members wrote is believed only after it was checked: a slot whose entry is no name,
//! or lies outside of the data, is passed over, and every walk ends after one round.

use std::sync::atomic::{AtomicU64, Ordering};

use super::layout::{CACHE_LINE, MAX_ZONES, SLOTS, extent_of, name_of, state_of};
use super::space::{self, Amount, Extent, NoRoom, Want};
use rte_mp_proto::memory::ZoneName;

/// The words of an arena, as a test may watch them being changed.
pub(super) trait Words {
    fn load(&self, at: usize) -> u64;
    fn store(&self, at: usize, value: u64);
}

impl Words for [AtomicU64] {
    fn load(&self, at: usize) -> u64 {
        // Acquire: pairs with the Release below. Who sees a word of an entry that was changed sees
        // its state changed before; who sees a state sees the entry that it published.
        self[at].load(Ordering::Acquire)
    }

    fn store(&self, at: usize, value: u64) {
        // Release: pairs with the Acquire above, and keeps the stores in their order.
        self[at].store(value, Ordering::Release);
    }
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing, and no chain leads over it.
    Empty,
    /// Nothing, but zones that lie behind it may have their home before it.
    Freed,
    /// A zone.
    Used,
}

/// The state word of a slot: kind (2 bits), tag (30), count of changes (32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State(u64);

impl State {
    fn kind(self) -> Kind {
        match self.0 & 3 {
            0 => Kind::Empty,
            1 => Kind::Used,
            _ => Kind::Freed,
        }
    }

    fn is_used_by(self, tag: u64) -> bool {
        self.0 & u64::from(u32::MAX) == tag << 2 | 1
    }

    /// The word that comes after this one.
    fn next(self, kind: Kind, tag: u64) -> Self {
        let count = (self.0 >> 32) + 1;
        let kind = match kind {
            Kind::Empty => 0,
            Kind::Used => 1,
            Kind::Freed => 2,
        };
        Self(count << 32 | tag << 2 | kind)
    }
}

/// Where a name belongs: its home slot, and the bits by which its slots are told from others.
#[derive(Debug, Clone, Copy)]
struct Home {
    slot: usize,
    tag: u64,
}

impl Home {
    fn of(name: &ZoneName) -> Self {
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(MIX).rotate_left(29);
        let hash = name.to_words().into_iter().fold(0, mix).wrapping_mul(MIX);
        Self { slot: (hash >> 32) as usize % SLOTS, tag: hash & 0x3fff_ffff }
    }

    /// All slots, the home first.
    fn chain(self) -> impl Iterator<Item = usize> {
        (0..SLOTS).map(move |step| (self.slot + step) % SLOTS)
    }
}

/// One reservation: the slot, and its state word since then. A slot that was freed and used again
/// has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    slot: usize,
    state: State,
}

/// A zone as the table has it, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) name: ZoneName,
    /// In bytes, from the start of the arena.
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) ticket: Ticket,
}

/// Why there is no new zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Exists,
    TooMany,
    NoRoom { largest: u64 },
}

/// A zone that may be published, for as long as the lock is held.
#[derive(Debug)]
pub(super) struct Plan {
    name: ZoneName,
    slot: usize,
    /// What the zone covers; longer than asked for, up to the next cache line.
    pub(super) extent: Extent,
    len: u64,
}

/// The table, on the words of an arena.
pub(super) struct Table<'a, W: ?Sized> {
    words: &'a W,
    /// Where zones may lie, in bytes.
    data: Extent,
    /// The address of the arena's first byte.
    base: u64,
    /// What of the data is used by others than zones.
    others: Vec<Extent>,
}

impl<'a, W: Words + ?Sized> Table<'a, W> {
    pub(super) fn new(words: &'a W, data: Extent, base: u64) -> Self {
        Self { words, data, base, others: Vec::new() }
    }

    /// Has zones planned beside `others`.
    pub(super) fn beside(self, others: Vec<Extent>) -> Self {
        Self { others, ..self }
    }

    /// Finds the zone of this name. Takes no lock.
    pub(super) fn find(&self, name: &ZoneName) -> Option<Zone> {
        let home = Home::of(name);
        for slot in home.chain() {
            let state = self.state(slot);
            match state.kind() {
                Kind::Empty => return None,
                Kind::Used if state.is_used_by(home.tag) => {
                    let zone = self.zone(slot, state).filter(|zone| zone.name == *name);
                    if zone.is_some() {
                        return zone;
                    }
                }
                Kind::Used | Kind::Freed => {}
            }
        }
        None
    }

    /// Lists all zones as they were at one moment. Takes no lock; gives nothing if the table is
    /// changed all the time.
    pub(super) fn snapshot(&self) -> Option<Vec<Zone>> {
        const TRIES: usize = 8;
        let states = || (0..SLOTS).map(|slot| self.state(slot)).collect::<Vec<_>>();
        let mut before = states();
        for _ in 0..TRIES {
            let zones = self.zones();
            // A state never comes back: if all are the same again, none was another in between.
            let after = states();
            if before == after {
                return Some(zones);
            }
            before = after;
        }
        None
    }

    /// Lists all zones, slot by slot. Under the lock that is one moment's.
    pub(super) fn zones(&self) -> Vec<Zone> {
        (0..SLOTS).filter_map(|slot| self.zone(slot, self.state(slot))).collect()
    }

    /// Tells whether a zone of this name could be at all. Takes no lock.
    pub(super) fn check(&self, name: &ZoneName) -> Result<(), Refusal> {
        self.free_slot(name, &self.extents()).map(drop)
    }

    /// Finds out where a new zone could go, without changing anything. Under the lock.
    pub(super) fn plan(&self, name: ZoneName, want: Want) -> Result<Plan, Refusal> {
        let mut used = self.extents();
        let slot = self.free_slot(&name, &used)?;
        used.extend_from_slice(&self.others);
        let amount = match want.amount {
            Amount::Exactly(len) => Amount::Exactly(whole_lines(len)),
            Amount::Largest => Amount::Largest,
        };
        let want_lines = Want { amount, align: want.align.max(CACHE_LINE), ..want };
        let found = space::find(&mut used, &self.data, self.base, want_lines);
        let found = found.map_err(|NoRoom { largest }| Refusal::NoRoom { largest })?;
        let len = match want.amount {
            Amount::Exactly(len) => len,
            // What a broken neighbour leaves may end within a line.
            Amount::Largest => (found.end - found.start) / CACHE_LINE * CACHE_LINE,
        };
        if len == 0 {
            return Err(Refusal::NoRoom { largest: 0 });
        }
        Ok(Plan { name, slot, extent: lines(found.start, len), len })
    }

    /// Publishes a zone. Under the lock that was held since it was planned.
    pub(super) fn publish(&self, plan: &Plan) -> Zone {
        let Plan { name, slot, ref extent, len } = *plan;
        for (at, word) in name_of(slot).zip(name.to_words()) {
            self.words.store(at, word);
        }
        self.words.store(extent_of(slot), extent.start);
        self.words.store(extent_of(slot) + 1, len);
        let state = self.state(slot).next(Kind::Used, Home::of(&name).tag);
        self.words.store(state_of(slot), state.0);
        Zone { name, offset: extent.start, len, ticket: Ticket { slot, state } }
    }

    /// Frees the zone of this ticket, and gives what it covered; or gives nothing, if it was freed
    /// before. Under the lock.
    pub(super) fn withdraw(&self, ticket: Ticket) -> Option<Extent> {
        let Ticket { slot, state } = ticket;
        let zone = self.zone(slot, state)?;
        self.words.store(state_of(slot), state.next(Kind::Freed, 0).0);
        self.tidy(slot);
        Some(zone.extent())
    }

    /// Makes `slot` and the freed ones before it empty, the last one first, if no chain leads over
    /// them, which is when an empty one follows.
    fn tidy(&self, mut slot: usize) {
        for _ in 0..SLOTS {
            let state = self.state(slot);
            let next = self.state((slot + 1) % SLOTS);
            if state.kind() != Kind::Freed || next.kind() != Kind::Empty {
                return;
            }
            self.words.store(state_of(slot), state.next(Kind::Empty, 0).0);
            slot = (slot + SLOTS - 1) % SLOTS;
        }
    }

    /// Finds the first slot on the name's chain that holds nothing, once it is clear that there are
    /// not too many zones already, `used`, and that the name is not there.
    fn free_slot(&self, name: &ZoneName, used: &[Extent]) -> Result<usize, Refusal> {
        if used.len() >= MAX_ZONES {
            return Err(Refusal::TooMany);
        }
        if self.find(name).is_some() {
            return Err(Refusal::Exists);
        }
        Home::of(name)
            .chain()
            .find(|&slot| self.state(slot).kind() != Kind::Used)
            .ok_or(Refusal::TooMany)
    }

    /// Lists what zones use. Under the lock.
    pub(super) fn extents(&self) -> Vec<Extent> {
        let mut extents = Vec::with_capacity(MAX_ZONES);
        for slot in 0..SLOTS {
            if self.state(slot).kind() == Kind::Used {
                extents.extend(self.extent(slot).map(|(offset, len)| lines(offset, len)));
            }
        }
        extents
    }

    fn state(&self, slot: usize) -> State {
        State(self.words.load(state_of(slot)))
    }

    /// Copies the zone in `slot`, if it is one and its state still is `state`.
    fn zone(&self, slot: usize, state: State) -> Option<Zone> {
        if state.kind() != Kind::Used {
            return None;
        }
        let mut name = [0; ZoneName::WORDS];
        for (word, at) in name.iter_mut().zip(name_of(slot)) {
            *word = self.words.load(at);
        }
        let extent = self.extent(slot);
        if self.state(slot) != state {
            return None;
        }
        let (offset, len) = extent?;
        Some(Zone {
            name: ZoneName::from_words(name)?,
            offset,
            len,
            ticket: Ticket { slot, state },
        })
    }

    /// Reads where the zone in `slot` lies, and how long it is, if it lies inside of the data.
    fn extent(&self, slot: usize) -> Option<(u64, u64)> {
        let offset = self.words.load(extent_of(slot));
        let len = self.words.load(extent_of(slot) + 1);
        let end = offset.checked_add(whole_lines(len))?;
        let inside = len > 0 && offset >= self.data.start && end <= self.data.end;
        inside.then_some((offset, len))
    }
}

impl Zone {
    /// What it covers, whole cache lines.
    pub(super) fn extent(&self) -> Extent {
        lines(self.offset, self.len)
    }
}

/// The whole cache lines from `offset` on that `len` bytes take.
fn lines(offset: u64, len: u64) -> Extent {
    offset..offset + whole_lines(len)
}

/// Rounds up to whole cache lines: a length that cannot be, stays too long for any arena.
fn whole_lines(len: u64) -> u64 {
    len.checked_next_multiple_of(CACHE_LINE).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
