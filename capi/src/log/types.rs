//! The types of logs and their levels: `rte_log_register`, `rte_log_set_level` and the like.

use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::pattern::{Pattern, Regex};
use super::{DEBUG, INFO, MAX, name};
use crate::border::{self, Errno, enter};

/// The first id that a name may be given (`RTE_LOGTYPE_FIRST_EXT_ID`).
const FIRST: usize = 32;
/// So many types there are at most: more names are refused.
const MAX_TYPES: usize = 4096;

/// The names that are there from the start, by their id; DPDK 22.11's, some of which later releases
/// leave to their libraries.
const FIXED: [Option<&CStr>; FIRST] = [
    Some(c"lib.eal"),
    Some(c"lib.malloc"),
    Some(c"lib.ring"),
    Some(c"lib.mempool"),
    Some(c"lib.timer"),
    Some(c"pmd"),
    Some(c"lib.hash"),
    Some(c"lib.lpm"),
    Some(c"lib.kni"),
    Some(c"lib.acl"),
    Some(c"lib.power"),
    Some(c"lib.meter"),
    Some(c"lib.sched"),
    Some(c"lib.port"),
    Some(c"lib.table"),
    Some(c"lib.pipeline"),
    Some(c"lib.mbuf"),
    Some(c"lib.cryptodev"),
    Some(c"lib.efd"),
    Some(c"lib.eventdev"),
    Some(c"lib.gso"),
    None,
    None,
    None,
    Some(c"user1"),
    Some(c"user2"),
    Some(c"user3"),
    Some(c"user4"),
    Some(c"user5"),
    Some(c"user6"),
    Some(c"user7"),
    Some(c"user8"),
];

/// What nobody has named is silent.
static TYPES: [AtomicU32; MAX_TYPES] = {
    let mut types = [const { AtomicU32::new(0) }; MAX_TYPES];
    let mut id = 0;
    while id < FIRST {
        if FIXED[id].is_some() {
            types[id] = AtomicU32::new(INFO);
        }
        id += 1;
    }
    types
};
/// How many ids there are. Whoever sees one by this (Acquire) sees its level: `register` releases it.
static COUNT: AtomicU32 = AtomicU32::new(FIRST as u32);
static GLOBAL: AtomicU32 = AtomicU32::new(DEBUG);

/// What only those need who ask by name.
#[derive(Debug)]
struct Registry {
    /// Those beyond the fixed ones, in the order of their ids.
    names: Vec<CString>,
    /// The levels of the command line, for types that come later.
    rules: Vec<(Pattern, u32)>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { names: Vec::new(), rules: Vec::new() });

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Gives all names with their ids.
    fn all(&self) -> impl Iterator<Item = (usize, &CStr)> {
        let fixed = FIXED.iter().enumerate().filter_map(|(id, name)| Some((id, (*name)?)));
        let others = self.names.iter().enumerate();
        fixed.chain(others.map(|(at, name)| (FIRST + at, name.as_c_str())))
    }

    /// Gives the id of a name, a new one if need be.
    fn register(&mut self, name: &CStr, level: u32) -> Result<usize, Errno> {
        if let Some((id, _)) = self.all().find(|&(_, known)| known == name) {
            return Ok(id);
        }
        let id = FIRST + self.names.len();
        TYPES.get(id).ok_or(Errno::NO_MEMORY)?.store(level, Ordering::Relaxed);
        self.names.push(name.to_owned());
        COUNT.store(id as u32 + 1, Ordering::Release);
        Ok(id)
    }

    fn set_level(&self, pattern: &Pattern, level: u32) {
        for (id, _) in self.all().filter(|(_, name)| pattern.matches(name)) {
            TYPES[id].store(level, Ordering::Relaxed);
        }
    }
}

/// Sets the level of all types that match, now and later.
pub(super) fn set_for_good(pattern: Pattern, level: u32) {
    let mut registry = registry();
    registry.set_level(&pattern, level);
    registry.rules.push((pattern, level));
}

/// Gives the names of all types in order.
pub(super) fn names() -> Vec<CString> {
    let mut names: Vec<_> = registry().all().map(|(_, name)| name.to_owned()).collect();
    names.sort_unstable();
    names
}

/// Sets the level above which nothing is written. `rte_log_set_global_level`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_log_set_global_level(level: u32) {
    enter((), || {
        GLOBAL.store(level, Ordering::Relaxed);
        Ok(())
    });
}

/// Gives that level. `rte_log_get_global_level`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_log_get_global_level() -> u32 {
    enter(0, || Ok(GLOBAL.load(Ordering::Relaxed)))
}

fn level(logtype: u32) -> Option<u32> {
    if logtype >= COUNT.load(Ordering::Acquire) {
        return None;
    }
    Some(TYPES.get(logtype as usize)?.load(Ordering::Relaxed))
}

/// Gives the level of a type. `rte_log_get_level`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_log_get_level(logtype: u32) -> c_int {
    enter(
        -1,
        || Ok(level(logtype).map_or(-1, |level| c_int::try_from(level).unwrap_or(c_int::MAX))),
    )
}

/// Says whether a line would be written. `rte_log_can_log`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_log_can_log(logtype: u32, wanted: u32) -> bool {
    enter(false, || {
        let global = GLOBAL.load(Ordering::Relaxed);
        Ok(wanted <= global && level(logtype).is_some_and(|level| wanted <= level))
    })
}

/// Sets the level of a type. `rte_log_set_level`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_log_set_level(logtype: u32, wanted: u32) -> c_int {
    enter(-1, || {
        if level(logtype).is_none() || wanted > MAX {
            return Ok(-1);
        }
        TYPES[logtype as usize].store(wanted, Ordering::Relaxed);
        Ok(0)
    })
}

/// Sets the level of the types that match a shell pattern. `rte_log_set_level_pattern`.
///
/// # Safety
/// `pattern` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_log_set_level_pattern(
    pattern: *const c_char,
    level: u32,
) -> c_int {
    // SAFETY: the caller says that it is a C string.
    unsafe { set_level_matching(pattern, level, |text| Some(Pattern::Shell(text.to_owned()))) }
}

/// Sets the level of the types that match a regular expression. `rte_log_set_level_regexp`.
///
/// # Safety
/// `regex` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_log_set_level_regexp(
    regex: *const c_char,
    level: u32,
) -> c_int {
    // SAFETY: the caller says that it is a C string.
    unsafe { set_level_matching(regex, level, |text| Regex::new(text).map(Pattern::Regular)) }
}

/// # Safety
/// `text` is null or a C string.
unsafe fn set_level_matching(
    text: *const c_char,
    level: u32,
    read: impl FnOnce(&CStr) -> Option<Pattern>,
) -> c_int {
    enter(-1, || {
        if level > MAX || text.is_null() {
            return Ok(-1);
        }
        // SAFETY: it is no null pointer, and the caller says that it is a C string.
        let Some(pattern) = read(unsafe { CStr::from_ptr(text) }) else { return Ok(-1) };
        registry().set_level(&pattern, level);
        Ok(0)
    })
}

/// Gives a name its type. `rte_log_register`.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_log_register(name: *const c_char) -> c_int {
    // SAFETY: the caller says so.
    unsafe { register(name, |_, _| INFO) }
}

/// Gives a name its type, with the level that the command line says, or else this one.
/// `rte_log_register_type_and_pick_level`.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_log_register_type_and_pick_level(
    name: *const c_char,
    default: u32,
) -> c_int {
    let pick = |name: &CStr, rules: &[(Pattern, u32)]| {
        let rule = rules.iter().rev().find(|(pattern, _)| pattern.matches(name));
        rule.map_or(default, |&(_, level)| level)
    };
    // SAFETY: the caller says so.
    unsafe { register(name, pick) }
}

/// # Safety
/// `name` is null or a C string.
unsafe fn register(
    name: *const c_char,
    level: impl FnOnce(&CStr, &[(Pattern, u32)]) -> u32,
) -> c_int {
    enter(-libc::EFAULT, || {
        if name.is_null() {
            return Ok(-libc::EINVAL);
        }
        // SAFETY: it is no null pointer, and the caller says that it is a C string.
        let name = unsafe { CStr::from_ptr(name) };
        let mut registry = registry();
        let level = level(name, &registry.rules);
        Ok(match registry.register(name, level) {
            Ok(id) => id as c_int,
            Err(Errno(errno)) => -errno,
        })
    })
}

/// Writes down the names of the types. `rte_log_list_types`.
///
/// # Safety
/// `file` is null or a stream that may be written to; `prefix` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_log_list_types(file: *mut libc::FILE, prefix: *const c_char) {
    enter((), || {
        // SAFETY: the caller says that it is a C string.
        let prefix = unsafe { border::bytes(prefix) }.unwrap_or_default();
        let lines = names().into_iter().map(|name| [prefix, name.as_bytes(), b"\n"].concat());
        let text: Vec<u8> = lines.flatten().collect();
        // SAFETY: the caller says that it is null or a stream.
        unsafe { border::write(file, &text) }
    });
}

/// Writes down the types with their levels. `rte_log_dump`.
///
/// # Safety
/// `file` is null or a stream that may be written to.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_log_dump(file: *mut libc::FILE) {
    enter((), || {
        let mut text = format!("all types: {} at most\n", name(rte_log_get_global_level()));
        for (id, known) in registry().all() {
            let level = name(TYPES[id].load(Ordering::Relaxed));
            text.push_str(&format!("{id} {}: {level}\n", known.to_string_lossy()));
        }
        // SAFETY: the caller says that it is null or a stream.
        unsafe { border::write(file, text.as_bytes()) }
    });
}
