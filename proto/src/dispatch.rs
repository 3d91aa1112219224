//! What an incoming datagram is: for an action, for an exchange, or to be dropped and why.
//!
//! Every rule that a datagram must keep before anybody acts on it stands here. A datagram that
//! breaks one is dropped alone: the receiver goes on. (DPDK's IPC thread ends for good.)
//!
//! DPDK 25.11: `eal_common_proc.c`, `read_msg` and `process_msg`.

use crate::layout::Layout;
use crate::message::{Kind, PeerName};
use crate::wire::{Datagram, DecodeError};

/// Which kind of socket a datagram came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The member's own socket: messages and requests come here.
    Inbox,
    /// A return address: answers come here.
    ReturnAddress,
}

/// What the kernel says of a datagram.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether bytes, or descriptors, did not fit and were cut off.
    pub truncated: bool,
    /// The path that the sender is bound to, if it is a path at all.
    pub from: Option<PeerName>,
    /// The sender's user id, from the kernel.
    pub uid: Option<u32>,
    /// How many descriptors came with it.
    pub fd_count: usize,
}

/// A datagram that keeps all rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// What it says.
    pub datagram: Datagram,
    /// How it was laid out; an answer to it is laid out likewise.
    pub layout: Layout,
    /// Who sent it.
    pub from: PeerName,
}

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Neither 332 nor 340 bytes.
    Length,
    /// Bytes or descriptors were cut off.
    Truncated,
    /// A kind, name, parameter length or descriptor count that cannot be.
    Malformed,
    /// More or fewer descriptors than it says.
    FdCount,
    /// From a socket that is not bound to a path, so that nobody knows whose it is.
    Unbound,
    /// From another user than ourselves, root, and those who are trusted.
    ForeignUser,
    /// A message or a request at a return address.
    WrongDoor,
    /// An answer that nobody waits for, such as any at the inbox.
    StrayAnswer,
    /// A message, or an answered request, for an action that nobody registered.
    NoAction,
    /// An answer of our own that could not be delivered in time.
    Undelivered,
}

impl DropReason {
    /// All reasons, in the order of their indexes.
    pub const ALL: [Self; 10] = [
        Self::Length,
        Self::Truncated,
        Self::Malformed,
        Self::FdCount,
        Self::Unbound,
        Self::ForeignUser,
        Self::WrongDoor,
        Self::StrayAnswer,
        Self::NoAction,
        Self::Undelivered,
    ];
}

/// Decides what a datagram is.
///
/// `trusted` tells whether a user id is heard at all.
///
/// # Errors
/// The reason to drop it, the most basic one first.
pub fn dispatch(
    received: Received<'_>,
    door: Door,
    trusted: impl Fn(u32) -> bool,
) -> Result<Arrival, DropReason> {
    if received.truncated {
        return Err(DropReason::Truncated);
    }
    let layout = Layout::of_len(received.bytes.len()).ok_or(DropReason::Length)?;
    if !received.uid.is_some_and(trusted) {
        return Err(DropReason::ForeignUser);
    }
    let from = received.from.ok_or(DropReason::Unbound)?;
    let datagram = Datagram::decode(layout, received.bytes).map_err(|error| match error {
        DecodeError::Length { .. } => DropReason::Length,
        DecodeError::Kind(_)
        | DecodeError::Name(_)
        | DecodeError::ParamLen(_)
        | DecodeError::FdCount(_) => DropReason::Malformed,
    })?;
    if datagram.fd_count != received.fd_count {
        return Err(DropReason::FdCount);
    }
    let expected_at = match datagram.kind {
        Kind::Message | Kind::Request => Door::Inbox,
        Kind::Reply | Kind::Ignore => Door::ReturnAddress,
    };
    match (door == expected_at, door) {
        (true, _) => Ok(Arrival { datagram, layout, from }),
        (false, Door::Inbox) => Err(DropReason::StrayAnswer),
        (false, Door::ReturnAddress) => Err(DropReason::WrongDoor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ActionName, Param};

    fn bytes(kind: Kind, fd_count: usize) -> Vec<u8> {
        let name = ActionName::new("hello").unwrap();
        let datagram = Datagram { kind, name, param: Param::EMPTY, fd_count };
        datagram.encode(Layout::DPDK_25_11).as_bytes().to_vec()
    }

    #[test]
    fn a_datagram_is_dropped_for_the_first_rule_it_breaks() {
        let peer = PeerName::new("/x/mp_socket").unwrap();
        let request = bytes(Kind::Request, 0);
        let good = Received {
            bytes: &request,
            truncated: false,
            from: Some(peer),
            uid: Some(0),
            fd_count: 0,
        };
        let two_fds = bytes(Kind::Request, 2);
        let reply = bytes(Kind::Reply, 0);
        let mut odd_kind = request.clone();
        odd_kind[0] = 7;
        let inbox = Door::Inbox;
        let cases = [
            ("good", good, inbox, None),
            ("cut", Received { truncated: true, ..good }, inbox, Some(DropReason::Truncated)),
            ("short", Received { bytes: &request[1..], ..good }, inbox, Some(DropReason::Length)),
            ("empty", Received { bytes: &[], ..good }, inbox, Some(DropReason::Length)),
            ("stranger", Received { uid: Some(7), ..good }, inbox, Some(DropReason::ForeignUser)),
            ("no user", Received { uid: None, ..good }, inbox, Some(DropReason::ForeignUser)),
            ("unbound", Received { from: None, ..good }, inbox, Some(DropReason::Unbound)),
            ("kind 7", Received { bytes: &odd_kind, ..good }, inbox, Some(DropReason::Malformed)),
            ("surplus", Received { fd_count: 1, ..good }, inbox, Some(DropReason::FdCount)),
            ("missing", Received { bytes: &two_fds, ..good }, inbox, Some(DropReason::FdCount)),
            ("reply", Received { bytes: &reply, ..good }, inbox, Some(DropReason::StrayAnswer)),
            ("request", good, Door::ReturnAddress, Some(DropReason::WrongDoor)),
        ];
        for (what, received, door, expected) in cases {
            assert_eq!(dispatch(received, door, |uid| uid == 0).err(), expected, "{what}");
        }
    }
}
