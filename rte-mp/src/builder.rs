//! Joining: what a member is to be, and where.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use rte_mp_proto::{Layout, Role};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::action::{Actions, EarlyAction, HandlerResult};
use crate::args::{EalArgs, Information, Pages, SharedConfig};
use crate::error::{JoinError, StartError};
use crate::group::Group;
use crate::incoming::Request;
use crate::memory::Memory;
use crate::memory::arena::Wish as ArenaWish;
use crate::runtime::{Runtime, Wish};
use crate::shared::Settings;

const BUSY_POLL_VARIABLE: &str = "RTE_MP_BUSY_POLL_US";
const DEFAULT_BUSY_POLL: Duration = Duration::from_micros(50);
const DEFAULT_PREFIX: &str = "rte";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// A window longer than this would be a busy loop.
const MAX_BUSY_POLL_US: u64 = 1_000_000;

/// Who runs a member's handlers and async requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Drive {
    /// A thread of the group's own, called `mp-msg`.
    #[default]
    Thread,
    /// The caller's event loop: it waits for the group's descriptor and its next deadline, and
    /// calls [`Group::process`].
    Caller,
    /// A task of the tokio runtime in which [`GroupBuilder::join`] is called. Handlers run on the
    /// runtime's threads and must not block, unless there are [`GroupBuilder::workers`].
    #[cfg(feature = "tokio")]
    Tokio,
}

/// Says how to join a group; made by [`Group::builder`].
#[derive(Debug, Clone)]
#[must_use = "nothing is joined before `join`"]
pub struct GroupBuilder {
    prefix: String,
    base: Option<PathBuf>,
    role: Role,
    workers: usize,
    busy_poll: Option<Duration>,
    drive: Drive,
    ready_timeout: Duration,
    lock_timeout: Duration,
    send_timeout: Duration,
    trusted: Vec<u32>,
    traceable: bool,
    assumed_layout: Option<Layout>,
    memory: ArenaWish,
    actions: Vec<EarlyAction>,
    ignored_flags: Vec<String>,
}

impl Default for GroupBuilder {
    fn default() -> Self {
        Self {
            prefix: DEFAULT_PREFIX.to_owned(),
            base: None,
            role: Role::Primary,
            workers: 0,
            busy_poll: None,
            drive: Drive::Thread,
            ready_timeout: DEFAULT_TIMEOUT,
            lock_timeout: DEFAULT_TIMEOUT,
            send_timeout: DEFAULT_TIMEOUT,
            trusted: Vec::new(),
            traceable: true,
            assumed_layout: None,
            memory: ArenaWish::default(),
            actions: Vec::new(),
            ignored_flags: Vec::new(),
        }
    }
}

impl GroupBuilder {
    /// Names the group (`--file-prefix`). Default: `rte`.
    pub fn file_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Says what to be in it (`--proc-type`). Default: primary.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Has the group's files in `<base>/dpdk/<prefix>`. The base must exist.
    ///
    /// Default, as in DPDK: `$RUNTIME_DIRECTORY`; else `/var/run` for root; else
    /// `$XDG_RUNTIME_DIR`; else `/tmp`.
    pub fn runtime_base(mut self, base: impl Into<PathBuf>) -> Self {
        self.base = Some(base.into());
        self
    }

    /// Runs handlers and callbacks on `count` threads beside the driver, so that a slow one does
    /// not delay the others. Default: 0, they run on the driver, in order, as in DPDK.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// Polls for this long after activity before blocking, which saves the cost of waking an idle
    /// core; 0 always blocks. Default: `$RTE_MP_BUSY_POLL_US`, or 50 µs.
    pub fn busy_poll(mut self, window: Duration) -> Self {
        self.busy_poll = Some(window);
        self
    }

    /// Says who runs handlers and async requests. Default: a thread of the group's own.
    pub fn drive(mut self, drive: Drive) -> Self {
        self.drive = drive;
        self
    }

    /// Waits for at most this long for a primary that is starting. Default: 5 s.
    pub fn ready_timeout(mut self, timeout: Duration) -> Self {
        self.ready_timeout = timeout;
        self
    }

    /// Waits for at most this long while others hold the lock of the directory, or that of the memory
    /// zones. Default: 5 s.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Waits for at most this long for room in a full peer's queue when a one-way message or an
    /// answer is sent; requests have their own timeout. Default: 5 s.
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.send_timeout = timeout;
        self
    }

    /// Hears also what processes of user `uid` send. Default: our own user and root only.
    pub fn trust_uid(mut self, uid: u32) -> Self {
        self.trusted.push(uid);
        self
    }

    /// Says whether processes of our own user and of root may record what we send and receive:
    /// [`To::trace`](crate::To::trace), and `RTE_MP_TRACE` in the environment. Default: yes.
    pub fn traceable(mut self, yes: bool) -> Self {
        self.traceable = yes;
        self
    }

    /// Speaks `layout` to a primary whose version is not known, instead of refusing it. A wrong
    /// guess ends the IPC thread of a DPDK primary for good.
    pub fn assume_layout(mut self, layout: Layout) -> Self {
        self.assumed_layout = Some(layout);
        self
    }

    /// Has `handler` called for what is named `name` from the first moment on, so that nobody who asks as
    /// soon as we can be found is ignored; else as [`Group::register`]. It may be called before
    /// [`GroupBuilder::join`] has returned.
    pub fn action<F, R>(mut self, name: impl AsRef<[u8]>, handler: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        self.actions.push(EarlyAction::new(name.as_ref(), handler));
        self
    }

    /// Has `handler` called for what no other action takes, from the first moment on; else as
    /// [`Group::register_default`].
    pub fn default_action<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: HandlerResult,
    {
        self.actions.push(EarlyAction::default(handler));
        self
    }

    /// Gives the memory of a group that we lead this size in bytes (`-m`, there in MB), the table of
    /// zones included (300 kB). Default: 1 GiB. Ordinary memory is taken only as it is touched.
    pub fn memory_size(mut self, bytes: u64) -> Self {
        self.memory.size = Some(bytes);
        self
    }

    /// Makes the memory of a group that we lead of huge pages, from the hugetlbfs that is mounted at
    /// `directory` (`--huge-dir`). They are all taken as we join, and given back by the last member
    /// that leaves. Default: ordinary pages.
    ///
    /// Files there cannot be sealed: members must trust each other not to cut the file short.
    pub fn huge_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.memory.huge_dir = Some(directory.into());
        self
    }

    /// Has the memory of a group that we lead lie at this address in every member
    /// (`--base-virtaddr`), a multiple of the page size. Default: 0x100000000 as in DPDK, or another
    /// one if that is occupied in this process.
    pub fn base_virtaddr(mut self, address: u64) -> Self {
        self.memory.base = Some(address);
        self
    }

    /// Joins the group, or makes it.
    ///
    /// Blocks while a primary is starting and while others hold the directory's lock, for at most
    /// the two timeouts; otherwise it takes about a millisecond.
    ///
    /// # Errors
    /// [`JoinError`]; nothing was changed then.
    ///
    /// DPDK 25.11: `eal.c`, `rte_eal_init`, without the memory. Differs from DPDK: everything is
    /// checked before a file of a running group is touched; a secondary without primary, or with
    /// one of unknown layout, is refused.
    pub fn join(self) -> Result<Group, JoinError> {
        let busy_poll = match self.busy_poll {
            Some(window) => window,
            None => busy_poll_from(env::var_os(BUSY_POLL_VARIABLE))?,
        };
        #[cfg(feature = "tokio")]
        if self.drive == Drive::Tokio && tokio::runtime::Handle::try_current().is_err() {
            return Err(JoinError::NoTokioRuntime);
        }
        let actions = Actions::with(self.actions).map_err(|source| JoinError::Action { source })?;
        let mut memory = Memory::default();
        let mut make_memory = |id| {
            memory = Memory::of_primary(&self.memory, id)
                .map_err(|source| JoinError::Memory { prefix: self.prefix.clone(), source })?;
            Ok(())
        };
        let wish = Wish {
            prefix: self.prefix.clone(),
            base: self.base,
            role: self.role,
            assumed_layout: self.assumed_layout,
            ready_timeout: self.ready_timeout,
            lock_timeout: self.lock_timeout,
        };
        let runtime = Runtime::join(&wish, &mut make_memory)?;
        let settings = Settings {
            busy_poll,
            send_timeout: self.send_timeout,
            trusted: self.trusted,
            traceable: self.traceable,
        };
        let (drive, workers) = (self.drive, self.workers);
        Group::start(runtime, settings, actions, memory, drive, workers, self.ignored_flags)
    }

    /// Takes over what an EAL command line says, pins the calling thread to the main lcore, and
    /// joins.
    pub(crate) fn start(args: EalArgs) -> Result<(Group, Vec<OsString>), StartError> {
        if args.information == Information::Help {
            return Err(StartError::Help);
        }
        if let SharedConfig::Off { flag } = args.shared_config {
            return Err(JoinError::NothingShared { flag: flag.to_owned() }.into());
        }
        // First joined, so that the driver is not bound to the main lcore.
        let group = Self::from(&args).join()?;
        if let Some(cpus) = args.main_cpus() {
            pin(cpus)?;
        }
        Ok((group, args.rest))
    }
}

/// Takes over the part to play, the file prefix and the memory of an EAL command line. Who joins by
/// it pins threads himself, and sees to the rest: [`SharedConfig::Off`] and [`Information`].
impl From<&EalArgs> for GroupBuilder {
    fn from(args: &EalArgs) -> Self {
        let mut builder = Self { role: args.role, ..Self::default() };
        if let Some(prefix) = &args.file_prefix {
            builder.prefix.clone_from(prefix);
        }
        builder.memory.size = args.memory_mib.map(|mib| mib << 20);
        builder.memory.base = args.base_virtaddr;
        if let Pages::HugeDir(directory) = &args.pages {
            builder.memory.huge_dir = Some(directory.clone());
        }
        builder.ignored_flags.clone_from(&args.ignored);
        builder
    }
}

/// Pins the calling thread.
fn pin(cpus: &[u32]) -> Result<(), StartError> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu as usize);
    }
    sched_setaffinity(None, &set)
        .map_err(|errno| StartError::Pin { cpus: cpus.to_vec(), source: errno.into() })
}

fn busy_poll_from(value: Option<OsString>) -> Result<Duration, JoinError> {
    let Some(value) = value else { return Ok(DEFAULT_BUSY_POLL) };
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|us| *us <= MAX_BUSY_POLL_US)
        .map(Duration::from_micros)
        .ok_or_else(|| JoinError::Environment {
            variable: BUSY_POLL_VARIABLE,
            value: value.to_string_lossy().into_owned(),
            wanted: "a whole number of microseconds from 0 to 1000000",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_of_polling_comes_from_the_environment() {
        let window = |value: &str| busy_poll_from(Some(value.into())).ok();
        assert_eq!(busy_poll_from(None).ok(), Some(DEFAULT_BUSY_POLL));
        assert_eq!(window("0"), Some(Duration::ZERO));
        assert_eq!(window("200"), Some(Duration::from_micros(200)));
        for wrong in ["", "-1", "1.5", "fast", "1000001"] {
            assert_eq!(window(wrong), None, "{wrong:?}");
        }
    }
}
