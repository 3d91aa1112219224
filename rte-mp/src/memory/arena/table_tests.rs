//! The table stopped after every single store, and read between any two stores.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::super::layout::{DATA, TABLE_END};
use super::*;

#[path = "table_model_tests.rs"]
mod model;

const BASE: u64 = 0x1_0000_0000;
const END: u64 = DATA + (1 << 16);

/// The words of an arena in a test.
#[derive(Clone)]
struct Memory(Vec<Cell<u64>>);

impl Memory {
    fn new() -> Self {
        Self(vec![Cell::new(0); TABLE_END])
    }
}

impl Words for Memory {
    fn load(&self, at: usize) -> u64 {
        self.0[at].get()
    }

    fn store(&self, at: usize, value: u64) {
        self.0[at].set(value);
    }
}

/// Writes down what is stored, in its order, and has the process die at the store that comes after
/// the last one allowed.
struct Watched<'a> {
    memory: &'a Memory,
    allowed: usize,
    stores: RefCell<Vec<(usize, u64)>>,
}

struct Dead;

impl Words for Watched<'_> {
    fn load(&self, at: usize) -> u64 {
        self.memory.load(at)
    }

    fn store(&self, at: usize, value: u64) {
        if self.stores.borrow().len() == self.allowed {
            resume_unwind(Box::new(Dead));
        }
        self.stores.borrow_mut().push((at, value));
        self.memory.store(at, value);
    }
}

fn table<W: Words>(words: &W) -> Table<'_, W> {
    Table::new(words, DATA..END, BASE)
}

/// One change of the table.
#[derive(Debug, Clone)]
enum Change {
    Reserve(ZoneName, u64),
    Free(ZoneName),
    /// Several, one after the other.
    All(Vec<Change>),
}

fn make<W: Words>(words: &W, change: &Change) {
    let table = table(words);
    match change {
        Change::Reserve(name, len) => {
            let plan = table.plan(*name, Want::exactly(*len, 64)).expect("there is room");
            table.publish(&plan);
        }
        Change::Free(name) => {
            let zone = table.find(name).expect("it is there");
            table.withdraw(zone.ticket).expect("it is there");
        }
        Change::All(changes) => changes.iter().for_each(|change| make(words, change)),
    }
}

/// Names whose homes are few neighbouring slots, the last ones of the table and the first, so that
/// their chains are long and go round the end.
fn crowded_names() -> impl Iterator<Item = ZoneName> {
    let names = (0..).map(|n| ZoneName::new(format!("zone {n}")).expect("it is short"));
    names.filter(|name| (Home::of(name).slot + 3) % SLOTS < 4)
}

/// Three names of one home.
fn one_home() -> [ZoneName; 3] {
    let mut names = crowded_names().filter(|name| Home::of(name).slot == 0);
    std::array::from_fn(|_| names.next().expect("there is no end of names"))
}

/// What must hold whatever has happened: zones lie inside and apart, names are there once, and each
/// zone that is listed is found by its name.
fn check(memory: &Memory) -> BTreeMap<ZoneName, (u64, u64)> {
    let table = table(memory);
    let zones = table.snapshot().expect("nobody changes it");
    let mut extents: Vec<_> = zones.iter().map(Zone::extent).collect();
    extents.sort_by_key(|extent| extent.start);
    for pair in extents.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:?} overlap");
    }
    for zone in &zones {
        assert!(zone.offset >= DATA && zone.extent().end <= END, "{zone:?} lies outside");
        assert_eq!(table.find(&zone.name), Some(*zone), "it is listed");
    }
    let by_name: BTreeMap<_, _> =
        zones.iter().map(|zone| (zone.name, (zone.offset, zone.len))).collect();
    assert_eq!(by_name.len(), zones.len(), "names are there once");
    by_name
}

/// After all was freed, one zone can have everything.
fn check_nothing_is_lost(memory: &Memory) {
    for name in check(memory).into_keys() {
        make(memory, &Change::Free(name));
    }
    let [name, ..] = one_home();
    make(memory, &Change::Reserve(name, END - DATA));
    make(memory, &Change::Free(name));
    assert_eq!(check(memory), BTreeMap::new());
}

/// Tables to begin with, each with a change: long chains, bridges inside of them and at their end.
fn scenes() -> Vec<(&'static str, Vec<Change>, Change)> {
    let [a, b, c] = one_home();
    let reserve = |name| Change::Reserve(name, 100);
    let full: Vec<_> = crowded_names().take(12).map(reserve).collect();
    let with = |changes: &[Change]| [&full[..], changes].concat();
    let free_from = |names: usize| {
        let freed = crowded_names().skip(names).take(12 - names);
        freed.map(Change::Free).collect::<Vec<_>>()
    };
    let zero = ZoneName::new("another").expect("it is short");
    vec![
        ("the first zone", vec![], reserve(a)),
        ("the last zone", vec![reserve(a)], Change::Free(a)),
        ("the second of a chain", vec![reserve(a)], reserve(b)),
        ("the first of a chain", vec![reserve(a), reserve(b)], Change::Free(a)),
        ("a bridge is used", vec![reserve(a), reserve(b), Change::Free(a)], reserve(c)),
        ("bridges end", vec![reserve(a), reserve(b), reserve(c), Change::Free(b)], Change::Free(c)),
        (
            "the last after bridges",
            vec![reserve(a), reserve(b), reserve(c), Change::Free(a), Change::Free(b)],
            Change::Free(c),
        ),
        (
            "another in its place",
            vec![reserve(a), reserve(b)],
            Change::All(vec![Change::Free(a), reserve(c)]),
        ),
        (
            "itself in its place, elsewhere",
            vec![reserve(a), reserve(b)],
            Change::All(vec![Change::Free(a), Change::Reserve(a, 200)]),
        ),
        ("a crowd", full.clone(), reserve(zero)),
        ("a crowd with bridges", with(&free_from(9)), reserve(zero)),
        ("the end of a crowd", with(&free_from(5)[..6]), free_from(5)[6].clone()),
    ]
}

#[test]
fn whoever_dies_between_two_stores_leaves_the_table_of_before_or_of_after() {
    let mut deaths = 0;
    for (what, before, change) in scenes() {
        let memory = Memory::new();
        before.iter().for_each(|change| make(&memory, change));
        let states = states(&memory, &change);
        for allowed in 0.. {
            let memory = memory.clone();
            let watched = Watched { memory: &memory, allowed, stores: RefCell::default() };
            let lived = catch_unwind(AssertUnwindSafe(|| make(&watched, &change))).is_ok();
            let after = check(&memory);
            assert!(states.contains(&after), "{what}: after {allowed} stores: {after:?}");
            check_nothing_is_lost(&memory);
            if lived {
                assert_eq!(Some(&after), states.last(), "{what}");
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 50, "only {deaths} deaths");
}

/// The zones before a change, and after each part of it.
fn states(memory: &Memory, change: &Change) -> Vec<BTreeMap<ZoneName, (u64, u64)>> {
    let memory = memory.clone();
    let parts = match change {
        Change::All(parts) => parts,
        one => std::slice::from_ref(one),
    };
    let mut states = vec![check(&memory)];
    states.extend(parts.iter().map(|part| {
        make(&memory, part);
        check(&memory)
    }));
    states
}

/// What a reader sees who reads while stores are made: those that the schedule allows before each
/// of his loads.
struct Racing<'a> {
    memory: &'a Memory,
    stores: &'a [(usize, u64)],
    /// How many stores come before each load.
    schedule: &'a [usize],
    loads: Cell<usize>,
    done: Cell<usize>,
}

impl Words for Racing<'_> {
    fn load(&self, at: usize) -> u64 {
        let now = self.schedule.get(self.loads.get()).copied().unwrap_or(0);
        self.loads.set(self.loads.get() + 1);
        self.done.set(self.done.get() + now);
        let stores = self.stores[..self.done.get()].iter().rev();
        let stored = stores.clone().find(|(place, _)| *place == at).map(|(_, value)| *value);
        stored.unwrap_or_else(|| self.memory.load(at))
    }

    fn store(&self, _: usize, _: u64) {
        unreachable!("a reader stores nothing");
    }
}

/// Runs a lookup in every possible way between the stores of a change, and checks that its answer
/// was right at some moment from its first load to its last.
fn race(what: &str, memory: &Memory, change: &Change, name: &ZoneName) -> usize {
    let changed = memory.clone();
    let watched = Watched { memory: &changed, allowed: usize::MAX, stores: RefCell::default() };
    make(&watched, change);
    let stores = watched.stores.into_inner();
    let answers: Vec<_> = (0..=stores.len())
        .map(|count| {
            let memory = memory.clone();
            stores[..count].iter().for_each(|&(at, value)| memory.store(at, value));
            table(&memory).find(name)
        })
        .collect();

    let mut races = 0;
    let mut schedules = vec![Vec::new()];
    while let Some(schedule) = schedules.pop() {
        let (loads, done) = (Cell::new(0), Cell::new(0));
        let racing = Racing { memory, stores: &stores, schedule: &schedule, loads, done };
        let answer = table(&racing).find(name);
        let first = schedule.first().copied().unwrap_or(0);
        assert!(
            answers[first..=racing.done.get()].contains(&answer),
            "{what}: {schedule:?}: {answer:?} instead of one of {answers:?}"
        );
        races += 1;
        // Stores before the loads that came after the last one scheduled.
        let left = stores.len() - racing.done.get();
        for load in schedule.len()..racing.loads.get() {
            for count in 1..=left {
                let mut longer = schedule.clone();
                longer.resize(load, 0);
                longer.push(count);
                schedules.push(longer);
            }
        }
    }
    races
}

#[test]
fn a_lookup_is_right_whatever_is_stored_between_its_loads() {
    let mut races = 0;
    for (what, before, change) in scenes() {
        if what.contains("crowd") {
            continue; // Chains so long that there are too many ways.
        }
        let memory = Memory::new();
        before.iter().for_each(|change| make(&memory, change));
        for name in &one_home() {
            races += race(what, &memory, &change, name);
        }
    }
    assert!(races > 10_000, "only {races} ways");
}

#[test]
fn a_ticket_is_good_for_one_reservation() {
    let memory = Memory::new();
    let [name, ..] = one_home();
    let table = table(&memory);
    let reserve = || table.publish(&table.plan(name, Want::exactly(10, 64)).unwrap());
    let first = reserve();
    assert_eq!(table.plan(name, Want::exactly(1, 64)).unwrap_err(), Refusal::Exists);
    assert_eq!(table.withdraw(first.ticket), Some(first.extent()));
    assert_eq!(table.withdraw(first.ticket), None, "freed twice");
    let second = reserve();
    assert_eq!((second.offset, second.ticket.slot), (first.offset, first.ticket.slot));
    assert_eq!(table.withdraw(first.ticket), None, "the place is another's");
    assert_eq!(table.find(&name), Some(second));
}

#[test]
fn there_are_2560_zones_and_no_more() {
    let memory = Memory::new();
    let table = Table::new(&memory, DATA..DATA + (1 << 20), BASE);
    let name = |n: usize| ZoneName::new(format!("zone {n}")).unwrap();
    for n in 0..MAX_ZONES {
        let name = name(n);
        let extent = DATA + n as u64 * 64..DATA + n as u64 * 64 + 64;
        let slot = table.free_slot(&name, &[]).unwrap();
        table.publish(&Plan { name, slot, extent, len: 64 });
    }
    let want = Want::exactly(64, 64);
    assert_eq!(table.plan(name(MAX_ZONES), want).unwrap_err(), Refusal::TooMany);
    for n in 0..MAX_ZONES {
        let zone = table.find(&name(n)).unwrap();
        assert_eq!(zone.name, name(n));
        table.withdraw(zone.ticket).unwrap();
    }
    assert!((0..SLOTS).all(|slot| table.state(slot).kind() == Kind::Empty), "no bridge is left");
}

#[test]
fn the_count_of_changes_goes_round() {
    let last = State(u64::MAX << 32);
    let next = last.next(Kind::Used, 0x3fff_ffff);
    assert_eq!(next.0, 0xffff_fffd);
    assert!(next.is_used_by(0x3fff_ffff) && !next.is_used_by(0));
}
