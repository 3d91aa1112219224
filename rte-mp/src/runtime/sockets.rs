//! The sockets in a group's directory: listing them, and removing those that nobody owns.
//!
//! A socket that a process left behind refuses a connection. Between the making of the file and
//! the binding of the socket it refuses too; members bind under the directory's exclusive lock, so
//! whoever holds that lock, or lists under the shared one, never sees such a moment. Return
//! addresses are bound without the lock, and are removed only when they are old.
//!
//! DPDK 25.11: `eal_common_proc.c`, `mp_send`. Differs from DPDK: its cleaning at start never
//! removes a stale socket, and its broadcasts remove whatever has such a name.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rte_mp_proto::{MAX_MEMBERS, PeerName, path};
use rustix::fs::{AtFlags, CWD, Dir, FileType, StatxFlags, statx};

use super::directory::Directory;
use crate::transport::socket::{self, Presence};

/// How old a return address must be before nobody can be binding it any more.
const OLD: Duration = Duration::from_secs(2);

/// Lists the secondaries' sockets under the directory's shared lock, at most [`MAX_MEMBERS`].
///
/// Blocks for at most `timeout`, while somebody joins.
pub(super) fn list(directory: &Directory, timeout: Duration) -> io::Result<Vec<PeerName>> {
    let locked = directory.lock_shared(timeout)?;
    let files = files(locked, |file, kind| {
        // Not every file system says what a file is; sending finds out.
        let may_be_a_socket = matches!(kind, FileType::Socket | FileType::Unknown);
        path::is_secondary_socket(file) && may_be_a_socket
    })?;
    let names = files.iter().map(|file| PeerName::new(directory.path.join(file)));
    Ok(names.filter_map(Result::ok).collect())
}

/// Lists the files of an open directory that are `wanted`, at most [`MAX_MEMBERS`].
pub(crate) fn files(
    directory: OwnedFd,
    wanted: impl Fn(&[u8], FileType) -> bool,
) -> io::Result<Vec<OsString>> {
    let mut listed = Vec::new();
    for entry in Dir::new(directory)? {
        let entry = entry?;
        let file = entry.file_name().to_bytes();
        if wanted(file, entry.file_type()) {
            listed.push(OsStr::from_bytes(file).to_owned());
        }
        if listed.len() == MAX_MEMBERS {
            break;
        }
    }
    Ok(listed)
}

/// Tells apart the sockets that were at `name` one after the other: by the number of the file, which
/// a disk gives out again, and by its birth, which a file system in memory need not know. Not by the
/// time of its last change: that is changed by removing it.
pub(crate) fn incarnation(name: &PeerName) -> io::Result<u64> {
    let flags = StatxFlags::INO | StatxFlags::BTIME;
    let status = statx(CWD, name.as_path(), AtFlags::SYMLINK_NOFOLLOW, flags)?;
    let birth = status.stx_btime;
    let seconds = birth.tv_sec.cast_unsigned().rotate_left(30);
    Ok(seconds ^ u64::from(birth.tv_nsec) ^ status.stx_ino.rotate_left(32))
}

/// Removes every socket that nobody owns, and says which: the primary's, secondaries', old return
/// addresses. The caller holds the directory's exclusive lock.
pub(crate) fn remove_stale(directory: &Directory) -> io::Result<Vec<PeerName>> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(&directory.path)? {
        let entry = entry?;
        let file = entry.file_name();
        let file = file.as_encoded_bytes();
        let is_member = path::is_secondary_socket(file) || file == path::PRIMARY_SOCKET.as_bytes();
        let is_leftover = is_member || (path::is_return_address(file) && is_old(&entry.path()));
        if is_leftover
            && let Ok(name) = PeerName::new(entry.path())
            && remove_if_stale(&name)
        {
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Removes the file at `name` if it is a socket that nobody owns, and says whether it did.
pub(crate) fn remove_if_stale(name: &PeerName) -> bool {
    let is_socket = fs::symlink_metadata(name.as_path()).is_ok_and(|m| m.file_type().is_socket());
    if !is_socket || !matches!(socket::probe(name), Ok(Presence::Stale)) {
        return false;
    }
    tracing::debug!(target: "rte_mp::members", socket = %name, "removing a stale socket");
    // Nothing to tell anybody if it fails: somebody else removed it first.
    fs::remove_file(name.as_path()).is_ok()
}

/// Tells whether the file at `path` was made long enough ago for its socket to be bound by now.
pub(crate) fn is_old(path: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    let changed = u64::try_from(metadata.ctime()).map(Duration::from_secs).unwrap_or_default();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.checked_sub(changed).is_some_and(|age| age > OLD)
}
