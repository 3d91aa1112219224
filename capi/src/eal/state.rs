//! Which group this process is in, and whether it is still.
//!
//! What is called for messages and alarms may ask at any time, also while the process joins or leaves:
//! until all of it has returned, the group is there.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rte_mp::{Group, Role};

use crate::border::Errno;

/// What this process is a member of.
#[derive(Debug)]
pub(crate) struct Member {
    pub(super) group: Group,
    /// Whether there are others to talk to (no `--no-shconf`).
    pub(super) is_shared: bool,
    pub(super) has_hugepages: bool,
}

/// What has become of `rte_eal_init`.
#[derive(Debug)]
pub(super) enum State {
    NotYet,
    Joined(Member),
    /// Callbacks and workers still run.
    Leaving(Member),
    Left {
        role: Role,
        has_hugepages: bool,
    },
}

static STATE: RwLock<State> = RwLock::new(State::NotYet);
/// Held while a process joins or begins to leave, so that `STATE` is never locked for long.
static CHANGING: Mutex<()> = Mutex::new(());

pub(super) fn state() -> RwLockReadGuard<'static, State> {
    STATE.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn state_mut() -> RwLockWriteGuard<'static, State> {
    STATE.write().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn changing() -> MutexGuard<'static, ()> {
    CHANGING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(super) fn member(&self) -> Option<&Member> {
        match self {
            Self::Joined(member) | Self::Leaving(member) => Some(member),
            Self::NotYet | Self::Left { .. } => None,
        }
    }
}

/// Gives the group, if this process is in one.
pub(crate) fn group() -> Option<Group> {
    state().member().map(|member| member.group.clone())
}

/// Gives the group, also one that nobody shares.
pub(crate) fn any_group() -> Result<Group, Errno> {
    group().ok_or(Errno::UNSUPPORTED)
}

/// Gives the group if there are others to talk to.
pub(crate) fn shared_group() -> Result<Group, Errno> {
    match state().member() {
        Some(member) if member.is_shared => Ok(member.group.clone()),
        Some(_) | None => Err(Errno::UNSUPPORTED),
    }
}

/// Tells whether the process has said that it wants to be alone (`--no-shconf`).
pub(crate) fn is_alone() -> bool {
    state().member().is_some_and(|member| !member.is_shared)
}

/// Tells whether the process has yet to join.
pub(crate) fn is_outside() -> bool {
    matches!(&*state(), State::NotYet)
}

/// Waits while the process joins, and tells whether it has: for what is called before
/// `rte_eal_init` has returned.
pub(crate) fn wait_until_joined() -> bool {
    if is_outside() {
        drop(changing());
    }
    !is_outside()
}
