//! Deadlines: from a timeout, and as the kernel wants them.

use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::time::{ClockId, clock_gettime};

/// What `None` means as a timeout.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// A deadline that is never reached, for a timeout that no clock can hold.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 100);

/// Gives the time `timeout` after `now`.
pub(crate) fn deadline_after(now: Instant, timeout: Duration) -> Instant {
    now.checked_add(timeout).unwrap_or(now + FOREVER)
}

/// Gives the monotonic clock in nanoseconds, the same in all processes.
pub(crate) fn monotonic() -> u64 {
    // No time passes where loom tries out every order of events: each run has to go the same way.
    if cfg!(loom) {
        return 1_000_000;
    }
    let now = clock_gettime(ClockId::Monotonic);
    // It counts from the start of the machine, and is never negative.
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Gives the time left until `deadline`, or nothing once it has come.
pub(crate) fn timespec_until(deadline: Instant, now: Instant) -> Option<Timespec> {
    let left = deadline.checked_duration_since(now).filter(|left| !left.is_zero())?;
    Timespec::try_from(left).ok()
}
