//! The group as its members see it: send, request, register, leave.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rte_mp_proto::{Flavor, Layout, Member, PeerName, Role};
use rustix::io::Errno;

use crate::action::{Actions, HandlerResult};
use crate::answers;
use crate::args::EalArgs;
use crate::builder::{Drive, GroupBuilder};
use crate::driver::Command;
use crate::engine::Engine;
use crate::error::{
    DisableError, JoinError, MembersError, RegisterError, ReplyError, RequestError, SendError,
    StartError,
};
use crate::follow::{Events, Follower};
use crate::future::ReplyFuture;
use crate::incoming::Request;
use crate::memory::{Heap, Memory, Memzones};
use crate::message::Message;
use crate::replies::Replies;
use crate::request;
use crate::route::Target;
use crate::runtime::Runtime;
use crate::send;
use crate::services;
use crate::shared::{Settings, Shared};
use crate::stats::Stats;
use crate::to::To;
use crate::trace;

/// A member of a process group: a handle that can be cloned and shared between threads.
///
/// The group is left when the last handle is dropped, or by [`Group::leave`]; its files are then
/// removed. A handler that holds a handle keeps the group alive: give it a [`WeakGroup`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let base = tempfile::tempdir()?;
/// use rte_mp::{Group, Message, Role};
///
/// let primary = Group::builder().runtime_base(base.path()).role(Role::Primary).join()?;
/// primary.register("hello", |request| request.reply(b"Hello yourself"))?;
///
/// // In another process, or in this one:
/// let secondary = Group::builder().runtime_base(base.path()).role(Role::Secondary).join()?;
/// let reply = secondary.request(&Message::new("hello")?, None)?.into_reply()?;
/// assert_eq!(reply.param(), b"Hello yourself");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Group {
    membership: Arc<Membership>,
}

/// A handle that does not keep the group alive.
#[derive(Clone)]
pub struct WeakGroup {
    membership: Weak<Membership>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("file_prefix", &self.file_prefix())
            .field("role", &self.role())
            .field("name", self.name())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WeakGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakGroup").finish_non_exhaustive()
    }
}

impl WeakGroup {
    /// Gives a handle if the group has not been left.
    pub fn upgrade(&self) -> Option<Group> {
        self.membership.upgrade().map(|membership| Group { membership })
    }
}

/// What ends with the last handle.
struct Membership {
    shared: Arc<Shared>,
    ignored_flags: Vec<String>,
    engine: Engine,
}

impl Group {
    /// Begins to describe the group to join.
    pub fn builder() -> GroupBuilder {
        GroupBuilder::default()
    }

    /// Joins the group that an EAL command line names, `argv[0]` included, and gives what is left
    /// for the program: words that are no flags, and all that stands after `--`.
    ///
    /// With `-l`, `--lcores` or `-c` the calling thread, and so every thread that it starts later,
    /// is pinned to the main lcore. Flags that have no meaning here are in
    /// [`Group::ignored_flags`].
    ///
    /// # Errors
    /// [`StartError`] names the flag, its value, and what would be right.
    ///
    /// DPDK 25.11: `eal_common_options.c`. Differs from DPDK: the flags of all releases are taken.
    pub fn from_args<I>(args: I) -> Result<(Self, Vec<OsString>), StartError>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        GroupBuilder::start(EalArgs::parse(args)?)
    }

    pub(crate) fn start(
        runtime: Runtime,
        settings: Settings,
        actions: Actions,
        memory: Memory,
        drive: Drive,
        workers: usize,
        ignored_flags: Vec<String>,
    ) -> Result<Self, JoinError> {
        let directory = runtime.directory.path.clone();
        let start = || {
            let shared = Arc::new(Shared::new(runtime, settings, actions, memory)?);
            shared.memory.serve(&shared.actions);
            services::serve(&shared.actions);
            trace::serve(&shared.actions);
            trace::obey(&shared);
            let membership =
                |engine| Membership { shared: Arc::clone(&shared), ignored_flags, engine };
            let engine = Engine::start(&shared, drive, workers).inspect_err(|_| shared.leave())?;
            Ok(Self { membership: Arc::new(membership(engine)) })
        };
        start().map_err(JoinError::io("start the driver for", directory))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.membership.shared
    }

    /// Has `handler` called for every message and request named `name`.
    ///
    /// A handler gives back nothing or a `Result`, as [`Request::reply`] does. Handlers run one after
    /// the other on the driver, or side by side on the workers. One that
    /// panics ends its own call only; the request is then answered by an ignore. Does not block.
    ///
    /// # Errors
    /// [`RegisterError`]: the name is none, taken, or begins with `rte-mp/`.
    ///
    /// DPDK 25.11: `rte_mp_action_register`. Differs from DPDK: a request without handler is
    /// answered by an ignore instead of not at all.
    pub fn register<F, R>(&self, name: impl AsRef<[u8]>, handler: F) -> Result<(), RegisterError>
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        self.shared().actions.register(name.as_ref(), handler)
    }

    /// Forgets the handler of `name`, and says whether there was one. A call that runs already goes
    /// on.
    ///
    /// DPDK 25.11: `rte_mp_action_unregister`.
    pub fn unregister(&self, name: impl AsRef<[u8]>) -> bool {
        self.shared().actions.unregister(name.as_ref())
    }

    /// Has `handler` called for every message and request whose name is not registered, but for names
    /// that begin with `rte-mp/`; else as [`Group::register`].
    ///
    /// Beside a DPDK primary these are also the requests of its own by which all members are asked before
    /// it changes its memory or its devices (`mp_malloc_sync`, `eal_dev_mp_request` and others). Drop what you do
    /// not know: the ignore lets the primary go on as if we were not there; any other answer counts as
    /// a member's word, and silence makes it wait.
    ///
    /// # Errors
    /// [`RegisterError::DefaultExists`].
    ///
    /// DPDK has no such thing: a message without action is dropped there.
    pub fn register_default<F, R>(&self, handler: F) -> Result<(), RegisterError>
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        self.shared().actions.register_default(handler)
    }

    /// Forgets the handler of [`Group::register_default`], and says whether there was one. A call that runs
    /// already goes on.
    pub fn unregister_default(&self) -> bool {
        self.shared().actions.unregister_default()
    }

    /// Sends a one-way message: a secondary's goes to the primary, the primary's to all
    /// secondaries. Success means that it is in their queues, not that a handler ran.
    ///
    /// Blocks only while a queue is full, and for a primary while somebody joins, for at most the
    /// send timeout; a full peer does not delay the others.
    ///
    /// # Errors
    /// [`SendError`]. Of a broadcast, [`SendError::Undelivered`] names those that did not get it;
    /// sockets left behind by processes that ended do not count.
    ///
    /// DPDK 25.11: `rte_mp_sendmsg`. Differs from DPDK: it never blocks for ever.
    pub fn send(&self, message: &Message) -> Result<(), SendError> {
        send::send(self.shared(), Target::Default, message)
    }

    /// Asks every peer at once and waits for all replies: a secondary asks the primary, the primary
    /// all secondaries.
    ///
    /// Blocks for at most `timeout` in all (`None`: 5 s), the sends included; a timeout of zero asks
    /// and does not wait. What became of each peer is in [`Replies`]. May be called from anywhere,
    /// also inside a handler.
    ///
    /// # Errors
    /// [`RequestError`] if nobody could be asked.
    ///
    /// DPDK 25.11: `rte_mp_request_sync`. Differs from DPDK: peers are asked side by side, a silent
    /// one does not discard the others' replies, one that ends is noticed at once, and any number
    /// of requests of one name may be in flight.
    pub fn request(
        &self,
        message: &Message,
        timeout: Option<Duration>,
    ) -> Result<Replies, RequestError> {
        request::request(self.shared(), Target::Default, message, timeout)
    }

    /// Asks as [`Group::request`] does, and has `done` called exactly once with the outcome, also if
    /// there is nobody to ask. Does not block, but for a primary while somebody joins.
    ///
    /// `done` runs on the driver or a worker; it is dropped uncalled if this returns an error.
    ///
    /// # Errors
    /// [`RequestError`] if nobody could be asked.
    ///
    /// DPDK 25.11: `rte_mp_request_async`. Differs from DPDK: there is no error together with a
    /// callback, and a timeout of zero is one.
    pub fn request_async(
        &self,
        message: &Message,
        timeout: Option<Duration>,
        done: impl FnOnce(Replies) + Send + 'static,
    ) -> Result<(), RequestError> {
        let done = Box::new(done);
        request::request_async(self.shared(), Target::Default, message, timeout, done).map(drop)
    }

    /// Asks as [`Group::request`] does, and gives a future of the outcome, for any executor. The
    /// request is sent by this call; dropping the future gives it up.
    pub fn request_future(&self, message: &Message, timeout: Option<Duration>) -> ReplyFuture {
        ReplyFuture::new(self.shared(), Target::Default, message, timeout)
    }

    /// Talks to one member, whoever it is; DPDK has no such thing, but its members answer.
    pub fn to(&self, peer: &PeerName) -> To<'_> {
        To { group: self, target: Target::Peer(*peer) }
    }

    /// Sends a reply to whoever waits for one at `peer`: what [`Request::peer`] said. It is for those
    /// who have given the [`Request`] away, as C programs do; [`Request::reply_with`] is the better way,
    /// since it cannot answer another request of the same name.
    ///
    /// Does not block: while the peer's queue is full, the answer waits with the driver.
    ///
    /// # Errors
    /// - [`ReplyError::Message`]: the peer takes fewer descriptors.
    /// - [`ReplyError::Unreachable`]: nobody is there (`ECONNREFUSED`, `ENOENT`), or it is a path
    ///   outside of the group's directory (`EINVAL`).
    ///
    /// DPDK 25.11: `rte_mp_reply`.
    pub fn reply_to(&self, peer: &PeerName, message: Message) -> Result<(), ReplyError> {
        answers::reply_to(self.shared(), peer, message)
    }

    /// Gives the memory zones that the members share.
    pub fn memzones(&self) -> Memzones {
        Memzones::new(self.shared())
    }

    /// Gives the heap that the members share.
    pub fn heap(&self) -> Heap {
        Heap::new(self.shared())
    }

    /// Lists the other members that are alive.
    ///
    /// Blocks while somebody joins, for at most the lock timeout.
    ///
    /// # Errors
    /// [`MembersError`] with the kernel's errno; `ESHUTDOWN` if the group was left.
    pub fn members(&self) -> Result<Vec<Member>, MembersError> {
        let runtime = &self.shared().runtime;
        if self.shared().left.is_set() {
            return Err(self.members_error("list", Errno::SHUTDOWN.into()));
        }
        runtime
            .list_members(runtime.lock_timeout)
            .map_err(|source| self.members_error("list", source))
    }

    /// Follows who joins and leaves. The news begins with those who are there.
    ///
    /// It is the driver that follows, from its next turn on: who leaves between this call and that shows in
    /// nothing; see [`Events`] for how much news waits for its reader.
    ///
    /// # Errors
    /// [`MembersError`] if the directory cannot be watched, or the group was left.
    pub fn events(&self) -> Result<Events, MembersError> {
        let follower = Follower::new(self.runtime_dir())
            .map_err(|source| self.members_error("follow", source))?;
        let (subscriber, events) = Events::channel();
        match self.shared().post(Command::Follow(Box::new(follower), subscriber)) {
            Ok(()) => Ok(events),
            Err(_) => Err(self.members_error("follow", Errno::SHUTDOWN.into())),
        }
    }

    fn members_error(&self, action: &'static str, source: io::Error) -> MembersError {
        MembersError { action, directory: self.runtime_dir().to_owned(), source }
    }

    /// Says what we are in the group; never [`Role::Auto`].
    pub fn role(&self) -> Role {
        self.shared().runtime.role
    }

    /// Gives the group's name.
    pub fn file_prefix(&self) -> &str {
        &self.shared().runtime.directory.prefix
    }

    /// Gives the directory of the group's files.
    pub fn runtime_dir(&self) -> &Path {
        &self.shared().runtime.directory.path
    }

    /// Gives our own address.
    pub fn name(&self) -> &PeerName {
        &self.shared().runtime.name
    }

    /// Gives the layout of the group's datagrams.
    pub fn layout(&self) -> Layout {
        self.shared().layout()
    }

    /// Says whether the group is led by an rte-mp process or by DPDK, and by which release.
    pub fn flavor(&self) -> Flavor {
        self.shared().runtime.flavor
    }

    /// Reads the counters.
    pub fn stats(&self) -> Stats {
        self.shared().counters.snapshot()
    }

    /// Lists the flags of [`Group::from_args`] that have no meaning here, with their values.
    pub fn ignored_flags(&self) -> &[String] {
        &self.membership.ignored_flags
    }

    /// Forbids secondaries for good. Messages go on; nobody can attach any more.
    ///
    /// # Errors
    /// [`DisableError::NotPrimary`] in a secondary; [`DisableError::Attached`] if one has attached,
    /// also if it has left since.
    ///
    /// DPDK 25.11: `rte_mp_disable`.
    pub fn disable_multiprocess(&self) -> Result<(), DisableError> {
        if self.role() != Role::Primary {
            return Err(DisableError::NotPrimary);
        }
        if self.shared().left.is_set() {
            return Err(DisableError::Io { source: Errno::SHUTDOWN.into() });
        }
        match self.shared().runtime.disable_multiprocess() {
            Ok(true) => Ok(()),
            Ok(false) => Err(DisableError::Attached),
            Err(source) => Err(DisableError::Io { source }),
        }
    }

    /// Leaves the group for all handles: removes our sockets, and a primary's config file, answers
    /// what is queued by ignores, ends our own requests, and waits until the running handler has
    /// returned. The directory stays, as in DPDK.
    ///
    /// Called inside a handler, it does not wait for that one. In a process that was forked off, it
    /// changes nothing of the group: what was joined before the fork belongs to the parent.
    pub fn leave(self) {
        self.membership.leave();
    }

    /// Leaves the group as [`Group::leave`] does, but does not wait for a handler that runs: for a process
    /// that is about to end, whatever its handlers do.
    pub fn leave_without_waiting(&self) {
        if self.shared().runtime.is_ours() {
            self.shared().leave();
        }
    }

    /// Gives a handle that does not keep the group alive.
    pub fn downgrade(&self) -> WeakGroup {
        WeakGroup { membership: Arc::downgrade(&self.membership) }
    }

    /// Gives the time at which [`Group::process`] is due even if the descriptor says nothing.
    ///
    /// Always `None` unless the group is driven by the caller.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.membership.engine.next_deadline()
    }

    /// Does what there is to do, handlers and callbacks included, without blocking beyond them;
    /// says whether there was anything. To be called when the descriptor is readable or the
    /// deadline has come.
    ///
    /// Always `false` unless the group is driven by the caller, and inside a handler.
    pub fn process(&self) -> bool {
        self.membership.engine.process()
    }
}

/// The descriptor that polls as readable when [`Group::process`] has something to do.
impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared().epoll.as_fd()
    }
}

impl Membership {
    fn leave(&self) {
        // A process that was forked off has no thread to wait for, and nothing to remove.
        if self.shared.runtime.is_ours() {
            self.shared.leave();
            self.engine.stop();
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leave();
    }
}
