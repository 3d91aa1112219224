//! Starting and ending: `rte_eal_init`, `rte_eal_cleanup`, and what a process is.
//!
//! `state` knows which group this process is in.
//!
//! DPDK 22.11: `eal.c`. Differs from DPDK: an `rte_eal_init` that failed can be tried again.

mod alone;
mod argv;
mod at_exit;
mod state;

use std::ffi::{CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use rte_mp::{EalArgs, Flavor, Group, GroupBuilder, Pages, Role, SharedConfig, primary_is_alive};

use self::state::{Member, State, changing, state, state_mut};
use crate::border::{Errno, bytes, enter};
use crate::mp::actions::{self, EarlyActions};
use crate::{alarm, lcore, log, time, usage};

pub(crate) use self::at_exit::is_exiting;
pub(crate) use self::state::{
    any_group, group, is_alone, is_outside, shared_group, wait_until_joined,
};

/// The group's directory, for as long as C may look at it.
static RUNTIME_DIR: OnceLock<CString> = OnceLock::new();

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
        check_outside()?;
        // SAFETY: the caller says so.
        let mut words = unsafe { argv::Words::new(argc, argv) }.ok_or_else(|| {
            log::error("no command line: argv needs the program's name at least");
            Errno::INVALID
        })?;
        let args = EalArgs::parse(words.iter().map(OsStr::from_bytes)).map_err(|error| {
            log::failure("invalid command line", &error);
            Errno::INVALID
        })?;
        if usage::explain(&args, words.program()) {
            // SAFETY: it ends the process as the program's own call would.
            unsafe { libc::exit(libc::EXIT_SUCCESS) };
        }
        let changing = changing();
        check_outside()?;
        log::start(&args.log_levels)?;
        time::start();
        let mut early = actions::early();
        let member = join(&args, &early)?;
        // After the group's own threads, which are not bound to the CPU of the caller.
        if let Err(errno) = lcore::start(&args) {
            // Somebody may wait for these in the group.
            drop((early, changing));
            member.group.leave();
            return Err(errno);
        }
        if member.is_shared {
            let directory = member.group.runtime_dir().as_os_str().as_bytes();
            // A path has no NUL, and a process starts once.
            let _ = RUNTIME_DIR.set(CString::new(directory).unwrap_or_default());
        }
        take_memory(&member.group);
        *state_mut() = State::Joined(member);
        early.clear();
        at_exit::register();
        words.arrange(&args);
        Ok(c_int::try_from(args.consumed).unwrap_or(c_int::MAX))
    })
}

fn check_outside() -> Result<(), Errno> {
    if state::is_outside() {
        return Ok(());
    }
    log::error("already called initialization");
    Err(Errno(libc::EALREADY))
}

fn join(args: &EalArgs, early: &EarlyActions) -> Result<Member, Errno> {
    let builder = early.announce(GroupBuilder::from(args));
    let is_shared = args.shared_config == SharedConfig::Shared;
    let joined = if is_shared { builder.join() } else { alone::join(builder) };
    let group = joined.map_err(|error| {
        log::failure("cannot join", &error);
        Errno(error.errno())
    })?;
    Ok(Member { group, is_shared, has_hugepages: args.pages != Pages::NoHuge })
}

/// Has a secondary take the memory that it shares, as DPDK's do when they start: what it finds there
/// later takes no request, and outlives the primary. If that fails, it is tried again when memory is
/// used, which then tells.
fn take_memory(group: &Group) {
    if group.role() == Role::Secondary && group.flavor() == Flavor::Native {
        let _ = group.memzones().iter();
    }
}

/// Ends: leaves the group. `rte_eal_cleanup`.
///
/// Waits until callbacks and alarms that run have returned, unless it is called inside of one. A
/// function that runs on a worker is left to run, as in DPDK, and its thread ends when it returns.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_cleanup() -> c_int {
    enter(-1, || {
        let changing = changing();
        let group = {
            let mut state = state_mut();
            match std::mem::replace(&mut *state, State::NotYet) {
                State::NotYet => return Ok(0),
                State::Joined(member) => {
                    let group = member.group.clone();
                    *state = State::Leaving(member);
                    group
                }
                over @ (State::Leaving(_) | State::Left { .. }) => {
                    *state = over;
                    return Err(Errno(libc::EALREADY));
                }
            }
        };
        // A callback that is waited for may call this as well.
        drop(changing);
        let role = group.role();
        group.leave();
        actions::forget();
        alarm::end();
        lcore::end();
        let has_hugepages = has_hugepages();
        let left = std::mem::replace(&mut *state_mut(), State::Left { role, has_hugepages });
        // What it owns is not dropped under the lock.
        drop(left);
        Ok(0)
    })
}

const PROC_AUTO: c_int = -1;
const PROC_PRIMARY: c_int = 0;
const PROC_SECONDARY: c_int = 1;

/// Says what the process is in its group, or was. `rte_eal_process_type`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_process_type() -> c_int {
    enter(PROC_PRIMARY, || {
        let role = match &*state() {
            State::NotYet => Role::Primary,
            State::Joined(member) | State::Leaving(member) => member.group.role(),
            State::Left { role, .. } => *role,
        };
        Ok(match role {
            Role::Secondary => PROC_SECONDARY,
            Role::Auto => PROC_AUTO,
            Role::Primary => PROC_PRIMARY,
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
        let leads = group.is_some_and(|group| group.role() == Role::Primary);
        if leads && own.as_deref().is_some_and(|own| are_one_file(own, path)) {
            // DPDK sees its own lock as none.
            return Ok(0);
        }
        Ok(c_int::from(primary_is_alive(path).unwrap_or(false)))
    })
}

fn are_one_file(one: &Path, other: &Path) -> bool {
    let identity = |path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    identity(one).is_some_and(|one| identity(other) == Some(one))
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
    enter(0, || Ok(c_int::from(has_hugepages())))
}

fn has_hugepages() -> bool {
    match &*state() {
        State::NotYet => true,
        State::Joined(member) | State::Leaving(member) => member.has_hugepages,
        State::Left { has_hugepages, .. } => *has_hugepages,
    }
}
