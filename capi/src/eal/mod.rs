//! Starting and ending: `rte_eal_init`, `rte_eal_cleanup`, and what a process is.
//!
//! The one place that knows which group this process is in.
//!
//! DPDK 22.11: `eal.c`. Differs from DPDK: an `rte_eal_init` that failed can be tried again.

mod alone;
mod argv;
mod at_exit;

use std::ffi::{CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use rte_mp::{EalArgs, Group, GroupBuilder, Pages, Role, SharedConfig, primary_is_alive};

use crate::border::{Errno, bytes, enter};
use crate::mp::actions;
use crate::{alarm, lcore, log, time, usage};

/// What this process is a member of.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) group: Group,
    /// Whether there are others to talk to (no `--no-shconf`).
    pub(crate) is_shared: bool,
    has_hugepages: bool,
}

/// What has become of `rte_eal_init`.
#[derive(Debug)]
enum State {
    NotYet,
    Joined(Member),
    Left,
}

static STATE: RwLock<State> = RwLock::new(State::NotYet);
/// The group's directory, for as long as C may look at it.
static RUNTIME_DIR: OnceLock<CString> = OnceLock::new();
/// Held while a process joins or leaves, so that `STATE` is never locked for long.
static CHANGING: Mutex<()> = Mutex::new(());

fn state() -> RwLockReadGuard<'static, State> {
    STATE.read().unwrap_or_else(PoisonError::into_inner)
}

fn state_mut() -> RwLockWriteGuard<'static, State> {
    STATE.write().unwrap_or_else(PoisonError::into_inner)
}

fn changing() -> MutexGuard<'static, ()> {
    CHANGING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the group, if `rte_eal_init` has joined one.
pub(crate) fn group() -> Option<Group> {
    match &*state() {
        State::Joined(member) => Some(member.group.clone()),
        State::NotYet | State::Left => None,
    }
}

/// Gives the group if there are others to talk to.
pub(crate) fn shared_group() -> Result<Group, Errno> {
    match &*state() {
        State::Joined(member) if member.is_shared => Ok(member.group.clone()),
        State::Joined(_) | State::NotYet | State::Left => Err(Errno::UNSUPPORTED),
    }
}

/// Tells whether the process has said that it wants to be alone (`--no-shconf`).
pub(crate) fn is_alone() -> bool {
    matches!(&*state(), State::Joined(member) if !member.is_shared)
}

/// Starts: joins the group that the command line names. `rte_eal_init`.
///
/// Gives the number of words that were EAL's, `argv[0]` not counted; the program's own begin behind
/// them, and the last of them is replaced by `argv[0]`.
///
/// # Safety
/// `argv` points to `argc` C strings, which live as long as the process.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_eal_init(argc: c_int, argv: *mut *mut c_char) -> c_int {
    enter(-1, || {
        let changing = changing();
        if !matches!(&*state(), State::NotYet) {
            log::error("already called initialization");
            return Err(Errno(libc::EALREADY));
        }
        // SAFETY: the caller says so.
        let mut words = unsafe { argv::Words::new(argc, argv) }.ok_or(Errno::INVALID)?;
        let args = EalArgs::parse(words.iter().map(OsStr::from_bytes)).map_err(|error| {
            log::failure("invalid command line", &error);
            Errno::INVALID
        })?;
        if usage::explain(&args, words.program()) {
            drop(changing);
            // SAFETY: it ends the process as the program's own call would.
            unsafe { libc::exit(libc::EXIT_SUCCESS) };
        }
        log::start(&args.log_levels)?;
        time::start();
        let member = join(&args)?;
        // After the group's own threads, which are not bound to the CPU of the caller.
        lcore::start(&args)?;
        if member.is_shared {
            let directory = member.group.runtime_dir().as_os_str().as_bytes();
            // A path has no NUL, and a process starts once.
            let _ = RUNTIME_DIR.set(CString::new(directory).unwrap_or_default());
        }
        actions::announce(&member.group);
        *state_mut() = State::Joined(member);
        at_exit::register();
        words.arrange(&args);
        Ok(c_int::try_from(args.consumed).unwrap_or(c_int::MAX))
    })
}

fn join(args: &EalArgs) -> Result<Member, Errno> {
    let builder = GroupBuilder::from(args);
    let is_shared = args.shared_config == SharedConfig::Shared;
    let joined = if is_shared { builder.join() } else { alone::join(builder) };
    let group = joined.map_err(|error| {
        log::failure("cannot join", &error);
        Errno(error.errno())
    })?;
    Ok(Member { group, is_shared, has_hugepages: args.pages != Pages::NoHuge })
}

/// Ends: leaves the group. `rte_eal_cleanup`.
///
/// Waits until callbacks and alarms that run have returned, unless it is called inside of one. A
/// function that runs on a worker is left to run, as in DPDK, and its thread ends when it returns.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_cleanup() -> c_int {
    enter(-1, || {
        let changing = changing();
        let before = std::mem::replace(&mut *state_mut(), State::Left);
        match before {
            State::Joined(member) => {
                // A callback that is waited for may call this as well.
                drop(changing);
                member.group.leave();
                actions::forget();
                alarm::end();
                lcore::end();
                Ok(0)
            }
            State::NotYet => {
                *state_mut() = State::NotYet;
                Ok(0)
            }
            State::Left => Err(Errno(libc::EALREADY)),
        }
    })
}

const PROC_AUTO: c_int = -1;
const PROC_PRIMARY: c_int = 0;
const PROC_SECONDARY: c_int = 1;

/// Says what the process is in its group. `rte_eal_process_type`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_process_type() -> c_int {
    enter(PROC_PRIMARY, || {
        Ok(match group().map(|group| group.role()) {
            Some(Role::Secondary) => PROC_SECONDARY,
            Some(Role::Auto) => PROC_AUTO,
            Some(Role::Primary) | None => PROC_PRIMARY,
        })
    })
}

/// Says whether the group's primary runs, or that of the group with this config file.
/// `rte_eal_primary_proc_alive`.
///
/// # Safety
/// `config` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_eal_primary_proc_alive(config: *const c_char) -> c_int {
    enter(0, || {
        let group = group();
        let own = group.as_ref().map(|group| group.runtime_dir().join("config"));
        // SAFETY: the caller says that it is a C string.
        let given = unsafe { bytes(config) }.map(|path| Path::new(OsStr::from_bytes(path)));
        let Some(path) = given.or(own.as_deref()) else { return Ok(0) };
        let is_ours = own.as_deref() == Some(path);
        if is_ours && group.is_some_and(|group| group.role() == Role::Primary) {
            // DPDK sees its own lock as none.
            return Ok(0);
        }
        Ok(c_int::from(primary_is_alive(path).unwrap_or(false)))
    })
}

/// Gives the directory of the group's files; an empty string before `rte_eal_init`, and where there are
/// none. The string lives as long as the process. `rte_eal_get_runtime_dir`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_get_runtime_dir() -> *const c_char {
    enter(c"".as_ptr(), || Ok(RUNTIME_DIR.get().map_or(c"", CString::as_c_str).as_ptr()))
}

/// Says whether huge pages may be used: unless `--no-huge` was given. `rte_eal_has_hugepages`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_has_hugepages() -> c_int {
    enter(0, || match &*state() {
        State::Joined(member) => Ok(c_int::from(member.has_hugepages)),
        State::NotYet | State::Left => Ok(1),
    })
}
