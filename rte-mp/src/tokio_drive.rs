//! Driving a group from a tokio runtime instead of a thread of its own.

use std::io;
use std::os::fd::BorrowedFd;

use tokio::time::{Instant, timeout_at};

use crate::driver::Driver;
use crate::sys::ready::readable;

/// Starts a task that runs the driver until the group is left.
pub(crate) fn spawn(mut driver: Driver, ready: BorrowedFd<'_>) -> io::Result<()> {
    let ready = readable(ready.try_clone_to_owned()?)?;
    tokio::spawn(async move {
        while !driver.is_over() {
            while driver.process() {
                tokio::task::yield_now().await;
            }
            let readable = async {
                // What is readable by now has been dealt with, or is told again.
                if let Ok(mut guard) = ready.readable().await {
                    guard.clear_ready();
                }
            };
            match driver.next_deadline() {
                // That the time is over is as good a reason for a turn.
                Some(due) => drop(timeout_at(Instant::from_std(due), readable).await),
                None => readable.await,
            }
        }
    });
    Ok(())
}
