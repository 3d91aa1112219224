//! Which process owns a socket: whether a claimed process id can be believed.
//!
//! The id in a socket's name means nothing across pid namespaces, and an id may be used again. A
//! process owns the socket at a path if one of its descriptors is that socket.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rte_mp_proto::PeerName;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// What processes have open, read once for several questions.
#[derive(Default)]
pub(crate) struct Owners {
    /// The kernel's table of sockets.
    table: Option<Vec<u8>>,
    processes: HashMap<u32, Option<Process>>,
}

/// A process, and the sockets that it had open after we had hold of it.
struct Process {
    pidfd: Arc<OwnedFd>,
    sockets: HashSet<u64>,
}

impl Owners {
    /// Gives a pidfd of process `pid` if it has the socket at `name` open, as far as we may look.
    pub(crate) fn owner(&mut self, pid: u32, name: &PeerName) -> Option<Arc<OwnedFd>> {
        let process = self.processes.entry(pid).or_insert_with(|| Process::open(pid)).as_ref()?;
        inodes(table(&mut self.table), name)
            .any(|inode| process.sockets.contains(&inode))
            .then(|| Arc::clone(&process.pidfd))
    }

    /// Finds any process that has the socket at `name` open, as far as we may look, and a pidfd of
    /// it: one that has another id in its own pid namespace, or a child that has inherited the
    /// socket. Looks at every process, once.
    pub(crate) fn any_owner(&mut self, name: &PeerName) -> Option<(u32, Arc<OwnedFd>)> {
        if !self.is_bound(name) {
            return None;
        }
        processes().find_map(|pid| Some((pid, self.owner(pid, name)?)))
    }

    /// Lists the paths that sockets are bound to, be their files there or not. Those of another
    /// network namespace do not show.
    pub(crate) fn bound_paths(&mut self) -> impl Iterator<Item = &Path> {
        table(&mut self.table).split(|&byte| byte == b'\n').filter_map(|line| {
            let start = line.windows(2).position(|pair| pair == b" /")? + 1;
            Some(Path::new(OsStr::from_bytes(&line[start..])))
        })
    }

    /// Tells whether any socket is bound to `name`, be its file there or not. Those of another
    /// network namespace do not show.
    pub(super) fn is_bound(&mut self, name: &PeerName) -> bool {
        inodes(table(&mut self.table), name).next().is_some()
    }
}

impl Process {
    /// The pidfd is opened first, so that the id cannot change hands before the sockets are read.
    fn open(pid: u32) -> Option<Self> {
        let process = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let pidfd = pidfd_open(process, PidfdFlags::empty()).ok()?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        let sockets = links.filter_map(|link| socket_inode(&link)).collect();
        Some(Self { pidfd: Arc::new(pidfd), sockets })
    }
}

/// Lists the processes that we can see, the lowest id first.
fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter()
}

fn table(table: &mut Option<Vec<u8>>) -> &[u8] {
    table.get_or_insert_with(|| fs::read("/proc/net/unix").unwrap_or_default())
}

/// Finds the inodes of the sockets bound to `name` in the kernel's table: seven columns, of which
/// the last is the inode, then the path.
fn inodes<'a>(table: &'a [u8], name: &'a PeerName) -> impl Iterator<Item = u64> + 'a {
    let path = name.as_path().as_os_str().as_bytes();
    table.split(|&byte| byte == b'\n').filter_map(move |line| {
        let columns = line.strip_suffix(path)?.strip_suffix(b" ")?;
        let inode = columns.rsplit(|&byte| byte == b' ').next()?;
        std::str::from_utf8(inode).ok()?.parse().ok()
    })
}

/// Reads the inode out of the link of a descriptor: `socket:[4711]`.
fn socket_inode(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn the_table_is_read_by_whole_paths() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            ffff0: 00000002 00000000 00000000 0002 01  4711 /run/a b\n\
            ffff1: 00000002 00000000 00000000 0002 01  4712 /run/a\n\
            ffff2: 00000002 00000000 00000000 0002 01  4713\n\
            ffff3: 00000002 00000000 00000000 0002 01  4714 /run/a\n";
        let inodes = |path| inodes(table, &PeerName::new(path).unwrap()).collect::<Vec<_>>();
        assert_eq!(inodes("/run/a"), [4712, 4714]);
        assert_eq!(inodes("/run/a b"), [4711]);
        assert_eq!(inodes("b"), [], "the end of a path is no path");
    }

    #[test]
    fn a_process_owns_what_it_has_open() {
        let directory = tempfile::tempdir().unwrap();
        let name = PeerName::new(directory.path().join("socket")).unwrap();
        let socket = UnixDatagram::bind(name.as_path()).unwrap();
        let owns = |pid| Owners::default().owner(pid, &name).is_some();
        assert!(owns(std::process::id()));
        assert!(!owns(1) || std::process::id() == 1);
        drop(socket);
        assert!(!owns(std::process::id()));
    }
}
