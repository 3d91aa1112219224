//! The primary changes its memory and devices, and no member is in its way.

use std::time::Duration;

use rte_mp_interop::{Failed, Peer, with_dpdk};

use crate::{SECOND, assert_talks};

#[test]
fn memory_growth_and_hot_plug_of_a_dpdk_primary_are_not_delayed_by_a_member() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let member = room.member();
        let two_seconds = 2 * SECOND;
        type Step = fn(&mut Peer) -> Result<Duration, Failed>;
        let steps: [(_, Step); 4] = [
            ("growing", |primary| primary.reserve(32 << 20)),
            ("shrinking", |primary| primary.release()),
            ("attaching", |primary| primary.attach("net_null7")),
            ("detaching", |primary| primary.detach("net_null7")),
        ];
        for (what, step) in steps {
            let asked = member.stats().received.requests;
            let took = step(&mut primary);
            assert!(took.as_ref().is_ok_and(|took| *took < two_seconds), "{what}: {took:?}");
            assert!(member.stats().received.requests > asked, "{what}: all are asked first");
        }
        assert_talks(&member, &mut primary);
    });
}

#[test]
fn a_dpdk_secondary_grows_the_memory_while_a_member_sits_there() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let mut secondary = room.dpdk_secondary();
        let member = room.member();
        let took = secondary.reserve(32 << 20);
        assert!(took.as_ref().is_ok_and(|took| *took < 2 * SECOND), "{took:?}");
        assert!(member.stats().received.requests > 0, "all are asked first");
        assert_talks(&member, &mut primary);
    });
}
