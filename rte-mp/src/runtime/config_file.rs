//! The config file: the primary's lock, the version word, and who may attach.
//!
//! Offsets are in `rte_mp_proto::config`. A file of a DPDK primary is only read, but for the one
//! byte by which every secondary says that it has attached.
//!
//! DPDK 25.11: `eal.c`, `rte_eal_config_create`, `rte_eal_config_attach`, `eal_proc_type_detect`.
//! Differs from DPDK: a primary locks before it writes anything.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rte_mp_proto::config::{
    Header, LEN, LOCK_LEN, LOCK_START, MAGIC, MAGIC_OFFSET, MpStatus, NATIVE_ARENA_OFFSET,
    NATIVE_PID_OFFSET, VERSION_OFFSET,
};
use rte_mp_proto::{Flavor, path};
use rustix::fs::{FlockOperation, OFlags, flock};

use super::directory::Directory;
use super::{FIRST_PAUSE, wait_a_little};
use crate::error::JoinError;
use crate::sys::gaps::{Holder, lock_holder, lock_range};
use crate::sys::mapping;

const DISABLED: u8 = MpStatus::Disabled.code();

/// Tells whether somebody holds a lock on the config file at `path`, which may be a link: the caller
/// has named it.
pub(super) fn is_locked(path: &Path) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    Ok(lock_holder(&options.open(path)?)?.is_some())
}

/// An open config file.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    file: File,
    path: PathBuf,
}

impl ConfigFile {
    /// Opens the file of a group that somebody leads.
    pub(super) fn open(directory: &Directory) -> Result<Self, JoinError> {
        let path = directory.path.join(path::CONFIG);
        let file = options().write(true).open(&path).or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => options().open(&path),
            _ => Err(error),
        });
        match file {
            Ok(file) => Ok(Self { file, path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(JoinError::no_primary(directory))
            }
            Err(error) => Err(JoinError::io("open", &path)(error)),
        }
    }

    /// Opens the file to look at it only. It must be a file, and be there.
    pub(crate) fn open_to_look(directory: &Directory) -> io::Result<Self> {
        let path = directory.path.join(path::CONFIG);
        let file = options().open(&path)?;
        if file.metadata()?.is_file() {
            Ok(Self { file, path })
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
        }
    }

    /// Checks that nobody holds the primary's lock, without taking it.
    pub(super) fn check_unlocked(directory: &Directory) -> Result<(), JoinError> {
        match Self::open(directory) {
            Ok(config) if config.is_locked()? => Err(config.primary_running(directory)),
            Ok(_) | Err(JoinError::NoPrimary { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens or makes the file and takes the primary's lock, without changing a byte of it.
    pub(super) fn lock_as_primary(directory: &Directory) -> Result<Self, JoinError> {
        let path = directory.path.join(path::CONFIG);
        loop {
            let file = options()
                .write(true)
                .create(true)
                .mode(0o600)
                .open(&path)
                .map_err(JoinError::io("open", &path))?;
            let config = Self { file, path: path.clone() };
            match lock_range(&config.file, LOCK_START, LOCK_LEN) {
                Ok(()) if config.is_in_place() => return Ok(config),
                // Its former owner removed it between the two calls.
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(config.primary_running(directory));
                }
                Err(error) => return Err(JoinError::io("lock", &path)(error)),
            }
        }
    }

    /// Tells whether a DPDK process still uses the files of a primary that ended: it has this very
    /// file mapped, so nothing may be written into it. DPDK processes keep a shared lock on each
    /// `fbarray_*` file.
    pub(super) fn is_mapped_by_dpdk(&self, directory: &Directory) -> Result<bool, JoinError> {
        if self.flavor() == Some(Flavor::Native) {
            return Ok(false);
        }
        let entries = fs::read_dir(&directory.path)
            .map_err(JoinError::io("list the directory", &directory.path))?;
        for entry in entries.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(b"fbarray_")
                && let Ok(file) = options().open(entry.path())
                && flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Empties the file and writes all of a native primary's but the magic.
    pub(super) fn begin_native(&self, arena_id: u64) -> Result<(), JoinError> {
        let write = || {
            self.file.write_all_at(&0_u32.to_ne_bytes(), MAGIC_OFFSET)?;
            // Never shorter than before by a page that somebody has mapped to attach.
            self.file.set_len(LEN)?;
            self.file.write_all_at(&[0; LEN as usize], 0)?;
            self.file.write_all_at(&Flavor::NATIVE_WORD.to_ne_bytes(), VERSION_OFFSET)?;
            self.file.write_all_at(&std::process::id().to_ne_bytes(), NATIVE_PID_OFFSET)?;
            self.file.write_all_at(&arena_id.to_ne_bytes(), NATIVE_ARENA_OFFSET)
        };
        write().map_err(JoinError::io("write", &self.path))
    }

    /// Writes the magic: the primary is ready.
    pub(super) fn finish_native(&self) -> Result<(), JoinError> {
        self.file
            .write_all_at(&MAGIC.to_ne_bytes(), MAGIC_OFFSET)
            .map_err(JoinError::io("write", &self.path))
    }

    /// Waits until the primary that holds the lock is ready, and says what it is. `deadline` is
    /// `waited` after the waiting began.
    pub(super) fn wait_until_ready(
        &self,
        directory: &Directory,
        deadline: Instant,
        waited: Duration,
    ) -> Result<Flavor, JoinError> {
        let mut pause = FIRST_PAUSE;
        loop {
            if !self.is_locked()? || !self.is_in_place() {
                return Err(JoinError::no_primary(directory));
            }
            match self.header().map_err(JoinError::io("read", &self.path))? {
                Header::Ready(flavor) => return Ok(flavor),
                Header::NotAConfig { magic } => {
                    return Err(JoinError::NotAConfig { path: self.path.clone(), magic });
                }
                Header::NotReady(_) if wait_a_little(deadline, &mut pause) => {}
                Header::NotReady(_) => {
                    let prefix = directory.prefix.clone();
                    return Err(JoinError::NotReady { prefix, waited });
                }
            }
        }
    }

    /// Tells whether this still is the file of a primary of this flavor that is ready.
    pub(super) fn is_still(&self, flavor: Flavor) -> bool {
        matches!(self.header(), Ok(Header::Ready(found)) if found == flavor) && self.is_in_place()
    }

    /// Checks that the primary has not forbidden secondaries.
    pub(super) fn check_enabled(
        &self,
        directory: &Directory,
        flavor: Flavor,
    ) -> Result<(), JoinError> {
        match self.mp_status(flavor).map_err(JoinError::io("read", &self.path))? {
            DISABLED => Err(JoinError::Disabled { prefix: directory.prefix.clone() }),
            _ => Ok(()),
        }
    }

    /// Says in the file that a secondary has attached, unless the primary forbids it.
    pub(super) fn attach(&self, directory: &Directory, flavor: Flavor) -> Result<(), JoinError> {
        let found = match self.swap_mp_status(flavor, MpStatus::Unknown, MpStatus::Enabled) {
            Ok(found) => found,
            // A file that we may only read.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return self.check_enabled(directory, flavor);
            }
            Err(error) => return Err(JoinError::io("change", &self.path)(error)),
        };
        match found {
            DISABLED => Err(JoinError::Disabled { prefix: directory.prefix.clone() }),
            _ => Ok(()),
        }
    }

    /// Puts `new` in place of `old`, and gives what stood there. Releases that have no such byte
    /// behave as if anybody may attach.
    pub(super) fn swap_mp_status(
        &self,
        flavor: Flavor,
        old: MpStatus,
        new: MpStatus,
    ) -> io::Result<u8> {
        match MpStatus::offset(flavor) {
            Some(offset) => mapping::compare_exchange(&self.file, offset, old.code(), new.code()),
            None => Ok(MpStatus::Enabled.code()),
        }
    }

    /// Reads whether others may attach, if the file says so in a way that is known.
    pub(crate) fn multi_process(&self, flavor: Flavor) -> Option<MpStatus> {
        MpStatus::offset(flavor)?;
        let code = self.mp_status(flavor).ok()?;
        [MpStatus::Unknown, MpStatus::Disabled, MpStatus::Enabled]
            .into_iter()
            .find(|status| status.code() == code)
    }

    fn mp_status(&self, flavor: Flavor) -> io::Result<u8> {
        let Some(offset) = MpStatus::offset(flavor) else { return Ok(MpStatus::Enabled.code()) };
        let mut status = [0];
        self.file.read_exact_at(&mut status, offset)?;
        Ok(status[0])
    }

    /// Reads magic and version. A file that is too short is not ready.
    pub(crate) fn header(&self) -> io::Result<Header> {
        let mut bytes = [0; Header::LEN];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(Header::parse(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(Header::NotReady(None))
            }
            Err(error) => Err(error),
        }
    }

    /// Finds the primary's process id: from its lock (DPDK) or from the file (native).
    pub(crate) fn primary_pid(&self) -> Option<u32> {
        let holder = lock_holder(&self.file).ok()??;
        holder.pid.or_else(|| match self.flavor()? {
            Flavor::Native => {
                let mut pid = [0; 4];
                self.file.read_exact_at(&mut pid, NATIVE_PID_OFFSET).ok()?;
                Some(u32::from_ne_bytes(pid)).filter(|&pid| pid != 0)
            }
            Flavor::Dpdk(_) => None,
        })
    }

    /// Reads the id of a native primary's memory; what stands there is another in any other file.
    pub(super) fn arena_id(&self) -> Option<u64> {
        let mut id = [0; 8];
        self.file.read_exact_at(&mut id, NATIVE_ARENA_OFFSET).ok()?;
        Some(u64::from_ne_bytes(id))
    }

    /// Tells whether the file was removed from the directory.
    pub(super) fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Removes the file while its lock is held, so that whoever opened it before cannot lead with
    /// a file that is gone.
    pub(super) fn remove(&self) {
        if self.is_in_place() {
            // Nothing to tell anybody: the directory may be gone already.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Removes a file that no primary has made ready: one that was just begun.
    pub(super) fn remove_if_not_ready(&self) {
        if matches!(self.header(), Ok(Header::NotReady(_))) {
            self.remove();
        }
    }

    /// Tells who holds the primary's lock, if anybody does.
    pub(crate) fn lock_holder(&self) -> io::Result<Option<Holder>> {
        lock_holder(&self.file)
    }

    fn is_locked(&self) -> Result<bool, JoinError> {
        let holder = self.lock_holder().map_err(JoinError::io("test", &self.path))?;
        Ok(holder.is_some())
    }

    fn primary_running(&self, directory: &Directory) -> JoinError {
        JoinError::PrimaryRunning { prefix: directory.prefix.clone(), pid: self.primary_pid() }
    }

    fn flavor(&self) -> Option<Flavor> {
        match self.header().ok()? {
            Header::Ready(flavor) => Some(flavor),
            Header::NotReady(_) | Header::NotAConfig { .. } => None,
        }
    }

    /// Tells whether the file at the path is still the one that we have open.
    fn is_in_place(&self) -> bool {
        let here = self.file.metadata().map(|m| (m.dev(), m.ino())).ok();
        here.is_some() && here == fs::metadata(&self.path).map(|m| (m.dev(), m.ino())).ok()
    }
}

/// Read-only, never through a link that somebody put there, never blocking on what is no file.
fn options() -> OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    options
}
