//! How a recorder of another process attaches: by the request `rte-mp/trace`.
//!
//! It carries one end of a pair of `SOCK_SEQPACKET` sockets and no parameter. The reply's parameter is
//! an errno, an `i32` in the byte order of the machine: 0 means that records follow. Only our own
//! user and root may read what others tell us, whoever else is heard.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rte_mp_proto::{ActionName, Kind, Param};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::sink::{self, Sink};
use super::{Trace, TraceStream};
use crate::action::Actions;
use crate::error::{ServiceError, TraceError, raw};
use crate::group::Group;
use crate::incoming::Request;
use crate::message::Message;
use crate::request;
use crate::to::To;

const ACTION: &str = "rte-mp/trace";

/// Has a new member answer to recorders.
pub(crate) fn serve(actions: &Actions) {
    let handler = |mut request: Request| {
        let errno = attach(&mut request).map_or_else(|error| raw(&error), |()| 0);
        if request.kind() == Kind::Request {
            let _ = request.reply(&errno.to_ne_bytes());
        }
    };
    actions.add(action(), handler).expect("a member registers it once, before all others");
}

/// Tells whether `name` is that of the action by which recorders attach.
pub(crate) fn is_own(name: &ActionName) -> bool {
    name.as_bytes() == ACTION.as_bytes()
}

fn attach(request: &mut Request) -> io::Result<()> {
    let shared = request.shared();
    let is_allowed = request.peer_uid().is_some_and(|user| shared.is_own_user(user));
    if !shared.settings.traceable || !is_allowed {
        return Err(Errno::PERM.into());
    }
    let [socket] =
        <[OwnedFd; 1]>::try_from(request.take_fds()).map_err(|_| io::Error::from(Errno::INVAL))?;
    request.shared().tracer.add(Sink::socket(socket)?)
}

fn action() -> ActionName {
    ActionName::new(ACTION).expect("it is short and has no NUL")
}

impl Group {
    /// Records what this member sends and receives from now on.
    ///
    /// Sending and receiving take longer for it, and never wait for the reader.
    ///
    /// # Errors
    /// [`TraceError::Left`], or [`TraceError::TooMany`] if eight record already.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let base = tempfile::tempdir()?;
    /// use rte_mp::trace::{Content, Fate};
    /// use rte_mp::{Group, Message, Role};
    ///
    /// let primary = Group::builder().runtime_base(base.path()).role(Role::Primary).join()?;
    /// let secondary = Group::builder().runtime_base(base.path()).role(Role::Secondary).join()?;
    /// let trace = secondary.trace()?;
    /// secondary.send(&Message::new("hello")?)?;
    /// secondary.leave();
    ///
    /// let sent = trace.filter(|record| match record.content {
    ///     Content::Datagram(datagram) => datagram.fate == Fate::Sent,
    ///     _ => false,
    /// });
    /// assert_eq!(sent.count(), 1);
    /// # drop(primary);
    /// # Ok(())
    /// # }
    /// ```
    pub fn trace(&self) -> Result<Trace, TraceError> {
        let (sink, trace) = Trace::channel();
        match self.shared().tracer.add(sink) {
            Ok(()) => Ok(trace),
            Err(error) => Err(TraceError::of_errno(raw(&error), self.shared().prefix())),
        }
    }
}

impl To<'_> {
    /// Records what that member sends and receives from now on, as long as what this gives is kept. For
    /// members that are rte-mp processes only: a DPDK process notes an error and does not answer.
    ///
    /// The records come as fast as the member sends and receives; if they are not read as fast, some
    /// are lost and counted, and the member is not slowed down. Blocks for at most `timeout`
    /// (`None`: 5 s).
    ///
    /// # Errors
    /// [`TraceError`] if the member does not answer, or refuses: it belongs to another user, does not
    /// want to be traced, or eight record already.
    pub fn trace(&self, timeout: Option<Duration>) -> Result<TraceStream, TraceError> {
        let pair =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (ours, theirs) = pair.map_err(|errno| TraceError::Socket { source: errno.into() })?;
        sink::widen(&theirs);
        let message = Message::from_parts(action(), Param::EMPTY, vec![theirs]);
        let shared = self.group.shared();
        let reply = request::request(shared, self.target, &message, timeout)
            .map_err(ServiceError::from)?
            .into_reply()
            .map_err(ServiceError::from)?;
        match reply.param().try_into().map(i32::from_ne_bytes) {
            Ok(0) => Ok(TraceStream::from(ours)),
            Ok(errno) => Err(TraceError::of_errno(errno, shared.prefix())),
            Err(_) => Err(ServiceError::Reply { action: ACTION }.into()),
        }
    }
}
