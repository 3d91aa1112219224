//! What the tests share: a group's own place, the count of descriptors, waiting for events.

pub(crate) mod child;
mod dice;
pub(crate) mod hammer;
pub(crate) mod heap_hammer;
pub(crate) mod raw;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rte_mp::{Drive, Group, GroupBuilder, Message, Outcome, Replies, Role};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

/// How long to wait for what is to happen; also the timeout of requests that must not need it.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// What happens at once takes less than this, on a busy machine too; everything that it could be
/// mistaken for takes [`LONG`].
pub(crate) const AT_ONCE: Duration = Duration::from_secs(3);

/// A timeout for what never happens: how long is waited to be sure.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// The file prefix of the groups here.
pub(crate) const PREFIX: &str = "test";

/// Only one test of a process counts descriptors at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A place for one test's group. Made first and dropped last, it checks at the end that nobody of
/// this process left a descriptor, a mapping or a file behind.
pub(crate) struct Scene {
    base: TempDir,
    before: BTreeMap<u32, PathBuf>,
    killed: bool,
    _turn: MutexGuard<'static, ()>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let base = tempfile::tempdir().unwrap();
        Self { base, before: descriptors(), killed: false, _turn: turn }
    }

    /// One in which processes are killed, whose files stay.
    pub(crate) fn with_killed() -> Self {
        let mut scene = Self::new();
        scene.killed = true;
        scene
    }

    pub(crate) fn base(&self) -> &Path {
        self.base.path()
    }

    /// The group's directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.base().join("dpdk").join(PREFIX)
    }

    /// Makes the group's directory, as a primary does.
    pub(crate) fn make_dir(&self) -> PathBuf {
        let dir = self.dir();
        for level in [dir.parent().unwrap(), &dir] {
            fs::DirBuilder::new().mode(0o700).create(level).unwrap();
        }
        dir
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir().join(file)
    }

    /// The names of the group's files, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.dir()) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn builder(&self, role: Role) -> GroupBuilder {
        Group::builder().runtime_base(self.base()).file_prefix(PREFIX).role(role)
    }

    pub(crate) fn primary(&self) -> Group {
        self.builder(Role::Primary).join().unwrap()
    }

    pub(crate) fn secondary(&self) -> Group {
        self.builder(Role::Secondary).join().unwrap()
    }
}

impl Scene {
    fn files_left(&self) -> Vec<String> {
        let own = format!("_{}_", std::process::id());
        let left = |name: &String| !self.killed || name.contains(&own);
        self.files().into_iter().filter(left).collect()
    }

    fn descriptors_left(&self) -> Vec<(u32, PathBuf)> {
        let opened = |(fd, link): &(u32, PathBuf)| self.before.get(fd) != Some(link);
        descriptors().into_iter().filter(opened).collect()
    }

    fn is_clean(&self) -> bool {
        self.files_left().is_empty() && self.descriptors_left().is_empty() && arenas() == 0
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // Whoever left from inside a handler may still be closing.
        let deadline = Instant::now() + LONG;
        while !self.is_clean() {
            if Instant::now() > deadline {
                let (files, descriptors) = (self.files_left(), self.descriptors_left());
                panic!("left: {files:?} {descriptors:?}, {} arenas", arenas());
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// The write locks on a file, as byte ranges, the last byte included.
///
/// The kernel's list is read in pieces, and shows one twice or not at all if others come and go meanwhile:
/// read until it says the same two times.
pub(crate) fn write_locks(file: &Path) -> Vec<(u64, u64)> {
    let mut locks = listed_write_locks(file);
    loop {
        let again = listed_write_locks(file);
        if again == locks {
            return locks;
        }
        locks = again;
    }
}

fn listed_write_locks(file: &Path) -> Vec<(u64, u64)> {
    let inode = format!(":{}", fs::metadata(file).unwrap().ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let ranges = locks.lines().filter_map(|line| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let place = columns.iter().position(|column| column.ends_with(&inode))?;
        columns.contains(&"WRITE").then(|| {
            let number = |column: &str| column.parse().unwrap_or(u64::MAX);
            (number(columns[place + 1]), number(columns[place + 2]))
        })
    });
    // No two can be on the same bytes.
    ranges.collect::<BTreeSet<_>>().into_iter().collect()
}

/// How many arenas this process has mapped.
pub(crate) fn arenas() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("/memfd:rte-mp")).count()
}

/// Gets the file of a group's memory, as any member can, opened anew.
pub(crate) fn arena_of(secondary: &Group) -> File {
    let replies = secondary.request(&message("rte-mp/attach"), Some(LONG)).unwrap();
    let file = replies.into_reply().unwrap().take_fds().remove(0);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    File::options().read(true).write(true).open(path).unwrap()
}

/// The descriptors of this process, and what each is.
pub(crate) fn descriptors() -> BTreeMap<u32, PathBuf> {
    descriptors_of(std::process::id())
}

/// The descriptors of a process, and what each is.
pub(crate) fn descriptors_of(pid: u32) -> BTreeMap<u32, PathBuf> {
    let entries: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // The one that lists them is closed by now, and has no link any more.
    let number = |path: &Path| {
        let name = path.file_name().unwrap().as_bytes();
        std::str::from_utf8(name).unwrap().parse().unwrap()
    };
    entries.iter().filter_map(|path| Some((number(path), fs::read_link(path).ok()?))).collect()
}

pub(crate) fn message(name: &str) -> Message {
    Message::new(name).unwrap()
}

pub(crate) fn message_with(name: &str, param: &[u8]) -> Message {
    message(name).with_param(param).unwrap()
}

/// Registers an action that answers with what it was sent.
pub(crate) fn echo(group: &Group, name: &str) {
    group
        .register(name, |mut request| {
            let mut reply = message_with("reply", request.param());
            for fd in request.take_fds() {
                reply = reply.with_fd(fd).unwrap();
            }
            request.reply_with(reply)
        })
        .unwrap();
}

/// Asks one peer, and gives the parameter of its reply.
pub(crate) fn ask(group: &Group, name: &str, param: &[u8]) -> Vec<u8> {
    let replies = group.request(&message_with(name, param), Some(LONG)).unwrap();
    replies.into_reply().unwrap().param().to_vec()
}

/// Waits for what a handler or callback tells.
pub(crate) fn wait_for<T>(news: &Receiver<T>) -> T {
    news.recv_timeout(LONG).expect("what is waited for happens")
}

/// What became of a peer, in a word.
pub(crate) fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Replied(message) => String::from_utf8_lossy(message.param()).into_owned(),
        Outcome::Unsendable { errno } => format!("unsendable {errno}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// What became of the only peer that was asked.
pub(crate) fn only(replies: &Replies) -> String {
    let words: Vec<_> = replies.iter().map(|asked| word(&asked.outcome)).collect();
    let [word] = &words[..] else { panic!("one peer was asked, not {words:?}") };
    word.clone()
}

/// Waits until `condition` holds, for what gives no event.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Runs `work` and checks that it took no time to speak of.
pub(crate) fn at_once<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < AT_ONCE, "{what} took {:?}", start.elapsed());
    result
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Joins a group that is driven by who calls [`drive`].
pub(crate) fn caller_driven(scene: &Scene, role: Role) -> Group {
    scene.builder(role).drive(Drive::Caller).join().unwrap()
}

/// Runs the loop until `done` says so: waits for the descriptor and the deadline, and nothing else.
pub(crate) fn drive(group: &Group, mut done: impl FnMut() -> bool) {
    let give_up = Instant::now() + LONG;
    while !done() {
        let now = Instant::now();
        assert!(now < give_up, "what the loop waits for happens");
        let due = group.next_deadline().map_or(give_up, |due| due.min(give_up));
        let timeout = Timespec::try_from(due.saturating_duration_since(now)).unwrap();
        let readable = poll(&mut [PollFd::new(&group.as_fd(), PollFlags::IN)], Some(&timeout));
        let due = group.next_deadline().is_some_and(|due| due <= Instant::now());
        if readable.unwrap() > 0 || due {
            while group.process() {}
        }
    }
}

/// Runs a future on this thread: the smallest executor there is.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    let deadline = Instant::now() + LONG;
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        assert!(Instant::now() < deadline, "the future becomes ready");
        std::thread::park_timeout(LONG);
    }
}
