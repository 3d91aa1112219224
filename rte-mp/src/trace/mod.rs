//! Recording what a member sends and receives, for whoever asked for it: [`Group::trace`],
//! [`To::trace`], or `RTE_MP_TRACE` in the environment.
//!
//! Nobody records as a rule: each datagram then costs one relaxed load. While somebody does, each
//! becomes a [`Record`] that is offered to every sink. Nothing here blocks, and nothing fails because
//! of it: a sink that is full loses records, which are counted, and one whose reader is gone is
//! given up. The action by which recorders attach is not recorded itself.
//!
//! `RTE_MP_TRACE` is the path of a Unix socket (`SOCK_SEQPACKET`) that listens. Whoever joins a group
//! connects to it, and records from the first moment on; if nobody listens there, it joins all the
//! same. It is left unread in programs that run with the rights of another user or with
//! capabilities of their own, and where [`GroupBuilder::traceable`] says no.
//!
//! [`Group::trace`]: crate::Group::trace
//! [`To::trace`]: crate::To::trace
//! [`GroupBuilder::traceable`]: crate::GroupBuilder::traceable

// `hooks` is what is called where datagrams go and come, `sink` where records go to, `stream` how
// they are read, `service` how another process attaches.

mod hooks;
mod service;
mod sink;
mod stream;

use std::env;
use std::fs;
use std::io;
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgid, getuid};

pub use rte_mp_proto::trace::{
    Content, Direction, Fate, Joined, Path, ProcessName, Record, RecordError, Traced,
};

pub(crate) use self::hooks::Seen;
use self::service::is_own;
pub(crate) use self::service::serve;
use self::sink::{Sink, connect};
pub use self::stream::{Trace, TraceStream};
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::sync::lock;
use crate::sys::gaps::is_privileged;

/// Where whoever joins a group finds who records, if anybody does.
const VARIABLE: &str = "RTE_MP_TRACE";
/// How many recorders one member serves at the same time.
const MAX_SINKS: usize = 8;

/// When a datagram went or came, while somebody records; nothing while nobody does.
pub(crate) type Stamp = Option<u64>;

/// The recorders of one member. What tells whether there are any has its cache line for itself: it
/// is read for each datagram, and nearly never written.
#[repr(align(64))]
pub(crate) struct Tracer {
    on: AtomicBool,
    sinks: Mutex<Sinks>,
    joined: Joined,
    /// Who records: one that was forked off does not, its records would be taken for its parent's.
    process: u32,
}

enum Sinks {
    Open(Vec<Sink>),
    /// The group was left.
    Closed,
}

impl Tracer {
    /// Makes one that nobody has asked yet to record.
    pub(crate) fn new(runtime: &Runtime) -> Self {
        let name = fs::read("/proc/self/comm").unwrap_or_default();
        let joined = Joined {
            process_id: process::id(),
            flavor: runtime.flavor,
            role: runtime.role,
            name: runtime.name,
            process_name: ProcessName::new(name.trim_ascii_end()),
        };
        Self {
            on: AtomicBool::new(false),
            sinks: Mutex::new(Sinks::Open(Vec::new())),
            joined,
            process: process::id(),
        }
    }

    /// Looks whether to record a datagram that is about to go out or has just come in, and gives the
    /// time if so. Taken before a datagram goes out, so that nobody has received it earlier.
    #[inline]
    pub(crate) fn stamp(&self) -> Stamp {
        // Relaxed: whoever begins to record may miss what is under way just now.
        match self.on.load(Ordering::Relaxed) {
            false => None,
            true => Some(now()),
        }
    }

    /// Records for `sink`, too, from now on.
    ///
    /// # Errors
    /// `ESHUTDOWN` if the group was left, `EBUSY` if there are as many as there may be.
    pub(crate) fn add(&self, mut sink: Sink) -> io::Result<()> {
        let mut sinks = lock(&self.sinks);
        let Sinks::Open(open) = &mut *sinks else { return Err(Errno::SHUTDOWN.into()) };
        let time = now();
        // Some may have gone without notice.
        open.retain_mut(Sink::is_open);
        if open.len() == MAX_SINKS {
            return Err(Errno::BUSY.into());
        }
        if sink.offer(time, Content::Joined(self.joined)) {
            open.push(sink);
        }
        // Relaxed: only the lock orders what is recorded.
        self.on.store(!open.is_empty(), Ordering::Relaxed);
        Ok(())
    }

    /// Records a datagram.
    #[cold]
    fn record(&self, time: u64, traced: Traced) {
        if process::id() != self.process || traced.name.is_some_and(|name| is_own(&name)) {
            return;
        }
        let mut sinks = lock(&self.sinks);
        if let Sinks::Open(open) = &mut *sinks {
            open.retain_mut(|sink| sink.offer(time, Content::Datagram(traced)));
            self.on.store(!open.is_empty(), Ordering::Relaxed);
        }
    }

    /// Ends all records: the group was left.
    pub(crate) fn close(&self) {
        if process::id() != self.process {
            return;
        }
        let mut sinks = lock(&self.sinks);
        self.on.store(false, Ordering::Relaxed);
        if let Sinks::Open(open) = std::mem::replace(&mut *sinks, Sinks::Closed) {
            for sink in open {
                sink.end(now());
            }
        }
    }
}

/// Begins to record for whom the environment names. Joining does not fail because of it.
pub(crate) fn obey(shared: &Shared) {
    let Some(path) = env::var_os(VARIABLE) else { return };
    let is_borrowed = geteuid() != getuid() || getegid() != getgid();
    if is_borrowed || is_privileged() || !shared.settings.traceable {
        return;
    }
    if let Err(error) = connect(&path).and_then(|sink| shared.tracer.add(sink)) {
        tracing::debug!(target: "rte_mp::wire", ?path, %error, "nobody records");
    }
}

/// Gives the time in nanoseconds since 1970 (UTC).
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
