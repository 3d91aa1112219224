//! What is called where datagrams go out, come in, and are dropped.
//!
//! All of it is for the case that somebody records; where nobody does, a [`Stamp`] is nothing and the
//! rest is passed by.

use rte_mp_proto::trace::{Direction, Fate, Path, Traced};
use rte_mp_proto::{Datagram, DropReason, Layout, Param, PeerName, Received};

use super::Stamp;
use crate::incoming::Request;
use crate::shared::Shared;
use crate::sys::gaps::Credentials;

/// A datagram that has come in and is looked at, while somebody records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) time: u64,
    pub(crate) path: Path,
    /// Where it came to.
    pub(crate) local: PeerName,
    pub(crate) credentials: Option<Credentials>,
}

impl Shared {
    /// Records a datagram that was to go out from `local`, or from the member's own socket.
    #[inline]
    pub(crate) fn trace_out(
        &self,
        stamp: Stamp,
        path: Path,
        local: Option<&PeerName>,
        peer: &PeerName,
        bytes: &[u8],
        fate: Fate,
    ) {
        if let Some(time) = stamp {
            self.record_out(time, path, local, peer, bytes, fate);
        }
    }

    #[cold]
    fn record_out(
        &self,
        time: u64,
        path: Path,
        local: Option<&PeerName>,
        peer: &PeerName,
        bytes: &[u8],
        fate: Fate,
    ) {
        let traced = Traced {
            fate,
            path,
            local: *local.unwrap_or(&self.runtime.name),
            peer: Some(*peer),
            ..of_bytes(Direction::Out, bytes, self.runtime.name)
        };
        self.tracer.record(time, traced);
    }

    /// Records what has come in and was looked at.
    #[cold]
    pub(crate) fn record_seen(&self, seen: &Seen, received: &Received<'_>, fate: Fate) {
        let traced = Traced {
            fate,
            path: seen.path,
            process_id: seen.credentials.map(|sender| sender.pid).filter(|&pid| pid != 0),
            user_id: seen.credentials.map(|sender| sender.uid),
            fd_count: received.fd_count as u16,
            peer: received.from,
            ..of_bytes(Direction::In, received.bytes, seen.local)
        };
        self.tracer.record(seen.time, traced);
    }

    /// Records a datagram that is dropped before anybody has looked at it.
    pub(crate) fn trace_dropped(
        &self,
        path: Path,
        credentials: Option<Credentials>,
        received: &Received<'_>,
        reason: DropReason,
    ) {
        if let Some(time) = self.tracer.stamp() {
            let seen = Seen { time, path, local: self.runtime.name, credentials };
            self.record_seen(&seen, received, Fate::Dropped(reason));
        }
    }

    /// Records what came for an action.
    #[inline]
    pub(crate) fn trace_request(&self, request: &Request, fate: Fate) {
        if let Some(time) = self.tracer.stamp() {
            self.record_request(time, request, fate);
        }
    }

    #[cold]
    fn record_request(&self, time: u64, request: &Request, fate: Fate) {
        let datagram = request.message().datagram(request.kind());
        let traced = Traced {
            direction: Direction::In,
            kind: Some(datagram.kind),
            path: request.path(),
            fate,
            process_id: request.peer_pid(),
            user_id: request.peer_uid(),
            fd_count: datagram.fd_count as u16,
            len: request.layout().datagram_len() as u16,
            local: self.runtime.name,
            peer: Some(*request.peer()),
            name: Some(datagram.name),
            param: datagram.param,
        };
        self.tracer.record(time, traced);
    }
}

/// Takes from a datagram's bytes what they tell; the rest is to be put in place.
fn of_bytes(direction: Direction, bytes: &[u8], local: PeerName) -> Traced {
    let decoded =
        Layout::of_len(bytes.len()).and_then(|layout| Datagram::decode(layout, bytes).ok());
    let first = &bytes[..bytes.len().min(Param::MAX_LEN)];
    Traced {
        direction,
        kind: decoded.map(|datagram| datagram.kind),
        path: Path::Socket,
        fate: Fate::Sent,
        process_id: None,
        user_id: None,
        fd_count: decoded.map_or(0, |datagram| datagram.fd_count as u16),
        len: bytes.len() as u16,
        local,
        peer: None,
        name: decoded.map(|datagram| datagram.name),
        param: decoded
            .map_or_else(|| Param::new(first).unwrap_or(Param::EMPTY), |datagram| datagram.param),
    }
}
