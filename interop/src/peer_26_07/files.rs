//! The runtime directory and the config file of a 26.07 primary.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, fcntl_lock, flock, open};

const SIZE: u64 = 25_344;
const MAGIC: u32 = 19_820_526;
const MAGIC_AT: u64 = 0;
const VERSION_26_07: u32 = 0x1A07_0063;
const VERSION_AT: u64 = 4;
const MP_STATUS_AT: u64 = 40;
const MP_STATUS_DISABLED: u8 = 1;
const MP_STATUS_ENABLED: u8 = 2;

/// The group's runtime directory.
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self { path: path.to_owned() })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path.join("mp_socket")
    }

    /// What a broadcast goes to: everything that is called `mp_socket_*`.
    pub(super) fn secondaries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"mp_socket_"))
            .map(|entry| entry.path())
            .collect()
    }

    /// Removes the socket of a peer that is gone.
    pub(super) fn remove(&self, path: &Path) {
        // Somebody else was faster.
        let _ = fs::remove_file(path);
    }

    pub(super) fn remove_socket(&self) {
        self.remove(&self.socket());
    }

    /// Held around binding a socket.
    pub(super) fn lock_exclusive(&self) -> io::Result<OwnedFd> {
        self.lock(FlockOperation::LockExclusive)
    }

    /// Held during a broadcast.
    pub(super) fn lock_shared(&self) -> io::Result<OwnedFd> {
        self.lock(FlockOperation::LockShared)
    }

    fn lock(&self, operation: FlockOperation) -> io::Result<OwnedFd> {
        let fd = open(&self.path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        flock(&fd, operation)?;
        Ok(fd)
    }
}

/// The config file. The lock on it, a POSIX one, lasts as long as this does.
pub(super) struct Config {
    file: File,
}

impl Config {
    /// Makes it and locks it; the magic stays 0 until [`Config::publish`].
    pub(super) fn create(directory: &Directory) -> io::Result<Self> {
        let path = directory.path.join("config");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        file.set_len(SIZE)?;
        // DPDK locks bytes 144 to 17551; the whole file includes them.
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all_at(&[0; SIZE as usize], 0)?;
        file.write_all_at(&VERSION_26_07.to_ne_bytes(), VERSION_AT)?;
        Ok(Self { file })
    }

    pub(super) fn publish(&mut self) -> io::Result<()> {
        self.file.write_all_at(&MAGIC.to_ne_bytes(), MAGIC_AT)
    }

    pub(super) fn mp_status(&self) -> io::Result<u8> {
        let mut status = [0];
        self.file.read_exact_at(&mut status, MP_STATUS_AT)?;
        Ok(status[0])
    }

    /// `rte_mp_disable`: whether nobody can attach any more.
    pub(super) fn disable(&mut self) -> io::Result<bool> {
        if self.mp_status()? == MP_STATUS_ENABLED {
            return Ok(false);
        }
        self.file.write_all_at(&[MP_STATUS_DISABLED], MP_STATUS_AT)?;
        Ok(true)
    }
}
