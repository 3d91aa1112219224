//! Whatever happens in whatever order, an exchange keeps its promises: each peer that was asked has
//! one outcome and keeps it, a reply is taken only from a peer that is awaited, and nothing is
//! waited for once all is settled. Answers come in as datagrams, through `dispatch`.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use rte_mp_proto::{
    ActionName, Datagram, Door, Exchange, Kind, Layout, Outcome, Param, PeerName, Received, Stray,
    dispatch,
};

/// One thing that happens to an exchange.
#[derive(Debug, Arbitrary)]
enum Step {
    Ask(Peer),
    Sent(Peer),
    Unsendable(Peer, i32),
    Absent(Peer),
    Died(Peer),
    Datagram(Incoming),
    Timeout { due: bool },
    Abandon,
}

/// One of eight peers, so that most steps are about one that was asked.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Peer(u8);

/// A datagram that may be good, after the changes that were made to its bytes.
#[derive(Debug, Arbitrary)]
struct Incoming {
    wide: bool,
    at_inbox: bool,
    kind: u8,
    other_action: bool,
    changes: Vec<(u16, u8)>,
    truncated: bool,
    from: Option<Peer>,
    uid: Option<bool>,
    fd_count: u8,
}

static DEADLINE: LazyLock<Instant> =
    LazyLock::new(|| Instant::now() + Duration::from_secs(24 * 3600));

fuzz_target!(|steps: Vec<Step>| {
    let mut exchange = Exchange::new(action("asked"), *DEADLINE);
    // What must come out in the end: the peers in the order in which they were asked.
    let mut asked: Vec<(PeerName, Option<Outcome<usize>>)> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        take(step, number, &mut exchange, &mut asked);
        check(&exchange, &asked);
    }
    let outcomes = exchange.into_outcomes();
    assert_eq!(outcomes.len(), asked.len());
    for (outcome, (peer, expected)) in outcomes.iter().zip(asked) {
        assert_eq!(outcome.peer, peer);
        assert_eq!(outcome.outcome, expected.unwrap_or(Outcome::Abandoned));
    }
});

/// Tells the exchange of one step, and notes in `asked` what should come of it.
fn take(
    step: &Step,
    number: usize,
    exchange: &mut Exchange<usize>,
    asked: &mut Vec<(PeerName, Option<Outcome<usize>>)>,
) {
    let unsent: Vec<PeerName> = exchange.unsent().collect();
    let awaited: Vec<PeerName> = exchange.awaited().collect();
    let mut settle = |peer: PeerName, outcome| {
        let entry = asked.iter_mut().find(|(asked, _)| *asked == peer).expect("it was asked");
        assert_eq!(entry.1.replace(outcome), None, "{peer} had an outcome already");
    };
    match step {
        Step::Ask(peer) => {
            let peer = peer.name();
            let known = asked.iter().any(|(asked, _)| *asked == peer);
            assert_eq!(exchange.ask(peer).is_err(), known);
            if !known {
                asked.push((peer, None));
            }
        }
        Step::Sent(peer) => exchange.handle_sent(&peer.name()),
        Step::Unsendable(peer, errno) => {
            let peer = peer.name();
            exchange.handle_unsendable(&peer, *errno);
            if unsent.contains(&peer) {
                settle(peer, Outcome::Unsendable { errno: *errno });
            }
        }
        Step::Absent(peer) => {
            let peer = peer.name();
            exchange.handle_absent(&peer);
            if unsent.contains(&peer) {
                asked.retain(|(asked, _)| *asked != peer);
            }
        }
        Step::Died(peer) => {
            let peer = peer.name();
            exchange.handle_peer_died(&peer);
            if unsent.contains(&peer) || awaited.contains(&peer) {
                settle(peer, Outcome::Died);
            }
        }
        Step::Datagram(incoming) => {
            let Some((kind, peer, name)) = incoming.arrive() else { return };
            let expected = awaited.contains(&peer) && name == *exchange.action();
            match kind {
                Kind::Reply => {
                    let result = exchange.handle_reply(&peer, &name, number);
                    assert_eq!(result, if expected { Ok(()) } else { Err(Stray(number)) });
                    if expected {
                        settle(peer, Outcome::Replied(number));
                    }
                }
                Kind::Ignore => {
                    let result = exchange.handle_ignore(&peer, &name);
                    assert_eq!(result, if expected { Ok(()) } else { Err(Stray(())) });
                    if expected {
                        settle(peer, Outcome::Ignored);
                    }
                }
                Kind::Message | Kind::Request => panic!("a {kind:?} at a return address"),
            }
        }
        Step::Timeout { due } => {
            exchange.handle_timeout(*DEADLINE - Duration::from_secs(u64::from(!due)));
            if *due {
                awaited.into_iter().for_each(|peer| settle(peer, Outcome::TimedOut));
                let errno = 110; // ETIMEDOUT
                unsent.into_iter().for_each(|peer| settle(peer, Outcome::Unsendable { errno }));
            }
        }
        Step::Abandon => {
            exchange.handle_abandon();
            unsent.into_iter().chain(awaited).for_each(|peer| settle(peer, Outcome::Abandoned));
        }
    }
}

/// Compares what the exchange says of itself with what is known of it.
fn check(exchange: &Exchange<usize>, asked: &[(PeerName, Option<Outcome<usize>>)]) {
    let open = asked.iter().filter(|(_, outcome)| outcome.is_none()).count();
    assert_eq!(exchange.unsent().count() + exchange.awaited().count(), open);
    assert_eq!(exchange.is_complete(), open == 0);
    assert_eq!(exchange.poll_timeout(), (open > 0).then_some(*DEADLINE));
    assert_eq!(exchange.poll_transmit(), exchange.unsent().next());
    if exchange.is_clean() {
        assert!(exchange.is_complete(), "an answer may still come");
    }
}

impl Incoming {
    /// Gives what came of the datagram, if it is an answer at a return address.
    fn arrive(&self) -> Option<(Kind, PeerName, ActionName)> {
        let layout = if self.wide { Layout::DPDK_25_11 } else { Layout::DPDK_24_11 };
        let datagram = Datagram {
            kind: Kind::ALL[usize::from(self.kind) % Kind::ALL.len()],
            name: action(if self.other_action { "other" } else { "asked" }),
            param: Param::EMPTY,
            fd_count: usize::from(self.fd_count),
        };
        let mut bytes = datagram.encode(layout).as_bytes().to_vec();
        for &(at, byte) in &self.changes {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        let received = Received {
            bytes: &bytes,
            truncated: self.truncated,
            from: self.from.map(Peer::name),
            uid: self.uid.map(u32::from),
            fd_count: usize::from(self.fd_count),
        };
        let door = if self.at_inbox { Door::Inbox } else { Door::ReturnAddress };
        let arrival = dispatch(received, door, |uid| uid == 0).ok()?;
        assert!(!self.truncated && self.uid == Some(false), "it had to be dropped");
        assert_eq!(arrival.datagram.fd_count, usize::from(self.fd_count));
        let question = matches!(arrival.datagram.kind, Kind::Message | Kind::Request);
        assert_eq!(question, self.at_inbox, "it came to the wrong door");
        (!question).then_some((arrival.datagram.kind, arrival.from, arrival.datagram.name))
    }
}

impl Peer {
    fn name(self) -> PeerName {
        PeerName::new(format!("/x/mp_socket_{}", self.0 % 8)).expect("it is a short path")
    }
}

fn action(name: &str) -> ActionName {
    ActionName::new(name).expect("it is a short name")
}
