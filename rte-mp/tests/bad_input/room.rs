//! A room for one test: a directory, a group in it, and a guard that counts descriptors.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rte_mp::{Group, GroupBuilder, Message, Role};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use crate::raw::PATIENCE;

/// Tests of one process run one after the other, since each counts the process's descriptors.
static ALONE: Mutex<()> = Mutex::new(());

/// Where one test works. Made first and dropped last, it checks that no descriptor is left.
pub(crate) struct Room {
    fds: BTreeMap<u32, PathBuf>,
    base: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Room {
    pub(crate) fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let base = tempfile::tempdir().expect("a directory for the test");
        Self { fds: open_fds(), base, _alone: alone }
    }

    pub(crate) fn path(&self) -> &Path {
        self.base.path()
    }

    pub(crate) fn builder(&self, role: Role) -> GroupBuilder {
        Group::builder().runtime_base(self.path()).role(role)
    }

    /// Joins, with an action `echo` that sends back what comes.
    pub(crate) fn join(&self, role: Role) -> Group {
        with_echo(self.builder(role).join().expect("the room is free"))
    }

    /// Makes a group of two.
    pub(crate) fn pair(&self) -> Pair {
        let primary = self.join(Role::Primary);
        Pair { secondary: self.join(Role::Secondary), primary }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.fds, open_fds(), "no descriptor is left, and none is lost");
        }
    }
}

/// Registers `echo` with a member.
pub(crate) fn with_echo(group: Group) -> Group {
    let echo = |mut request: rte_mp::Request| {
        let mut answer = Message::new("echo")?.with_param(request.param())?;
        for fd in request.take_fds() {
            answer = answer.with_fd(fd)?;
        }
        request.reply_with(answer).map_err(Box::<dyn std::error::Error>::from)
    };
    group.register("echo", echo).expect("the name is free");
    group
}

/// A primary and a secondary, both in this process.
pub(crate) struct Pair {
    pub(crate) secondary: Group,
    pub(crate) primary: Group,
}

impl Pair {
    pub(crate) fn both(&self) -> [&Group; 2] {
        [&self.primary, &self.secondary]
    }

    /// Proves that each of the two still answers the other, a descriptor included.
    pub(crate) fn assert_well(&self) {
        assert_answers(&self.secondary, &self.primary);
        assert_answers(&self.primary, &self.secondary);
    }
}

/// Proves that `asked` answers `asking` at once.
pub(crate) fn assert_answers(asking: &Group, asked: &Group) {
    let (reader, writer) = pipe();
    let question = Message::new("echo").expect("a name");
    let question = question.with_param(b"good").expect("short").with_fd(writer).expect("one");
    let replies = asking.to(asked.name()).request(&question, Some(PATIENCE)).expect("it is there");
    drop(question);
    let reply = replies.into_reply().expect("it answers");
    assert_eq!((reply.param(), reply.fds().len()), (&b"good"[..], 1));
    drop(reply);
    assert_closed(reader);
}

/// Makes a pipe: its reading end tells when nobody has the other end any more.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (reader.into(), writer.into())
}

/// Proves that nobody has the other end of a pipe any more.
pub(crate) fn assert_closed(reader: OwnedFd) {
    let patience = Timespec::try_from(PATIENCE).expect("it is short");
    let mut fds = [PollFd::new(&reader, PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&patience)), Ok(1), "somebody keeps a descriptor");
    assert_eq!(rustix::io::read(&reader, &mut [0; 1]), Ok(0), "somebody wrote");
}

/// Makes what a raw peer is asked.
pub(crate) fn question(param: &[u8]) -> Message {
    Message::new("ask").expect("a name").with_param(param).expect("it is short")
}

/// Something odd, and how to put it at a path.
pub(crate) type Put<'a> = (&'a str, &'a dyn Fn(&Path));

/// Long enough for what takes no time, short enough to tell it from a timeout.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(3);

/// Lists this process's descriptors with what they are.
pub(crate) fn open_fds() -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir("/proc/self/fd").expect("proc is mounted");
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let fd = entry.file_name().to_str()?.parse().ok()?;
            let link = fs::read_link(entry.path()).ok()?;
            // The listing's own descriptor.
            (!link.starts_with("/proc")).then_some((fd, link))
        })
        .collect()
}
