//! `rte-mp bench` beside a DPDK primary: rte-mp members are asked, DPDK processes are left alone.

use rte_mp_interop::with_dpdk;

use crate::running::done;

#[test]
fn members_of_a_dpdk_group_are_asked_unless_they_are_dpdk_processes() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let mut secondary = room.dpdk_secondary();
        let _member = room.member();

        let arguments = ["bench", "--count", "10", "--json", "--file-prefix", room.prefix()];
        let out = done(room, &arguments);

        let asked: Vec<_> = out.lines().filter(|line| line.contains("\"member\"")).collect();
        let [asked] = asked[..] else { panic!("{out}") };
        let ours = format!(
            "\"contender\":\"member\",\"pid\":{},\"role\":\"secondary\"",
            std::process::id()
        );
        assert!(asked.contains(&ours) && asked.contains("\"requests\":10"), "{asked}");

        let left_out = |pid: u32, role: &str| {
            let start = format!("{{\"type\":\"bench_left_out\",\"pid\":{pid},\"role\":\"{role}\"");
            out.lines().any(|line| line.starts_with(&start))
        };
        assert!(left_out(primary.pid(), "primary"), "{out}");
        assert!(left_out(secondary.pid(), "secondary"), "{out}");
        // DPDK 22.11: `eal_common_proc.c`, `process_msg` says so of a message that nobody handles.
        for peer in [&mut secondary, &mut primary] {
            let errors = peer.process().errors();
            assert!(!errors.contains("Cannot find action"), "{errors}");
        }
    });
}
