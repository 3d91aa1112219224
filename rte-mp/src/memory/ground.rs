//! What a member's zones stand on, and whether it still is the group's.
//!
//! A primary has its arena from joining on. A secondary asks for it when it first needs it, and
//! keeps the one that it got: if another primary has taken over since, with an arena of its own,
//! this member's operations fail rather than work on memory that the others do not see. A DPDK
//! primary's memory is found anew when another primary has taken over: nothing of ours is in it.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rte_mp_proto::{Flavor, Role, Version};
use rustix::time::{ClockId, clock_gettime};

use super::arena::{Arena, Wish};
use super::attach;
use super::hugepages::Hugepages;
use crate::action::Actions;
use crate::error::{ArenaError, HugepagesError, MemoryError};
use crate::shared::Shared;
use crate::sync::lock;

/// How long it counts that the primary is the same, in nanoseconds of a clock that steps every few
/// milliseconds. It cannot be restarted in less.
const CHECK_COUNTS: u64 = 1_000_000;

/// The memory of one member.
#[derive(Default)]
pub(crate) struct Memory {
    ground: OnceLock<Ground>,
}

/// Where zones come from.
pub(crate) enum Ground {
    /// The arena of a native group.
    Arena(Attached),
    /// The memory of a DPDK primary.
    Primary(Primary),
}

/// The memory of the DPDK primary that leads the group.
pub(crate) struct Primary {
    directory: PathBuf,
    version: Version,
    /// Nothing until it is first needed.
    hugepages: Mutex<Option<Arc<Hugepages>>>,
}

impl Primary {
    /// Asks the primary that runs by now, if the one that was asked before has ended.
    pub(crate) fn with<T>(
        &self,
        ask: impl Fn(&Hugepages) -> Result<T, HugepagesError>,
    ) -> Result<T, HugepagesError> {
        let known = lock(&self.hugepages).clone();
        if let Some(hugepages) = known {
            match ask(&hugepages) {
                Err(HugepagesError::Gone { .. }) => {}
                answer => return answer,
            }
        }
        // While it is opened, nobody waits; of two that do, the last one is kept.
        *lock(&self.hugepages) = None;
        let hugepages = Arc::new(Hugepages::open(&self.directory, self.version)?);
        *lock(&self.hugepages) = Some(Arc::clone(&hugepages));
        ask(&hugepages)
    }
}

/// An arena, and when it was last known to be the group's.
pub(crate) struct Attached {
    pub(crate) arena: Arc<Arena>,
    checked: AtomicU64,
}

impl Memory {
    /// Makes a primary's arena; a secondary has no memory at first.
    pub(crate) fn of_primary(wish: &Wish, id: u64) -> Result<Self, ArenaError> {
        let memory = Self::default();
        memory.keep_arena(Arena::create(wish, id)?);
        Ok(memory)
    }

    /// Has a primary hand out its arena to whoever attaches.
    pub(crate) fn serve(&self, actions: &Actions) {
        if let Some(Ground::Arena(attached)) = self.ground.get() {
            attach::serve(actions, Arc::clone(&attached.arena));
        }
    }

    fn keep_arena(&self, arena: Arena) -> &Ground {
        let checked = AtomicU64::new(0);
        // If another thread was faster, its arena is the same one.
        self.ground.get_or_init(|| Ground::Arena(Attached { arena: Arc::new(arena), checked }))
    }
}

impl Shared {
    /// Gives what the zones stand on.
    ///
    /// Blocks in a secondary that has none yet, while it asks the primary, for at most 5 s.
    pub(crate) fn ground(&self) -> Result<&Ground, MemoryError> {
        if self.left.is_set() {
            return Err(MemoryError::Left { prefix: self.prefix() });
        }
        let ground = match (self.memory.ground.get(), self.runtime.flavor) {
            (Some(ground), _) => ground,
            (None, Flavor::Native) => self.attach()?,
            (None, Flavor::Dpdk(version)) => self.memory.ground.get_or_init(|| {
                let directory = self.runtime.directory.path.clone();
                Ground::Primary(Primary { directory, version, hugepages: Mutex::default() })
            }),
        };
        match ground {
            Ground::Arena(attached) if self.is_current(attached) => Ok(ground),
            Ground::Primary(_) => Ok(ground),
            Ground::Arena(_) => Err(MemoryError::OtherPrimary { prefix: self.prefix() }),
        }
    }

    fn attach(&self) -> Result<&Ground, MemoryError> {
        let arena = attach::attach(self)?;
        // Not kept if the primary has changed meanwhile: the next one has another.
        if !self.leads_with(&arena) {
            return Err(MemoryError::OtherPrimary { prefix: self.prefix() });
        }
        Ok(self.memory.keep_arena(arena))
    }

    /// Tells whether this is the arena of the primary that leads now, or led last.
    fn is_current(&self, attached: &Attached) -> bool {
        if self.runtime.role == Role::Primary {
            return true;
        }
        let now = clock_gettime(ClockId::MonotonicCoarse);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        // Relaxed: the time says everything itself.
        if now.wrapping_sub(attached.checked.load(Ordering::Relaxed)) < CHECK_COUNTS {
            return true;
        }
        let is_current = self.leads_with(&attached.arena);
        if is_current {
            attached.checked.store(now, Ordering::Relaxed);
        }
        is_current
    }

    /// Says why the lock of the memory was not had.
    pub(super) fn lock_error(&self, source: io::Error) -> MemoryError {
        match source.kind() {
            io::ErrorKind::TimedOut => MemoryError::Locked { waited: self.runtime.lock_timeout },
            _ => MemoryError::Io { action: "lock", source },
        }
    }

    /// Tells whether no primary of another arena has taken over.
    fn leads_with(&self, arena: &Arena) -> bool {
        self.runtime.leading_arena().is_none_or(|id| id == arena.id())
    }
}
