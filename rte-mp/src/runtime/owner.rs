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
    /// Of every socket that is bound to a path, the first process that has it open.
    holders: Option<HashMap<u64, u32>>,
}

/// A process, and the sockets that it had open after we had hold of it.
struct Process {
    /// Kept of owners only: whoever makes files may claim any number of processes in their names.
    pidfd: Option<Arc<OwnedFd>>,
    sockets: HashSet<u64>,
}

impl Owners {
    /// Gives a pidfd of process `pid` if it has the socket at `name` open, as far as we may look.
    pub(crate) fn owner(&mut self, pid: u32, name: &PeerName) -> Option<Arc<OwnedFd>> {
        let inodes: Vec<u64> = inodes(table(&mut self.table), name).collect();
        let process = self.processes.entry(pid).or_insert_with(|| Process::open(pid));
        if !process.as_ref()?.has_any(&inodes) {
            process.as_mut()?.pidfd = None;
            return None;
        }
        if process.as_ref()?.pidfd.is_none() {
            // Its id may have changed hands since it was let go.
            *process = Process::open(pid);
        }
        process.as_ref().filter(|process| process.has_any(&inodes))?.pidfd.clone()
    }

    /// Finds any process that has the socket at `name` open, as far as we may look, and a pidfd of
    /// it: one that has another id in its own pid namespace, or a child that has inherited the
    /// socket. Looks at every process, once for all sockets.
    pub(crate) fn any_owner(&mut self, name: &PeerName) -> Option<(u32, Arc<OwnedFd>)> {
        let table = table(&mut self.table);
        let inodes: Vec<u64> = inodes(table, name).collect();
        if inodes.is_empty() {
            return None;
        }
        let holders = self.holders.get_or_insert_with(|| holders(table));
        let pid = inodes.iter().find_map(|inode| holders.get(inode).copied())?;
        Some((pid, self.owner(pid, name)?))
    }

    /// Lists the paths that sockets are bound to, be their files there or not. Those of another
    /// network namespace do not show.
    pub(crate) fn bound_paths(&mut self) -> impl Iterator<Item = &Path> {
        let rows = lines(table(&mut self.table)).filter_map(row);
        rows.filter(|(_, path)| path.starts_with(b"/"))
            .map(|(_, path)| Path::new(OsStr::from_bytes(path)))
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
        let sockets = open_sockets(pid)?.collect();
        Some(Self { pidfd: Some(Arc::new(pidfd)), sockets })
    }

    fn has_any(&self, inodes: &[u64]) -> bool {
        inodes.iter().any(|inode| self.sockets.contains(inode))
    }
}

/// Lists the inodes of the sockets that a process has open, if we may look.
fn open_sockets(pid: u32) -> Option<impl Iterator<Item = u64>> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    Some(links.filter_map(|link| socket_inode(&link)))
}

/// Finds a process for each socket of the kernel's table that is bound to a path.
fn holders(table: &[u8]) -> HashMap<u64, u32> {
    let bound: HashSet<u64> = lines(table).filter_map(row).map(|(inode, _)| inode).collect();
    let mut holders = HashMap::new();
    for pid in processes() {
        for inode in open_sockets(pid).into_iter().flatten().filter(|inode| bound.contains(inode)) {
            holders.entry(inode).or_insert(pid);
        }
    }
    holders
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

/// Finds the inodes of the sockets bound to `name` in the kernel's table.
fn inodes<'a>(table: &'a [u8], name: &'a PeerName) -> impl Iterator<Item = u64> + 'a {
    let wanted = name.as_path().as_os_str().as_bytes();
    let candidates = lines(table).filter(move |line| line.ends_with(wanted));
    candidates.filter_map(row).filter(move |(_, path)| *path == wanted).map(|(inode, _)| inode)
}

fn lines(table: &[u8]) -> impl Iterator<Item = &[u8]> {
    table.split(|&byte| byte == b'\n')
}

/// Reads a line of the kernel's table, if its socket has a path: seven columns, of which the last is the
/// inode, then the path. Counted from the front, since a path may look like columns.
fn row(line: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = line;
    let mut column: &[u8] = &[];
    for _ in 0..7 {
        rest = &rest[rest.iter().position(|&byte| byte != b' ')?..];
        let end = rest.iter().position(|&byte| byte == b' ')?;
        (column, rest) = rest.split_at(end);
    }
    Some((std::str::from_utf8(column).ok()?.parse().ok()?, &rest[1..]))
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
            ffff3: 00000002 00000000 00000000 0002 01  4714 /run/a\n\
            ffff4: 00000002 00000000 00000000 0002 01  4715 /tmp/x 4716 /run/a\n";
        let inodes = |path| inodes(table, &PeerName::new(path).unwrap()).collect::<Vec<_>>();
        assert_eq!(inodes("/run/a"), [4712, 4714]);
        assert_eq!(inodes("/run/a b"), [4711]);
        assert_eq!(inodes("b"), [], "the end of a path is no path");
        assert_eq!(inodes("/tmp/x 4716 /run/a"), [4715], "what looks like columns is none");
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

    /// As after `fork`, which DPDK's sockets survive, or from another pid namespace.
    #[test]
    fn a_socket_of_whatever_process_is_found_and_only_its_owner_is_held() {
        let directory = tempfile::tempdir().unwrap();
        let bind = |file: &str| {
            let name = PeerName::new(directory.path().join(file)).unwrap();
            (UnixDatagram::bind(name.as_path()).unwrap(), name)
        };
        let (socket, name) = bind("socket");
        let mut command = std::process::Command::new("sleep");
        let mut child = command.arg("1000").stdin(OwnedFd::from(socket)).spawn().unwrap();
        // It has the socket, too.
        drop(command);
        let (_own_socket, own_name) = bind("own");
        let mut owners = Owners::default();
        let found = owners.any_owner(&name).map(|(pid, _)| pid);
        let own = owners.any_owner(&own_name).map(|(pid, _)| pid);
        let held = |owners: &Owners| {
            let held = owners.processes.iter().filter(|(_, process)| {
                process.as_ref().is_some_and(|process| process.pidfd.is_some())
            });
            let mut held: Vec<_> = held.map(|(pid, _)| *pid).collect();
            held.sort_unstable();
            held
        };
        let both = held(&owners);
        // A name may claim whatever process it likes.
        let claimed = owners.owner(child.id(), &own_name).is_some();
        let after_a_claim = held(&owners);
        let again = owners.owner(child.id(), &name).is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((found, own), (Some(child.id()), Some(std::process::id())));
        let mut expected = [child.id(), std::process::id()];
        expected.sort_unstable();
        assert_eq!(both, expected);
        assert_eq!((claimed, after_a_claim), (false, vec![std::process::id()]));
        assert!(again, "it is still the owner of its own");
    }
}
