//! The network of the simulation: a virtual clock, sockets, and datagrams under way.
//!
//! It is worse than Unix sockets are: it loses, repeats and reorders. It is like them in that a
//! socket belongs to one process and ends with it, holds few datagrams, and refuses when closed.
//! Nothing here knows the protocol. All chance comes from one seed, so a run can be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use rte_mp_proto::{PeerName, path};

/// How many datagrams a socket holds before its senders are told that it is full.
const QUEUE_LEN: usize = 11;

/// A small generator of random numbers (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number from 0 up to, not with, `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// A time of whole microseconds.
    pub(crate) fn micros(&mut self, range: &Range<u64>) -> Duration {
        Duration::from_micros(range.start + self.below(range.end - range.start))
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let index = self.below(from.len().max(1) as u64) as usize;
        from.get(index).copied()
    }
}

/// What the network does to datagrams.
#[derive(Clone)]
pub(crate) struct Faults {
    pub(crate) lost_percent: u64,
    pub(crate) repeated_percent: u64,
    /// How long each copy is under way, in microseconds; a wide range reorders.
    pub(crate) delay: Range<u64>,
}

/// One socket of one process, never used again once closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SocketId(pub(crate) u64);

/// What travels.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) from: Option<PeerName>,
    pub(crate) uid: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fd_count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendError {
    /// Nobody is bound there (any more).
    Refused,
    /// The socket holds as many datagrams as it can.
    Full,
}

/// What happens next.
pub(crate) enum Happening<T> {
    /// A datagram reached a socket that is open.
    Arrived(SocketId, Packet),
    /// Something that was scheduled is due.
    Due(T),
}

struct Socket {
    name: PeerName,
    /// Datagrams that it took and that were not read.
    held: usize,
}

pub(crate) struct Network<T> {
    pub(crate) random: Random,
    /// What happened, a line each: two runs of one seed give the same.
    pub(crate) trace: Vec<String>,
    faults: Faults,
    start: Instant,
    now: Instant,
    /// By time, and in the order of scheduling where times are equal.
    agenda: BTreeMap<(Instant, u64), Happening<T>>,
    scheduled: u64,
    /// Names in the directory. A name stays when its process dies.
    files: BTreeSet<PeerName>,
    bound: BTreeMap<PeerName, SocketId>,
    sockets: BTreeMap<SocketId, Socket>,
    opened: u64,
}

/// Virtual time: any instant will do as its start.
#[expect(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
fn origin() -> Instant {
    Instant::now()
}

impl<T> Network<T> {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        let start = origin();
        Self {
            random: Random::new(seed),
            trace: Vec::new(),
            faults,
            start,
            now: start,
            agenda: BTreeMap::new(),
            scheduled: 0,
            files: BTreeSet::new(),
            bound: BTreeMap::new(),
            sockets: BTreeMap::new(),
            opened: 0,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        self.trace.push(format!("{:>7} {}", self.elapsed().as_micros(), line()));
    }

    pub(crate) fn schedule(&mut self, at: Instant, task: T) {
        self.put(at, Happening::Due(task));
    }

    fn put(&mut self, at: Instant, happening: Happening<T>) {
        self.scheduled += 1;
        self.agenda.insert((at.max(self.now), self.scheduled), happening);
    }

    /// Binds a socket; the name of one that was left behind is taken over.
    pub(crate) fn open(&mut self, name: PeerName) -> SocketId {
        self.opened += 1;
        let id = SocketId(self.opened);
        self.files.insert(name);
        self.bound.insert(name, id);
        self.sockets.insert(id, Socket { name, held: 0 });
        id
    }

    /// Closes a socket, with all that it holds. The file stays, unless it is unlinked too.
    pub(crate) fn close(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.remove(&id) {
            self.bound.remove(&socket.name);
        }
    }

    pub(crate) fn unlink(&mut self, name: &PeerName) {
        self.files.remove(name);
    }

    /// Lists the secondaries' sockets that stand in the directory, alive or not.
    pub(crate) fn secondaries(&self) -> Vec<PeerName> {
        let is_secondary =
            |name: &&PeerName| path::is_secondary_socket(name.file_name().as_encoded_bytes());
        self.files.iter().filter(is_secondary).copied().collect()
    }

    pub(crate) fn socket_at(&self, name: &PeerName) -> Option<SocketId> {
        self.bound.get(name).copied()
    }

    /// Sends; whoever is bound to `to` at this moment gets it, none, one or several times.
    pub(crate) fn send(&mut self, to: &PeerName, packet: Packet) -> Result<SocketId, SendError> {
        let id = self.socket_at(to).ok_or(SendError::Refused)?;
        let held = self.sockets.get(&id).map_or(0, |socket| socket.held);
        if held >= QUEUE_LEN {
            return Err(SendError::Full);
        }
        let Faults { lost_percent, repeated_percent, delay } = self.faults.clone();
        let lost = self.random.percent(lost_percent);
        let repeats = self.random.percent(repeated_percent);
        let copies = usize::from(!lost) * (1 + usize::from(repeats));
        for _ in 0..copies {
            let at = self.now + self.random.micros(&delay);
            self.put(at, Happening::Arrived(id, packet.clone()));
        }
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.held += copies;
        }
        Ok(id)
    }

    /// Makes room for what was read.
    pub(crate) fn read(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.held = socket.held.saturating_sub(1);
        }
    }

    /// Moves the clock to what happens next. Datagrams for closed sockets are gone with them.
    pub(crate) fn next(&mut self) -> Option<Happening<T>> {
        loop {
            let ((at, _), happening) = self.agenda.pop_first()?;
            self.now = at;
            match happening {
                Happening::Arrived(id, _) if !self.sockets.contains_key(&id) => {}
                happening => return Some(happening),
            }
        }
    }
}
