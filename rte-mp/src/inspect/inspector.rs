//! Finding out about groups: directory, config file, sockets, owners.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rte_mp_proto::PeerName;
use rte_mp_proto::config::{Header, MpStatus};

use super::{Base, Config, GroupReport, Listing, SocketKind, SocketReport};
use crate::error::JoinError;
use crate::runtime::Directory;
use crate::runtime::config_file::ConfigFile;
use crate::runtime::liveness::Owners;
use crate::runtime::sockets;

/// How long others may hold a directory's lock before it is listed without.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);
/// How long that may take for all directories that one [`Inspector`] looks at: anybody may make any number
/// of them below `/tmp`, and lock them.
const LOCK_TIMEOUT_IN_ALL: Duration = Duration::from_secs(1);

/// Looks at groups. What processes have open is read once for all of them, so take a new one for
/// each round.
pub struct Inspector {
    owners: Owners,
    /// What is left of [`LOCK_TIMEOUT_IN_ALL`].
    patience: Duration,
}

impl Default for Inspector {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

impl Inspector {
    /// Makes one; nothing is read yet.
    pub fn new() -> Self {
        Self { owners: Owners::default(), patience: LOCK_TIMEOUT_IN_ALL }
    }

    /// Looks at all groups of `base`. Blocks for at most 100 ms for each, while others join it, and for at most
    /// 1 s for all that this inspector looks at.
    ///
    /// # Errors
    /// The kernel's, if `<base>/dpdk` is there and cannot be listed.
    pub fn groups(&mut self, base: &Base) -> io::Result<Vec<GroupReport>> {
        let directories = base.group_directories()?;
        Ok(directories.iter().filter_map(|directory| self.group(directory)).collect())
    }

    /// Looks at the group whose directory this is; gives nothing if there is no such directory.
    /// Blocks as [`Inspector::groups`] does for each.
    ///
    /// The sockets are listed before the config file is read: a primary has the lock before it has a
    /// socket, so one that is just starting is never taken for one that lost its lock.
    pub fn group(&mut self, directory: &Path) -> Option<GroupReport> {
        if !directory.is_dir() {
            return None;
        }
        let directory = Directory::at(directory.to_owned());
        let start = Instant::now();
        let (listing, files) = list(&directory, LOCK_TIMEOUT.min(self.patience));
        if matches!(&listing, Listing::Unlocked(error) if error.kind() == io::ErrorKind::TimedOut) {
            self.patience = self.patience.saturating_sub(start.elapsed());
        }
        let config = look_at_config(&directory);
        let mut sockets: Vec<_> = files
            .into_iter()
            .filter_map(|(path, kind)| {
                SocketReport::of(path, kind, config.claimed_primary, &mut self.owners)
            })
            .collect();
        sockets.sort_by(|one, other| (one.kind, &one.path).cmp(&(other.kind, &other.path)));
        Some(GroupReport {
            prefix: directory.prefix,
            directory: directory.path,
            config: config.says,
            is_locked: config.is_locked,
            multi_process: config.multi_process,
            claimed_primary: config.claimed_primary,
            listing,
            sockets,
        })
    }
}

/// Removes the sockets in a group's directory that nobody owns, and says which: members' and, if they
/// are older than 2 s, return addresses. Every rte-mp process that joins does so, too; DPDK never does.
///
/// Takes the directory's exclusive lock, as processes do that join; blocks for at most `timeout` for
/// that.
///
/// # Errors
/// [`JoinError`]: the directory belongs to another user (not root), or is open to others, so that
/// files in it may change places under our hands; others held its lock all the time; or the system
/// refused.
pub fn remove_stale_sockets(
    directory: &Path,
    timeout: Duration,
) -> Result<Vec<PathBuf>, JoinError> {
    let directory = Directory::at(directory.to_owned());
    directory.check()?;
    let _locked = directory.lock_exclusive(timeout)?;
    let removed = sockets::remove_stale(&directory)
        .map_err(JoinError::io("remove stale sockets from", &directory.path))?;
    Ok(removed.iter().map(|name: &PeerName| name.as_path().to_owned()).collect())
}

/// Lists the files that are sockets by their names, under the directory's lock if it can be had within
/// `timeout`.
fn list(directory: &Directory, timeout: Duration) -> (Listing, Vec<(PathBuf, SocketKind)>) {
    let (listing, opened) = match directory.lock_shared(timeout) {
        Ok(locked) => (Listing::Locked, Ok(locked)),
        Err(error) => (Listing::Unlocked(error), directory.open()),
    };
    let files =
        opened.and_then(|opened| sockets::files(opened, |file, _| SocketKind::of(file).is_some()));
    match files {
        Ok(files) => {
            let kinds = files.into_iter().filter_map(|file| {
                let kind = SocketKind::of(file.as_encoded_bytes())?;
                Some((directory.path.join(file), kind))
            });
            (listing, kinds.collect())
        }
        Err(error) => (Listing::Failed(error), Vec::new()),
    }
}

/// What the config file tells, and its lock.
struct FoundConfig {
    says: Config,
    is_locked: bool,
    multi_process: Option<MpStatus>,
    claimed_primary: Option<u32>,
}

fn look_at_config(directory: &Directory) -> FoundConfig {
    let mut found = FoundConfig {
        says: Config::Missing,
        is_locked: false,
        multi_process: None,
        claimed_primary: None,
    };
    match read_config(directory, &mut found) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => found.says = Config::Unreadable(error),
        Ok(()) => {}
    }
    found
}

fn read_config(directory: &Directory, found: &mut FoundConfig) -> io::Result<()> {
    let config = ConfigFile::open_to_look(directory)?;
    found.is_locked = config.lock_holder()?.is_some();
    found.claimed_primary = config.primary_pid();
    found.says = match config.header()? {
        Header::NotReady(flavor) => Config::NotReady(flavor),
        Header::NotAConfig { magic } => Config::NotAConfig { magic },
        Header::Ready(flavor) => {
            found.multi_process = config.multi_process(flavor);
            Config::Ready(flavor)
        }
    };
    Ok(())
}
