//! One request: who was asked, what became of each, when to stop waiting.
//!
//! No socket and no clock here: whoever drives it passes `now` in and carries out what comes back.
//! A reply carries no request id. It is matched by return address, sender and action name, so one
//! address never carries two requests with the same peer and action.
//!
//! `R` is what a reply is to the driver: bytes and descriptors, or a token in a simulation. What
//! is not taken is handed back, so that its descriptors are closed by whoever owns them.
//!
//! DPDK 25.11: `eal_common_proc.c`, `rte_mp_request_sync`, `rte_mp_request_async`, `process_msg`.
//! Differs from DPDK: all peers are asked side by side, and each has an outcome of its own.

use std::time::Instant;

use crate::message::{ActionName, PeerName};

/// How many peers one request can ask. More are refused, since a directory is a peer's to fill.
pub const MAX_ASKED: usize = 4096;

/// One request in flight, or done.
#[derive(Debug)]
pub struct Exchange<R> {
    action: ActionName,
    deadline: Instant,
    asked: Vec<Entry<R>>,
    /// How many have no outcome yet.
    open: usize,
}

#[derive(Debug)]
struct Entry<R> {
    peer: PeerName,
    state: State<R>,
}

#[derive(Debug)]
enum State<R> {
    /// The request is still to be sent.
    Unsent,
    /// It was sent; the answer is awaited.
    Awaited,
    /// Nothing more will change.
    Done(Outcome<R>),
}

/// What became of one peer that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<R> {
    /// It answered.
    Replied(R),
    /// It asked not to be counted: it has no such action, or chose so (`MP_IGN`).
    Ignored,
    /// It was asked, and nothing came before the deadline.
    TimedOut,
    /// It was asked, or about to be, and ended before it answered.
    Died,
    /// It could not be asked before the deadline; the errno says why.
    Unsendable {
        /// The error of the last try to send.
        errno: i32,
    },
    /// The group was left, or the request dropped, before it answered.
    Abandoned,
}

/// One peer, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<R> {
    /// Who was asked.
    pub peer: PeerName,
    /// What came of it.
    pub outcome: Outcome<R>,
}

/// An answer that no one waits for, handed back.
#[derive(Debug, PartialEq, Eq)]
pub struct Stray<R>(pub R);

/// Why a peer cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The peer stands in this request already.
    #[error("{0} is asked already")]
    Twice(PeerName),
    /// More than [`MAX_ASKED`].
    #[error("one request asks at most {MAX_ASKED} peers")]
    TooMany,
}

impl<R> Exchange<R> {
    /// Begins a request about `action` that nobody was asked yet.
    pub fn new(action: ActionName, deadline: Instant) -> Self {
        Self { action, deadline, asked: Vec::new(), open: 0 }
    }

    /// Adds a peer; [`Exchange::poll_transmit`] gives it out.
    ///
    /// # Errors
    /// [`AskError`] if it stands here already, or there are too many.
    pub fn ask(&mut self, peer: PeerName) -> Result<(), AskError> {
        if self.asked.len() == MAX_ASKED {
            return Err(AskError::TooMany);
        }
        if self.entry(&peer).is_some() {
            return Err(AskError::Twice(peer));
        }
        self.asked.push(Entry { peer, state: State::Unsent });
        self.open += 1;
        Ok(())
    }

    /// Gives the action that is asked about.
    pub fn action(&self) -> &ActionName {
        &self.action
    }

    /// Gives a peer that the request is still to be sent to, the first of them.
    pub fn poll_transmit(&self) -> Option<PeerName> {
        self.unsent().next()
    }

    /// Lists the peers that the request is still to be sent to.
    pub fn unsent(&self) -> impl Iterator<Item = PeerName> + '_ {
        self.asked.iter().filter(|e| matches!(e.state, State::Unsent)).map(|e| e.peer)
    }

    /// Lists the peers whose answer is awaited.
    pub fn awaited(&self) -> impl Iterator<Item = PeerName> + '_ {
        self.asked.iter().filter(|e| matches!(e.state, State::Awaited)).map(|e| e.peer)
    }

    /// Notes that the request went out to `peer`.
    pub fn handle_sent(&mut self, peer: &PeerName) {
        if let Some(entry) = self.entry(peer)
            && matches!(entry.state, State::Unsent)
        {
            entry.state = State::Awaited;
        }
    }

    /// Notes that the request cannot be sent to `peer`.
    pub fn handle_unsendable(&mut self, peer: &PeerName, errno: i32) {
        if matches!(self.entry(peer), Some(Entry { state: State::Unsent, .. })) {
            self.settle(peer, Outcome::Unsendable { errno });
        }
    }

    /// Forgets a peer that was never there: its socket was left behind by a process that ended.
    /// As in DPDK, it does not count as asked.
    pub fn handle_absent(&mut self, peer: &PeerName) {
        let before = self.asked.len();
        self.asked.retain(|e| e.peer != *peer || !matches!(e.state, State::Unsent));
        self.open -= before - self.asked.len();
    }

    /// Takes the reply of `from`.
    ///
    /// # Errors
    /// [`Stray`] hands back a reply that nobody waits for: of another action, of a peer that was
    /// not asked, that has answered already, or was given up.
    pub fn handle_reply(
        &mut self,
        from: &PeerName,
        action: &ActionName,
        reply: R,
    ) -> Result<(), Stray<R>> {
        if self.awaits(from, action) {
            self.settle(from, Outcome::Replied(reply));
            Ok(())
        } else {
            Err(Stray(reply))
        }
    }

    /// Takes an ignore of `from`.
    ///
    /// # Errors
    /// [`Stray`] as for a reply.
    pub fn handle_ignore(&mut self, from: &PeerName, action: &ActionName) -> Result<(), Stray<()>> {
        if self.awaits(from, action) {
            self.settle(from, Outcome::Ignored);
            Ok(())
        } else {
            Err(Stray(()))
        }
    }

    /// Ends the part of a peer that has ended itself.
    pub fn handle_peer_died(&mut self, peer: &PeerName) {
        if matches!(self.entry(peer), Some(Entry { state: State::Unsent | State::Awaited, .. })) {
            self.settle(peer, Outcome::Died);
        }
    }

    /// Gives up on every silent peer once the deadline has come. Early and repeated calls do
    /// nothing. A peer that could not even be asked by then is unsendable with `ETIMEDOUT`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        self.give_up(|sent| match sent {
            true => Outcome::TimedOut,
            false => Outcome::Unsendable { errno: ETIMEDOUT },
        });
    }

    /// Gives up on every silent peer at once, since nobody wants the answers any more.
    pub fn handle_abandon(&mut self) {
        self.give_up(|_| Outcome::Abandoned);
    }

    /// Gives the time at which [`Exchange::handle_timeout`] is due, while anything is open.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.open > 0).then_some(self.deadline)
    }

    /// Tells whether every peer has an outcome.
    pub fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// Tells whether the return address may carry another request: everybody who was asked has
    /// answered, or could not be asked, so nothing more will come to it. That a peer died is not
    /// enough: what it sent before may still be under way. A peer is taken to answer once.
    pub fn is_clean(&self) -> bool {
        self.asked.iter().all(|entry| match &entry.state {
            State::Done(outcome) => match outcome {
                Outcome::Replied(_) | Outcome::Ignored | Outcome::Unsendable { .. } => true,
                Outcome::TimedOut | Outcome::Died | Outcome::Abandoned => false,
            },
            State::Unsent | State::Awaited => false,
        })
    }

    /// Gives each peer's outcome, in the order in which they were added. Peers that are still open
    /// count as abandoned.
    pub fn into_outcomes(mut self) -> Vec<Asked<R>> {
        self.handle_abandon();
        self.asked
            .into_iter()
            .filter_map(|Entry { peer, state }| match state {
                State::Done(outcome) => Some(Asked { peer, outcome }),
                State::Unsent | State::Awaited => None,
            })
            .collect()
    }

    fn entry(&mut self, peer: &PeerName) -> Option<&mut Entry<R>> {
        self.asked.iter_mut().find(|entry| entry.peer == *peer)
    }

    fn awaits(&mut self, from: &PeerName, action: &ActionName) -> bool {
        *action == self.action
            && matches!(self.entry(from), Some(Entry { state: State::Awaited, .. }))
    }

    fn settle(&mut self, peer: &PeerName, outcome: Outcome<R>) {
        if let Some(entry) = self.entry(peer) {
            entry.state = State::Done(outcome);
            self.open -= 1;
        }
    }

    fn give_up(&mut self, outcome: impl Fn(bool) -> Outcome<R>) {
        for entry in &mut self.asked {
            let sent = match entry.state {
                State::Unsent => false,
                State::Awaited => true,
                State::Done(_) => continue,
            };
            entry.state = State::Done(outcome(sent));
            self.open -= 1;
        }
    }
}

/// Linux's number, here because this crate asks no system.
const ETIMEDOUT: i32 = 110;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn peer(n: u32) -> PeerName {
        PeerName::new(format!("/run/x/mp_socket_{n}_1")).unwrap()
    }

    /// Virtual time: any instant will do as its start, and clippy keeps the clock out of here.
    #[expect(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn asking(peers: u32, deadline: Instant) -> Exchange<u32> {
        let mut exchange = Exchange::new(ActionName::new("hello").unwrap(), deadline);
        for n in 0..peers {
            exchange.ask(peer(n)).unwrap();
            exchange.handle_sent(&peer(n));
        }
        exchange
    }

    #[test]
    fn each_peer_gets_its_own_outcome() {
        let start = origin();
        let deadline = start + Duration::from_secs(1);
        let mut exchange = asking(4, deadline);
        let action = *exchange.action();
        exchange.ask(peer(9)).unwrap();
        exchange.handle_reply(&peer(0), &action, 7).unwrap();
        exchange.handle_ignore(&peer(1), &action).unwrap();
        exchange.handle_peer_died(&peer(2));
        exchange.handle_timeout(deadline - Duration::from_nanos(1));
        assert!(!exchange.is_complete(), "too early to give up");
        assert_eq!(exchange.poll_timeout(), Some(deadline));
        exchange.handle_timeout(deadline);
        exchange.handle_timeout(deadline);
        assert!(exchange.is_complete());
        assert_eq!(exchange.poll_timeout(), None);
        let outcomes: Vec<_> = exchange.into_outcomes().into_iter().map(|a| a.outcome).collect();
        let expected = [
            Outcome::Replied(7),
            Outcome::Ignored,
            Outcome::Died,
            Outcome::TimedOut,
            Outcome::Unsendable { errno: ETIMEDOUT },
        ];
        assert_eq!(outcomes, expected);
    }

    #[test]
    fn an_answer_nobody_waits_for_is_handed_back() {
        let deadline = origin() + Duration::from_secs(1);
        let mut exchange = asking(1, deadline);
        let action = *exchange.action();
        let other = ActionName::new("other").unwrap();
        assert_eq!(exchange.handle_reply(&peer(0), &other, 1), Err(Stray(1)), "another action");
        assert_eq!(exchange.handle_reply(&peer(5), &action, 2), Err(Stray(2)), "another peer");
        exchange.ask(peer(1)).unwrap();
        assert_eq!(exchange.handle_reply(&peer(1), &action, 3), Err(Stray(3)), "not asked yet");
        assert_eq!(exchange.handle_reply(&peer(0), &action, 4), Ok(()));
        assert_eq!(exchange.handle_reply(&peer(0), &action, 5), Err(Stray(5)), "a second reply");
        assert_eq!(exchange.handle_ignore(&peer(0), &action), Err(Stray(())), "an ignore after it");
    }

    #[test]
    fn an_absent_peer_was_never_asked() {
        let mut exchange: Exchange<()> = Exchange::new(ActionName::new("hello").unwrap(), origin());
        exchange.ask(peer(0)).unwrap();
        assert_eq!(exchange.ask(peer(0)), Err(AskError::Twice(peer(0))));
        assert_eq!(exchange.poll_transmit(), Some(peer(0)));
        exchange.handle_absent(&peer(0));
        assert!(exchange.is_complete());
        assert!(exchange.into_outcomes().is_empty());
    }

    #[test]
    fn only_an_address_that_nothing_more_comes_to_is_clean() {
        let deadline = origin();
        let mut exchange = asking(1, deadline);
        let action = *exchange.action();
        assert!(!exchange.is_clean(), "an answer is awaited");
        exchange.handle_reply(&peer(0), &action, 1).unwrap();
        assert!(exchange.is_clean());
        let mut exchange = asking(1, deadline);
        exchange.handle_timeout(deadline);
        assert!(!exchange.is_clean(), "a late answer may come");
    }
}
