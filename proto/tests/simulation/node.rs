//! One process of the simulated group, made of `Datagram`, `dispatch`, `Exchange` and `Members`.
//!
//! It drives them as a library would: a return address for each request, timers from
//! `poll_timeout`, retries while a peer's socket is full. Handlers run one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rte_mp_proto::{
    ActionName, Arrival, Asked, Datagram, Door, DropReason, Event, Exchange, Kind, Layout, Member,
    Members, Param, PeerName, Received, Role, dispatch, path,
};

use crate::network::{Network, Packet, SendError, SocketId};

pub(crate) type Net = Network<Task>;

/// How long to wait before a full socket is tried again.
const RETRY: Duration = Duration::from_micros(300);
/// How long an answer is tried.
const ANSWER_PATIENCE: Duration = Duration::from_millis(5);
const ECONNREFUSED: i32 = 111;

/// Something that was scheduled; nodes are told apart by number.
pub(crate) enum Task {
    /// Tries again to send what was not sent yet.
    Send { node: usize, address: SocketId },
    /// Lets the request at this address look at the clock. It may come early, or too often.
    Timeout { node: usize, address: SocketId },
    /// A handler is done.
    Answer { node: usize, answer: Box<Answer> },
    /// The death of an asked peer is reported to the request.
    DeathSeen { node: usize, address: SocketId, request: u64, peer: PeerName },
    /// The death of a member is reported to those who follow the group.
    MemberGone { node: usize, name: PeerName, inbox: SocketId },
    /// Looks at who is in the group.
    List { node: usize },
    /// Starts a request of random kind, and schedules the next.
    Ask { node: usize },
    /// Ends a process without a word.
    Kill { node: usize },
    /// Leaves the group, and takes its files along.
    Leave { node: usize },
    /// Joins the group.
    Join { role: Role },
    /// Sends what nobody should send, and schedules the next.
    Mischief,
}

/// How a process treats requests that it has a handler for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    Prompt,
    /// Answers after milliseconds, often too late.
    Slow,
    /// Takes requests and never answers.
    Silent,
    /// Does not even read its inbox.
    Deaf,
}

pub(crate) struct Answer {
    to: PeerName,
    layout: Layout,
    datagram: Datagram,
    until: Instant,
}

/// One request in flight.
pub(crate) struct Pending {
    pub(crate) request: u64,
    pub(crate) address: PeerName,
    pub(crate) exchange: Exchange<Param>,
    pub(crate) record: Record,
    packet: Packet,
}

/// What the simulation knows of a request, beside its `Exchange`.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) by: usize,
    pub(crate) broadcast: bool,
    pub(crate) deadline: Instant,
    /// Who is asked, and the socket that took the request.
    pub(crate) asked: BTreeMap<PeerName, Option<SocketId>>,
    /// Whose death was reported while its answer was missing.
    pub(crate) died: BTreeSet<PeerName>,
}

/// One request that ended.
pub(crate) struct Finished {
    pub(crate) request: u64,
    pub(crate) action: ActionName,
    pub(crate) ended: Instant,
    pub(crate) record: Record,
    pub(crate) outcomes: Vec<Asked<Param>>,
}

pub(crate) struct Node {
    pub(crate) number: usize,
    pub(crate) role: Role,
    pub(crate) name: PeerName,
    pub(crate) inbox: SocketId,
    pub(crate) temper: Temper,
    pub(crate) handlers: Vec<ActionName>,
    pub(crate) layout: Layout,
    pub(crate) alive: bool,
    pub(crate) members: Members,
    /// Who is a member, by events alone.
    pub(crate) seen: BTreeMap<PeerName, u64>,
    pub(crate) pending: BTreeMap<SocketId, Pending>,
    pub(crate) finished: Vec<Finished>,
    pub(crate) drops: Vec<DropReason>,
    /// Whether a return address on which nothing more can come takes further requests.
    pub(crate) reuses_addresses: bool,
    /// Such addresses.
    pub(crate) idle: Vec<(PeerName, SocketId)>,
    /// The number in the name of the address opened last.
    pub(crate) next_address: u64,
    pub(crate) busy_until: Instant,
}

/// What a request carries: its number, which no other request has.
fn question(request: u64) -> Param {
    Param::new(&request.to_le_bytes()).expect("eight bytes")
}

/// What a reply carries: what was asked, and who answers it.
pub(crate) fn reply(question: &[u8], replier: SocketId) -> Param {
    let bytes = [question, &replier.0.to_le_bytes()].concat();
    Param::new(&bytes).expect("as short as the question, and eight bytes")
}

impl Node {
    /// Asks `peers` about `action`.
    pub(crate) fn ask(
        &mut self,
        net: &mut Net,
        (request, action): (u64, ActionName),
        timeout: Duration,
        peers: &[PeerName],
        broadcast: bool,
    ) {
        let (address, socket) = self.idle.pop().unwrap_or_else(|| {
            self.next_address += 1;
            let pid = self.name.process_id().unwrap_or(1);
            let name = directory(&path::return_address(pid, self.next_address));
            (name, net.open(name))
        });
        let deadline = net.now() + timeout;
        let mut exchange = Exchange::new(action, deadline);
        for peer in peers {
            exchange.ask(*peer).expect("each is listed once");
        }
        if let Some(due) = exchange.poll_timeout() {
            let early = net.now() + net.random.micros(&(0..timeout.as_micros() as u64 + 1));
            for at in [early, due, due] {
                net.schedule(at, Task::Timeout { node: self.number, address: socket });
            }
        }
        let fd_count = net.random.below(self.layout.fd_max() as u64 + 1) as usize;
        let datagram =
            Datagram { kind: Kind::Request, name: action, param: question(request), fd_count };
        let bytes = datagram.encode(self.layout).as_bytes().to_vec();
        let packet = Packet { from: Some(address), uid: 0, bytes, fd_count };
        let asked = peers.iter().map(|peer| (*peer, None)).collect();
        let record = Record { by: self.number, broadcast, deadline, asked, died: BTreeSet::new() };
        net.note(|| format!("{} asks {action} ({request}) of {}", self.number, peers.len()));
        self.pending.insert(socket, Pending { request, address, exchange, record, packet });
        self.send_unsent(net, socket);
    }

    /// Sends a request to everybody it was not sent to, as far as their sockets take it.
    pub(crate) fn send_unsent(&mut self, net: &mut Net, address: SocketId) {
        let Some(Pending { exchange, record, packet, .. }) = self.pending.get_mut(&address) else {
            return;
        };
        let unsent: Vec<_> = exchange.unsent().collect();
        let mut full = false;
        for peer in unsent {
            match net.send(&peer, packet.clone()) {
                Ok(socket) => {
                    exchange.handle_sent(&peer);
                    record.asked.insert(peer, Some(socket));
                }
                Err(SendError::Full) => full = true,
                Err(SendError::Refused) if record.broadcast => {
                    exchange.handle_absent(&peer);
                    record.asked.remove(&peer);
                    net.unlink(&peer);
                }
                Err(SendError::Refused) => exchange.handle_unsendable(&peer, ECONNREFUSED),
            }
        }
        if full && net.now() < record.deadline {
            net.schedule(net.now() + RETRY, Task::Send { node: self.number, address });
        }
        self.finish_if_complete(net, address);
    }

    pub(crate) fn handle_timeout(&mut self, net: &mut Net, address: SocketId) {
        if let Some(pending) = self.pending.get_mut(&address) {
            pending.exchange.handle_timeout(net.now());
            self.finish_if_complete(net, address);
        }
    }

    pub(crate) fn handle_death(
        &mut self,
        net: &mut Net,
        (address, request): (SocketId, u64),
        peer: &PeerName,
    ) {
        let Some(pending) = self.pending.get_mut(&address) else { return };
        if pending.request != request {
            return;
        }
        let exchange = &mut pending.exchange;
        if exchange.unsent().chain(exchange.awaited()).any(|open| open == *peer) {
            pending.record.died.insert(*peer);
        }
        exchange.handle_peer_died(peer);
        self.finish_if_complete(net, address);
    }

    /// Takes a datagram from one of the node's sockets.
    pub(crate) fn receive(&mut self, net: &mut Net, socket: SocketId, packet: &Packet) {
        let door = if socket == self.inbox { Door::Inbox } else { Door::ReturnAddress };
        let received = Received {
            bytes: &packet.bytes,
            truncated: false,
            from: packet.from,
            uid: Some(packet.uid),
            fd_count: packet.fd_count,
        };
        let taken = dispatch(received, door, |uid| uid == 0).and_then(|arrival| {
            match arrival.datagram.kind {
                Kind::Message => Ok(()),
                Kind::Request => {
                    self.serve(net, &arrival);
                    Ok(())
                }
                Kind::Reply | Kind::Ignore => self.take_answer(net, socket, &arrival),
            }
        });
        net.note(|| format!("{} receives at {}: {taken:?}", self.number, socket.0));
        self.drops.extend(taken.err());
    }

    fn serve(&mut self, net: &mut Net, arrival: &Arrival) {
        let Datagram { name, param, .. } = arrival.datagram;
        let layout = self.layout.for_answer(arrival.layout);
        let (kind, param, fd_count, work) = if !self.handlers.contains(&name) {
            (Kind::Ignore, Param::EMPTY, 0, Duration::ZERO)
        } else {
            let work = match self.temper {
                Temper::Prompt => net.random.micros(&(1..200)),
                Temper::Slow => net.random.micros(&(1_000..20_000)),
                Temper::Silent | Temper::Deaf => return,
            };
            let fd_count = net.random.below(layout.fd_max() as u64 + 1) as usize;
            (Kind::Reply, reply(param.as_bytes(), self.inbox), fd_count, work)
        };
        let done = self.busy_until.max(net.now()) + work;
        self.busy_until = done;
        let datagram = Datagram { kind, name, param, fd_count };
        let until = done + ANSWER_PATIENCE;
        let answer = Box::new(Answer { to: arrival.from, layout, datagram, until });
        net.schedule(done, Task::Answer { node: self.number, answer });
    }

    pub(crate) fn send_answer(&mut self, net: &mut Net, answer: Box<Answer>) {
        let Answer { to, layout, datagram, until } = &*answer;
        let bytes = datagram.encode(*layout).as_bytes().to_vec();
        let fd_count = datagram.fd_count;
        let packet = Packet { from: Some(self.name), uid: 0, bytes, fd_count };
        match net.send(to, packet) {
            Ok(_) => {}
            Err(SendError::Full) if net.now() < *until => {
                net.schedule(net.now() + RETRY, Task::Answer { node: self.number, answer });
            }
            Err(SendError::Full | SendError::Refused) => self.drops.push(DropReason::Undelivered),
        }
    }

    fn take_answer(
        &mut self,
        net: &mut Net,
        address: SocketId,
        arrival: &Arrival,
    ) -> Result<(), DropReason> {
        let pending = self.pending.get_mut(&address).ok_or(DropReason::StrayAnswer)?;
        let Datagram { kind, name, param, .. } = arrival.datagram;
        let taken = if kind == Kind::Reply {
            pending.exchange.handle_reply(&arrival.from, &name, param).is_ok()
        } else {
            pending.exchange.handle_ignore(&arrival.from, &name).is_ok()
        };
        self.finish_if_complete(net, address);
        taken.then_some(()).ok_or(DropReason::StrayAnswer)
    }

    fn finish_if_complete(&mut self, net: &mut Net, address: SocketId) {
        if !self.pending.get(&address).is_some_and(|pending| pending.exchange.is_complete()) {
            return;
        }
        let Some(pending) = self.pending.remove(&address) else { return };
        if self.reuses_addresses && pending.exchange.is_clean() {
            self.idle.push((pending.address, address));
        } else {
            net.close(address);
            net.unlink(&pending.address);
        }
        let Pending { request, exchange, record, .. } = pending;
        let action = *exchange.action();
        let outcomes = exchange.into_outcomes();
        net.note(|| format!("{} ends {request}: {outcomes:?}", self.number));
        self.finished.push(Finished { request, action, ended: net.now(), record, outcomes });
    }

    /// Takes a listing of who is alive, and follows what it changes.
    pub(crate) fn handle_listing(&mut self, alive: &[Member]) {
        let others: Vec<_> = alive.iter().filter(|m| m.name != self.name).copied().collect();
        self.members.handle_listing(&others);
        self.follow();
    }

    pub(crate) fn handle_gone(&mut self, name: &PeerName, inbox: SocketId) {
        let role = Role::Secondary; // It is not looked at.
        let gone = Member { name: *name, role, pid: None, incarnation: inbox.0 };
        self.members.handle_gone(&gone);
        self.follow();
    }

    fn follow(&mut self) {
        while let Some(event) = self.members.poll_event() {
            let (name, before, expected) = match event {
                Event::Joined(m) | Event::PrimaryJoined(m) => {
                    (m.name, self.seen.insert(m.name, m.incarnation), None)
                }
                Event::Left(m) | Event::PrimaryLeft(m) => {
                    (m.name, self.seen.remove(&m.name), Some(m.incarnation))
                }
                other => panic!("an event that the simulation does not know: {other:?}"),
            };
            assert_eq!(before, expected, "{name} joins and leaves in turn");
        }
    }

    /// Leaves the group: requests are abandoned, files unlinked.
    pub(crate) fn leave(&mut self, net: &mut Net) {
        for address in self.pending.keys().copied().collect::<Vec<_>>() {
            if let Some(pending) = self.pending.get_mut(&address) {
                pending.exchange.handle_abandon();
            }
            self.finish_if_complete(net, address);
        }
        let addresses = self.idle.iter().map(|(name, _)| *name);
        for name in addresses.chain([self.name]).collect::<Vec<_>>() {
            net.unlink(&name);
        }
        self.die(net);
    }

    /// Ends: the kernel closes all sockets, the files stay.
    pub(crate) fn die(&mut self, net: &mut Net) {
        let idle = self.idle.drain(..).map(|(_, socket)| socket);
        let sockets = self.pending.keys().copied().chain(idle).chain([self.inbox]);
        for socket in sockets.collect::<Vec<_>>() {
            net.close(socket);
        }
        self.pending.clear();
        self.alive = false;
    }
}

/// A path in the group's directory.
pub(crate) fn directory(file_name: &str) -> PeerName {
    PeerName::new(format!("/run/sim/dpdk/x/{file_name}")).expect("a short path")
}
