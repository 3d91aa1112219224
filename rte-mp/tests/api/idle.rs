//! A group that has nothing to do uses no processor.

use std::fs;
use std::sync::mpsc::channel;
use std::time::Duration;

use rte_mp::Role;

use crate::common::child::Child;
use crate::common::{LONG, Scene, ask, block_on, echo, eventually, message};

/// How long is measured.
const WATCHED: Duration = Duration::from_secs(5);

/// How many threads of a process are called `mp-...`, and their context switches of both kinds.
fn switches(pid: u32) -> (usize, u64) {
    let mut found = 0;
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().to_owned()
        };
        if field("Name").starts_with("mp-") {
            found += 1;
            for kind in ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"] {
                sum += field(kind).parse::<u64>().unwrap();
            }
        }
    }
    (found, sum)
}

/// Waits until the threads have come to rest, and counts what they do while the time passes.
fn switches_while_idle(pids: &[u32]) -> u64 {
    let sum = || pids.iter().map(|pid| switches(*pid).1).sum::<u64>();
    // A thread names itself when it begins to run.
    eventually("there are threads to watch", || pids.iter().all(|pid| switches(*pid).0 > 0));
    let (_keep, never) = channel::<()>();
    eventually("the threads come to rest", || {
        let before = sum();
        let _ = never.recv_timeout(Duration::from_millis(200));
        sum() == before
    });
    let before = sum();
    let _ = never.recv_timeout(WATCHED);
    sum() - before
}

#[test]
fn an_idle_group_makes_no_context_switches() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = scene.builder(Role::Secondary).workers(2).join().unwrap();
    echo(&secondary, "echo");
    // After some traffic of each kind, with somebody who listens to the news.
    ask(&secondary, "echo", b"");
    block_on(secondary.request_future(&message("echo"), Some(LONG))).unwrap();
    secondary.send(&message("nothing")).unwrap();
    let events = secondary.events().unwrap();
    events.recv_timeout(LONG).unwrap();
    assert_eq!(switches_while_idle(&[std::process::id(), child.pid()]), 0);
    child.end();
}

#[test]
fn a_request_that_waits_looks_after_its_peer_once_a_second() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let future = secondary.request_future(&message("silent"), Some(LONG));
    let switches = switches_while_idle(&[std::process::id(), child.pid()]);
    assert!(switches <= 2 * WATCHED.as_secs(), "{switches} context switches");
    drop(future);
    child.end();
}
