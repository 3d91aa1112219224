//! Whole groups under a virtual clock, over a network that loses, delays, reorders and repeats.
//!
//! Peers die and leave at any moment, are slow, silent or deaf, and somebody forges datagrams.
//! [`group`] checks after each run what must hold of every request and every member; the tests
//! here set the scene, and make sure that what they are about did happen.

mod group;
mod network;
mod node;

use std::thread;
use std::time::Duration;

use rte_mp_proto::{Asked, Layout, Outcome, PeerName, Role};

use group::{Group, Plan, Tally, action, millis};
use network::Faults;
use node::{Finished, Task, Temper};

const LAYOUTS: [Layout; 3] = [Layout::DPDK_18_05, Layout::DPDK_24_11, Layout::DPDK_25_11];

/// Names the seed of the run that fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this was seed {}", self.0);
        }
    }
}

/// Everything that can go wrong does.
fn harsh(seed: u64) -> Plan {
    Plan {
        faults: Faults { lost_percent: 5, repeated_percent: 10, delay: 10..8_000 },
        layout: LAYOUTS[seed as usize % LAYOUTS.len()],
        span: millis(150),
        ..Plan::CALM
    }
}

/// Runs a random group for each seed, and adds up what was counted.
fn run_all(seeds: std::ops::Range<u64>, plan: impl Fn(u64) -> Plan) -> Tally {
    let mut sum = Tally::new();
    for seed in seeds {
        let _seed = Seed(seed);
        for (what, count) in Group::random(seed, plan(seed)).run() {
            *sum.entry(what).or_default() += count;
        }
    }
    sum
}

fn assert_happened(tally: &Tally, whats: &[&str]) {
    for what in whats {
        let count = tally.get(*what).copied().unwrap_or_default();
        assert!(count >= 20, "{what} happened only {count} times: {tally:?}");
    }
}

/// A primary and some secondaries without faults.
fn calm(temper: Temper, secondaries: usize) -> Group {
    let mut group = Group::new(1, Plan::CALM);
    group.join(Role::Primary, Temper::Prompt, &["hello"]);
    for _ in 0..secondaries {
        group.join(Role::Secondary, temper, &["hello"]);
    }
    group
}

fn outcomes(finished: &Finished) -> Vec<&'static str> {
    let word = |asked: &Asked<_>| match asked.outcome {
        Outcome::Replied(_) => "replied",
        Outcome::Ignored => "ignored",
        Outcome::TimedOut => "timed out",
        Outcome::Died => "died",
        Outcome::Unsendable { errno: 110 } => "full",
        Outcome::Unsendable { .. } => "refused",
        _ => "other",
    };
    finished.outcomes.iter().map(word).collect()
}

/// Lets the primary, which is node 0, ask, and gives what became of it.
fn ask(group: &mut Group, name: &str, to: Option<PeerName>) -> Vec<&'static str> {
    group.ask(0, name, millis(10), to);
    group.run();
    outcomes(group.nodes[0].finished.last().expect("every request ends"))
}

#[test]
fn every_request_ends_in_time_with_one_outcome_for_each_peer() {
    let tally = run_all(0..150, harsh);
    assert_happened(&tally, &["Replied", "Ignored", "TimedOut", "Died", "Unsendable", "Abandoned"]);
    assert_happened(&tally, &["Length", "FdCount", "Unbound", "ForeignUser", "WrongDoor"]);
    assert_happened(&tally, &["StrayAnswer", "Undelivered"]);
}

#[test]
fn an_address_where_nothing_more_can_come_takes_the_next_request() {
    let tally = run_all(1000..1100, |seed| {
        let faults = Faults { repeated_percent: 0, ..harsh(seed).faults };
        Plan { faults, reuses_addresses: true, ..harsh(seed) }
    });
    assert_happened(&tally, &["Replied", "Ignored", "TimedOut", "Died", "StrayAnswer"]);
}

#[test]
fn a_late_reply_is_never_taken_for_the_next_request_of_that_name() {
    for reuses_addresses in [false, true] {
        let mut late = 0;
        for seed in 0..20 {
            let _seed = Seed(seed);
            let mut group = Group::new(seed, Plan { reuses_addresses, ..Plan::CALM });
            group.join(Role::Primary, Temper::Slow, &["hello"]);
            let client = group.join(Role::Secondary, Temper::Prompt, &[]);
            let primary = group.nodes[0].name;
            for _ in 0..10 {
                group.ask(client, "hello", millis(5), Some(primary));
                // Only until this one ends, so that its answer meets the next.
                while !group.nodes[client].pending.is_empty() && group.step() {}
            }
            group.ask(client, "hello", millis(500), Some(primary));
            let tally = group.run();
            let finished = &group.nodes[client].finished;
            assert_eq!(outcomes(&finished[10]), ["replied"], "the last one waits long enough");
            late += tally.get("Undelivered").copied().unwrap_or_default();
        }
        assert!(late > 50, "only {late} replies came late");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let mut group = Group::random(seed, harsh(seed));
        group.run();
        group.net.trace
    };
    for seed in 0..10 {
        let _seed = Seed(seed);
        let first = trace(seed);
        assert!(first.len() > 100, "{first:?}");
        assert_eq!(first, trace(seed));
    }
    assert_ne!(trace(0), trace(3), "another seed, the same layout");
}

#[test]
fn everybody_replies_when_nothing_goes_wrong() {
    let mut group = calm(Temper::Prompt, 8);
    assert_eq!(ask(&mut group, "hello", None), ["replied"; 8]);
    assert!(group.net.elapsed() < Duration::from_millis(11), "no timer but the deadline is left");
    assert!(group.nodes[0].finished[0].ended < group.nodes[0].finished[0].record.deadline);
}

#[test]
fn an_action_without_a_handler_is_ignored_by_everybody() {
    for temper in [Temper::Prompt, Temper::Slow, Temper::Silent] {
        let mut group = calm(temper, 8);
        assert_eq!(ask(&mut group, "grow", None), ["ignored"; 8], "{temper:?}");
    }
}

#[test]
fn a_killed_peer_has_died_as_soon_as_its_death_is_reported() {
    let mut group = calm(Temper::Silent, 2);
    let (victim, start) = (1, group.net.now());
    group.net.schedule(start + millis(3), Task::Kill { node: victim });
    let other = group.join(Role::Secondary, Temper::Prompt, &["hello"]);
    let only_victim = group.nodes[victim].name;
    group.ask(other, "hello", millis(10), Some(only_victim));
    assert_eq!(ask(&mut group, "hello", None), ["died", "timed out", "replied"]);
    let alone = &group.nodes[other].finished[0];
    assert_eq!(outcomes(alone), ["died"]);
    assert!(alone.ended < start + millis(5), "long before its deadline");
}

#[test]
fn a_socket_that_was_left_behind_does_not_count() {
    let mut group = calm(Temper::Prompt, 3);
    group.kill(2);
    let stale = group.nodes[2].name;
    assert_eq!(ask(&mut group, "hello", Some(stale)), ["refused"], "asked by name");
    assert_eq!(ask(&mut group, "hello", None), ["replied"; 2]);
    assert!(!group.net.secondaries().contains(&stale), "it is cleared away");
    (1..=3).for_each(|node| group.kill(node));
    assert!(ask(&mut group, "hello", None).is_empty(), "with nobody there it ends at once");
}

#[test]
fn a_deaf_peer_costs_nobody_but_itself() {
    let mut group = calm(Temper::Prompt, 1);
    group.join(Role::Secondary, Temper::Deaf, &["hello"]);
    group.join(Role::Secondary, Temper::Prompt, &["hello"]);
    for _ in 0..11 {
        assert_eq!(ask(&mut group, "hello", None), ["replied", "timed out", "replied"]);
    }
    assert_eq!(ask(&mut group, "hello", None), ["replied", "full", "replied"]);
}

#[test]
fn a_request_without_patience_asks_and_does_not_wait() {
    let mut group = calm(Temper::Prompt, 2);
    let start = group.net.now();
    group.ask(0, "hello", Duration::ZERO, None);
    let tally = group.run();
    let finished = &group.nodes[0].finished[0];
    assert_eq!((outcomes(finished), finished.ended), (vec!["timed out"; 2], start));
    assert_eq!(finished.action, action("hello"));
    assert_eq!(tally.get("Undelivered"), Some(&2), "the answers find the address closed");
}
