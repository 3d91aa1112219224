//! Logs: which types there are, and how much of each is written.
//!
//! Lines are formatted and written in C (`c/log.c`), which asks here whether to. Levels are read
//! without a lock: a line that is not written costs next to nothing.
//!
//! DPDK 22.11: `eal_common_log.c`. Differs from DPDK: of several `--log-level` that match a type the
//! last one counts, also for types that are registered later; nothing goes to syslog or the journal.

mod option;
mod pattern;
mod say;
mod types;

pub(crate) use option::{help, start};
pub(crate) use say::{debug, error, failure, version};

/// `RTE_LOG_CRIT`, `RTE_LOG_ERR` and so on.
const CRIT: u32 = 3;
const ERR: u32 = 4;
const WARNING: u32 = 5;
const INFO: u32 = 7;
const DEBUG: u32 = 8;
/// The highest (`RTE_LOG_MAX`).
const MAX: u32 = DEBUG;

/// By the level. Any beginning of one is understood, the first that has it.
const LEVELS: [&str; MAX as usize + 1] =
    ["disabled", "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/// Names a level.
fn name(level: u32) -> &'static str {
    LEVELS.get(level as usize).copied().unwrap_or("unknown")
}
