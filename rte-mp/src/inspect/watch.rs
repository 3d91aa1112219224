//! Waiting for changes of groups: inotify on their directories, pidfds of their members.
//!
//! It tells that something may have changed, not what: whoever waits looks again. A member whose
//! process is not known, and the magic that a primary writes, give no event: look again from time
//! to time all the same.

use std::collections::HashSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rte_mp_proto::path;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::inotify;
use rustix::io::Errno;

use super::{Base, GroupReport, SocketKind};

/// Tells when groups may have changed: when directories, sockets and config files come and go, and when
/// owners of sockets end.
///
/// In each round first [`Watch::cover`] the bases, then look at the groups and [`Watch::follow`] them, then
/// [`Watch::wait`]: what changes after the look is told by the wait.
#[derive(Debug)]
pub struct Watch {
    epoll: OwnedFd,
    inotify: OwnedFd,
    /// The watches on bases themselves, where much else may come and go.
    bases: HashSet<i32>,
    /// Kept open for as long as they are watched, whatever becomes of the reports.
    pidfds: Vec<Arc<OwnedFd>>,
}

impl Watch {
    /// Makes one that watches nothing yet.
    ///
    /// # Errors
    /// The kernel's, if it gives no more of such descriptors.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let inotify = inotify::init(flags)?;
        let readable = epoll::EventFlags::IN;
        epoll::add(&epoll, &inotify, epoll::EventData::new_u64(0), readable)?;
        Ok(Self { epoll, inotify, bases: HashSet::new(), pidfds: Vec::new() })
    }

    /// Watches the bases and every group in them. What is not there, or may not be watched, is left out.
    pub fn cover(&mut self, bases: &[Base]) {
        for base in bases {
            let path =
                if base.path().as_os_str().is_empty() { Path::new("/") } else { base.path() };
            self.bases.extend(self.add(path));
            let above = base.dpdk_directory();
            self.add(&above);
            for directory in base.group_directories().unwrap_or_default() {
                self.add(&directory);
            }
        }
    }

    /// Watches the owners of these groups' sockets, and no others.
    pub fn follow(&mut self, groups: &[GroupReport]) {
        for former in self.pidfds.drain(..) {
            // One that was there twice is out already.
            let _ = epoll::delete(&self.epoll, &former);
        }
        for socket in groups.iter().flat_map(|group| &group.sockets) {
            let Some(pidfd) = socket.share_pidfd() else { continue };
            let data = epoll::EventData::new_u64(1);
            // A process that is there twice has one pidfd.
            let watched = epoll::add(&self.epoll, &pidfd, data, epoll::EventFlags::IN);
            if matches!(watched, Ok(()) | Err(Errno::EXIST)) {
                self.pidfds.push(pidfd);
            }
        }
    }

    /// Waits until something may have changed, and says whether it has: not if `timeout` came first,
    /// or a signal. Whoever waits otherwise polls the descriptor, and then calls this with a timeout
    /// of zero.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 });
        let mut fds = [PollFd::new(&self.epoll, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let concerned = self.read_notices();
        let somebody_ended = self.pidfds.iter().any(|pidfd| {
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now)) == Ok(1)
        });
        Ok(concerned || somebody_ended)
    }

    /// Reads what has changed, and tells whether it concerns a group.
    fn read_notices(&self) -> bool {
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut notices = inotify::Reader::new(&self.inotify, &mut space);
        let mut concerned = false;
        while let Ok(notice) = notices.next() {
            let in_base = self.bases.contains(&notice.wd());
            let is_directory = notice.events().contains(inotify::ReadFlags::ISDIR);
            // Without a name it is about the directory itself, or notices were lost.
            concerned |= notice.file_name().is_none_or(|file| {
                let file = file.to_bytes();
                match SocketKind::of(file) {
                    _ if in_base => file == b"dpdk",
                    Some(kind) => kind != SocketKind::ReturnAddress,
                    None => is_directory || file == path::CONFIG.as_bytes(),
                }
            });
        }
        concerned
    }

    fn add(&self, directory: &Path) -> Option<i32> {
        let changes = inotify::WatchFlags::CREATE
            | inotify::WatchFlags::DELETE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MOVED_FROM
            | inotify::WatchFlags::ONLYDIR;
        inotify::add_watch(&self.inotify, directory, changes).ok()
    }
}

/// Readable when there is something to wait for.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
