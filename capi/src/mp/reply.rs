//! Answers: `rte_mp_reply`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rte_mp::{PeerName, PeerNameError, Role};

use super::actions;
use crate::abi::Layout;
use crate::border::Errno;
use crate::eal;

/// Answers the request that came from `peer` under the message's name. If there is none, or it was
/// answered, the reply goes to the path all the same, as DPDK's does.
pub(super) fn reply<M: Layout>(message: &M, peer: Option<&[u8]>) -> Result<(), Errno> {
    let peer = peer.ok_or(Errno::INVALID)?;
    if eal::is_alone() {
        return Ok(());
    }
    let group = eal::shared_group()?;
    let peer = PeerName::new(OsStr::from_bytes(peer)).map_err(|error| match error {
        PeerNameError::TooLong { .. } => Errno(libc::ENAMETOOLONG),
        _ => Errno::INVALID,
    })?;
    let name = message.name()?;
    let message = message.to_message()?;
    if message.fds().len() > group.layout().fd_max() {
        // The request still waits: a right answer to it may follow.
        return Err(Errno(libc::E2BIG));
    }
    let result = match actions::take_waiting(peer, name) {
        Some(request) => request.reply_with(message),
        None => group.reply_to(&peer, message),
    };
    match result.map_err(|error| Errno(error.errno())) {
        // Who asked has died: for a primary that is no error.
        Err(Errno(libc::ECONNREFUSED)) if group.role() == Role::Primary => Ok(()),
        result => result,
    }
}
