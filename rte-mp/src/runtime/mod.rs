//! The group's directory on disk: where it is, who leads, who is there.
//!
//! [`Runtime`] is what one member holds of it. A primary checks everything before it touches a
//! file that a running group uses; a secondary learns the layout before anything is sent.
//!
//! DPDK 25.11: `eal.c`, `rte_eal_config_create` and `rte_eal_config_attach`;
//! `eal_common_proc.c`, `rte_mp_channel_init`.

pub(crate) mod config_file;
mod directory;
mod inbox;
pub(crate) mod liveness;
mod owner;
pub(crate) mod sockets;

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rte_mp_proto::config::{Header, MpStatus};
use rte_mp_proto::{Flavor, Layout, Member, PeerName, Role, path};
use rustix::io::Errno;

use self::config_file::ConfigFile;
use self::inbox::Inbox;
use crate::error::JoinError;
use crate::sync::lock;
use crate::time::deadline_after;
use crate::transport::socket::{self, Presence};
use crate::unique::random;

pub(crate) use self::directory::Directory;
pub use self::directory::default_runtime_base;

/// Tells whether a primary holds its lock on the config file at `config`, of whatever group, native or
/// of DPDK: `<directory of the group>/config`. A primary sees its own lock, too.
///
/// Does not block.
///
/// # Errors
/// The kernel's, if the file cannot be opened: `NotFound` where no primary has been.
///
/// DPDK 25.11: `eal.c`, `rte_eal_primary_proc_alive`. Differs from DPDK: it can be called in a primary,
/// which keeps its lock.
pub fn primary_is_alive(config: &Path) -> io::Result<bool> {
    config_file::is_locked(config)
}

/// What kind of process leads a group, and how its datagrams are laid out.
type Speech = (Flavor, Layout);

/// What a native group speaks.
const NATIVE_LAYOUT: Layout = Layout::DPDK_25_11;

/// How long the primary is not looked at again.
const CHECK_COUNTS: Duration = Duration::from_millis(1);

/// How to find a group, and what to be in it.
pub(crate) struct Wish {
    pub(crate) prefix: String,
    /// Instead of what DPDK would choose.
    pub(crate) base: Option<PathBuf>,
    pub(crate) role: Role,
    /// For a primary whose version is not known.
    pub(crate) assumed_layout: Option<Layout>,
    /// How long a primary may take from its lock to its magic.
    pub(crate) ready_timeout: Duration,
    /// How long others may hold the directory's lock.
    pub(crate) lock_timeout: Duration,
}

/// What one member holds of its group's directory.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) directory: Directory,
    pub(crate) role: Role,
    pub(crate) flavor: Flavor,
    pub(crate) layout: Layout,
    config: Mutex<Arc<ConfigFile>>,
    inbox: Inbox,
    /// Where the inbox is bound.
    pub(crate) name: PeerName,
    /// Where the primary's is.
    primary: PeerName,
    /// When the primary was found to take our layout.
    checked: Mutex<Option<Instant>>,
    pub(crate) lock_timeout: Duration,
}

/// What a primary has made that it is to have when it is found, told by a number of its own. Called
/// once no other primary is in the way, before any file is changed.
pub(crate) type Prepare<'a> = &'a mut dyn FnMut(u64) -> Result<(), JoinError>;

/// Why nothing may be sent to the primary's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrimaryError {
    /// None is there, or it is starting; the errno is the one that DPDK would give.
    Gone {
        /// `ENOENT` after a clean exit, else `ECONNREFUSED`.
        errno: i32,
    },
    /// One that speaks another layout.
    Another,
}

impl PrimaryError {
    fn gone(errno: Errno) -> Self {
        Self::Gone { errno: errno.raw_os_error() }
    }
}

impl Runtime {
    /// Joins the group that `wish` describes, or makes it.
    ///
    /// Blocks for at most the two timeouts of `wish`.
    pub(crate) fn join(wish: &Wish, prepare: Prepare<'_>) -> Result<Self, JoinError> {
        let directory = Directory::find(&wish.prefix, wish.base.as_deref())?;
        match wish.role {
            Role::Primary => Self::lead(directory, wish, prepare),
            Role::Secondary => Self::follow(directory, wish),
            Role::Auto => Self::lead_or_follow(&directory, wish, prepare),
        }
    }

    /// Becomes a secondary where a primary holds its lock, and the primary where none does. Of two
    /// that start at once one becomes the primary; the other one sees its lock and follows. If the
    /// primary leaves meanwhile, it begins anew.
    fn lead_or_follow(
        directory: &Directory,
        wish: &Wish,
        prepare: Prepare<'_>,
    ) -> Result<Self, JoinError> {
        let deadline = deadline_after(Instant::now(), wish.ready_timeout);
        let mut pause = FIRST_PAUSE;
        loop {
            match Self::lead(directory.clone(), wish, prepare) {
                Err(JoinError::PrimaryRunning { .. }) => {}
                result => return result,
            }
            match Self::follow(directory.clone(), wish) {
                Err(JoinError::NoPrimary { .. }) if wait_a_little(deadline, &mut pause) => {}
                result => return result,
            }
        }
    }

    fn lead(directory: Directory, wish: &Wish, prepare: Prepare<'_>) -> Result<Self, JoinError> {
        directory.create()?;
        let name = directory.socket_name(path::PRIMARY_SOCKET)?;
        // Asked first without the directory's lock, which a primary may hold for long.
        ConfigFile::check_unlocked(&directory)?;
        let _locked = directory.lock_exclusive(wish.lock_timeout)?;
        let config = ConfigFile::lock_as_primary(&directory)?;
        let arena_id = random().map_err(JoinError::io("name the memory of", &directory.path))? | 1;
        let inbox = Self::take_over(&directory, &config, &name, arena_id, prepare)
            .inspect_err(|_| config.remove_if_not_ready())?;
        let speech = (Flavor::Native, NATIVE_LAYOUT);
        Ok(Self::new(directory, wish, Role::Primary, speech, config, inbox))
    }

    /// Takes the place of a primary that ended: checks that nothing of its group is left that would
    /// be hurt, and only then writes the config file and binds the socket.
    fn take_over(
        directory: &Directory,
        config: &ConfigFile,
        name: &PeerName,
        arena_id: u64,
        prepare: Prepare<'_>,
    ) -> Result<Inbox, JoinError> {
        let at_the_socket = JoinError::io("look for a primary at", name.as_path());
        // A DPDK primary that asked whether it is alive has lost its lock, but not its socket.
        if socket::probe(name).map_err(at_the_socket)? == Presence::Alive {
            return Err(JoinError::PrimaryRunning { prefix: directory.prefix.clone(), pid: None });
        }
        if config.is_mapped_by_dpdk(directory)? {
            return Err(JoinError::SecondariesRunning { prefix: directory.prefix.clone() });
        }
        sockets::remove_stale(directory)
            .map_err(JoinError::io("remove stale sockets from", &directory.path))?;
        if fs::symlink_metadata(name.as_path()).is_ok() {
            let error = io::ErrorKind::AlreadyExists.into();
            return Err(JoinError::io("replace what is no socket at", name.as_path())(error));
        }
        prepare(arena_id)?;
        config.begin_native(arena_id)?;
        let inbox = Inbox::bind(name)?;
        config.finish_native()?;
        Ok(inbox)
    }

    fn follow(directory: Directory, wish: &Wish) -> Result<Self, JoinError> {
        let deadline = deadline_after(Instant::now(), wish.ready_timeout);
        let mut pause = FIRST_PAUSE;
        directory.check()?;
        loop {
            if let Some((config, speech, inbox)) = Self::attach(&directory, wish, deadline)? {
                return Ok(Self::new(directory, wish, Role::Secondary, speech, config, inbox));
            }
            if !wait_a_little(deadline, &mut pause) {
                let (prefix, waited) = (directory.prefix.clone(), wish.ready_timeout);
                return Err(JoinError::NotReady { prefix, waited });
            }
        }
    }

    /// Binds our socket in the group of a primary that is ready, and says in its config file that
    /// we have. Gives nothing if another primary took the place of that one meanwhile: what it
    /// wrote before it ended is not to be believed.
    fn attach(
        directory: &Directory,
        wish: &Wish,
        deadline: Instant,
    ) -> Result<Option<(ConfigFile, Speech, Inbox)>, JoinError> {
        let unique = random().map_err(JoinError::io("name a socket in", &directory.path))?;
        let name = directory.socket_name(&path::secondary_socket(std::process::id(), unique))?;
        let config = ConfigFile::open(directory)?;
        let flavor = config.wait_until_ready(directory, deadline, wish.ready_timeout)?;
        let layout = known_layout(directory, flavor, wish.assumed_layout)?;
        config.check_enabled(directory, flavor)?;
        let _locked = directory.lock_exclusive(wish.lock_timeout)?;
        sockets::remove_stale(directory)
            .map_err(JoinError::io("remove stale sockets from", &directory.path))?;
        let inbox = Inbox::bind(&name)?;
        if !config.is_still(flavor) {
            return Ok(None);
        }
        config.attach(directory, flavor)?;
        Ok(Some((config, (flavor, layout), inbox)))
    }

    fn new(
        directory: Directory,
        wish: &Wish,
        role: Role,
        (flavor, layout): Speech,
        config: ConfigFile,
        inbox: Inbox,
    ) -> Self {
        Self {
            role,
            flavor,
            layout,
            config: Mutex::new(Arc::new(config)),
            name: *inbox.name(),
            // It is shorter than our own name, or our own name.
            primary: directory.socket_name(path::PRIMARY_SOCKET).unwrap_or(*inbox.name()),
            checked: Mutex::new(None),
            inbox,
            directory,
            lock_timeout: wish.lock_timeout,
        }
    }

    /// Tells whether this process joined, and is none that was forked off.
    pub(crate) fn is_ours(&self) -> bool {
        self.inbox.is_ours()
    }

    /// Borrows the socket that messages and requests come to.
    pub(crate) fn inbox(&self) -> BorrowedFd<'_> {
        self.inbox.as_fd()
    }

    /// Gives the primary's socket.
    pub(crate) fn primary_name(&self) -> PeerName {
        self.primary
    }

    /// Checks that the primary is one that takes our layout: the one that we joined, or one that
    /// was started after it and speaks alike. To be asked before anything goes to its socket.
    ///
    /// That it is so counts for a millisecond: a DPDK process that is to take its place can only be
    /// started once it has ended, since it does not wait for the lock, and takes longer than that
    /// to be loaded.
    pub(crate) fn check_primary(&self) -> Result<(), PrimaryError> {
        let now = Instant::now();
        let mut checked = lock(&self.checked);
        if checked.is_none_or(|at| now.saturating_duration_since(at) >= CHECK_COUNTS) {
            *checked = None;
            match self.primary_header()? {
                Header::Ready(flavor) => self.check_speech(flavor)?,
                Header::NotReady(_) | Header::NotAConfig { .. } => {
                    return Err(PrimaryError::gone(Errno::CONNREFUSED));
                }
            }
            *checked = Some(now);
        }
        Ok(())
    }

    /// Checks that a primary that has asked something takes our layout. DPDK asks its secondaries
    /// before it is ready, whenever its memory grows, and fails to start without an answer.
    pub(crate) fn check_asking_primary(&self) -> Result<(), PrimaryError> {
        match self.primary_header()? {
            Header::Ready(flavor) | Header::NotReady(Some(flavor)) => self.check_speech(flavor),
            Header::NotReady(None) | Header::NotAConfig { .. } => {
                Err(PrimaryError::gone(Errno::CONNREFUSED))
            }
        }
    }

    /// Gives the id of the memory that the primary has who leads, or led last. Nothing is known once
    /// that one has removed its file.
    pub(crate) fn leading_arena(&self) -> Option<u64> {
        self.current_config()?.arena_id()
    }

    fn primary_header(&self) -> Result<Header, PrimaryError> {
        let config = self.current_config().ok_or(PrimaryError::gone(Errno::NOENT))?;
        config.header().map_err(|_| PrimaryError::gone(Errno::CONNREFUSED))
    }

    fn check_speech(&self, flavor: Flavor) -> Result<(), PrimaryError> {
        let same = flavor == self.flavor || flavor.layout().is_ok_and(|l| l == self.layout);
        if same { Ok(()) } else { Err(PrimaryError::Another) }
    }

    /// Gives the config file that is in place: a primary that ended cleanly removed its own, and
    /// the next one made another. Our own, as the primary, stays what it is: it is our lock.
    fn current_config(&self) -> Option<Arc<ConfigFile>> {
        let mut config = lock(&self.config);
        if self.role != Role::Primary && config.is_removed() {
            *config = Arc::new(ConfigFile::open(&self.directory).ok()?);
        }
        Some(Arc::clone(&config))
    }

    /// Gives the process id of `peer`, as far as it says or shows one. Only a claim.
    pub(crate) fn claimed_pid(&self, peer: &PeerName) -> Option<u32> {
        if peer.file_name() == path::PRIMARY_SOCKET {
            // One that is leaving has removed its file, and may still be answering.
            let config = self.current_config().unwrap_or_else(|| Arc::clone(&lock(&self.config)));
            return config.primary_pid();
        }
        peer.process_id()
    }

    /// Lists the secondaries' sockets, stale ones among them, under the directory's lock. Blocks
    /// for at most `timeout`, while others join.
    pub(crate) fn list_secondaries(&self, timeout: Duration) -> io::Result<Vec<PeerName>> {
        sockets::list(&self.directory, timeout)
    }

    /// Lists all other members that are alive. Blocks for at most `timeout`, while others join.
    pub(crate) fn list_members(&self, timeout: Duration) -> io::Result<Vec<Member>> {
        let primary = self.primary_name();
        let mut names = match sockets::list(&self.directory, timeout) {
            // Nobody can be a member of a group without directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names?,
        };
        names.insert(0, primary);
        names.retain(|name| *name != self.name);
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            // Whoever cannot be probed cannot be reached either.
            if !matches!(socket::probe(&name), Ok(Presence::Alive)) {
                continue;
            }
            // It may leave between the two calls.
            if let Ok(incarnation) = sockets::incarnation(&name) {
                let role = if name == primary { Role::Primary } else { Role::Secondary };
                members.push(Member { name, role, pid: self.claimed_pid(&name), incarnation });
            }
        }
        Ok(members)
    }

    /// Forbids secondaries for good, if none has attached yet (`rte_mp_disable`). Says whether
    /// they are forbidden now.
    pub(crate) fn disable_multiprocess(&self) -> io::Result<bool> {
        let found = lock(&self.config).swap_mp_status(
            self.flavor,
            MpStatus::Unknown,
            MpStatus::Disabled,
        )?;
        Ok(found == MpStatus::Unknown.code() || found == MpStatus::Disabled.code())
    }

    /// Removes what we made: our socket, and as a primary the config file. Only our own: what
    /// somebody else put in their place stays.
    pub(crate) fn leave(&self) {
        if self.is_ours() {
            self.inbox.close();
            if self.role == Role::Primary {
                lock(&self.config).remove();
            }
        }
    }
}

/// A member that was never driven, since its driver could not be started, leaves nothing behind.
impl Drop for Runtime {
    fn drop(&mut self) {
        self.leave();
    }
}

fn known_layout(
    directory: &Directory,
    flavor: Flavor,
    assumed: Option<Layout>,
) -> Result<Layout, JoinError> {
    flavor.layout().or_else(|source| {
        assumed.ok_or_else(|| JoinError::Version { prefix: directory.prefix.clone(), source })
    })
}

/// The first pause of [`wait_a_little`].
const FIRST_PAUSE: Duration = Duration::from_micros(100);

/// Waits a little, longer each time, for what gives no event; `false` once `deadline` has come.
fn wait_a_little(deadline: Instant, pause: &mut Duration) -> bool {
    const LONGEST: Duration = Duration::from_millis(10);
    let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())
    else {
        return false;
    };
    std::thread::sleep(left.min(*pause));
    *pause = (*pause * 2).min(LONGEST);
    true
}
