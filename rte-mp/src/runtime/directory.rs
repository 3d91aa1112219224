//! The runtime directory: chosen as DPDK chooses it, made as DPDK makes it, and locked likewise.
//!
//! Its path is kept as the very string that DPDK builds, since replies are matched by it:
//! `/var/run/dpdk/rte`, never `/run/dpdk/rte`.
//!
//! DPDK 25.11: `eal_filesystem.h`, `eal_get_runtime_dir`; `eal.c`, `eal_create_runtime_dir`.
//! Differs from DPDK: a prefix with a slash or of dots only, and a directory that others may
//! enter or that somebody else owns, are refused.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rte_mp_proto::{PeerName, path};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

use super::{FIRST_PAUSE, wait_a_little};
use crate::error::JoinError;

/// Others must not read, write or enter; the owner's own group must not write.
const FORBIDDEN: u32 = 0o027;
/// The level above may be read by others, but not changed.
const FORBIDDEN_ABOVE: u32 = 0o022;

/// A group's directory.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    pub(crate) prefix: String,
    /// `<base>/dpdk/<prefix>`
    pub(crate) path: PathBuf,
}

impl Directory {
    /// Names the directory of the group `prefix` under `base`, or where DPDK has it. Touches
    /// nothing.
    pub(crate) fn find(prefix: &str, base: Option<&Path>) -> Result<Self, JoinError> {
        check_prefix(prefix)?;
        let base = base.map_or_else(default_base, |base| base.as_os_str().to_owned());
        let mut path = base;
        path.push("/dpdk/");
        path.push(prefix);
        let directory = Self { prefix: prefix.to_owned(), path: path.into() };
        directory.check_length()?;
        Ok(directory)
    }

    /// Takes the directory at `path` as it is, whatever its name: for looking at it only.
    pub(crate) fn at(path: PathBuf) -> Self {
        let prefix = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { prefix, path }
    }

    /// Checks that every socket that we may bind in it has a path that fits an address: who cannot
    /// bind a return address could join, but ask nobody.
    fn check_length(&self) -> Result<(), JoinError> {
        let pid = std::process::id();
        self.socket_name(&path::return_address(pid, u64::MAX))?;
        self.socket_name(&path::secondary_socket(pid, u64::MAX)).map(drop)
    }

    /// Names a socket in it.
    pub(crate) fn socket_name(&self, file: &str) -> Result<PeerName, JoinError> {
        let path = self.path.join(file);
        PeerName::new(&path).map_err(|source| JoinError::SocketPath {
            prefix: self.prefix.clone(),
            path,
            source,
        })
    }

    /// Makes both levels, 0700, where they are not there, and checks each before the next: that it
    /// is ours or root's, and closed to others.
    pub(crate) fn create(&self) -> Result<(), JoinError> {
        for (level, forbidden) in self.levels() {
            match DirBuilder::new().mode(0o700).create(level) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result.map_err(JoinError::io("make the directory", level))?,
            }
            check_level(level, forbidden)?;
        }
        Ok(())
    }

    /// Checks both levels, which must be there because a primary made them.
    pub(crate) fn check(&self) -> Result<(), JoinError> {
        if !self.path.exists() {
            return Err(JoinError::no_primary(self));
        }
        self.levels().into_iter().try_for_each(|(level, forbidden)| check_level(level, forbidden))
    }

    fn levels(&self) -> [(&Path, u32); 2] {
        let above = self.path.parent().unwrap_or(&self.path);
        [(above, FORBIDDEN_ABOVE), (&self.path, FORBIDDEN)]
    }

    /// Locks it as every process does that binds a socket in it.
    pub(crate) fn lock_exclusive(&self, timeout: Duration) -> Result<OwnedFd, JoinError> {
        self.lock(FlockOperation::NonBlockingLockExclusive, timeout).map_err(|error| {
            match error.kind() {
                io::ErrorKind::TimedOut => {
                    JoinError::DirectoryLocked { path: self.path.clone(), waited: timeout }
                }
                _ => JoinError::io("lock the directory", &self.path)(error),
            }
        })
    }

    /// Locks it as a process does that lists it. Closing the descriptor unlocks.
    pub(crate) fn lock_shared(&self, timeout: Duration) -> io::Result<OwnedFd> {
        self.lock(FlockOperation::NonBlockingLockShared, timeout)
    }

    /// Opens it without any lock, to list it all the same.
    pub(crate) fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(open(&self.path, flags, Mode::empty())?)
    }

    /// The descriptor is a new one each time: a lock belongs to the open file description, and two
    /// threads that shared one would unlock each other.
    fn lock(&self, operation: FlockOperation, timeout: Duration) -> io::Result<OwnedFd> {
        let directory = self.open()?;
        let deadline = Instant::now() + timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            match flock(&directory, operation) {
                Ok(()) => return Ok(directory),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    if !wait_a_little(deadline, &mut pause) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Checks a file prefix.
///
/// # Errors
/// [`JoinError::Prefix`] says what is wrong with it.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), JoinError> {
    let reason = if prefix.is_empty() {
        "is empty"
    } else if prefix.contains('%') {
        "contains '%'"
    } else if prefix.contains('/') {
        "contains '/'"
    } else if prefix.contains(char::is_control) {
        "contains a control character"
    } else if prefix == "." || prefix.contains("..") {
        "leads to another directory"
    } else {
        return Ok(());
    };
    Err(JoinError::Prefix { prefix: prefix.to_owned(), reason })
}

/// Names the directory below which DPDK would have the groups of this process, each in
/// `dpdk/<file prefix>`; see [`GroupBuilder::runtime_base`](crate::GroupBuilder::runtime_base). Touches
/// nothing.
///
/// DPDK 25.11: `eal_filesystem.h`, `eal_get_runtime_dir`.
pub fn default_runtime_base() -> PathBuf {
    default_base().into()
}

fn default_base() -> OsString {
    choose_base(
        env::var_os("RUNTIME_DIRECTORY"),
        rustix::process::getuid().is_root(),
        env::var_os("XDG_RUNTIME_DIR"),
    )
}

/// What DPDK does since 22.03; `$RUNTIME_DIRECTORY` counts even if it is empty.
fn choose_base(runtime: Option<OsString>, root: bool, xdg: Option<OsString>) -> OsString {
    match (runtime, root, xdg) {
        (Some(runtime), _, _) => runtime,
        (None, true, _) => "/var/run".into(),
        (None, false, Some(xdg)) => xdg,
        (None, false, None) => "/tmp".into(),
    }
}

fn check_level(path: &Path, forbidden: u32) -> Result<(), JoinError> {
    let metadata = fs::symlink_metadata(path).map_err(JoinError::io("look at", path))?;
    let owner = metadata.uid();
    if !metadata.is_dir() {
        return Err(JoinError::io("use", path)(io::ErrorKind::NotADirectory.into()));
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(JoinError::DirectoryOwner { path: path.to_owned(), owner });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & forbidden != 0 {
        return Err(JoinError::DirectoryOpen { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_chosen_as_dpdk_chooses_it() {
        let some = |value: &str| Some(OsString::from(value));
        let cases = [
            ("root", None, true, some("/run/user/0"), "/var/run"),
            ("a user", None, false, some("/run/user/7"), "/run/user/7"),
            ("a user without XDG", None, false, None, "/tmp"),
            ("systemd, root", some("/run/web"), true, None, "/run/web"),
            ("systemd, user", some("/run/web"), false, some("/run/user/7"), "/run/web"),
            ("set but empty", some(""), true, None, ""),
        ];
        for (what, runtime, root, xdg, expected) in cases {
            assert_eq!(choose_base(runtime, root, xdg), expected, "{what}");
        }
    }

    #[test]
    fn the_path_is_the_string_that_dpdk_builds() {
        let path = |base: &str| Directory::find("rte", Some(Path::new(base))).unwrap().path;
        assert_eq!(path("/var/run").as_os_str(), "/var/run/dpdk/rte");
        assert_eq!(path("").as_os_str(), "/dpdk/rte");
    }

    #[test]
    fn a_prefix_that_leads_elsewhere_is_refused() {
        for prefix in ["", "a%b", "a/b", "..", "../x", "a..b", ".", "a\0b", "a\nb"] {
            let error = check_prefix(prefix).expect_err(prefix);
            assert!(matches!(error, JoinError::Prefix { .. }), "{prefix:?}");
        }
        for prefix in ["rte", "mp_ipc", "a.b", "web-1", "ü"] {
            check_prefix(prefix).expect(prefix);
        }
    }
}
