//! The conformance program on DPDK and on rte-mp: what both print differs where `differences.rs` says
//! so, and nowhere else.

mod differences;

use std::collections::BTreeMap;

use rte_mp_interop::{Against, CBuild, Conformance, Row, with_c_library, with_dpdk_and_c_library};

use differences::DIFFERENCES;

/// How many rows there are: none may get lost on both sides.
const ROW_COUNT: usize = 584;

#[test]
fn rte_mp_does_what_dpdk_does_but_for_documented_differences() {
    with_dpdk_and_c_library(|room| {
        let start = |against, name| Conformance::start(room, &CBuild::new(against), name);
        let (dpdk, ours) = (start(Against::Dpdk, "dpdk"), start(Against::RTE_MP, "ours"));
        let ((dpdk, _), (ours, _)) = (dpdk.finish(), ours.finish());
        assert_eq!(names(&ours), names(&dpdk), "both have the same rows");
        assert_eq!(dpdk.len(), ROW_COUNT);
        let found: Vec<_> = dpdk
            .iter()
            .zip(&ours)
            .filter(|((_, dpdk), (_, ours))| dpdk != ours)
            .map(|((name, dpdk), (_, ours))| (name.as_str(), dpdk.as_str(), ours.as_str()))
            .collect();
        let documented = documented();
        let new: Vec<_> = found.iter().filter(|row| !documented.contains(row)).collect();
        let gone: Vec<_> = documented.iter().filter(|row| !found.contains(row)).collect();
        assert!(new.is_empty(), "not documented (name, DPDK, rte-mp): {new:#?}\ngone: {gone:#?}");
        assert!(gone.is_empty(), "documented, but not so: {gone:#?}");
    });
}

#[test]
fn the_layout_of_messages_makes_no_difference() {
    with_c_library(|room| {
        let start =
            |abi, name| Conformance::start(room, &CBuild::new(Against::RteMp { abi }), name);
        let (new, old) = (start(25, "new"), start(22, "old"));
        let ((new, _), (old, _)) = (new.finish(), old.finish());
        assert_eq!(new, old);
        assert_eq!(new.len(), ROW_COUNT);
        let results: BTreeMap<_, _> = new.into_iter().collect();
        for (name, _, ours) in documented() {
            assert_eq!(results.get(name).map(String::as_str), Some(ours), "{name}");
        }
    });
}

fn names(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|(name, _)| name.as_str()).collect()
}

/// Each documented difference: the row, DPDK's result, and ours.
fn documented() -> Vec<(&'static str, &'static str, &'static str)> {
    DIFFERENCES.iter().flat_map(|difference| difference.rows).copied().collect()
}
