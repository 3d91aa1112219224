//! Lanes by hand: memory that is none, words that no member of ours would write, in the ring and in
//! the answers.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Shutdown, UdpSocket};
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, Role};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::time::{ClockId, clock_gettime};

use crate::raw::{IGNORE, MESSAGE, PATIENCE, REPLY, REQUEST, RawPeer, Wire};
use crate::room::{AT_ONCE, Pair, Room, assert_answers, pipe, question, with_echo};

/// The words of a lane, as its description says.
const SERVER: usize = 0;
const LOOKS: usize = 16;
const EMPTIED: usize = 17;
const RING: usize = 32;
const RING_SLOTS: usize = 64;
const SLOT: usize = 48;
const ANSWERS: usize = RING + RING_SLOTS * SLOT;
const ANSWER_SLOTS: usize = 16;
const WORDS: usize = 4096;

/// What the server says of himself; anything else is until when he polls.
const ABSENT: u64 = 0;
const ASLEEP: u64 = 1;

/// The states of an answer.
const AWAITED: u64 = 1;
const AWAY: u64 = 3;
const ANSWERED: u64 = 4;

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// What memory of ours is called where it is mapped.
const NAME: &str = "lane by hand";

/// A lane that is read and written as a file: the same memory as somebody's mapping.
struct Memory(File);

impl Memory {
    fn new() -> Self {
        let memory = Self::of_len(WORDS * 8);
        fcntl_add_seals(&memory.0, SEALS).expect("it takes seals");
        memory
    }

    fn of_len(len: usize) -> Self {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = memfd_create(NAME, flags).expect("there is memory");
        ftruncate(&memory, len as u64).expect("there is memory");
        Self(memory.into())
    }

    fn load(&self, word: usize) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, word as u64 * 8).expect("it is that long");
        u64::from_ne_bytes(bytes)
    }

    fn store(&self, word: usize, value: u64) {
        self.write(word, &value.to_ne_bytes());
    }

    fn write(&self, word: usize, bytes: &[u8]) {
        self.0.write_all_at(bytes, word as u64 * 8).expect("it is that long");
    }

    /// Puts a datagram into a slot of the ring, as its first user does.
    fn push(&self, index: usize, way_back: Option<(u64, u8)>, bytes: &[u8]) {
        let slot = RING + index % RING_SLOTS * SLOT;
        self.store(slot + 1, way_back.map_or(0, |(number, _)| number));
        self.write(slot + 2, bytes);
        let answer = way_back.map_or(0, |(_, answer)| u64::from(answer) + 1);
        let (len, lap) = (bytes.len() as u64, (index / RING_SLOTS) as u64);
        self.store(slot, 1 | answer << 8 | len << 16 | lap << 32);
    }

    fn is_free(&self, index: usize) -> bool {
        self.load(RING + index % RING_SLOTS * SLOT) == 0
    }
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A lane that somebody serves: its memory, and our end of its bell.
struct Lane {
    memory: Memory,
    bell: UnixStream,
}

impl Lane {
    /// Offers one to `server`, as process `process`.
    fn offer(peer: &RawPeer, server: &Group, process: u32) -> Self {
        let (bell, theirs) = UnixStream::pair().expect("there are sockets");
        bell.set_nonblocking(true).expect("it is a socket");
        let memory = Memory::new();
        let fds = [memory.as_fd(), theirs.as_fd()];
        peer.send_with(server.name().as_path(), &offer(process), &fds);
        Self { memory, bell }
    }

    /// Rings, as far as there is room.
    fn ring(&self) {
        let _ = (&self.bell).write(&[0]);
    }
}

impl Deref for Lane {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        &self.memory
    }
}

/// An offer of process `process`.
fn offer(process: u32) -> Wire {
    let param = [1_u32.to_ne_bytes(), process.to_ne_bytes()].concat();
    Wire::new(MESSAGE, "rte-mp/lane").param(&param).fd_count(2)
}

/// How many lanes of ours somebody in this process has mapped.
fn mapped() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("proc is mounted");
    maps.lines().filter(|line| line.contains(NAME)).count()
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Set when it is dropped, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Numbers without order.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ u64::from(process::id()))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next().to_ne_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

/// A pair whose members poll for `window`.
fn pair(room: &Room, window: Duration) -> Pair {
    let builder = |role| room.builder(role).busy_poll(window).send_timeout(SEND_TIMEOUT);
    let join = |role| with_echo(builder(role).join().expect("it is free"));
    let primary = join(Role::Primary);
    Pair { secondary: join(Role::Secondary), primary }
}

/// How long a message waits for a server who says that he polls, and takes nothing.
const SEND_TIMEOUT: Duration = Duration::from_millis(5);
const LONG_WINDOW: Duration = Duration::from_millis(500);
const SHORT_WINDOW: Duration = Duration::from_micros(50);

/// Offers a lane, and waits until it is taken.
fn open(peer: &RawPeer, server: &Group) -> Lane {
    let lane = Lane::offer(peer, server, process::id());
    eventually("the lane is taken", || lane.load(SERVER) != ABSENT);
    lane
}

/// Has the server give up all lanes of ours.
fn close(lanes: impl IntoIterator<Item = Lane>, pair: &Pair) {
    for lane in lanes {
        for slot in 0..RING_SLOTS {
            lane.store(RING + slot * SLOT, 0);
        }
    }
    eventually("the lanes are given up", || mapped() == 0);
    pair.assert_well();
}

#[test]
fn a_lane_by_hand_is_served() {
    let room = Room::new();
    let pair = pair(&room, LONG_WINDOW);
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    let lane = open(&peer, &pair.primary);
    for index in 0..200 {
        let answer = index % ANSWER_SLOTS;
        let slot = ANSWERS + answer * SLOT;
        lane.store(slot, AWAITED);
        let param = (index as u64 + 1).to_ne_bytes();
        lane.push(index, Some((7, answer as u8)), &Wire::new(REQUEST, "echo").param(&param).bytes);
        if lane.load(SERVER) == ASLEEP {
            lane.ring();
        }
        eventually("it is answered", || lane.load(slot) & 0xffff_ffff == ANSWERED);
        let expected = Wire::new(REPLY, "echo").param(&param).bytes;
        let len = (lane.load(slot) >> 32) as usize;
        let mut bytes = vec![0; len];
        lane.memory.0.read_exact_at(&mut bytes, (slot as u64 + 1) * 8).expect("it is that long");
        assert_eq!(bytes, expected[..len]);
        assert!(lane.is_free(index));
    }
    close([lane], &pair);
}

#[test]
fn memory_that_is_no_lane_is_refused() {
    let room = Room::new();
    let pair = pair(&room, LONG_WINDOW);
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    let sealed = |len: usize, seals: SealFlags| -> OwnedFd {
        let memory = Memory::of_len(len);
        fcntl_add_seals(&memory.0, seals).expect("it takes seals");
        memory.0.into()
    };
    let len = WORDS * 8;
    let file = || -> OwnedFd {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![0; len]).expect("there is room");
        file.into()
    };
    let read_only = || -> OwnedFd {
        let memory = Memory::new();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&memory.0));
        File::open(path).expect("it is ours").into()
    };
    let open_file = |path: &str| -> OwnedFd { File::open(path).expect("it exists").into() };
    let bell = || -> OwnedFd { UnixStream::pair().expect("there are sockets").0.into() };
    let network = || -> OwnedFd { UdpSocket::bind("127.0.0.1:0").expect("a socket").into() };
    let good = || vec![Memory::new().0.into(), bell()];
    let fit = || offer(process::id());
    let with_param = |param: &[u8]| fit().param(param);
    type Offer = (&'static str, Wire, Vec<OwnedFd>);
    let offers: Vec<Offer> = vec![
        ("no seals", fit(), vec![Memory::of_len(len).0.into(), bell()]),
        ("it could grow", fit(), vec![sealed(len, SealFlags::SHRINK | SealFlags::SEAL), bell()]),
        ("it could shrink", fit(), vec![sealed(len, SealFlags::GROW | SealFlags::SEAL), bell()]),
        ("it cannot be written", fit(), vec![sealed(len, SEALS | SealFlags::WRITE), bell()]),
        (
            "nobody may write later",
            fit(),
            vec![sealed(len, SEALS | SealFlags::FUTURE_WRITE), bell()],
        ),
        ("opened for reading", fit(), vec![read_only(), bell()]),
        ("empty", fit(), vec![sealed(0, SEALS), bell()]),
        ("a page too short", fit(), vec![sealed(len - 4096, SEALS), bell()]),
        ("a byte too short", fit(), vec![sealed(len - 1, SEALS), bell()]),
        ("a byte too long", fit(), vec![sealed(len + 1, SEALS), bell()]),
        ("far too long", fit(), vec![sealed(1 << 40, SEALS), bell()]),
        ("a pipe", fit(), vec![pipe().0, bell()]),
        ("a file", fit(), vec![file(), bell()]),
        ("a directory", fit(), vec![open_file("/"), bell()]),
        ("a device", fit(), vec![open_file("/dev/zero"), bell()]),
        ("no descriptor", fit().fd_count(0), vec![]),
        ("no bell", fit().fd_count(1), vec![Memory::new().0.into()]),
        ("two of memory", fit(), vec![Memory::new().0.into(), Memory::new().0.into()]),
        ("a bell alone", fit().fd_count(1), vec![bell()]),
        ("the wrong order", fit(), vec![bell(), Memory::new().0.into()]),
        ("three", fit().fd_count(3), vec![Memory::new().0.into(), bell(), bell()]),
        ("a pipe as bell", fit(), vec![Memory::new().0.into(), pipe().0]),
        ("a bell for the network", fit(), vec![Memory::new().0.into(), network()]),
        ("another version", with_param(&[2, 0, 0, 0, 1, 0, 0, 0]), good()),
        ("a short offer", with_param(&[1, 0, 0, 0]), good()),
        ("a long offer", with_param(&[1; 9]), good()),
        ("an empty offer", with_param(&[]), good()),
        ("a request", fit().kind(REQUEST), good()),
        ("a reply", fit().kind(REPLY), good()),
        ("an ignore", fit().kind(IGNORE), good()),
    ];
    for (what, wire, fds) in offers {
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        peer.send_with(pair.primary.name().as_path(), &wire, &borrowed);
        assert_answers(&pair.secondary, &pair.primary);
        assert_eq!(mapped(), 0, "{what}");
    }
    pair.assert_well();
}

#[test]
fn words_without_sense_do_no_harm() {
    for window in [LONG_WINDOW, SHORT_WINDOW] {
        let room = Room::new();
        let pair = pair(&room, window);
        let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
        let lane = open(&peer, &pair.primary);
        let mut random = Random::new();
        let mut bytes = vec![0; (WORDS - RING) * 8];
        let end = Instant::now() + PATIENCE;
        // On a busy machine fewer.
        for round in (0..10_000).take_while(|_| Instant::now() < end) {
            random.fill(&mut bytes);
            lane.write(RING, &bytes);
            if round % 3 == 0 {
                // Full, with any length and any way back.
                for slot in 0..RING_SLOTS {
                    lane.store(RING + slot * SLOT, random.next() & !3 | 1);
                }
            }
            if round % 500 == 0 {
                assert_answers(&pair.secondary, &pair.primary);
            }
        }
        assert_answers(&pair.secondary, &pair.primary);
        close([lane], &pair);
    }
}

#[test]
fn no_word_that_stays_keeps_a_server_from_serving_or_from_sleeping() {
    let room = Room::new();
    let pair = pair(&room, SHORT_WINDOW);
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    for state in 0..4_u64 {
        for rest in [0, 1 << 2, 17 << 8, 0xffff << 16, 7 << 32, !0] {
            let lane = open(&peer, &pair.primary);
            for slot in 0..RING_SLOTS {
                lane.store(RING + slot * SLOT, rest & !3 | state);
            }
            let start = Instant::now();
            assert_answers(&pair.secondary, &pair.primary);
            assert!(start.elapsed() < AT_ONCE, "{state} {rest:x}: after {:?}", start.elapsed());
            eventually(&format!("it sleeps, in spite of {state} {rest:x}"), all_sleep);
            close([lane], &pair);
        }
    }
}

/// Tells whether the drivers of this process block, and go on doing so.
fn all_sleep() -> bool {
    (0..10).all(|_| {
        thread::park_timeout(Duration::from_millis(1));
        fs::read_dir("/proc/self/task").expect("proc is mounted").flatten().all(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            !stat.contains("(mp-") || stat.contains(") S ")
        })
    })
}

#[test]
fn words_that_change_while_they_are_read_do_no_harm() {
    let room = Room::new();
    let pair = pair(&room, LONG_WINDOW);
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    let lane = open(&peer, &pair.primary);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            let mut random = Random::new();
            let wires = [
                Wire::new(REQUEST, "echo").param(b"changing"),
                Wire::new(MESSAGE, "nothing"),
                Wire::new(REQUEST, "echo").param_len(300),
                Wire::new(99, "echo"),
                Wire::new(REQUEST, ""),
                offer(1).fd_count(0),
                offer(1).fd_count(1),
            ];
            while !over.load(Ordering::Relaxed) {
                let index = random.next() as usize % RING_SLOTS;
                let wire = &wires[random.next() as usize % wires.len()];
                lane.push(index, Some((random.next(), random.next() as u8)), &wire.bytes);
                lane.store(random.next() as usize % (WORDS - RING) + RING, random.next());
            }
        });
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            assert_answers(&pair.secondary, &pair.primary);
        }
    });
    close([lane], &pair);
}

#[test]
fn a_lane_that_is_never_empty_does_not_keep_others_waiting() {
    for (what, window, word) in [
        ("datagrams", LONG_WINDOW, None),
        ("datagrams", SHORT_WINDOW, None),
        ("what was taken back", SHORT_WINDOW, Some(3_u64)),
    ] {
        let room = Room::new();
        let pair = pair(&room, window);
        let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
        let lane = open(&peer, &pair.primary);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let _over = Over(&over);
            scope.spawn(|| {
                let wire = Wire::new(MESSAGE, "nothing");
                while !over.load(Ordering::Relaxed) {
                    for index in 0..RING_SLOTS {
                        match word {
                            Some(word) => lane.store(RING + index * SLOT, word),
                            None => lane.push(index, None, &wire.bytes),
                        }
                    }
                }
            });
            for _ in 0..20 {
                let start = Instant::now();
                assert_answers(&pair.secondary, &pair.primary);
                assert!(start.elapsed() < AT_ONCE, "{what}: after {:?}", start.elapsed());
            }
        });
        close([lane], &pair);
    }
}

#[test]
fn only_so_many_lanes_are_taken() {
    let room = Room::new();
    let pair = pair(&room, SHORT_WINDOW);
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    for _ in 0..3 {
        let lanes: Vec<_> =
            (0..100).map(|_| Lane::offer(&peer, &pair.primary, process::id())).collect();
        assert_answers(&pair.secondary, &pair.primary);
        assert_eq!(mapped(), 64);
        close(lanes, &pair);
    }
}

#[test]
fn who_claims_to_be_another_process_gets_no_answer_and_does_no_harm() {
    let room = Room::new();
    let pair = pair(&room, LONG_WINDOW);
    let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
    for claimed in [0, 1, u32::MAX, process::id() + 1] {
        let lane = Lane::offer(&peer, &pair.primary, claimed);
        assert_answers(&pair.secondary, &pair.primary);
        for index in 0..100 {
            // The answer goes to a return address that is not there.
            lane.store(ANSWERS, AWAY);
            let wire = Wire::new(REQUEST, "echo").param(b"mine?");
            lane.push(index, Some((u64::MAX, 0)), &wire.bytes);
            lane.ring();
            assert_answers(&pair.secondary, &pair.primary);
        }
        close([lane], &pair);
    }
}

/// Now, as lanes tell the time.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[test]
fn a_server_that_answers_without_sense_does_no_harm() {
    for style in ["words", "answers", "nothing", "slots", "sleeps"] {
        let room = Room::new();
        let pair = pair(&room, SHORT_WINDOW);
        let server = RawPeer::member(pair.primary.runtime_dir(), "1");
        let name = server.name();
        // Answers by socket until a lane is offered.
        let asked = AtomicBool::new(false);
        let lane = thread::scope(|scope| {
            let serving = scope.spawn(|| {
                loop {
                    let incoming = server.receive();
                    let (kind, what) = (incoming.kind(), incoming.name().to_owned());
                    if kind == REQUEST {
                        server.send(&incoming.from, &Wire::new(REPLY, &what));
                    } else if what == "rte-mp/lane" {
                        let [memory, bell] =
                            <[OwnedFd; 2]>::try_from(incoming.fds).expect("memory and a bell");
                        asked.store(true, Ordering::Relaxed);
                        let bell = UnixStream::from(bell);
                        bell.set_nonblocking(true).expect("it is a socket");
                        return Lane { memory: Memory(memory.into()), bell };
                    }
                }
            });
            while !asked.load(Ordering::Relaxed) {
                let asked = pair.secondary.to(&name).request(&question(b"?"), Some(AT_ONCE));
                assert!(asked.is_ok());
            }
            serving.join().expect("it serves")
        });
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let _over = Over(&over);
            scope.spawn(|| {
                let mut random = Random::new();
                let mut bytes = vec![0; (WORDS - ANSWERS) * 8];
                let good = Wire::new(REPLY, "ask").param(b"!").bytes;
                let mut emptied = lane.load(EMPTIED);
                while !over.load(Ordering::Relaxed) {
                    match style {
                        "sleeps" => lane.store(SERVER, ASLEEP),
                        _ => lane.store(SERVER, now() + 500_000),
                    }
                    lane.ring();
                    emptied += 2;
                    lane.store(LOOKS, emptied);
                    lane.store(EMPTIED, emptied);
                    match style {
                        "words" => {
                            random.fill(&mut bytes);
                            lane.write(ANSWERS, &bytes);
                        }
                        "answers" => {
                            for slot in 0..ANSWER_SLOTS {
                                let at = ANSWERS + slot * SLOT;
                                lane.write(at + 1, &good);
                                lane.store(at, ANSWERED | random.next() << 32);
                            }
                        }
                        "slots" => {
                            let slot = random.next() as usize % RING_SLOTS;
                            lane.store(RING + slot * SLOT, random.next());
                        }
                        _ => {}
                    }
                    while let Some(incoming) = server.try_receive() {
                        if incoming.kind() == REQUEST {
                            let what = incoming.name().to_owned();
                            let _ = server.try_send(&incoming.from, &Wire::new(REPLY, &what));
                        }
                    }
                }
            });
            let mut replied = 0;
            for round in 0..100 {
                let start = Instant::now();
                let timeout = Some(Duration::from_millis(5));
                let asked = pair.secondary.to(&name).request(&question(b"?"), timeout);
                replied += u32::from(asked.is_ok_and(|replies| replies.into_reply().is_ok()));
                let _ = pair.secondary.to(&name).send(&question(b"?"));
                assert!(start.elapsed() < AT_ONCE, "{style}: after {:?}", start.elapsed());
                if round % 50 == 0 {
                    assert_answers(&pair.secondary, &pair.primary);
                }
            }
            assert!(replied > 0, "{style}: it can be talked to");
        });
        pair.assert_well();
    }
}

#[test]
fn a_bell_that_rings_for_nothing_does_no_harm() {
    for window in [LONG_WINDOW, SHORT_WINDOW, Duration::ZERO] {
        let room = Room::new();
        let pair = pair(&room, window);
        let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
        let lane = open(&peer, &pair.primary);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let _over = Over(&over);
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    lane.ring();
                }
            });
            for _ in 0..100 {
                let start = Instant::now();
                assert_answers(&pair.secondary, &pair.primary);
                assert!(start.elapsed() < AT_ONCE, "after {:?}", start.elapsed());
            }
        });
        eventually("it hears all of it", all_sleep);
        close([lane], &pair);
    }
}

#[test]
fn a_bell_of_another_kind_is_refused_or_does_no_harm() {
    type Ends = (OwnedFd, OwnedFd);
    let datagrams = || -> Ends {
        let (ours, theirs) = UnixDatagram::pair().expect("there are sockets");
        (ours.into(), theirs.into())
    };
    let shut = || -> Ends {
        let (ours, theirs) = UnixStream::pair().expect("there are sockets");
        theirs.shutdown(Shutdown::Both).expect("it is open");
        (ours.into(), theirs.into())
    };
    let alone = || -> Ends {
        let (ours, theirs) = UnixDatagram::pair().expect("there are sockets");
        drop(ours);
        (pipe().0, theirs.into())
    };
    let unconnected =
        || -> Ends { (pipe().0, UnixDatagram::unbound().expect("there are sockets").into()) };
    for (what, ends) in [
        ("datagrams", &datagrams as &dyn Fn() -> Ends),
        ("shut", &shut),
        ("alone", &alone),
        ("unconnected", &unconnected),
    ] {
        let room = Room::new();
        let pair = pair(&room, SHORT_WINDOW);
        let peer = RawPeer::member(pair.primary.runtime_dir(), "1");
        let (ours, theirs) = ends();
        let memory = Memory::new();
        let fds = [memory.as_fd(), theirs.as_fd()];
        peer.send_with(pair.primary.name().as_path(), &offer(process::id()), &fds);
        drop(theirs);
        for index in 0..RING_SLOTS {
            memory.store(ANSWERS, 2);
            memory.push(index, Some((7, 0)), &Wire::new(REQUEST, "echo").bytes);
            assert_answers(&pair.secondary, &pair.primary);
        }
        eventually(&format!("it sleeps, in spite of a bell that is {what}"), all_sleep);
        drop(ours);
        pair.assert_well();
    }
}
