//! Who runs the driver: a thread of the group's own, the caller, or tokio.

use std::io;
#[cfg(feature = "tokio")]
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Instant;

use crate::builder::Drive;
use crate::driver::Driver;
use crate::shared::Shared;
use crate::sync::lock;
use crate::workers::Workers;

/// Who runs the driver.
pub(crate) enum Engine {
    Thread {
        driver: Mutex<Option<JoinHandle<()>>>,
        /// The driver's thread and the workers.
        own: Vec<ThreadId>,
    },
    Caller(Box<Mutex<Driver>>),
    #[cfg(feature = "tokio")]
    Tokio,
}

/// Begins to describe a thread that runs handlers. They have as much room as on one that C starts,
/// by default; only what is touched takes memory.
pub(crate) fn thread_for_handlers(name: String) -> thread::Builder {
    thread::Builder::new().name(name).stack_size(8 << 20)
}

impl Engine {
    /// Starts the driver, and `workers` threads beside it.
    pub(crate) fn start(shared: &Arc<Shared>, drive: Drive, workers: usize) -> io::Result<Self> {
        let pool = match workers {
            0 => None,
            count => Some(Workers::start(shared, count)?),
        };
        let mut own: Vec<_> = pool.iter().flat_map(Workers::thread_ids).collect();
        let driver = Driver::new(Arc::clone(shared), pool)?;
        match drive {
            Drive::Thread => {
                let thread = thread_for_handlers("mp-msg".to_owned());
                let thread = thread.spawn(move || driver.run())?;
                own.push(thread.thread().id());
                Ok(Self::Thread { driver: Mutex::new(Some(thread)), own })
            }
            Drive::Caller => Ok(Self::Caller(Box::new(Mutex::new(driver)))),
            #[cfg(feature = "tokio")]
            Drive::Tokio => {
                crate::tokio_drive::spawn(driver, shared.epoll.as_fd())?;
                Ok(Self::Tokio)
            }
        }
    }

    /// Gives the time at which [`Engine::process`] is due, if the caller drives.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self {
            // Inside a handler it is busy, and there may be more to do when the handler returns.
            Self::Caller(driver) => match driver.try_lock() {
                Ok(driver) => driver.next_deadline(),
                Err(_) => Some(Instant::now()),
            },
            _ => None,
        }
    }

    /// Does what there is to do, if the caller drives, and says whether there was anything.
    pub(crate) fn process(&self) -> bool {
        match self {
            // Inside a handler it is busy.
            Self::Caller(driver) => driver.try_lock().is_ok_and(|mut driver| driver.process()),
            _ => false,
        }
    }

    /// Has the driver wind down, once the group was left, and waits for it where that is possible.
    pub(crate) fn stop(&self) {
        match self {
            Self::Thread { driver, own } => {
                // Our own threads cannot wait for the driver: it waits for them.
                if own.contains(&thread::current().id()) {
                    return;
                }
                // Whoever else leaves meanwhile waits for the lock.
                let mut driver = lock(driver);
                if let Some(driver) = driver.take() {
                    // A panic in it has been told on stderr.
                    let _ = driver.join();
                }
            }
            Self::Caller(driver) => {
                // Inside a handler it is busy, and winds down when it is dropped.
                if let Ok(mut driver) = driver.try_lock() {
                    driver.wind_down();
                }
            }
            #[cfg(feature = "tokio")]
            Self::Tokio => {}
        }
    }
}
