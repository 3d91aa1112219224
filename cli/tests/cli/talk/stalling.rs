//! `rte-mp listen` whose output nobody reads, or nobody any more: the group does not notice.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{LONG, listener, message, objects, sockets, wait_for_members};
use crate::support::{Room, wait_until};

/// More than pipe and queue have room for.
const MANY: usize = 10_000;

/// A child that is killed if the test ends before it.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn unread(mut command: Command) -> Unread {
    Unread(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

#[test]
fn a_reader_that_stalls_holds_up_nobody_and_is_told_what_it_missed() {
    let room = Room::new();
    let primary = room.primary("web");
    let mut listening = unread(room.command(&["listen", "--echo", "--json"]));
    wait_for_members(&room, "web", 1);
    for _ in 0..MANY {
        let replies =
            primary.request(&message("any", b"answered all the same"), Some(LONG)).unwrap();
        assert_eq!(replies.received(), 1);
    }
    let mut lines = BufReader::new(listening.0.stdout.take().unwrap()).lines();
    let mut heard = 0;
    let missed = loop {
        let object: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        match object["type"].as_str() {
            Some("heard") => heard += 1,
            Some("missed") => break object["count"].as_u64().unwrap(),
            _ => assert_eq!(object["type"], "listening"),
        }
    };
    assert_eq!(heard + missed, MANY as u64);
    kill_process(Pid::from_child(&listening.0), Signal::INT).unwrap();
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    let summary = &objects(rest.last().unwrap())[0];
    assert_eq!((&summary["requests"], &summary["missed"]), (&heard.into(), &missed.into()));
    assert!(listening.0.wait().unwrap().success());
}

#[test]
fn an_interrupt_ends_it_though_nobody_reads() {
    let room = Room::new();
    let primary = room.primary("web");
    let mut listening = unread(room.command(&["listen", "--json"]));
    wait_for_members(&room, "web", 1);
    for _ in 0..1000 {
        primary.request(&message("any", &[7; 256]), Some(LONG)).unwrap();
    }
    kill_process(Pid::from_child(&listening.0), Signal::INT).unwrap();
    wait_until("its socket is gone", || sockets(&room, "web") == ["mp_socket"]);
    assert!(listening.0.wait().unwrap().success());
    // What was written is whole.
    let mut text = String::new();
    listening.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(!objects(&text).is_empty());
}

#[test]
fn it_ends_by_itself_once_nobody_reads_any_more() {
    let room = Room::new();
    let _primary = room.primary("web");
    let mut listening = unread(room.command(&["listen"]));
    let mut lines = BufReader::new(listening.0.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("listening"));
    // Nothing comes that it could fail to write.
    drop(lines);
    assert!(listening.0.wait().unwrap().success());
    let mut errors = String::new();
    listening.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "");
    assert_eq!(sockets(&room, "web"), ["mp_socket"]);
}

#[test]
fn descriptors_that_come_are_closed() {
    let room = Room::new();
    let primary = room.primary("web");
    let mut listening = listener(&room, &[]);
    let directory = format!("/proc/{}/fd", listening.pid().as_raw_pid());
    let count = || std::fs::read_dir(&directory).unwrap().count();
    let before = count();
    for _ in 0..20 {
        let file = std::fs::File::open("/dev/null").unwrap();
        let request = message("any", b"").with_fd(file).unwrap();
        primary.request(&request, Some(LONG)).unwrap();
        listening.line();
    }
    wait_until("all are closed", || count() <= before);
}
