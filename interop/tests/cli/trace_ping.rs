//! `rte-mp trace` and `rte-mp ping` beside DPDK primaries.

use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use rte_mp_interop::{PATIENCE, Room, message, reply_text, with_dpdk};

use crate::running::run;

fn ping(room: &Room, arguments: &[&str]) -> (Option<i32>, String, String) {
    run(room.rte_mp(&[&["ping", "--count", "2", "--interval", "1ms"], arguments].concat()))
}

#[test]
fn a_dpdk_primary_that_is_well_is_looked_at_and_hears_nothing() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let (status, out, err) = ping(room, &[]);
        assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
        let seen = format!(
            "primary[{}]: seq=2 DPDK process, not asked: alive, its IPC thread runs and its queue has room",
            primary.pid()
        );
        assert!(out.lines().any(|line| line == seen), "{out}");
        // DPDK notes each request that it has no action for.
        primary.register("hello", "echo");
        let member = room.member();
        assert_eq!(reply_text(member.request(&message("hello", "x"), None).unwrap()), "Got 'x'");
        let noted = primary.process().errors();
        assert!(!noted.contains("rte-mp/"), "{noted}");
    });
}

#[test]
fn a_dpdk_primary_whose_ipc_thread_has_ended_is_told() {
    with_dpdk(|room| {
        let primary = room.dpdk_primary();
        let enemy = UnixDatagram::unbound().unwrap();
        enemy.send_to(b"a malformed datagram", room.directory().join("mp_socket")).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let (status, out, err) = loop {
            let ended = ping(room, &["primary"]);
            if ended.1.lines().next().is_some_and(|line| line.contains("has ended")) {
                break ended;
            }
            assert!(Instant::now() < deadline, "{}", ended.1);
        };
        assert_eq!((status, err.as_str()), (Some(1), ""), "{out}");
        assert!(out.contains("its IPC thread has ended, it hears nobody any more"), "{out}");
        let (_, json, _) = ping(room, &["primary", "--json"]);
        assert!(json.contains(r#""nature":"dpdk","sequence":1,"outcome":"dead_thread""#), "{json}");
        primary.kill();
    });
}

#[test]
fn an_rte_mp_member_beside_a_dpdk_primary_answers_a_ping() {
    with_dpdk(|room| {
        let primary = room.dpdk_primary();
        let member = room.member();
        let (status, out, err) = ping(room, &["--json"]);
        assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
        let name = format!("{:?}", member.name().to_string());
        let count = |of: &str, what: &str| {
            out.lines().filter(|line| line.contains(of) && line.contains(what)).count()
        };
        assert_eq!(count(&name, r#""nature":"rte-mp","sequence""#), 2, "{out}");
        assert_eq!(count(&name, r#""outcome":"replied""#), 2, "{out}");
        assert_eq!(count(r#""nature":"dpdk""#, r#""outcome":"alive""#), 2, "{out}");
        drop(member);
        primary.quit();
    });
}

#[test]
fn what_a_program_says_to_a_dpdk_primary_is_recorded() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        let program = room.rte_mp(&[]).get_program().to_str().unwrap().to_owned();
        let trace =
            ["trace", "--json", "--", &program, "request", "hello", "--param", "SYNC Hello"];
        let (status, out, err) = run(room.rte_mp(&trace));
        assert_eq!(status, Some(0), "{err}");
        let lines: Vec<_> = out.lines().collect();
        let expected = [
            vec!["trace_joined", r#""role":"secondary""#, r#""kind":"dpdk","release":"22."#],
            vec![r#""direction":"out","kind":"request""#, r#""param_text":"SYNC Hello""#, "sent"],
            vec![r#""direction":"in","kind":"reply""#, "Got 'SYNC Hello'", "received"],
            vec!["trace_left", r#""clean":true"#],
            vec!["trace_summary", r#""lost":0"#],
        ];
        assert_eq!(lines.len(), expected.len(), "{out}");
        for (line, words) in lines.iter().zip(expected) {
            assert!(words.iter().all(|word| line.contains(word)), "{words:?} in {line}");
        }
        let from = format!("\"peer_pid\":{}", primary.pid());
        assert!(lines[2].contains(&from), "{out}");
    });
}

#[test]
fn a_member_beside_a_dpdk_primary_is_attached_to_and_dpdk_itself_is_not() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        let member = room.member();
        let pid = std::process::id().to_string();
        let mut trace = room.start(room.rte_mp(&["trace", "--attach", &pid]));
        trace.wait_for("the beginning", PATIENCE, |line| {
            line.contains("is recorded: secondary").then_some(())
        });
        assert_eq!(reply_text(member.request(&message("hello", "x"), None).unwrap()), "Got 'x'");
        trace.wait_for("the request", PATIENCE, |line| {
            line.contains("-> primary  request hello \"x\" (1 B)").then_some(())
        });
        trace.wait_for("the reply", PATIENCE, |line| {
            line.contains("<- primary  reply hello \"Got 'x'\" (7 B)").then_some(())
        });
        drop(member);
        assert!(trace.finish(PATIENCE).success(), "{}", trace.errors());
        let (status, out, err) = run(room.rte_mp(&["trace", "--attach", "primary"]));
        assert_eq!((status, out.as_str()), (Some(1), ""), "{err}");
        assert!(err.contains("primary is a DPDK process, which cannot be recorded"), "{err}");
        assert!(!primary.process().errors().contains("rte-mp/"));
    });
}
