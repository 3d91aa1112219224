//! A process that ends without `rte_eal_cleanup`: its files go with it.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use super::group;

/// Set when the program returns from `main` or calls `exit`.
static EXITING: AtomicBool = AtomicBool::new(false);

/// Tells whether the program is being torn down, so that nothing of it may be called any more.
pub(crate) fn is_exiting() -> bool {
    EXITING.load(Ordering::Acquire)
}

/// Has the group left when the program returns from `main` or calls `exit`.
///
/// Differs from DPDK: there the files stay.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function may be called at any time, and is there as long as the library is. If it
        // cannot be registered, the files stay, as after a kill.
        let _ = unsafe { libc::atexit(leave) };
    });
}

/// Waits for nothing: a callback may be in the way for ever.
extern "C" fn leave() {
    crate::border::enter((), || {
        // Pairs with the load: whoever is called because we leave sees it.
        EXITING.store(true, Ordering::Release);
        if let Some(group) = group() {
            group.leave_without_waiting();
        }
        Ok(())
    });
}
