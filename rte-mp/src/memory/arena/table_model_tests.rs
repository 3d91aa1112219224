//! The table run beside a simple model, and filled with rubbish.

use std::iter;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::*;

/// What the model does: names with their lengths, and no places.
#[derive(Debug, Clone)]
enum Step {
    Reserve { name: usize, want: Want },
    Free { name: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0..40_usize;
    let len = prop_oneof![1..200_u64, 1..20_000_u64];
    let amount = prop_oneof![9 => len.prop_map(Amount::Exactly), 1 => Just(Amount::Largest)];
    let power = |least: u32| (least..15).prop_map(|power| 1_u64 << power);
    let bound = prop_oneof![2 => Just(None), 1 => power(6).prop_map(Some)];
    let want = (amount, power(0), bound).prop_map(|(amount, align, bound)| {
        // Nobody asks for more than the bound.
        let bound = bound.filter(|&bound| match amount {
            Amount::Exactly(len) => whole_lines(len) <= bound,
            Amount::Largest => true,
        });
        Want { amount, align, bound }
    });
    let reserve = (name.clone(), want).prop_map(|(name, want)| Step::Reserve { name, want });
    let free = name.prop_map(|name| Step::Free { name });
    prop::collection::vec(prop_oneof![3 => reserve, 2 => free], 1..120)
}

/// Inputs that once failed are kept beside this file and tried first.
fn config() -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("regressions");
    let cases = if cfg!(debug_assertions) { 32 } else { 512 };
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..Default::default() }
}

/// Whether a zone fits: tried at every cache line.
fn fits(model: &BTreeMap<ZoneName, (u64, u64)>, len: u64, want: Want) -> bool {
    let used: Vec<_> =
        model.values().map(|&(start, len)| start..start + whole_lines(len)).collect();
    iter::successors(Some(DATA), |start| Some(start + 64))
        .take_while(|start| start + whole_lines(len) <= END)
        .filter(|start| is_as_wanted(*start, len, want))
        .any(|start| used.iter().all(|u| u.end <= start || start + whole_lines(len) <= u.start))
}

/// Whether a zone begins as it should, and crosses no bound.
fn is_as_wanted(start: u64, len: u64, want: Want) -> bool {
    let (first, last) = (BASE + start, BASE + start + whole_lines(len) - 1);
    let same = |bound| first / bound == last / bound;
    first.is_multiple_of(want.align) && want.bound.is_none_or(same)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_table_does_what_a_simple_model_does(steps in steps()) {
        let memory = Memory::new();
        let table = table(&memory);
        let names: Vec<_> = crowded_names().take(40).collect();
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Reserve { name, want } => {
                    let name = names[name];
                    let plan = table.plan(name, want);
                    let least = match want.amount {
                        Amount::Exactly(len) => len,
                        Amount::Largest => 64,
                    };
                    match plan {
                        Ok(plan) => {
                            let zone = table.publish(&plan);
                            prop_assert!(!model.contains_key(&name));
                            prop_assert_eq!((BASE + zone.offset) % 64, 0);
                            prop_assert!(is_as_wanted(zone.offset, zone.len, want));
                            match want.amount {
                                Amount::Exactly(len) => prop_assert_eq!(zone.len, len),
                                Amount::Largest => {
                                    prop_assert!(fits(&model, zone.len, want));
                                    prop_assert!(!fits(&model, zone.len + 1, want));
                                }
                            }
                            model.insert(name, (zone.offset, zone.len));
                        }
                        Err(Refusal::Exists) => prop_assert!(model.contains_key(&name)),
                        Err(Refusal::NoRoom { largest }) => {
                            prop_assert!(largest < whole_lines(least));
                            prop_assert!(!fits(&model, least, want));
                            prop_assert!(largest == 0 || fits(&model, largest, want));
                        }
                        Err(Refusal::TooMany) => prop_assert!(false, "there are few"),
                    }
                }
                Step::Free { name } => {
                    let zone = table.find(&names[name]);
                    prop_assert_eq!(zone.is_some(), model.remove(&names[name]).is_some());
                    if let Some(zone) = zone {
                        prop_assert_eq!(table.withdraw(zone.ticket), Some(zone.extent()));
                    }
                }
            }
            prop_assert_eq!(check(&memory), model.clone());
        }
        check_nothing_is_lost(&memory);
    }

    /// Whatever a hostile member writes, all ends, nothing lies outside, and what is chosen for a
    /// new zone touches none that is listed.
    #[test]
    fn rubbish_in_the_table_hurts_nobody(
        rubbish in prop::collection::vec((0..TABLE_END, any::<u64>()), 0..2000),
        near in prop::collection::vec((0..SLOTS, 0..2_u64, DATA - 64..END + 64, 0..5000_u64), 0..50),
        len in prop::option::weighted(0.8, 1..10_000_u64),
    ) {
        let memory = Memory::new();
        rubbish.iter().for_each(|&(at, value)| memory.store(at, value));
        for (slot, kind, offset, len) in near {
            memory.store(state_of(slot), kind);
            memory.store(name_of(slot).start, 0x61);
            memory.store(extent_of(slot), offset);
            memory.store(extent_of(slot) + 1, len);
        }
        let table = table(&memory);
        let zones = table.snapshot().expect("nobody changes it");
        for zone in &zones {
            prop_assert!(zone.offset >= DATA && zone.extent().end <= END && zone.len > 0);
        }
        let [name, ..] = one_home();
        let amount = len.map_or(Amount::Largest, Amount::Exactly);
        if let Ok(plan) = table.plan(name, Want { amount, align: 64, bound: None }) {
            let new = table.publish(&plan);
            prop_assert!(new.extent().end <= END);
            for zone in zones {
                let apart = zone.extent().end <= new.offset || new.extent().end <= zone.offset;
                prop_assert!(apart, "{:?} and {:?}", zone, new);
            }
            prop_assert_eq!(table.find(&name), Some(new));
            prop_assert!(table.withdraw(new.ticket).is_some());
            prop_assert_eq!(table.find(&name), None);
        }
    }
}
