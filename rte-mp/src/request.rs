//! Sync and async requests: who drives a flight.
//!
//! A sync request drives its own on the calling thread and never touches the driver; the driver
//! drives those of async requests.
//!
//! DPDK 25.11: `eal_common_proc.c`, `rte_mp_request_sync`, `rte_mp_request_async`.

use std::hint;
use std::io;
use std::time::{Duration, Instant};

use rte_mp_proto::trace::{Fate, Path};
use rte_mp_proto::{Kind, PeerName};
use rustix::event::{self, PollFd, PollFlags};
use rustix::io::Errno;

use crate::driver::Command;
use crate::error::RequestError;
use crate::flight::Flight;
use crate::message::Message;
use crate::replies::Replies;
use crate::route::{Route, Target};
use crate::shared::Shared;
use crate::time::{DEFAULT_TIMEOUT, deadline_after, timespec_until};
use crate::transport::lane::{Answer, Push, Ticket, Whereabouts};
use crate::transport::spin::Spin;

/// What a request must have left of its time to sleep at a lane: the kernel measures that in ticks.
const LONGEST_NAP: Duration = Duration::from_millis(20);

/// Asks, waits for all answers on the calling thread, and says what became of each peer.
pub(crate) fn request(
    shared: &Shared,
    target: Target,
    message: &Message,
    timeout: Option<Duration>,
) -> Result<Replies, RequestError> {
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    let deadline = deadline_after(Instant::now(), timeout);
    let route = shared.begin(target, message, deadline)?;
    let mut spin = Spin::new(shared.settings.busy_poll.min(timeout), &shared.pace);
    spin.restart();
    if let Route::Primary(peer) | Route::Peer(peer) = route {
        if let Some(flight) = ask_by_lane(shared, &peer, message, deadline, &mut spin) {
            return wait(shared, flight, spin);
        }
        let flight = Flight::launch(shared, route, message, deadline)?;
        shared.wish_for_lane(&peer);
        return wait(shared, flight, spin);
    }
    wait(shared, Flight::launch(shared, route, message, deadline)?, spin)
}

/// Waits for all answers, polling as long as the window is open.
fn wait(shared: &Shared, mut flight: Flight, mut spin: Spin<'_>) -> Result<Replies, RequestError> {
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
    let deadline = deadline_after(Instant::now(), timeout.unwrap_or(DEFAULT_TIMEOUT));
    let route = shared.begin(target, message, deadline)?;
    let flight = Flight::launch(shared, route, message, deadline)?;
    let id = shared.next_id();
    match shared.post(Command::Drive { id, flight: Box::new(flight), done }) {
        Ok(()) => Ok(id),
        // The callback is dropped uncalled, as with every error.
        Err(_) => Err(RequestError::Left { prefix: shared.prefix() }),
    }
}

/// Asks through a lane, and waits there for the answer for some milliseconds. Where there is none,
/// or its other end is gone, nothing was asked.
fn ask_by_lane(
    shared: &Shared,
    peer: &PeerName,
    message: &Message,
    deadline: Instant,
    spin: &mut Spin<'_>,
) -> Option<Flight> {
    let outlet = shared.outlets.find(peer).filter(|_| message.fds().is_empty())?;
    let address = shared.pool.take_idle(Some(*peer))?;
    let encoded = message.datagram(Kind::Request).encode(shared.layout());
    let stamp = shared.tracer.stamp();
    let Push::In(ticket) = outlet.ask(encoded.as_meaningful_bytes(), address.number()) else {
        shared.pool.put_back(address);
        return None;
    };
    let record = |stamp, local, fate| {
        shared.trace_out(stamp, Path::Lane, Some(local), peer, encoded.as_bytes(), fate);
    };
    record(stamp, address.name(), Fate::Sent);
    let mut answer = poll(&ticket, spin);
    if matches!(answer, Answer::Awaited) && deadline > Instant::now() + LONGEST_NAP {
        answer = ticket.wait();
    }
    if matches!(answer, Answer::Awaited) {
        match ticket.give_up() {
            Whereabouts::Nowhere => {
                let taken_back = Fate::Failed(Errno::PIPE.raw_os_error());
                record(shared.tracer.stamp(), address.name(), taken_back);
                shared.pool.put_back(address);
                return None;
            }
            Whereabouts::WithServer => {}
            Whereabouts::Answered => answer = ticket.look(),
        }
    }
    let mut flight = Flight::sent_by_lane(shared, peer, message, deadline, address);
    if let Answer::Here(bytes) = answer {
        flight.handle_lane(shared, *peer, &bytes);
    }
    Some(flight)
}

/// Polls for an answer as long as the window is open.
fn poll(ticket: &Ticket, spin: &mut Spin<'_>) -> Answer {
    loop {
        for _ in 0..spin.looks() {
            match ticket.look() {
                Answer::Awaited => hint::spin_loop(),
                answer @ (Answer::Elsewhere | Answer::Here(_)) => return answer,
            }
        }
        if !spin.again() {
            return Answer::Awaited;
        }
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
    match event::poll(&mut fds, Some(&timeout)) {
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
