//! `rte-mp ps` and `rte-mp doctor` beside real DPDK processes.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use rte_mp_interop::{PATIENCE, Room, with_dpdk, with_dpdk_tool};
use serde_json::Value;

/// What a run of the command wrote, and its exit status.
fn run(room: &Room, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
    let base = room.base().to_str().expect("a temporary directory has a plain name");
    let arguments = [arguments, &["--json", "--runtime-dir", base]].concat();
    let output = room.rte_mp(&arguments).output().expect("it can be run");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    let lines = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let objects = lines.lines().map(|line| serde_json::from_str(line).expect("an object a line"));
    (objects.collect(), output.status.code())
}

fn the_group(room: &Room) -> Value {
    let (mut groups, status) = run(room, &["ps"]);
    assert_eq!((groups.len(), status), (1, Some(0)), "{groups:?}");
    groups.remove(0)
}

/// The codes of what the doctor finds that is to be cured, with all findings.
fn diagnosis(room: &Room, arguments: &[&str]) -> (Vec<String>, Vec<Value>) {
    let (findings, status) = run(room, &[&["doctor"], arguments].concat());
    let bad = |finding: &&Value| finding["cure"].is_string() && finding["fixed"] == false;
    let codes: Vec<_> = findings
        .iter()
        .filter(bad)
        .map(|finding| finding["code"].as_str().expect("each has a code").to_owned())
        .collect();
    assert_eq!(status, Some(i32::from(!codes.is_empty())), "{findings:?}");
    (codes, findings)
}

/// Waits until the doctor finds this, and gives it.
fn wait_for(room: &Room, code: &str, text: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, findings) = diagnosis(room, &[]);
        let is_it = |finding: &&Value| {
            finding["code"] == code && finding["text"].as_str().is_some_and(|t| t.contains(text))
        };
        if let Some(finding) = findings.iter().find(is_it) {
            return finding.clone();
        }
        assert!(Instant::now() < deadline, "no {code} in {findings:?}");
        park_timeout(Duration::from_millis(20));
    }
}

/// Sends one datagram of this length, from a socket that has no name.
fn send(socket: &Path, len: usize) -> std::io::Result<usize> {
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to(&vec![0; len], socket)
}

#[test]
fn testpmd_is_shown_with_its_release_and_its_members() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let testpmd = room.testpmd();
        let member = room.member();
        let group = the_group(room);
        assert_eq!(group["file_prefix"], room.prefix());
        assert_eq!((&group["state"], &group["kind"]), (&"live".into(), &"dpdk".into()));
        assert!(group["release"].as_str().is_some_and(|r| r.starts_with("22.11.")), "{group}");
        assert_eq!((&group["datagram_len"], &group["fd_max"]), (&332.into(), &8.into()));
        assert_eq!(
            (&group["primary_pid"], &group["multi_process"]),
            (&testpmd.pid().into(), &"enabled".into())
        );
        assert!(group["command"].as_str().is_some_and(|c| c.contains("dpdk-testpmd")), "{group}");
        let members = group["members"].as_array().expect("there are members");
        let seen: Vec<_> = members
            .iter()
            .map(|m| (m["role"].clone(), m["pid"].clone(), m["state"].clone(), m["queue"].clone()))
            .collect();
        let alive = |role: &str, pid: u32| {
            (Value::from(role), Value::from(pid), Value::from("alive"), Value::from("empty"))
        };
        assert_eq!(seen, [alive("primary", testpmd.pid()), alive("secondary", std::process::id())]);
        let (codes, findings) = diagnosis(room, &[]);
        assert_eq!(codes, [] as [&str; 0], "{findings:?}");
        let found = |code: &str| findings.iter().any(|finding| finding["code"] == code);
        assert!(found("hugepages") && found("hugetlbfs") && found("live"), "{findings:?}");
        drop(member);
        testpmd.quit();
    });
}

#[test]
fn a_primary_whose_ipc_thread_was_ended_is_diagnosed() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let testpmd = room.testpmd();
        let socket = room.directory().join("mp_socket");
        send(&socket, 340).expect("it reads");
        let finding = wait_for(room, "ipc_thread_dead", "its queue is empty still");
        assert_eq!(
            (&finding["severity"], &finding["pid"]),
            (&"error".into(), &testpmd.pid().into())
        );
        while send(&socket, 332).is_ok() {}
        let finding = wait_for(room, "ipc_thread_dead", "its queue is full");
        assert_eq!(finding["cure"].as_str().map(|cure| cure.starts_with("restart it")), Some(true));
        let group = the_group(room);
        let primary = &group["members"][0];
        assert_eq!(
            (&primary["queue"], &primary["first_datagram_len"]),
            (&"full".into(), &332.into())
        );
    });
}

#[test]
fn of_several_members_the_one_that_is_deaf_is_named() {
    with_dpdk(|room| {
        let primary = room.dpdk_primary();
        let secondary = room.dpdk_secondary();
        let member = room.member();
        assert_eq!(diagnosis(room, &[]).0, [] as [&str; 0]);
        let group = the_group(room);
        let members = group["members"].as_array().expect("there are members");
        let mut pids: Vec<_> = members.iter().filter_map(|member| member["pid"].as_u64()).collect();
        pids.sort_unstable();
        let mut expected = [primary.pid(), secondary.pid(), std::process::id()].map(u64::from);
        expected.sort_unstable();
        assert_eq!(pids, expected);
        let deaf = members.iter().find(|member| member["pid"] == secondary.pid());
        let socket = deaf.and_then(|member| member["socket"].as_str()).expect("it has a socket");
        send(Path::new(socket), 1).expect("it reads");
        let finding = wait_for(room, "ipc_thread_dead", "");
        assert_eq!(finding["pid"], secondary.pid());
        assert_eq!(diagnosis(room, &[]).0, ["ipc_thread_dead"], "the others are well");
        drop(member);
    });
}

#[test]
fn what_a_killed_primary_leaves_behind_is_found() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.reserve(1 << 20).expect("there are hugepages");
        primary.process().kill();
        let group = the_group(room);
        assert_eq!((&group["state"], &group["primary_pid"]), (&"dead".into(), &Value::Null));
        assert_eq!(group["members"][0]["state"], "stale");
        assert_eq!(diagnosis(room, &[]).0, ["hugepages_left", "stale_sockets"]);
        assert_eq!(diagnosis(room, &["--fix"]).0, ["hugepages_left"]);
        assert!(!room.directory().join("mp_socket").exists());
        assert!(room.directory().join("config").exists(), "only sockets are removed");
    });
}
