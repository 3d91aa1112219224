//! Threads in which C's functions run: named, with as much stack as C's own threads have.

use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::process;
use std::thread::{Builder, JoinHandle};

/// The stack of a thread where the limit says nothing.
const USUAL_STACK: usize = 8 << 20;
/// No thread gets less, whatever the limit says: the default of Rust's own threads.
const SMALLEST_STACK: usize = 2 << 20;

/// A thread, and the process that it is of.
#[derive(Debug)]
pub(crate) struct Thread {
    handle: JoinHandle<()>,
    process: u32,
}

impl Thread {
    /// Starts a thread, under a name of up to 15 bytes.
    pub(crate) fn start(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let builder = Builder::new().name(name).stack_size(stack_size());
        Ok(Self { handle: builder.spawn(run)?, process: process::id() })
    }

    /// Gives what pthread functions take.
    pub(crate) fn id(&self) -> libc::pthread_t {
        self.handle.as_pthread_t()
    }

    /// Waits until it has ended. A process that was forked off has no such thread, and does not wait.
    pub(crate) fn join(self) {
        if self.process == process::id() {
            // It panics by a bug only, which was said on stderr then.
            let _ = self.handle.join();
        }
    }
}

/// How much stack C's threads get: by the limit of the process (`ulimit -s`).
fn stack_size() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it fills in the struct that it is given.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) };
    match usize::try_from(limit.rlim_cur) {
        Ok(size) if result == 0 && limit.rlim_cur != libc::RLIM_INFINITY => {
            size.max(SMALLEST_STACK)
        }
        _ => USUAL_STACK,
    }
}
