//! Registered actions and how they are called.
//!
//! One name stands for messages and requests alike. What has no handler is dropped; what a handler
//! gets is in `incoming`.
//!
//! DPDK 25.11: `eal_common_proc.c`, `rte_mp_action_register`, `process_msg`.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use rte_mp_proto::trace::Fate;
use rte_mp_proto::{ActionName, DropReason};

use crate::error::RegisterError;
use crate::incoming::Request;

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
        match request.shared().actions.find(request.name()) {
            Some(handler) => {
                request.shared().trace_request(&request, Fate::Received);
                Some(Self { request, handler })
            }
            None => {
                let no_action = Fate::Dropped(DropReason::NoAction);
                request.shared().trace_request(&request, no_action);
                request.shared().counters.count_dropped(DropReason::NoAction, request.fds().len());
                None
            }
        }
    }

    /// Calls the handler. If it panics, the request is answered by an ignore as it is dropped, and
    /// the caller lives on.
    pub(crate) fn run(self) {
        let Self { request, handler } = self;
        let shared = Arc::clone(request.shared());
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
