//! How `rte-mp send`, `request` and `listen` end: at once, whatever they wait for, and with all told.

use std::cell::Cell;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rte_mp::{Group, Message, Replies};
use rustix::process::{Pid, Signal, kill_process};

use super::{LONG, listener, message, objects, sockets};
use crate::support::{Room, Started, assert_refused, wait_until};

/// Asks all, and tells how many replied.
fn ask_later(group: &Group, message: &Message) -> Receiver<usize> {
    let (sender, replied) = channel();
    // A test may have ended before.
    let done = move |replies: Replies| {
        let _ = sender.send(replies.received());
    };
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

/// What the kernel tells of a process, its state among it.
fn stat(pid: impl Display) -> String {
    fs::read_to_string(format!("/proc/{pid}/stat")).unwrap()
}

/// A child that is killed if the test ends before it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Errors mean that it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_interrupt_ends_a_request_whose_output_nobody_reads() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("any", |request| request.reply(&[7; 256])).unwrap();
    let mut command =
        room.command(&["request", "any", "--json", "--count", "100000", "--each", "--jobs", "4"]);
    let mut asking = Killed(command.stdout(Stdio::piped()).spawn().unwrap());
    // Neither the pipe nor what waits for it has room for all of them.
    let (last, unchanged) = (Cell::new(0), Cell::new(0));
    wait_until("it is stuck", || {
        let answered = primary.stats().received.requests;
        let is_same = answered > 1000 && last.replace(answered) == answered;
        unchanged.set(if is_same { unchanged.get() + 1 } else { 0 });
        unchanged.get() == 100
    });
    kill_process(Pid::from_child(&asking.0), Signal::INT).unwrap();
    wait_until("it has ended", || stat(asking.0.id()).contains(") Z "));
    assert_eq!(asking.0.wait().unwrap().code(), Some(0));
    assert_eq!(sockets(&room, "web"), ["mp_socket"]);
    // What was written is whole.
    let mut text = String::new();
    asking.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(objects(&text).iter().all(|object| object["outcome"] == "replied"));
}

#[test]
fn an_interrupt_ends_it_while_the_parameter_is_still_to_be_typed() {
    for command in ["request", "send"] {
        let room = Room::new();
        let _primary = room.primary("web");
        let mut command = room.command(&[command, "any", "--file", "-"]);
        command.stdin(Stdio::piped());
        let waiting = Started::new(command);
        let pid = waiting.pid().as_raw_pid();
        wait_until("it waits", || stat(pid).contains("(rte-mp) S "));
        waiting.interrupt();
        assert_eq!(waiting.end().status, None);
    }
}
