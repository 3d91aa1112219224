//! A whole group: its processes, what befalls them, and what must hold at the end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use rte_mp_proto::{
    ActionName, Datagram, Kind, Layout, Member, Members, Outcome, PeerName, Role, path,
};

use crate::network::{Faults, Happening, Network, Packet, SocketId};
use crate::node::{Finished, Net, Node, Record, Task, Temper, directory, reply};

/// What befalls a group.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) faults: Faults,
    pub(crate) layout: Layout,
    pub(crate) reuses_addresses: bool,
    /// How long it takes until a death is known, in microseconds.
    pub(crate) death_report: Range<u64>,
    /// When random requests and mischief end.
    pub(crate) span: Duration,
}

impl Plan {
    /// Nothing goes wrong, and nothing happens unless a test says so.
    pub(crate) const CALM: Self = Self {
        faults: Faults { lost_percent: 0, repeated_percent: 0, delay: 5..50 },
        layout: Layout::DPDK_25_11,
        reuses_addresses: false,
        death_report: 10..1_000,
        span: Duration::ZERO,
    };
}

/// All that a run counted, by name.
pub(crate) type Tally = BTreeMap<String, usize>;

pub(crate) struct Group {
    pub(crate) net: Net,
    pub(crate) nodes: Vec<Node>,
    plan: Plan,
    requests: u64,
    /// Requests whose process was killed.
    lost_requests: usize,
}

pub(crate) fn action(name: &str) -> ActionName {
    ActionName::new(name).expect("a good name")
}

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Group {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let net = Network::new(seed, plan.faults.clone());
        Self { net, nodes: Vec::new(), plan, requests: 0, lost_requests: 0 }
    }

    /// A group in which everything happens at random.
    pub(crate) fn random(seed: u64, plan: Plan) -> Self {
        let mut group = Self::new(seed, plan);
        let end = group.plan.span.as_micros() as u64;
        let at = |group: &mut Self, chance, task: Task| {
            if group.net.random.percent(chance) {
                let at = group.net.now() + group.net.random.micros(&(0..end));
                group.net.schedule(at, task);
                return Some(at);
            }
            None
        };
        group.join_and_ask(Role::Primary);
        for _ in 0..1 + group.net.random.below(6) {
            group.join_and_ask(Role::Secondary);
        }
        if let Some(killed) = at(&mut group, 25, Task::Kill { node: 0 }) {
            let role = Role::Primary;
            group.net.schedule(killed + millis(10), Task::Join { role });
        }
        for node in 1..group.nodes.len() {
            at(&mut group, 30, Task::Kill { node });
            at(&mut group, 10, Task::Leave { node });
            at(&mut group, 30, Task::Join { role: Role::Secondary });
        }
        group.net.schedule(group.net.now(), Task::Mischief);
        group
    }

    pub(crate) fn join(&mut self, role: Role, temper: Temper, handlers: &[&str]) -> usize {
        let number = self.nodes.len();
        let file_name = match role {
            Role::Primary => path::PRIMARY_SOCKET.to_owned(),
            Role::Secondary | Role::Auto => path::secondary_socket(1000 + number as u32, 1),
        };
        let name = directory(&file_name);
        let inbox = self.net.open(name);
        self.net.note(|| format!("{number} joins as {role:?}, {temper:?}, {handlers:?}"));
        self.nodes.push(Node {
            number,
            role,
            name,
            inbox,
            temper,
            handlers: handlers.iter().map(|name| action(name)).collect(),
            layout: self.plan.layout,
            alive: true,
            members: Members::default(),
            seen: BTreeMap::new(),
            pending: BTreeMap::new(),
            finished: Vec::new(),
            drops: Vec::new(),
            reuses_addresses: self.plan.reuses_addresses,
            idle: Vec::new(),
            // A process that takes the place of a dead one has its name, but names no address as it did.
            next_address: (number as u64) << 32,
            busy_until: self.net.now(),
        });
        number
    }

    fn join_and_ask(&mut self, role: Role) {
        let temper = match self.net.random.below(8) {
            0 => Temper::Deaf,
            1 => Temper::Silent,
            2 | 3 => Temper::Slow,
            _ => Temper::Prompt,
        };
        let handlers: &[&str] =
            if self.net.random.percent(50) { &["hello", "ping"] } else { &["hello"] };
        let node = self.join(role, temper, handlers);
        self.net.schedule(self.net.now(), Task::List { node });
        self.net.schedule(self.net.now() + millis(1), Task::Ask { node });
    }

    /// Asks all secondaries, or one peer.
    pub(crate) fn ask(&mut self, node: usize, name: &str, timeout: Duration, to: Option<PeerName>) {
        self.requests += 1;
        let broadcast = to.is_none();
        let peers = to.map_or_else(|| self.net.secondaries(), |peer| vec![peer]);
        let about = (self.requests, action(name));
        self.nodes[node].ask(&mut self.net, about, timeout, &peers, broadcast);
    }

    fn ask_at_random(&mut self, node: usize) {
        let random = &mut self.net.random;
        let name = random.pick(&["hello", "hello", "ping", "grow"]).expect("there are four");
        let timeout = match random.below(10) {
            0 => Duration::ZERO,
            _ => random.micros(&(500..30_000)),
        };
        let known: Vec<_> = self.nodes[node].members.iter().map(|member| member.name).collect();
        let anybody = random.pick(&known).filter(|_| random.percent(40));
        let to = match self.nodes[node].role {
            Role::Primary => anybody,
            Role::Secondary | Role::Auto => {
                Some(anybody.unwrap_or_else(|| directory(path::PRIMARY_SOCKET)))
            }
        };
        self.ask(node, name, timeout, to);
    }

    /// Runs until nothing is left to happen, and checks what must hold; gives what was counted.
    pub(crate) fn run(&mut self) -> Tally {
        while self.step() {}
        self.check()
    }

    /// Lets the next thing happen; tells whether there was one.
    pub(crate) fn step(&mut self) -> bool {
        match self.net.next() {
            Some(Happening::Arrived(socket, packet)) => self.deliver(socket, &packet),
            Some(Happening::Due(task)) => self.perform(task),
            None => return false,
        }
        true
    }

    fn deliver(&mut self, socket: SocketId, packet: &Packet) {
        let owns = |node: &&mut Node| node.inbox == socket || node.owns_address(socket);
        let node = self.nodes.iter_mut().find(owns).expect("an open socket has an owner");
        if node.temper == Temper::Deaf && node.inbox == socket {
            return;
        }
        self.net.read(socket);
        node.receive(&mut self.net, socket, packet);
    }

    fn perform(&mut self, task: Task) {
        let net = &mut self.net;
        match task {
            Task::Send { node, address } => self.nodes[node].send_unsent(net, address),
            Task::Timeout { node, address } => self.nodes[node].handle_timeout(net, address),
            Task::Answer { node, answer } => {
                if self.nodes[node].alive {
                    self.nodes[node].send_answer(net, answer);
                }
            }
            Task::DeathSeen { node, address, request, peer } => {
                self.nodes[node].handle_death(net, (address, request), &peer);
            }
            Task::MemberGone { node, name, inbox } => self.nodes[node].handle_gone(&name, inbox),
            Task::List { node } => {
                self.list(node);
                self.again(node, 1_000..10_000, Task::List { node });
            }
            Task::Ask { node } => {
                if self.nodes[node].alive {
                    self.ask_at_random(node);
                }
                self.again(node, 100..8_000, Task::Ask { node });
            }
            Task::Kill { node } => self.kill(node),
            Task::Leave { node } => {
                if self.nodes[node].alive {
                    net.note(|| format!("{node} leaves"));
                    self.nodes[node].leave(net);
                }
            }
            Task::Join { role } => self.join_and_ask(role),
            Task::Mischief => {
                self.make_mischief();
                self.again(0, 100..2_000, Task::Mischief);
            }
        }
    }

    /// Schedules a task of `node` once more, until the time has come to end.
    fn again(&mut self, node: usize, after: Range<u64>, task: Task) {
        let alive = self.nodes[node].alive || matches!(task, Task::Mischief);
        if alive && self.net.elapsed() < self.plan.span {
            let at = self.net.now() + self.net.random.micros(&after);
            self.net.schedule(at, task);
        }
    }

    fn list(&mut self, node: usize) {
        let alive: Vec<_> = self.nodes.iter().filter(|node| node.alive).map(as_member).collect();
        self.nodes[node].handle_listing(&alive);
    }

    /// Ends a process, and has its death reported to whoever asked it or follows the group.
    pub(crate) fn kill(&mut self, node: usize) {
        let victim = &mut self.nodes[node];
        if !victim.alive {
            return;
        }
        self.lost_requests += victim.pending.len();
        victim.die(&mut self.net);
        let (name, inbox) = (victim.name, victim.inbox);
        self.net.note(|| format!("{node} is killed"));
        for other in self.nodes.iter().filter(|other| other.alive) {
            let at = self.net.now() + self.net.random.micros(&self.plan.death_report);
            self.net.schedule(at, Task::MemberGone { node: other.number, name, inbox });
            for (&address, pending) in &other.pending {
                let watched = pending.record.asked.get(&name);
                if watched.is_some_and(|socket| socket.is_none_or(|socket| socket == inbox)) {
                    let (node, request) = (other.number, pending.request);
                    self.net.schedule(at, Task::DeathSeen { node, address, request, peer: name });
                }
            }
        }
    }

    /// Sends a datagram that breaks a rule, or that nobody asked for, to a random socket.
    fn make_mischief(&mut self) {
        let alive: Vec<_> = self.nodes.iter().filter(|n| n.alive).map(|n| n.number).collect();
        let random = &mut self.net.random;
        let Some(target) = random.pick(&alive).map(|number| &self.nodes[number]) else { return };
        let waiting: Vec<_> = target.pending.values().collect();
        let Some(index) = random.pick(&(0..waiting.len()).collect::<Vec<_>>()) else { return };
        let pending = waiting[index];
        let asked = pending.record.asked.keys().next().copied();
        let mut to = pending.address;
        // A perfect forgery of a reply, but for one thing each.
        let name = *pending.exchange.action();
        let forged = reply(&pending.request.to_le_bytes(), SocketId(0));
        let mut datagram = Datagram { kind: Kind::Reply, name, param: forged, fd_count: 0 };
        let mut packet = Packet { from: asked, uid: 0, bytes: Vec::new(), fd_count: 0 };
        let mut len = target.layout.datagram_len();
        match random.below(9) {
            0 => packet.from = None,
            1 => packet.uid = 1000,
            2 => packet.from = Some(target.name),
            3 => packet.fd_count = 1,
            4 => datagram.fd_count = 1,
            5 => datagram.name = action("forged"),
            6 => datagram.kind = Kind::Request,
            7 => to = target.name,
            _ => len = random.below(332) as usize,
        }
        packet.bytes = datagram.encode(target.layout).as_bytes().to_vec();
        packet.bytes.truncate(len);
        self.net.note(|| "mischief".to_owned());
        // It is all the same whether the socket has room for it.
        self.net.send(&to, packet).ok();
    }

    fn check(&mut self) -> Tally {
        let mut tally = Tally::new();
        let mut count = |what: String| *tally.entry(what).or_default() += 1;
        let mut ended = self.lost_requests;
        let inboxes: BTreeMap<_, _> = self.nodes.iter().map(|n| (n.inbox, n)).collect();
        for node in &self.nodes {
            assert!(node.pending.is_empty(), "every request of {} ends", node.number);
            for finished in &node.finished {
                ended += 1;
                check(finished, &inboxes, self.net.now());
                for asked in &finished.outcomes {
                    count(word(&asked.outcome));
                }
            }
            for reason in &node.drops {
                count(word(reason));
            }
        }
        assert_eq!(ended as u64, self.requests, "no request is lost, none ends twice");
        for node in 0..self.nodes.len() {
            if self.nodes[node].alive {
                self.list(node);
                self.check_members(node);
            }
        }
        tally
    }

    fn check_members(&self, node: usize) {
        let others = self.nodes.iter().filter(|other| other.alive && other.number != node);
        let expected: BTreeMap<_, _> = others.map(|other| (other.name, other.inbox.0)).collect();
        let known = self.nodes[node].members.iter().map(|m| (m.name, m.incarnation));
        assert_eq!(known.collect::<BTreeMap<_, _>>(), expected, "who {node} knows");
        assert_eq!(self.nodes[node].seen, expected, "who {node} was told of");
    }
}

impl Node {
    fn owns_address(&self, socket: SocketId) -> bool {
        self.pending.contains_key(&socket) || self.idle.iter().any(|(_, idle)| *idle == socket)
    }
}

fn as_member(node: &Node) -> Member {
    Member {
        name: node.name,
        role: node.role,
        pid: node.name.process_id(),
        incarnation: node.inbox.0,
    }
}

/// The name of a variant.
fn word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// What must hold of every request that ended.
fn check(finished: &Finished, inboxes: &BTreeMap<SocketId, &Node>, last: Instant) {
    let Finished { request, action, ended, record, outcomes } = finished;
    let Record { by, broadcast, deadline, asked, died } = record;
    let what = format!("request {request} of {by}");
    assert!(ended <= deadline && *ended <= last, "{what} ends by its deadline");
    let told: BTreeMap<_, _> = outcomes.iter().map(|a| (a.peer, &a.outcome)).collect();
    assert_eq!(told.len(), outcomes.len(), "{what} has one outcome for each peer");
    assert!(told.keys().eq(asked.keys()), "{what} counts exactly those it asked");
    for (peer, outcome) in told {
        let what = format!("{what}, {peer}: {outcome:?}");
        let socket = asked[&peer];
        let handles = socket.map(|socket| inboxes[&socket].handlers.contains(action));
        let is_dead = died.contains(&peer);
        assert_eq!(matches!(outcome, Outcome::Died), is_dead, "{what}: as its death is reported");
        match outcome {
            Outcome::Replied(param) => {
                let replier = socket.expect("who replies was asked");
                assert_eq!(*param, reply(&request.to_le_bytes(), replier), "{what}: its own");
                assert_eq!(handles, Some(true), "{what}: it has the action");
            }
            Outcome::Ignored => assert_eq!(handles, Some(false), "{what}: it lacks the action"),
            Outcome::TimedOut => assert!(socket.is_some() && ended == deadline, "{what}"),
            Outcome::Died => {}
            Outcome::Unsendable { errno: 110 } => {
                assert!(socket.is_none() && ended == deadline, "{what}");
            }
            Outcome::Unsendable { errno: 111 } => assert!(socket.is_none() && !broadcast, "{what}"),
            Outcome::Abandoned => assert!(!inboxes.values().any(|n| n.number == *by && n.alive)),
            other => panic!("{what}: {other:?} cannot be"),
        }
    }
}
