//! How `rte-mp request` and `listen` end: at once, whatever they wait for, and with all told.

use std::fs::{self, File};
use std::sync::mpsc::{Receiver, channel};

use rte_mp::{Group, Message, Replies};

use super::{LONG, listener, message, objects};
use crate::support::{Room, Started, assert_refused, wait_until};

/// Asks all, and tells how many replied.
fn ask_later(group: &Group, message: &Message) -> Receiver<usize> {
    let (sender, replied) = channel();
    let done = move |replies: Replies| sender.send(replies.received()).unwrap();
    group.request_async(message, Some(LONG), done).unwrap();
    replied
}

/// A command that says that it runs, and goes on.
const RUNS: &str = r#"touch "$TMPDIR/runs"; exec sleep 60"#;

fn wait_until_it_runs(room: &Room) {
    let file = room.path().join("runs");
    wait_until("the command runs", || file.exists());
}

#[test]
fn commands_that_are_never_run_do_not_keep_it_from_ending() {
    let room = Room::new();
    let ended = Started::new(room.command(&["listen", "--exec", "cat"])).end();
    let expected = format!(
        "no group is running under {}; start its primary, or name another place with --runtime-dir",
        room.path().join("dpdk").display()
    );
    assert_refused(&ended, 3, &expected);
}

/// It moves to the group of its parent, where the rest of a pipeline could be.
#[test]
fn a_command_that_leaves_its_process_group_is_ended_too() {
    let room = Room::new();
    let primary = room.primary("web");
    let command = "exec perl -e 'setpgrp 0, getpgrp getppid or die; sleep 60'";
    let mut listening = listener(&room, &["--exec", command, "--timeout", "300ms"]);
    let replied = ask_later(&primary, &message("any", b""));
    let heard = &objects(&listening.line())[0];
    assert_eq!(heard["answer_error"], "the command took longer than 300ms", "{heard}");
    assert_eq!(replied.recv_timeout(LONG).unwrap(), 0);
    listening.interrupt();
    assert_eq!(listening.end().status, Some(0));
}

#[test]
fn what_still_had_its_command_running_is_told_at_the_end() {
    let room = Room::new();
    let primary = room.primary("web");
    let arguments = ["--exec", RUNS, "--jobs", "1", "--timeout", "60s"];
    let listening = listener(&room, &arguments);
    let replied = [b"1", b"2"].map(|param| ask_later(&primary, &message("any", param)));
    wait_until_it_runs(&room);
    // Behind the two requests.
    let member = &primary.members().unwrap()[0];
    primary.to(&member.name).ping(b"both have come", Some(LONG)).unwrap();
    listening.interrupt();
    let ended = listening.end();
    let objects = objects(&ended.out);
    let [_, first, second, summary] = &objects[..] else { panic!("{ended:?}") };
    for heard in [first, second] {
        assert_eq!(
            (&heard["answer"], &heard["answer_error"]),
            (&"ignored".into(), &"listening ended".into())
        );
    }
    assert_eq!((&summary["requests"], &summary["replied"]), (&2.into(), &0.into()), "{summary}");
    assert_eq!(replied.map(|replied| replied.recv_timeout(LONG).unwrap()), [0, 0]);
}

#[test]
fn descriptors_are_not_kept_while_a_command_runs() {
    let room = Room::new();
    let primary = room.primary("web");
    let listening = listener(&room, &["--exec", RUNS, "--jobs", "1", "--timeout", "60s"]);
    let path = room.path().join("sent");
    let file = File::create(&path).unwrap();
    for _ in 0..3 {
        let request = message("any", b"").with_fd(file.try_clone().unwrap()).unwrap();
        ask_later(&primary, &request);
    }
    wait_until_it_runs(&room);
    let member = &primary.members().unwrap()[0];
    primary.to(&member.name).ping(b"all have come", Some(LONG)).unwrap();
    let descriptors = fs::read_dir(format!("/proc/{}/fd", listening.pid().as_raw_pid())).unwrap();
    let is_sent = |entry: &fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|to| to == path);
    assert_eq!(descriptors.map(Result::unwrap).filter(is_sent).count(), 0);
}
