//! Sync and async requests: who drives a flight.
//!
//! A sync request drives its own on the calling thread and never touches the driver; the driver
//! drives those of async requests.
//!
//! DPDK 25.11: `eal_common_proc.c`, `rte_mp_request_sync`, `rte_mp_request_async`.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::driver::Command;
use crate::error::RequestError;
use crate::flight::Flight;
use crate::message::Message;
use crate::replies::Replies;
use crate::route::Target;
use crate::shared::Shared;
use crate::time::{DEFAULT_TIMEOUT, timespec_until};
use crate::transport::spin::Spin;

/// Asks, waits for all answers on the calling thread, and says what became of each peer.
pub(crate) fn request(
    shared: &Shared,
    target: Target,
    message: &Message,
    timeout: Option<Duration>,
) -> Result<Replies, RequestError> {
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    let mut flight = Flight::launch(shared, target, message, timeout)?;
    let mut spin = Spin::new(shared.settings.busy_poll.min(timeout), &shared.pace);
    spin.restart();
    while !flight.is_complete() {
        flight.receive(shared);
        if flight.is_complete() || spin.again() {
            continue;
        }
        flight.handle_timeout(shared, Instant::now());
        if flight.is_complete() {
            break;
        }
        if let Err(source) = block(&mut flight, shared) {
            flight.abandon();
            drop(flight.finish(shared));
            return Err(RequestError::Wait { source });
        }
        if shared.left.is_set() {
            flight.abandon();
            drop(flight.finish(shared));
            return Err(RequestError::Left { prefix: shared.prefix() });
        }
    }
    Ok(flight.finish(shared))
}

/// Asks, and leaves the waiting to the driver, which calls `done` exactly once.
pub(crate) fn request_async(
    shared: &Shared,
    target: Target,
    message: &Message,
    timeout: Option<Duration>,
    done: Box<dyn FnOnce(Replies) + Send>,
) -> Result<u64, RequestError> {
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    let flight = Flight::launch(shared, target, message, timeout)?;
    let id = shared.next_id();
    match shared.post(Command::Drive { id, flight: Box::new(flight), done }) {
        Ok(()) => Ok(id),
        // The callback is dropped uncalled, as with every error.
        Err(_) => Err(RequestError::Left { prefix: shared.prefix() }),
    }
}

/// Blocks until something may have happened: an answer, room in a full queue, a death, the time to
/// look after the peers, the group being left.
fn block(flight: &mut Flight, shared: &Shared) -> io::Result<()> {
    let now = Instant::now();
    let Some(timeout) = flight.poll_timeout().and_then(|due| timespec_until(due, now)) else {
        return Ok(());
    };
    let poll_fd = |(fd, flags)| PollFd::from_borrowed_fd(fd, flags);
    let mut fds = vec![PollFd::new(&shared.left, PollFlags::IN)];
    fds.extend(flight.socket().map(poll_fd));
    let sockets = fds.len();
    fds.extend(flight.processes().map(poll_fd));
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let has_room = fds[..sockets].iter().any(|fd| fd.revents().contains(PollFlags::OUT));
    let somebody_ended = fds[sockets..].iter().any(|fd| !fd.revents().is_empty());
    if has_room {
        flight.send_unsent(shared, Instant::now());
    }
    if somebody_ended {
        flight.look_after_peers(shared, Instant::now());
    }
    Ok(())
}
