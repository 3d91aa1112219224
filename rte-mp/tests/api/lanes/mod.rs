//! Lanes: what goes through shared memory, while both sides poll and while they sleep. None of it is
//! to be noticed but by the clock; so these tests look into the memory to see what went there.

mod answers;
mod dying;
mod ending;
mod order;
mod usage;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, GroupBuilder, PeerName, Role};

use crate::common::child::Child;
use crate::common::{LONG, Scene, eventually, message_with, only};

/// How long members here poll, so that they are awake when they are asked once more.
const WINDOW: Duration = Duration::from_millis(200);

/// A scene at whose end no lane is left in this process.
struct Lanes {
    // Dropped in this order.
    _nothing: NoLaneLeft,
    scene: Scene,
}

struct NoLaneLeft;

impl Drop for NoLaneLeft {
    fn drop(&mut self) {
        if !thread::panicking() {
            eventually("no lane is left", || lane_count(process::id()) == 0);
        }
    }
}

impl Lanes {
    fn new() -> Self {
        Self { scene: Scene::new(), _nothing: NoLaneLeft }
    }

    fn with_killed() -> Self {
        Self { scene: Scene::with_killed(), _nothing: NoLaneLeft }
    }

    fn builder(&self, role: Role) -> GroupBuilder {
        self.scene.builder(role).busy_poll(WINDOW)
    }

    fn primary(&self) -> Group {
        self.builder(Role::Primary).join().unwrap()
    }

    fn secondary(&self) -> Group {
        self.builder(Role::Secondary).join().unwrap()
    }

    /// A member in a process of its own that polls for `window`.
    fn child(&self, role: &str, window: Duration) -> Child {
        let mut child = Child::start(&self.scene);
        child.tell(&format!("window {}", window.as_micros()));
        child.tell(&format!("join {role}"));
        child.expect("joined");
        child
    }
}

/// Where the lanes of a process are mapped.
fn mapped(pid: u32) -> Vec<(u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let lanes = maps.lines().filter(|line| line.contains("/memfd:rte-mp lane"));
    let range = |line: &str| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        (number(start), number(end))
    };
    lanes.map(range).collect()
}

fn lane_count(pid: u32) -> usize {
    mapped(pid).len()
}

/// Tells whether a datagram that holds `needle` lies in a lane of a process: it went there lately.
fn is_in_lane(pid: u32, needle: &[u8]) -> bool {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    mapped(pid).into_iter().any(|(start, end)| {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // One that another thread gives up meanwhile is not mapped any more.
        let is_mapped = memory.read_exact_at(&mut bytes, start).is_ok();
        is_mapped && bytes.windows(needle.len()).any(|window| window == needle)
    })
}

fn went_by_lane(needle: &[u8]) -> bool {
    is_in_lane(process::id(), needle)
}

/// Gives something that is nowhere else in memory by chance.
fn needle() -> Vec<u8> {
    format!("needle {:?}", Instant::now()).into_bytes()
}

/// Tries until something has gone through a lane; often, for what has just gone by socket is first
/// to be received.
fn until_by_lane(mut send: impl FnMut(&[u8])) {
    let deadline = Instant::now() + LONG;
    loop {
        let needle = needle();
        for _ in 0..8 {
            send(&needle);
        }
        if went_by_lane(&needle) {
            return;
        }
        assert!(Instant::now() < deadline, "a lane is used");
    }
}

/// Asks `peer` until a request has gone through a lane.
fn open_lane(asker: &Group, peer: &PeerName) {
    until_by_lane(|needle| {
        let replies = asker.to(peer).request(&message_with("echo", needle), Some(LONG)).unwrap();
        assert_eq!(replies.into_reply().unwrap().param(), needle);
    });
}

/// Sends messages to `peer`, without any request, until one has gone through a lane.
fn open_lane_by_messages(sender: &Group, peer: &PeerName) {
    until_by_lane(|needle| sender.to(peer).send(&message_with("nothing", needle)).unwrap());
}

/// Asks `peer`, and says what became of it.
fn ask_peer(asker: &Group, peer: &PeerName, name: &str, param: &[u8]) -> String {
    only(&asker.to(peer).request(&message_with(name, param), Some(LONG)).unwrap())
}
