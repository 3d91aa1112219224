//! The socket that messages and requests come to, and its file, which goes with it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Once;

use rte_mp_proto::PeerName;
use rustix::net::{Shutdown, shutdown};

use crate::error::JoinError;
use crate::transport::socket;

/// A bound inbox. Its file is removed once, by [`Inbox::close`] or on drop, and only by the process
/// that bound it: one that was forked off shares the socket.
#[derive(Debug)]
pub(super) struct Inbox {
    socket: OwnedFd,
    name: PeerName,
    /// The file's number, so that only our own is removed.
    inode: u64,
    process: u32,
    closing: Once,
}

impl Inbox {
    /// Binds the socket, under the directory's lock. A stale file of the name is gone already.
    pub(super) fn bind(name: &PeerName) -> Result<Self, JoinError> {
        let bind = || {
            let socket = socket::bound(name)?;
            let inode = fs::symlink_metadata(name.as_path())?.ino();
            io::Result::Ok((socket, inode))
        };
        let (socket, inode) = bind().map_err(JoinError::io("bind the socket", name.as_path()))?;
        Ok(Self { socket, name: *name, inode, process: std::process::id(), closing: Once::new() })
    }

    pub(super) fn name(&self) -> &PeerName {
        &self.name
    }

    /// Tells whether this process bound it.
    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// Removes the file. Who is connected learns that nobody reads any more; what is queued stays.
    pub(super) fn close(&self) {
        if !self.is_ours() {
            return;
        }
        self.closing.call_once(|| {
            let is_in_place =
                fs::symlink_metadata(self.name.as_path()).is_ok_and(|m| m.ino() == self.inode);
            if is_in_place {
                // Nothing to tell anybody: somebody else removed it first.
                let _ = fs::remove_file(self.name.as_path());
            }
            let _ = shutdown(&self.socket, Shutdown::Read);
        });
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
    }
}
