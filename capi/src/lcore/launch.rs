//! Functions that run on workers: `rte_eal_remote_launch` and the like.
//!
//! What a worker is given, and what came of it, is behind a lock of its own: what the launching
//! thread has written before is seen by the function, and what the function has written by whoever
//! waits for it.
//!
//! DPDK 22.11: `eal_common_launch.c`. Differs from DPDK: who waits for a worker sleeps, and to launch
//! on what is no worker is an error.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{MAX_LCORE, lcores};
use crate::border::{Errno, enter, negative};

/// `lcore_function_t`: what runs on an lcore.
type Function = unsafe extern "C" fn(argument: *mut c_void) -> c_int;

/// A function, and what it is called with.
#[derive(Debug, Clone, Copy)]
struct Call {
    function: Function,
    argument: *mut c_void,
}

// SAFETY: whoever launches it says that it may be called so on another thread.
unsafe impl Send for Call {}

impl Call {
    fn run(self) -> c_int {
        // SAFETY: whoever launched it says that it may be called so, on this thread too.
        unsafe { (self.function)(self.argument) }
    }
}

/// What an lcore does.
#[derive(Debug)]
enum Stage {
    /// It has no thread that could be given something: it is no worker.
    NoWorker,
    Waiting,
    Given(Call),
    Running,
}

#[derive(Debug)]
struct Work {
    stage: Stage,
    /// What the last function gave.
    result: c_int,
    /// Whether the thread ends as soon as it waits.
    ends: bool,
}

/// An lcore as those see it who give it work.
#[derive(Debug)]
pub(super) struct Worker {
    work: Mutex<Work>,
    changed: Condvar,
}

/// By the lcore's id.
static WORKERS: [Worker; MAX_LCORE] = [const { Worker::none() }; MAX_LCORE];

/// Gives the worker with this id; what is given for the main lcore is none.
pub(super) fn worker(id: c_uint) -> Option<&'static Worker> {
    WORKERS.get(id as usize)
}

impl Worker {
    const fn none() -> Self {
        let work = Work { stage: Stage::NoWorker, result: 0, ends: false };
        Self { work: Mutex::new(work), changed: Condvar::new() }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins: it may be given something from now on.
    pub(super) fn open(&self) {
        *self.work() = Work { stage: Stage::Waiting, result: 0, ends: false };
    }

    /// Undoes [`open`](Self::open) for one that was never given anything.
    pub(super) fn close(&self) {
        self.end();
        self.work().stage = Stage::NoWorker;
    }

    /// Has its thread end as soon as it waits. Says whether it waits: then it can be joined.
    pub(super) fn end(&self) -> bool {
        let mut work = self.work();
        work.ends = true;
        self.changed.notify_all();
        matches!(work.stage, Stage::Waiting | Stage::NoWorker)
    }

    /// Runs what it is given, on its thread, until it is to end.
    pub(super) fn serve(&self) {
        while let Some(call) = self.next() {
            let result = call.run();
            let mut work = self.work();
            work.stage = Stage::Waiting;
            work.result = result;
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Call> {
        let mut work = self.work();
        loop {
            if let Stage::Given(call) = work.stage {
                work.stage = Stage::Running;
                return Some(call);
            }
            if work.ends {
                return None;
            }
            work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give(&self, call: Call) -> Result<(), Errno> {
        let mut work = self.work();
        match work.stage {
            Stage::NoWorker => Err(Errno::INVALID),
            Stage::Given(_) | Stage::Running => Err(Errno(libc::EBUSY)),
            Stage::Waiting if work.ends => Err(Errno(libc::EPIPE)),
            Stage::Waiting => {
                work.stage = Stage::Given(call);
                self.changed.notify_all();
                Ok(())
            }
        }
    }

    fn is_busy(&self) -> bool {
        matches!(self.work().stage, Stage::Given(_) | Stage::Running)
    }

    fn wait(&self) -> c_int {
        let is_busy = |work: &mut Work| matches!(work.stage, Stage::Given(_) | Stage::Running);
        let work = self.changed.wait_while(self.work(), is_busy);
        work.unwrap_or_else(PoisonError::into_inner).result
    }
}

/// Has a worker call a function. `rte_eal_remote_launch`.
///
/// Gives -`EBUSY` if it runs something else, -`EPIPE` after `rte_eal_cleanup`.
///
/// # Safety
/// `function` is null or may be called with `argument` on another thread.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_eal_remote_launch(
    function: Option<Function>,
    argument: *mut c_void,
    id: c_uint,
) -> c_int {
    negative(|| {
        let function = function.ok_or(Errno::INVALID)?;
        worker(id).ok_or(Errno::INVALID)?.give(Call { function, argument })
    })
}

/// `CALL_MAIN` of `enum rte_rmt_call_main_t`.
const CALL_MAIN: c_uint = 1;

/// Has all workers call a function, and the caller too if that is wanted.
/// `rte_eal_mp_remote_launch`.
///
/// # Safety
/// `function` is null or may be called with `argument` on all threads at once.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_eal_mp_remote_launch(
    function: Option<Function>,
    argument: *mut c_void,
    call_main: c_uint,
) -> c_int {
    negative(|| {
        let call = Call { function: function.ok_or(Errno::INVALID)?, argument };
        let lcores = lcores().ok_or(Errno::INVALID)?;
        let workers = || lcores.workers().filter_map(worker);
        if workers().any(Worker::is_busy) {
            return Err(Errno(libc::EBUSY));
        }
        for worker in workers() {
            worker.give(call)?;
        }
        if call_main == CALL_MAIN {
            let result = call.run();
            if let Some(main) = worker(lcores.main) {
                main.work().result = result;
            }
        }
        Ok(())
    })
}

const WAIT: c_uint = 0;
const RUNNING: c_uint = 1;

/// Says what a worker does. `rte_eal_get_lcore_state`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_get_lcore_state(id: c_uint) -> c_uint {
    enter(WAIT, || Ok(if worker(id).is_some_and(Worker::is_busy) { RUNNING } else { WAIT }))
}

/// Waits until a worker has done what it was given, and gives the result. `rte_eal_wait_lcore`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_wait_lcore(id: c_uint) -> c_int {
    enter(0, || Ok(worker(id).map_or(0, Worker::wait)))
}

/// Waits for all workers. `rte_eal_mp_wait_lcore`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_mp_wait_lcore() {
    enter((), || {
        for worker in WORKERS.iter() {
            worker.wait();
        }
        Ok(())
    });
}
