//! Functions that are called later, once: `rte_eal_alarm_*`.
//!
//! One thread calls them, one after the other. It begins with the first alarm, also before
//! `rte_eal_init`, sleeps until the next is due, and ends with `rte_eal_cleanup`.
//!
//! DPDK 22.11: `eal_alarm.c`. Differs from DPDK: there an alarm before `rte_eal_init` is -1, and
//! waits until another one is set.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::ptr::fn_addr_eq;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::border::{Errno, enter, negative, set_errno};
use crate::lcore;
use crate::thread::Thread;

/// `rte_eal_alarm_callback`.
type Callback = unsafe extern "C" fn(argument: *mut c_void);

/// The argument that stands for any.
const ANY: *mut c_void = std::ptr::without_provenance_mut(usize::MAX);
/// More microseconds than these are refused, as in DPDK.
const MAX_MICROSECONDS: u64 = u64::MAX - 1_000_000;

/// What is called, and with what.
#[derive(Debug, Clone, Copy)]
struct Alarm {
    callback: Callback,
    argument: *mut c_void,
}

// SAFETY: whoever sets it says that it may be called so on another thread.
unsafe impl Send for Alarm {}

/// The thread that calls.
#[derive(Debug)]
enum Caller {
    NotYet,
    Runs(Thread),
    Ended,
}

#[derive(Debug)]
struct Alarms {
    /// By the time at which they are due; of one time, in the order in which they were set.
    waiting: BTreeMap<(Instant, u64), Alarm>,
    /// What runs now, and its number.
    running: Option<(u64, Alarm)>,
    next: u64,
    caller: Caller,
}

static ALARMS: Mutex<Alarms> =
    Mutex::new(Alarms { waiting: BTreeMap::new(), running: None, next: 0, caller: Caller::NotYet });
/// An alarm was set, or all have ended.
static CHANGED: Condvar = Condvar::new();
/// One has run.
static HAS_RUN: Condvar = Condvar::new();

thread_local! {
    static IS_CALLER: Cell<bool> = const { Cell::new(false) };
}

fn alarms() -> MutexGuard<'static, Alarms> {
    ALARMS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Alarm {
    fn matches(&self, callback: Callback, argument: *mut c_void) -> bool {
        fn_addr_eq(self.callback, callback) && (argument == ANY || argument == self.argument)
    }
}

/// Has a function called after so many microseconds. `rte_eal_alarm_set`.
///
/// # Safety
/// `callback` is null or may be called with `argument` on another thread until it is cancelled.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_eal_alarm_set(
    microseconds: u64,
    callback: Option<Callback>,
    argument: *mut c_void,
) -> c_int {
    negative(|| {
        if !(1..=MAX_MICROSECONDS).contains(&microseconds) {
            return Err(Errno::INVALID);
        }
        let alarm = Alarm { callback: callback.ok_or(Errno::INVALID)?, argument };
        let due = Instant::now().checked_add(Duration::from_micros(microseconds));
        alarms().set(alarm, due.ok_or(Errno::INVALID)?)
    })
}

impl Alarms {
    fn set(&mut self, alarm: Alarm, due: Instant) -> Result<(), Errno> {
        match self.caller {
            Caller::Runs(_) => {}
            Caller::Ended => return Err(Errno(libc::EPIPE)),
            Caller::NotYet => {
                let thread = Thread::start("dpdk-intr".to_owned(), call_alarms);
                let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EAGAIN);
                self.caller = Caller::Runs(thread.map_err(|error| Errno(errno(error)))?);
            }
        }
        self.waiting.insert((due, self.next), alarm);
        self.next += 1;
        CHANGED.notify_one();
        Ok(())
    }

    /// Takes the next one out if it is due.
    fn take_due(&mut self, now: Instant) -> Option<Alarm> {
        let first = self.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        let ((_, number), alarm) = first.remove_entry();
        self.running = Some((number, alarm));
        Some(alarm)
    }
}

/// What the thread does.
fn call_alarms() {
    IS_CALLER.set(true);
    lcore::rtemp_pin_control_thread();
    let mut alarms = alarms();
    while !matches!(alarms.caller, Caller::Ended) {
        let now = Instant::now();
        if let Some(alarm) = alarms.take_due(now) {
            drop(alarms);
            // SAFETY: whoever set it says that it may be called so; it was not cancelled.
            unsafe { (alarm.callback)(alarm.argument) };
            alarms = self::alarms();
            alarms.running = None;
            HAS_RUN.notify_all();
        } else if let Some(((due, _), _)) = alarms.waiting.first_key_value() {
            let left = due.duration_since(now);
            let waited = CHANGED.wait_timeout(alarms, left);
            alarms = waited.unwrap_or_else(PoisonError::into_inner).0;
        } else {
            alarms = CHANGED.wait(alarms).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Takes alarms back, and says how many. `rte_eal_alarm_cancel`.
///
/// # Safety
/// None is needed: what it is given is compared only.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_alarm_cancel(
    callback: Option<Callback>,
    argument: *mut c_void,
) -> c_int {
    enter(-1, || {
        let callback = callback.ok_or(Errno::INVALID)?;
        let mut count = 0;
        let mut alarms = alarms();
        loop {
            let before = alarms.waiting.len();
            alarms.waiting.retain(|_, alarm| !alarm.matches(callback, argument));
            count += before - alarms.waiting.len();
            match alarms.running {
                Some((_, alarm)) if alarm.matches(callback, argument) && IS_CALLER.get() => {
                    set_errno(Errno(libc::EINPROGRESS));
                    break;
                }
                Some((number, alarm)) if alarm.matches(callback, argument) => {
                    // What it has set meanwhile is taken back as well.
                    let runs = |alarms: &mut Alarms| {
                        alarms.running.is_some_and(|(running, _)| running == number)
                    };
                    let waited = HAS_RUN.wait_while(alarms, runs);
                    alarms = waited.unwrap_or_else(PoisonError::into_inner);
                }
                _ => {
                    if count == 0 {
                        set_errno(Errno(libc::ENOENT));
                    }
                    break;
                }
            }
        }
        Ok(c_int::try_from(count).unwrap_or(c_int::MAX))
    })
}

/// Forgets all alarms, and waits until the one that runs has returned, unless it is called inside of
/// it.
pub(crate) fn end() {
    let caller = {
        let mut alarms = alarms();
        alarms.waiting.clear();
        std::mem::replace(&mut alarms.caller, Caller::Ended)
    };
    CHANGED.notify_all();
    if let Caller::Runs(thread) = caller
        && !IS_CALLER.get()
    {
        thread.join();
    }
}
