//! Registered actions, what their handlers get, and how they are called.
//!
//! One name stands for messages and requests alike. A request is answered exactly once: by its
//! handler, by whoever the handler gave it to, or by an ignore when it is dropped, so that nobody
//! waits for the deaf.
//!
//! DPDK 25.11: `eal_common_proc.c`, `rte_mp_action_register`, `rte_mp_reply`, `process_msg`.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use rte_mp_proto::trace::{Fate, Path};
use rte_mp_proto::{ActionName, Arrival, Datagram, DropReason, Kind, Layout, Param, PeerName};
use zerocopy::TryFromBytes;

use crate::error::{ParamError, RegisterError, ReplyError};
use crate::message::{Message, checked_param};
use crate::shared::Shared;
use crate::sys::gaps::Credentials;
use crate::transport::lane::WayBack;

/// How many actions one group takes.
const MAX_ACTIONS: usize = 4096;

/// What a handler may give back: nothing, or a `Result` whose error is noted at debug level.
pub trait HandlerResult: sealed::HandlerResult {}

impl<T: sealed::HandlerResult> HandlerResult for T {}

mod sealed {
    use std::fmt;

    use rte_mp_proto::ActionName;

    pub trait HandlerResult {
        /// Notes what went wrong, if anything did.
        fn note(self, action: &ActionName);
    }

    impl HandlerResult for () {
        fn note(self, _: &ActionName) {}
    }

    impl<E: fmt::Display> HandlerResult for Result<(), E> {
        fn note(self, action: &ActionName) {
            if let Err(error) = self {
                tracing::debug!(target: "rte_mp::request", %action, %error, "a handler failed");
            }
        }
    }
}

type Handler = dyn Fn(Request) + Send + Sync;

/// Makes a handler whose failure is noted.
fn noting<F, R>(handler: F) -> Arc<Handler>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: HandlerResult,
{
    Arc::new(move |request| {
        let action = *request.name();
        sealed::HandlerResult::note(handler(request), &action);
    })
}

/// An action that is to be there from the beginning, with a name that may not be one, or the default one.
#[derive(Clone)]
pub(crate) struct EarlyAction {
    name: Option<Vec<u8>>,
    handler: Arc<Handler>,
}

impl EarlyAction {
    pub(crate) fn new<F, R>(name: &[u8], handler: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        Self { name: Some(name.to_vec()), handler: noting(handler) }
    }

    pub(crate) fn default<F, R>(handler: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        Self { name: None, handler: noting(handler) }
    }
}

impl fmt::Debug for EarlyAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_ref().map(|name| name.escape_ascii().to_string());
        f.debug_tuple("EarlyAction").field(&name).finish()
    }
}

/// The actions of one member.
#[derive(Default)]
pub(crate) struct Actions {
    handlers: RwLock<Handlers>,
}

#[derive(Default)]
struct Handlers {
    by_name: HashMap<ActionName, Arc<Handler>>,
    /// For all names that are not there, but for those that rte-mp keeps for itself.
    default: Option<Arc<Handler>>,
}

impl Actions {
    /// Begins with some actions.
    pub(crate) fn with(early: Vec<EarlyAction>) -> Result<Self, RegisterError> {
        let actions = Self::default();
        for EarlyAction { name, handler } in early {
            let handler = move |request| handler(request);
            match name {
                Some(name) => actions.register(&name, handler)?,
                None => actions.register_default(handler)?,
            }
        }
        Ok(actions)
    }

    pub(crate) fn register<F, R>(&self, name: &[u8], handler: F) -> Result<(), RegisterError>
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        let action = ActionName::new(name).map_err(|source| RegisterError::Name {
            name: String::from_utf8_lossy(name).into_owned(),
            source,
        })?;
        if action.is_reserved() {
            let prefix = ActionName::RESERVED_PREFIX;
            return Err(RegisterError::Reserved { name: action.to_string(), prefix });
        }
        self.add(action, handler)
    }

    /// Registers any name, a reserved one too.
    pub(crate) fn add<F, R>(&self, action: ActionName, handler: F) -> Result<(), RegisterError>
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        let handlers = &mut self.write().by_name;
        if handlers.contains_key(&action) {
            return Err(RegisterError::Exists { name: action.to_string() });
        }
        // Our own are not counted, so that everybody has the same number.
        let counted = || handlers.keys().filter(|name| !name.is_reserved()).count();
        if handlers.len() >= MAX_ACTIONS && counted() >= MAX_ACTIONS {
            return Err(RegisterError::TooMany { name: action.to_string(), max: MAX_ACTIONS });
        }
        handlers.insert(action, noting(handler));
        Ok(())
    }

    /// Registers the handler of all names that have none.
    pub(crate) fn register_default<F, R>(&self, handler: F) -> Result<(), RegisterError>
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        let default = &mut self.write().default;
        if default.is_some() {
            return Err(RegisterError::DefaultExists);
        }
        *default = Some(noting(handler));
        Ok(())
    }

    pub(crate) fn unregister(&self, name: &[u8]) -> bool {
        let Some(name) = ActionName::new(name).ok().filter(|name| !name.is_reserved()) else {
            return false;
        };
        // What a handler owns may do anything when it is dropped, so not under the lock.
        let removed = self.write().by_name.remove(&name);
        removed.is_some()
    }

    pub(crate) fn unregister_default(&self) -> bool {
        // Not dropped under the lock, either.
        let removed = self.write().default.take();
        removed.is_some()
    }

    /// Forgets all actions.
    pub(crate) fn clear(&self) {
        let removed = mem::take(&mut *self.write());
        drop(removed);
    }

    fn find(&self, name: &ActionName) -> Option<Arc<Handler>> {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
        let default = || handlers.default.as_ref().filter(|_| !name.is_reserved());
        handlers.by_name.get(name).or_else(default).cloned()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Handlers> {
        self.handlers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message or request together with the handler that is to be called.
pub(crate) struct Call {
    request: Request,
    handler: Arc<Handler>,
}

impl Call {
    /// Finds the handler. Without one the datagram is dropped: a request is then answered by an
    /// ignore.
    pub(crate) fn new(request: Request) -> Option<Self> {
        match request.shared.actions.find(request.name()) {
            Some(handler) => {
                request.shared.trace_request(&request, Fate::Received);
                Some(Self { request, handler })
            }
            None => {
                let no_action = Fate::Dropped(DropReason::NoAction);
                request.shared.trace_request(&request, no_action);
                request.shared.counters.count_dropped(DropReason::NoAction, request.fds().len());
                None
            }
        }
    }

    /// Calls the handler. If it panics, the request is answered by an ignore as it is dropped, and
    /// the caller lives on.
    pub(crate) fn run(self) {
        let Self { request, handler } = self;
        let shared = Arc::clone(&request.shared);
        let action = *request.name();
        let call = move || {
            handler(request);
            // It may be the last to hold it, and what it owns may panic as it is dropped.
            drop(handler);
        };
        if !survives(call) {
            shared.counters.count_panic();
            tracing::debug!(target: "rte_mp::request", %action, "a handler panicked");
        }
    }
}

/// Calls what is the user's, and tells whether it returned. It may have left something half done;
/// that is between its author and whatever it shares.
pub(crate) fn survives(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call))
        // What it panicked with may panic itself as it is dropped.
        .map_err(mem::forget)
        .is_ok()
}

/// How a message or a request has come.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) path: Path,
    /// Where the answer goes if its receiver is still awake; else it goes to who asked.
    pub(crate) back: Option<WayBack>,
}

/// What a handler gets: a message or a request, and the way to answer it.
///
/// It can be moved to another thread and answered later. A request that is dropped unanswered is
/// answered by an ignore (`MP_IGN`), which tells the peer at once that no reply will come.
pub struct Request {
    shared: Arc<Shared>,
    message: Message,
    kind: Kind,
    layout: Layout,
    peer: PeerName,
    credentials: Option<Credentials>,
    way: Way,
    answered: bool,
}

impl Request {
    pub(crate) fn new(
        shared: Arc<Shared>,
        arrival: Arrival,
        credentials: Option<Credentials>,
        fds: Vec<OwnedFd>,
        way: Way,
    ) -> Self {
        let Datagram { kind, name, param, .. } = arrival.datagram;
        Self {
            shared,
            message: Message::from_parts(name, param, fds),
            kind,
            layout: arrival.layout,
            peer: arrival.from,
            credentials,
            way,
            answered: false,
        }
    }

    /// Borrows what came.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Says whether it is a one-way message or a request.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Gives the action's name.
    pub fn name(&self) -> &ActionName {
        self.message.name()
    }

    /// Borrows the parameter.
    pub fn param(&self) -> &[u8] {
        self.message.param()
    }

    /// Reads the parameter as a struct; see [`Message::param_as`].
    ///
    /// # Errors
    /// As there.
    pub fn param_as<T: TryFromBytes>(&self) -> Result<T, ParamError> {
        self.message.param_as()
    }

    /// Borrows the descriptors.
    pub fn fds(&self) -> &[OwnedFd] {
        self.message.fds()
    }

    /// Says where the answer goes: the member's own socket for a message and for a request of a
    /// DPDK process; for a request of an rte-mp process the return address of that request, which
    /// takes nothing but the answer.
    pub fn peer(&self) -> &PeerName {
        &self.peer
    }

    /// Gives the sender's process id in our pid namespace, from the kernel.
    pub fn peer_pid(&self) -> Option<u32> {
        self.credentials.map(|credentials| credentials.pid).filter(|&pid| pid != 0)
    }

    /// Gives the sender's user id, from the kernel.
    pub fn peer_uid(&self) -> Option<u32> {
        self.credentials.map(|credentials| credentials.uid)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn path(&self) -> Path {
        self.way.path
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        self.credentials
    }

    /// Takes the descriptors out.
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        self.message.take_fds()
    }

    /// Answers with `param`, of at most 256 bytes, and no descriptors.
    ///
    /// Does not block: while the peer's queue is full, the answer waits with the driver.
    ///
    /// # Errors
    /// - [`ReplyError::NotARequest`]: a one-way message came.
    /// - [`ReplyError::Message`]: the parameter is too long; the request is answered by an ignore.
    /// - [`ReplyError::Unreachable`]: the peer is gone.
    ///
    /// DPDK 25.11: `rte_mp_reply`.
    pub fn reply(self, param: &[u8]) -> Result<(), ReplyError> {
        match checked_param(param) {
            Ok(param) => self.answer(Kind::Reply, param, Vec::new()),
            Err(source) => Err(ReplyError::Message { action: self.name().to_string(), source }),
        }
    }

    /// Answers with the parameter and the descriptors of `message`, under the request's own name,
    /// whatever the message is called: the peer would not take it otherwise.
    ///
    /// # Errors
    /// As [`Request::reply`]; also if the peer takes fewer descriptors.
    pub fn reply_with(self, mut message: Message) -> Result<(), ReplyError> {
        message.rename(*self.name());
        let param = message.datagram(Kind::Reply).param;
        self.answer(Kind::Reply, param, message.take_fds())
    }

    /// Answers with "count me out" (`MP_IGN`). Does nothing for a one-way message.
    pub fn ignore(self) {
        // Dropping says it.
    }

    /// Never answers: the peer waits for its whole timeout, as for a DPDK process without handler.
    pub fn stay_silent(mut self) {
        self.answered = true;
    }

    fn answer(mut self, kind: Kind, param: Param, fds: Vec<OwnedFd>) -> Result<(), ReplyError> {
        let name = *self.name();
        if self.kind != Kind::Request {
            return Err(ReplyError::NotARequest { action: name.to_string() });
        }
        let layout = self.shared.layout().for_answer(self.layout);
        if fds.len() > layout.fd_max() {
            let source = crate::MessageError::TooManyFds { max: layout.fd_max() };
            return Err(ReplyError::Message { action: name.to_string(), source });
        }
        self.answered = true;
        let datagram = Datagram { kind, name, param, fd_count: fds.len() };
        self.deliver(layout, datagram, fds).map_err(|source| ReplyError::Unreachable {
            peer: self.peer,
            action: name.to_string(),
            source,
        })
    }

    /// Sends the answer, through the lane if its receiver is awake.
    fn deliver(&mut self, layout: Layout, datagram: Datagram, fds: Vec<OwnedFd>) -> io::Result<()> {
        if let Some(way_back) = self.way.back.take().filter(|_| fds.is_empty()) {
            let stamp = self.shared.tracer.stamp();
            let encoded = datagram.encode(layout);
            if way_back.answer(encoded.as_meaningful_bytes()) {
                self.shared.counters.count_sent(datagram.kind);
                let answer = encoded.as_bytes();
                self.shared.trace_out(stamp, Path::Lane, None, &self.peer, answer, Fate::Sent);
                return Ok(());
            }
        }
        self.shared
            .answer(&self.peer, layout, datagram, fds)
            .inspect_err(|_| self.shared.counters.count_dropped(DropReason::Undelivered, 0))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("kind", &self.kind)
            .field("peer", &self.peer)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // A process that was forked off has the requests of its parent, who will answer them.
        if self.kind != Kind::Request || self.answered || !self.shared.runtime.is_ours() {
            return;
        }
        let name = *self.name();
        let datagram = Datagram { kind: Kind::Ignore, name, param: Param::EMPTY, fd_count: 0 };
        let layout = self.shared.layout().for_answer(self.layout);
        // It is counted if it cannot be delivered; there is nobody to tell.
        let _ = self.deliver(layout, datagram, Vec::new());
    }
}
