//! `rte-mp bench`: what is measured and written, and that nothing is left. How long anything takes is the
//! machine's affair, and asserted nowhere.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;

use roxmltree::Document;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

use crate::support::{Ended, Room, Started, assert_refused, rte_mp, wait_until};

/// The contenders that are always there.
const OWN: [&str; 3] = ["rte-mp", "socket-polling", "socket-blocking"];

/// The command in a room of its own, without a group.
fn bench(room: &Room, arguments: &[&str]) -> Command {
    let mut command = rte_mp();
    command.arg("bench").args(arguments).env("TMPDIR", room.path());
    command
}

fn run(room: &Room, arguments: &[&str]) -> Ended {
    Ended::from(bench(room, arguments).output().unwrap())
}

fn objects(ended: &Ended) -> Vec<Value> {
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_empty(room: &Room) {
    let left: Vec<_> =
        fs::read_dir(room.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Has one started that would go on for an hour, and waits until it has measured round trips of the first.
fn start_long(room: &Room, arguments: &[&str]) -> (Started, Vec<Pid>) {
    let bench = Started::new(bench(room, &[&["--duration", "1h"], arguments].concat()));
    // The last one that is started has been asked once.
    let is_there = |entry: fs::DirEntry| entry.path().join("blocking.client").exists();
    wait_until("all are asked", || fs::read_dir(room.path()).unwrap().flatten().any(is_there));
    let children = children(bench.pid());
    assert_eq!(children.len(), OWN.len());
    // Who is asked works for each answer. What is measured comes after 20 ms that are not.
    wait_until("answers have taken 100 ms of work", || ticks(children[0]) >= 10);
    (bench, children)
}

/// How long a process has worked, in hundredths of a second.
fn ticks(pid: Pid) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    fields[11..13].iter().map(|time| time.parse::<u64>().unwrap()).sum()
}

fn children(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_nonzero();
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let pids = listed.split_whitespace().map(|word| word.parse().unwrap());
    pids.filter_map(Pid::from_raw).collect()
}

#[test]
fn everybody_is_asked_as_often_as_wanted_and_nothing_is_left() {
    let room = Room::new();
    let ended = run(&room, &["--count", "25", "--size", "0", "--json"]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let objects = objects(&ended);
    let [rows @ .., summary] = &objects[..] else { panic!("{}", ended.out) };
    assert_eq!(rows.len(), OWN.len());
    for (row, contender) in rows.iter().zip(OWN) {
        assert_eq!((&row["type"], &row["contender"]), (&"bench".into(), &contender.into()));
        assert_eq!((&row["requests"], &row["messages"]), (&25.into(), &25.into()), "{row}");
        assert_eq!(
            (&row["param_len"], &row["role"], &row["error"]),
            (&0.into(), &Value::Null, &Value::Null)
        );
        let times = ["p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"];
        let times = times.map(|name| row[name].as_u64().unwrap_or_else(|| panic!("{name}: {row}")));
        assert!(times[0] > 0 && times.is_sorted(), "{row}");
        for number in ["pid", "avg_ns", "requests_per_second", "messages_per_second"] {
            assert!(row[number].as_u64().is_some_and(|number| number > 0), "{number}: {row}");
        }
        let pid = Pid::from_raw(row["pid"].as_i64().unwrap().try_into().unwrap()).unwrap();
        test_kill_process(pid).expect_err("it has ended");
        assert!(row["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{row}");
    }
    assert_eq!(rows[0]["ratio"], 1.0);
    let expected = [
        ("type", "bench_summary".into()),
        ("rounds", 10.into()),
        ("count", 25.into()),
        ("duration_ns", Value::Null),
        ("interrupted", false.into()),
        ("plot", Value::Null),
    ];
    for (name, value) in expected {
        assert_eq!(summary[name], value, "{name}");
    }
    assert!(summary["time_ns"].as_u64().is_some());
    assert_empty(&room);
}

#[test]
fn people_get_a_table() {
    let room = Room::new();
    let ended = run(&room, &["--duration", "10ms"]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let lines: Vec<_> = ended.out.lines().collect();
    let [header, own, polling, blocking, empty, end] = lines[..] else { panic!("{}", ended.out) };
    let header: Vec<_> =
        header.split("  ").map(str::trim).filter(|name| !name.is_empty()).collect();
    let expected =
        ["ROUND TRIP", "P50", "P90", "P99", "P99.9", "MAX", "REQUESTS/S", "MESSAGES/S", "RATIO"];
    assert_eq!(header, expected);
    let names = ["rte-mp  ", "bare socket, polling  ", "bare socket, blocking  "];
    for (line, name) in [own, polling, blocking].iter().zip(names) {
        assert!(line.starts_with(name), "{line}");
        let cells: Vec<_> = line.split("  ").filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells.len(), header.len(), "{line}");
        assert!(cells[1..6].iter().all(|time| time.ends_with('s')), "{line}");
    }
    assert!(own.ends_with(" 1.00"), "{own}");
    assert_eq!(empty, "");
    assert!(end.starts_with("10 rounds in turn, ") && end.ends_with("s in all"), "{end}");
    assert_empty(&room);
}

#[test]
fn the_picture_is_xml_with_a_line_and_a_name_for_each() {
    let room = Room::new();
    let path = room.path().join("p.svg");
    // An older one is replaced.
    fs::write(&path, "old").unwrap();
    let plot = path.to_str().unwrap();
    let ended = run(&room, &["--count", "30", "--plot", plot]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.ends_with(&format!("The percentiles are in {plot}.\n")), "{}", ended.out);

    let text = fs::read_to_string(&path).unwrap();
    let picture = Document::parse(&text).unwrap();
    let root = picture.root_element();
    assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
    assert_eq!(root.tag_name().name(), "svg");
    let lines = root.children().filter(|child| child.tag_name().name() == "polyline");
    assert_eq!(lines.count(), OWN.len());
    let texts: Vec<_> = root.descendants().filter_map(|node| node.text()).collect();
    let expected = [
        "rte-mp",
        "bare socket, polling",
        "bare socket, blocking",
        "percentile of the round trips",
        "time of a round trip",
        "0 %",
        "90 %",
        "99 %",
    ];
    for expected in expected {
        assert!(texts.contains(&expected), "{expected} is missing: {texts:?}");
    }
    fs::remove_file(&path).unwrap();
    assert_empty(&room);
}

#[test]
fn the_members_of_a_running_group_are_asked_beside() {
    let room = Room::new();
    let primary = room.primary("pg1");
    let _secondary = room.secondary("pg1");
    for choice in [&["--members"][..], &["--file-prefix", "pg1"]] {
        let arguments = [&["bench", "--count", "10", "--json"], choice].concat();
        let ended = room.run(&arguments);
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
        let objects = objects(&ended);
        assert_eq!(objects.len(), OWN.len() + 3);
        let members = &objects[OWN.len()..OWN.len() + 2];
        let mut roles: Vec<_> = members.iter().map(|member| member["role"].as_str()).collect();
        roles.sort();
        assert_eq!(roles, [Some("primary"), Some("secondary")]);
        for member in members {
            assert_eq!(member["contender"], "member");
            assert_eq!(
                (&member["pid"], &member["requests"]),
                (&std::process::id().into(), &10.into())
            );
            // They have no action for it, and are not disturbed.
            assert_eq!(
                (&member["messages"], &member["messages_per_second"]),
                (&0.into(), &Value::Null)
            );
        }
    }
    // Nobody is left in the group but us.
    assert_eq!(primary.members().unwrap().len(), 1);
}

#[test]
fn a_member_that_does_not_answer_is_named_and_the_others_are_measured() {
    let room = Room::new();
    let primary = room.primary("pg1");
    // Its only thread for handlers is kept busy.
    let secondary = room.secondary("pg1");
    let (release, kept) = std::sync::mpsc::channel::<()>();
    let kept = std::sync::Mutex::new(kept);
    let (begun, has_begun) = std::sync::mpsc::channel();
    secondary
        .register("busy", move |_| {
            begun.send(()).unwrap();
            // It ends when the sender is dropped.
            let _ = kept.lock().unwrap().recv();
        })
        .unwrap();
    primary.send(&rte_mp::Message::new("busy").unwrap()).unwrap();
    has_begun.recv().unwrap();

    let ended = room.run(&["bench", "--count", "10", "--file-prefix", "pg1", "--timeout", "300ms"]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""), "{}", ended.out);
    let pid = std::process::id();
    let line = ended.out.lines().find(|line| line.contains("was asked no more")).unwrap();
    assert!(line.starts_with(&format!("secondary {pid} was asked no more: ")), "{line}");
    assert!(line.ends_with(" did not answer rte-mp/ping in time"), "{line}");
    let primary = ended.out.lines().find(|line| line.starts_with("primary ")).unwrap();
    assert!(!primary.contains(" -  -  "), "{primary}");
    drop(release);
}

#[test]
fn an_interrupt_shows_what_was_measured_and_leaves_nothing() {
    for json in [false, true] {
        let room = Room::new();
        let picture = room.path().join("p.svg");
        let plot = ["--plot", picture.to_str().unwrap()];
        let flags: &[&str] = if json { &["--json"] } else { &[] };
        let (bench, children) = start_long(&room, &[&plot[..], flags].concat());
        bench.interrupt();
        let ended = bench.end();
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
        if json {
            let objects = objects(&ended);
            assert_eq!(objects.last().unwrap()["interrupted"], true);
            assert!(objects[0]["requests"].as_u64().unwrap() > 0, "{}", objects[0]);
            assert_eq!(objects[1]["requests"], 0);
        } else {
            assert!(
                ended.out.contains("; interrupted, so that some of it is missing"),
                "{}",
                ended.out
            );
            assert!(ended.out.starts_with("ROUND TRIP"), "{}", ended.out);
        }
        for child in children {
            test_kill_process(child).expect_err("it has ended");
        }
        Document::parse(&fs::read_to_string(&picture).unwrap()).unwrap();
        fs::remove_file(&picture).unwrap();
        assert_empty(&room);
    }
}

#[test]
fn one_that_is_asked_and_was_stopped_is_not_waited_for() {
    let room = Room::new();
    let (bench, children) = start_long(&room, &[]);
    let stopped = children[OWN.len() - 1];
    kill_process(stopped, Signal::STOP).unwrap();
    bench.interrupt();
    wait_until("it has ended", || test_kill_process(stopped).is_err());
    assert_eq!(bench.end().status, Some(0));
    assert_empty(&room);
}

#[test]
fn progress_is_shown_on_a_terminal_and_gone_in_the_end() {
    let room = Room::new();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap();
    let open = || fs::File::options().read(true).write(true).open(path.to_str().unwrap()).unwrap();
    let (kept, given) = (open(), open());
    // A terminal without a size takes no bar.
    tcsetwinsize(&kept, Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();

    let mut command = bench(&room, &["--count", "10"]);
    let output = command.env("TERM", "xterm").stderr(given).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"ROUND TRIP"));
    // What follows is the last that is read: nobody else has the terminal open any more.
    drop(command);
    (&kept).write_all(b"end\n").unwrap();
    let mut shown = Vec::new();
    let mut terminal = fs::File::from(terminal);
    while !shown.ends_with(b"end\r\n") {
        let mut part = [0; 4096];
        let len = terminal.read(&mut part).unwrap();
        shown.extend_from_slice(&part[..len]);
    }
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("measuring ") && shown.contains('%'), "{shown:?}");
    // The line is cleared after the bar was drawn for the last time.
    let (_, rest) = shown.rsplit_once("measuring ").unwrap();
    assert!(rest.contains("\u{1b}[2K"), "{shown:?}");
}

/// Ctrl-C goes to all processes of a terminal's foreground; those that are asked are none of them.
#[test]
fn those_that_are_asked_end_with_the_command_even_if_it_is_killed() {
    let room = Room::new();
    let (bench, children) = start_long(&room, &[]);
    for child in &children {
        assert_ne!(rustix::process::getpgid(Some(*child)).unwrap(), rustix::process::getpgrp());
    }
    drop(bench); // kills it
    for child in children {
        wait_until("a process that is asked has ended", || test_kill_process(child).is_err());
    }
}

#[test]
fn one_of_our_own_that_dies_is_reported() {
    let room = Room::new();
    let (bench, children) = start_long(&room, &[]);
    for child in children {
        kill_process(child, Signal::KILL).unwrap();
    }
    // An hour each has an early end.
    let ended = bench.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""), "{}", ended.out);
    let named = |name: &str| {
        ended.out.lines().any(|line| line.starts_with(&format!("{name} was asked no more: ")))
    };
    for name in ["rte-mp", "bare socket, polling", "bare socket, blocking"] {
        assert!(named(name), "{}", ended.out);
    }
    assert_empty(&room);
}

#[test]
fn what_cannot_be_measured_or_drawn_is_told_in_one_line() {
    let room = Room::new();
    let inside = |name: &str| room.path().join(name).to_str().unwrap().to_owned();
    let (missing, directory) = (inside("missing/p.svg"), inside("d.svg"));
    fs::create_dir(&directory).unwrap();
    let cases: [(&[&str], i32, &str); 11] = [
        (&["--size", "257"], 2, "invalid value '257' for '--size <BYTES>'"),
        (&["--size", "-1"], 2, "invalid value '-1' for '--size <BYTES>'"),
        (&["--count", "0"], 2, "invalid value '0' for '--count <N>'"),
        (&["--count", "many"], 2, "invalid value 'many' for '--count <N>'"),
        (&["--duration", "0s"], 2, "nothing can be measured in no time"),
        (&["--duration", "long"], 2, "invalid value 'long' for '--duration <TIME>'"),
        (&["--duration", "1s", "--count", "1"], 2, "cannot be used with"),
        (&["--plot", "p.png"], 2, "name a file that ends in .svg"),
        (
            &["--plot", &missing],
            1,
            &format!("cannot write {missing}: No such file or directory (os error 2)\n"),
        ),
        (&["--plot", &directory], 1, "cannot write "),
        (&["extra"], 2, "unexpected argument 'extra' found"),
    ];
    for (arguments, status, expected) in cases {
        let ended = run(&room, arguments);
        assert_eq!((ended.status, ended.out.as_str()), (Some(status), ""), "{arguments:?}");
        assert!(ended.err.starts_with("rte-mp: ") && ended.err.contains(expected), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
    fs::remove_dir(directory).unwrap();
    assert_empty(&room);
}

#[test]
fn what_does_not_start_is_told_in_one_line() {
    let room = Room::new();
    let mut command = bench(&room, &["--count", "1"]);
    let ended = Ended::from(command.env("RTE_MP_BUSY_POLL_US", "fast").output().unwrap());
    assert_refused(
        &ended,
        1,
        "a process to be asked could not start: RTE_MP_BUSY_POLL_US cannot be \"fast\": it takes a whole \
         number of microseconds from 0 to 1000000",
    );
    let ended = room.run(&["bench", "--count", "1", "--file-prefix", "pg1"]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(3), ""));
    assert!(ended.err.contains("pg1") && ended.err.lines().count() == 1, "{}", ended.err);

    let missing = room.path().join("missing");
    let mut command = bench(&room, &["--count", "1"]);
    let ended = Ended::from(command.env("TMPDIR", &missing).output().unwrap());
    assert_eq!(ended.status, Some(1));
    assert!(ended.err.starts_with("rte-mp: cannot make a runtime directory: "), "{}", ended.err);
}
