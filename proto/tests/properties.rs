//! What holds for every input: of decode and encode, dispatch, `Exchange` and `Members`.
//!
//! The last two are run beside a reference model, kept as simple as can be and compared after
//! every step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rte_mp_proto::{
    ActionName, AskError, Asked, Datagram, Door, Event, Exchange, Kind, Layout, MAX_ASKED,
    MAX_MEMBERS, Member, Members, Outcome, Param, PeerName, Received, Role, Stray, dispatch,
};

/// Inputs that once failed are kept beside this file and tried first.
fn config(cases: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..Default::default() }
}

/// Virtual time: any instant will do as its start.
#[expect(clippy::disallowed_methods, reason = "the origin of a virtual clock")]
fn origin() -> Instant {
    Instant::now()
}

fn peer(n: usize) -> PeerName {
    PeerName::new(format!("/run/x/mp_socket_{}_1", n + 1)).expect("a short path")
}

fn action(n: usize) -> ActionName {
    ActionName::new(["hello", "other"][n]).expect("a good name")
}

// Inputs of the wire.

fn any_layout() -> impl Strategy<Value = Layout> {
    prop::sample::select(vec![Layout::DPDK_18_05, Layout::DPDK_24_11, Layout::DPDK_25_11])
}

prop_compose! {
    fn any_datagram(fd_max: usize)(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        name in prop::collection::vec(1_u8.., 1..=ActionName::MAX_LEN),
        param in prop::collection::vec(any::<u8>(), 0..=Param::MAX_LEN),
        fd_count in 0..=fd_max,
    ) -> Datagram {
        let name = ActionName::new(name).expect("1 to 63 bytes without NUL");
        let param = Param::new(&param).expect("at most 256 bytes");
        Datagram { kind, name, param, fd_count }
    }
}

fn any_layout_and_datagram() -> impl Strategy<Value = (Layout, Datagram)> {
    any_layout().prop_flat_map(|layout| (Just(layout), any_datagram(layout.fd_max())))
}

/// A number at or near the edge of what some field allows.
fn edge_number() -> impl Strategy<Value = i32> {
    prop_oneof![
        -2..=4_i32,
        prop::sample::select(vec![8, 9, 252, 253, 254, 255, 256, 257, i32::MIN, i32::MAX]),
        any::<i32>(),
    ]
}

/// Bytes that are a datagram, or nearly: words are overwritten, garbage stands where it may, and
/// the length is off at times.
fn nearly_a_datagram() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec((0..85_usize, edge_number()), 0..3);
    let counts =
        prop::collection::vec((prop::sample::select(vec![0, 17, 18, 19]), edge_number()), 0..2);
    let garbage = prop::collection::vec((0..340_usize, any::<u8>()), 0..20);
    let len = prop_oneof![9 => Just(None), 1 => (0..400_usize).prop_map(Some)];
    (any_layout_and_datagram(), words, counts, garbage, len).prop_map(
        |((layout, datagram), words, counts, garbage, len)| {
            let mut bytes = datagram.encode(layout).as_bytes().to_vec();
            for (word, number) in words.into_iter().chain(counts) {
                if let Some(field) = bytes.get_mut(word * 4..word * 4 + 4) {
                    field.copy_from_slice(&number.to_ne_bytes());
                }
            }
            for (at, byte) in garbage {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            bytes.resize(len.unwrap_or(bytes.len()), 0);
            bytes
        },
    )
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..700),
        prop::collection::vec(any::<u8>(), 332),
        prop::collection::vec(any::<u8>(), 340),
        nearly_a_datagram(),
        nearly_a_datagram(),
        nearly_a_datagram(),
    ]
}

/// Reads by its own offsets what a datagram must be, and nothing if it breaks a rule.
fn read_by_hand(bytes: &[u8], fd_max: usize) -> Option<Datagram> {
    let [name_at, param_len_at, fd_count_at, param_at] = match bytes.len() {
        332 => [4, 68, 72, 76],
        340 => [8, 72, 76, 80],
        _ => return None,
    };
    let number = |at: usize| {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        usize::try_from(i32::from_ne_bytes(word)).ok()
    };
    let kind = *Kind::ALL.get(number(0)?)?;
    let name: Vec<u8> = bytes[name_at..].iter().copied().take_while(|&byte| byte != 0).collect();
    let name = (1..=63).contains(&name.len()).then_some(name)?;
    let param_len = number(param_len_at).filter(|&len| len <= 256)?;
    let param = &bytes[param_at..param_at + param_len];
    let fd_count = number(fd_count_at).filter(|&count| count <= fd_max)?;
    let (name, param) = (ActionName::new(name).ok()?, Param::new(param).ok()?);
    Some(Datagram { kind, name, param, fd_count })
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn what_is_encoded_is_decoded_as_it_was((layout, datagram) in any_layout_and_datagram()) {
        let encoded = datagram.encode(layout);
        prop_assert_eq!(encoded.as_bytes().len(), layout.datagram_len());
        prop_assert_eq!(Datagram::decode(layout, encoded.as_bytes()), Ok(datagram));
    }

    #[test]
    fn decode_takes_exactly_what_keeps_the_rules(bytes in any_bytes(), layout in any_layout()) {
        let expected = read_by_hand(&bytes, layout.fd_max())
            .filter(|_| bytes.len() == layout.datagram_len());
        prop_assert_eq!(Datagram::decode(layout, &bytes).ok(), expected);
    }

    #[test]
    fn what_decodes_is_encoded_to_what_decodes_equal(bytes in any_bytes(), to in any_layout()) {
        let Some(layout) = Layout::of_len(bytes.len()) else { return Ok(()) };
        let Ok(datagram) = Datagram::decode(layout, &bytes) else { return Ok(()) };
        let again = datagram.encode(layout);
        prop_assert_eq!(Datagram::decode(layout, again.as_bytes()), Ok(datagram));
        if datagram.fd_count <= to.fd_max() {
            let other = datagram.encode(to);
            prop_assert_eq!(Datagram::decode(to, other.as_bytes()), Ok(datagram));
        }
    }

    #[test]
    fn dispatch_takes_exactly_what_keeps_the_rules(
        bytes in any_bytes(),
        truncated in prop::bool::weighted(0.1),
        bound in prop::bool::weighted(0.9),
        uid in prop_oneof![8 => Just(Some(0)), 1 => any::<u32>().prop_map(Some), 1 => Just(None)],
        at_inbox in any::<bool>(),
        other_count in prop::option::weighted(0.2, 0..300_usize),
    ) {
        let said = read_by_hand(&bytes, Layout::MAX_FDS);
        let fd_count = other_count.or(said.map(|said| said.fd_count)).unwrap_or(0);
        let from = bound.then(|| peer(0));
        let received = Received { bytes: &bytes, truncated, from, uid, fd_count };
        let door = if at_inbox { Door::Inbox } else { Door::ReturnAddress };
        let expected = said.filter(|said| {
            let asks = matches!(said.kind, Kind::Message | Kind::Request);
            asks == at_inbox
                && !truncated
                && bound
                && uid == Some(0)
                && said.fd_count == fd_count
        });
        let arrival = dispatch(received, door, |uid| uid == 0).ok();
        prop_assert_eq!(arrival.map(|arrival| arrival.datagram), expected);
        if let Some(arrival) = arrival {
            prop_assert_eq!(Some(arrival.from), from);
            prop_assert_eq!(arrival.layout.datagram_len(), bytes.len());
        }
    }
}

// Exchange beside a model.

const PEERS: usize = 4;
const TIMEOUT: Duration = Duration::from_millis(10);

/// One call of an `Exchange`; peers by number, times in milliseconds since it began.
#[derive(Debug, Clone)]
enum Step {
    Ask(usize),
    Sent(usize),
    Unsendable(usize, i32),
    Absent(usize),
    Reply(usize, usize),
    Ignore(usize, usize),
    Died(usize),
    Timeout(u64),
    Abandon,
}

fn any_step() -> impl Strategy<Value = Step> {
    // Now and then about another action.
    let about = || prop_oneof![9 => Just(0_usize), 1 => Just(1_usize)];
    prop_oneof![
        8 => (0..PEERS).prop_map(Step::Ask),
        8 => (0..PEERS).prop_map(Step::Sent),
        1 => (0..PEERS, 1..130).prop_map(|(n, errno)| Step::Unsendable(n, errno)),
        1 => (0..PEERS).prop_map(Step::Absent),
        4 => (0..PEERS, about()).prop_map(|(n, about)| Step::Reply(n, about)),
        2 => (0..PEERS, about()).prop_map(|(n, about)| Step::Ignore(n, about)),
        1 => (0..PEERS).prop_map(Step::Died),
        2 => (0..12_u64).prop_map(Step::Timeout),
        1 => Just(Step::Abandon),
    ]
}

/// A peer of the model; only [`Model::settle`] ends it, and only once.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Unsent,
    Awaited,
    Done(Outcome<usize>),
}

#[derive(Debug, Default)]
struct Model(Vec<(PeerName, Part)>);

impl Model {
    fn part(&mut self, n: usize) -> Option<&mut Part> {
        self.0.iter_mut().find(|(name, _)| *name == peer(n)).map(|(_, part)| part)
    }

    /// Ends the part of peer `n` if it stands at one of `from`; tells whether it did.
    fn settle(&mut self, n: usize, from: &[Part], outcome: Outcome<usize>) -> bool {
        match self.part(n) {
            Some(part) if from.contains(part) => {
                *part = Part::Done(outcome);
                true
            }
            _ => false,
        }
    }

    fn give_up(&mut self, unsent: &Outcome<usize>, awaited: &Outcome<usize>) {
        for n in 0..PEERS {
            self.settle(n, &[Part::Unsent], unsent.clone());
            self.settle(n, &[Part::Awaited], awaited.clone());
        }
    }

    fn at(&self, wanted: &Part) -> Vec<PeerName> {
        self.0.iter().filter(|(_, part)| part == wanted).map(|(name, _)| *name).collect()
    }

    fn is_complete(&self) -> bool {
        self.0.iter().all(|(_, part)| matches!(part, Part::Done(_)))
    }

    /// Whether no answer can be under way.
    fn is_clean(&self) -> bool {
        self.0.iter().all(|(_, part)| {
            matches!(
                part,
                Part::Done(Outcome::Replied(_) | Outcome::Ignored | Outcome::Unsendable { .. })
            )
        })
    }

    fn outcomes(self) -> Vec<Asked<usize>> {
        let mut model = self;
        model.give_up(&Outcome::Abandoned, &Outcome::Abandoned);
        let done = |(peer, part)| match part {
            Part::Done(outcome) => Some(Asked { peer, outcome }),
            Part::Unsent | Part::Awaited => None,
        };
        model.0.into_iter().filter_map(done).collect()
    }
}

/// Makes one step in both. `token` names the step, so that each reply is another one.
fn step(
    exchange: &mut Exchange<usize>,
    model: &mut Model,
    (token, step): (usize, Step),
    start: Instant,
) -> Result<(), TestCaseError> {
    let open = [Part::Unsent, Part::Awaited];
    match step {
        Step::Ask(n) => {
            let expected = match model.part(n) {
                Some(_) => Err(AskError::Twice(peer(n))),
                None => {
                    model.0.push((peer(n), Part::Unsent));
                    Ok(())
                }
            };
            prop_assert_eq!(exchange.ask(peer(n)), expected);
        }
        Step::Sent(n) => {
            if let Some(part @ Part::Unsent) = model.part(n) {
                *part = Part::Awaited;
            }
            exchange.handle_sent(&peer(n));
        }
        Step::Unsendable(n, errno) => {
            model.settle(n, &[Part::Unsent], Outcome::Unsendable { errno });
            exchange.handle_unsendable(&peer(n), errno);
        }
        Step::Absent(n) => {
            model.0.retain(|(name, part)| *name != peer(n) || *part != Part::Unsent);
            exchange.handle_absent(&peer(n));
        }
        Step::Reply(n, about) => {
            let taken = about == 0 && model.settle(n, &[Part::Awaited], Outcome::Replied(token));
            let expected = if taken { Ok(()) } else { Err(Stray(token)) };
            prop_assert_eq!(exchange.handle_reply(&peer(n), &action(about), token), expected);
        }
        Step::Ignore(n, about) => {
            let taken = about == 0 && model.settle(n, &[Part::Awaited], Outcome::Ignored);
            let expected = if taken { Ok(()) } else { Err(Stray(())) };
            prop_assert_eq!(exchange.handle_ignore(&peer(n), &action(about)), expected);
        }
        Step::Died(n) => {
            model.settle(n, &open, Outcome::Died);
            exchange.handle_peer_died(&peer(n));
        }
        Step::Timeout(at) => {
            let now = start + Duration::from_millis(at);
            if now >= start + TIMEOUT {
                model.give_up(&Outcome::Unsendable { errno: 110 }, &Outcome::TimedOut);
            }
            exchange.handle_timeout(now);
        }
        Step::Abandon => {
            model.give_up(&Outcome::Abandoned, &Outcome::Abandoned);
            exchange.handle_abandon();
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn an_exchange_does_what_its_model_does(steps in prop::collection::vec(any_step(), 0..40)) {
        let start = origin();
        let mut exchange = Exchange::new(action(0), start + TIMEOUT);
        let mut model = Model::default();
        for numbered in steps.into_iter().enumerate() {
            step(&mut exchange, &mut model, numbered, start)?;
            prop_assert_eq!(exchange.unsent().collect::<Vec<_>>(), model.at(&Part::Unsent));
            prop_assert_eq!(exchange.awaited().collect::<Vec<_>>(), model.at(&Part::Awaited));
            prop_assert_eq!(exchange.poll_transmit(), exchange.unsent().next());
            prop_assert_eq!(exchange.is_complete(), model.is_complete());
            prop_assert_eq!(exchange.is_clean(), model.is_clean());
            let due = (!model.is_complete()).then_some(start + TIMEOUT);
            prop_assert_eq!(exchange.poll_timeout(), due);
        }
        prop_assert_eq!(exchange.into_outcomes(), model.outcomes());
    }
}

#[test]
fn an_exchange_asks_only_so_many() {
    let mut exchange: Exchange<()> = Exchange::new(action(0), origin());
    for n in 0..MAX_ASKED {
        assert_eq!(exchange.ask(peer(n)), Ok(()));
    }
    assert_eq!(exchange.ask(peer(MAX_ASKED)), Err(AskError::TooMany));
    exchange.handle_absent(&peer(7));
    assert_eq!(exchange.ask(peer(MAX_ASKED)), Ok(()), "an absent peer makes room");
}

// Members beside a model.

/// News of the group: who is alive, as name and incarnation, or that one has ended.
#[derive(Debug, Clone)]
enum News {
    Listing(BTreeMap<usize, u64>),
    Gone(usize, u64),
}

fn any_news() -> impl Strategy<Value = News> {
    prop_oneof![
        3 => prop::collection::btree_map(0..PEERS, 0..3_u64, 0..=PEERS).prop_map(News::Listing),
        1 => (0..PEERS, 0..3_u64).prop_map(|(n, incarnation)| News::Gone(n, incarnation)),
    ]
}

/// Peer 0 is the primary.
fn member(n: usize, incarnation: u64) -> Member {
    let role = if n == 0 { Role::Primary } else { Role::Secondary };
    Member { name: peer(n), role, pid: peer(n).process_id(), incarnation }
}

/// Follows one event, as a program would that keeps a list by events alone.
fn follow(seen: &mut BTreeMap<PeerName, u64>, event: Event) -> Result<(), TestCaseError> {
    let (member, role, before) = match event {
        Event::PrimaryJoined(m) => (m, Role::Primary, seen.insert(m.name, m.incarnation)),
        Event::Joined(m) => (m, Role::Secondary, seen.insert(m.name, m.incarnation)),
        Event::PrimaryLeft(m) => (m, Role::Primary, seen.remove(&m.name)),
        Event::Left(m) => (m, Role::Secondary, seen.remove(&m.name)),
        other => return Err(TestCaseError::fail(format!("a new event: {other:?}"))),
    };
    let left = matches!(event, Event::PrimaryLeft(_) | Event::Left(_));
    prop_assert_eq!(before, left.then_some(member.incarnation), "{:?}", event);
    prop_assert_eq!(member.role, role);
    Ok(())
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn members_are_who_the_events_say(
        news in prop::collection::vec((any_news(), any::<bool>()), 0..20),
    ) {
        let mut members = Members::default();
        let mut model: BTreeMap<PeerName, u64> = BTreeMap::new();
        let mut seen = BTreeMap::new();
        let (mut changes, mut events) = (0, 0);
        for (news, look) in news {
            let before = model.clone();
            match news {
                News::Listing(listing) => {
                    let alive: Vec<_> = listing.iter().map(|(&n, &incarnation)| member(n, incarnation)).collect();
                    model = alive.iter().map(|member| (member.name, member.incarnation)).collect();
                    members.handle_listing(&alive);
                }
                News::Gone(n, incarnation) => {
                    if model.get(&peer(n)) == Some(&incarnation) {
                        model.remove(&peer(n));
                    }
                    members.handle_gone(&member(n, incarnation));
                }
            }
            changes += before.iter().filter(|(name, incarnation)| model.get(name) != Some(incarnation)).count();
            changes += model.iter().filter(|(name, incarnation)| before.get(name) != Some(incarnation)).count();
            let known: BTreeMap<_, _> = members.iter().map(|m| (m.name, m.incarnation)).collect();
            prop_assert_eq!(&known, &model);
            while look && let Some(event) = members.poll_event() {
                follow(&mut seen, event)?;
                events += 1;
            }
        }
        while let Some(event) = members.poll_event() {
            follow(&mut seen, event)?;
            events += 1;
        }
        prop_assert_eq!(seen, model);
        prop_assert_eq!(events, changes, "each change is told once");
    }
}

#[test]
fn only_so_many_members_are_followed() {
    let mut members = Members::default();
    let crowd: Vec<_> = (0..MAX_MEMBERS + 50).map(|n| member(n, 1)).collect();
    members.handle_listing(&crowd);
    assert_eq!(members.iter().count(), MAX_MEMBERS);
    assert_eq!(std::iter::from_fn(|| members.poll_event()).count(), MAX_MEMBERS);
}
