//! The table run beside a simple model, and filled with rubbish.

use std::iter;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::*;

/// What the model does: names with their lengths, and no places.
#[derive(Debug, Clone)]
enum Step {
    Reserve { name: usize, len: u64, align: u64 },
    Free { name: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0..40_usize;
    let len = prop_oneof![1..200_u64, 1..20_000_u64];
    let align = (0..14_u32).prop_map(|power| 1 << power);
    let reserve = (name.clone(), len, align).prop_map(|(name, len, align)| Step::Reserve {
        name,
        len,
        align,
    });
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
fn fits(model: &BTreeMap<ZoneName, (u64, u64)>, len: u64, align: u64) -> bool {
    let used: Vec<_> =
        model.values().map(|&(start, len)| start..start + whole_lines(len)).collect();
    iter::successors(Some(DATA), |start| Some(start + 64))
        .take_while(|start| start + whole_lines(len) <= END)
        .filter(|start| (BASE + start).is_multiple_of(align))
        .any(|start| used.iter().all(|u| u.end <= start || start + whole_lines(len) <= u.start))
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
                Step::Reserve { name, len, align } => {
                    let name = names[name];
                    let plan = table.plan(name, Want { len, align });
                    match plan {
                        Ok(plan) => {
                            let zone = table.publish(&plan);
                            prop_assert!(!model.contains_key(&name));
                            prop_assert_eq!((BASE + zone.offset) % align, 0);
                            prop_assert_eq!((BASE + zone.offset) % 64, 0);
                            model.insert(name, (zone.offset, len));
                        }
                        Err(Refusal::Exists) => prop_assert!(model.contains_key(&name)),
                        Err(Refusal::NoRoom { largest }) => {
                            prop_assert!(largest < whole_lines(len));
                            prop_assert!(!fits(&model, len, align));
                            prop_assert!(largest == 0 || fits(&model, largest, align));
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
        len in 1..10_000_u64,
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
        if let Ok(plan) = table.plan(name, Want { len, align: 64 }) {
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
