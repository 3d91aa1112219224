//! `rte-mp trace` in native groups: of a program, of a running member, and of a capture.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use insta::{Settings, assert_snapshot};
use rte_mp::trace::{Content, Record};
use rte_mp::{Group, Message};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::{Ended, Guarded, Room, Started, assert_refused, rte_mp, wait_until};

/// Process ids, times, random numbers and directories are different each time.
fn with_filters(room: &Room, test: impl FnOnce()) {
    let mut settings = Settings::clone_current();
    settings.add_filter(&room.path().display().to_string(), "[room]");
    settings.add_filter(r"(?m)^\d\d:\d\d:\d\d\.\d{6}", "[time]");
    settings.add_filter(r"rte-mp\[\d+\]", "rte-mp[pid]");
    settings.add_filter(r"cli[-a-z0-9_:]*\[\d+\]", "tests[pid]");
    settings.add_filter(r"process \d+", "process [pid]");
    settings.add_filter(r"(mp_socket|mp_reply)_\d+_[0-9a-f]+", "${1}_[pid]_[number]");
    settings.add_filter(r#""(unix_)?time_ns":\d+"#, r#""${1}time_ns":[time]"#);
    settings.add_filter(r#""(pid|peer_pid)":\d+"#, r#""$1":[pid]"#);
    settings.add_filter(r#""peer_uid":\d+"#, r#""peer_uid":[uid]"#);
    settings.add_filter(r#""process":"[^"]*""#, r#""process":"[process]""#);
    settings.bind(test);
}

/// A group whose primary answers, and a room for it.
fn answering() -> (Room, Group) {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("hello", |request| request.reply(b"Hello yourself\x1b[2J")).unwrap();
    primary.register("busy", |request| request.stay_silent()).unwrap();
    (room, primary)
}

const RTE_MP: &str = env!("CARGO_BIN_EXE_rte-mp");

/// Records the command itself, which asks `what`.
fn traced<'a>(room: &'a Room, options: &[&'a str], what: &[&'a str]) -> Command {
    let directory = room.path().to_str().unwrap();
    let mut command = rte_mp();
    command.arg("trace").args(options).env("TMPDIR", room.path());
    command.args(["--", RTE_MP]).args(what).args(["--runtime-dir", directory]);
    command
}

/// Runs it with nothing behind what is given: that would be the program's.
fn run_anywhere(arguments: &[&str]) -> Ended {
    Ended::from(rte_mp().args(arguments).output().unwrap())
}

fn run(mut command: Command) -> Ended {
    Ended::from(command.output().unwrap())
}

#[test]
fn a_program_is_recorded_from_its_joining_to_its_leaving() {
    let (room, _primary) = answering();
    let ended = run(traced(&room, &[], &["request", "hello", "--param", "SYNC Hello\\0"]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    with_filters(&room, || assert_snapshot!("text", ended.out));
    // What the program itself has written is apart from the records.
    assert!(ended.err.contains("Hello yourself"), "{}", ended.err);
    let summary = "rte-mp: 2 datagrams of 1 member recorded, no record lost\n";
    assert!(ended.err.ends_with(summary), "{}", ended.err);
}

#[test]
fn records_are_json_objects_where_programs_read_them() {
    let (room, _primary) = answering();
    let ended = run(traced(&room, &["--json"], &["request", "hello", "--param", "\\x1b"]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    with_filters(&room, || assert_snapshot!("json", ended.out));
    assert!(!ended.out.contains('\u{1b}') && !ended.err.contains("recorded"), "{ended:?}");
}

#[test]
fn the_exit_status_is_that_of_the_program() {
    let (room, _primary) = answering();
    let asking = ["request", "busy", "--timeout", "50ms"];
    let ended = run(traced(&room, &[], &asking));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.out.contains("request busy  timed out: no answer came"), "{}", ended.out);
    for (script, expected) in [("exit 0", 0), ("exit 77", 77), ("kill -KILL $$", 137)] {
        let ended = run_anywhere(&["trace", "--", "sh", "-c", script]);
        assert_eq!((ended.status, ended.out.as_str()), (Some(expected), ""), "{ended:?}");
        let note = "rte-mp: sh has joined no group, so nothing was recorded; DPDK's own programs cannot be\n";
        assert_eq!(ended.err, note);
    }
}

#[test]
fn a_refusal_is_recorded_with_its_reason() {
    let (room, primary) = answering();
    let ended = run(traced(&room, &[], &["request", "nobody"]));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.out.contains("<- primary  ignore nobody\n"), "{}", ended.out);
    drop(primary);
    let attached = room.run(&["trace", "--attach", "primary"]);
    assert_eq!(attached.status, Some(3), "{attached:?}");
}

#[test]
fn children_of_the_program_are_recorded_too() {
    let (room, _primary) = answering();
    let script = format!("'{RTE_MP}' request hello; '{RTE_MP}' send hello");
    let mut command = rte_mp();
    command.args(["trace", "--json", "--", "sh", "-c", &script]);
    command.env("RUNTIME_DIRECTORY", room.path());
    let ended = run(command);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let count = |what: &str| ended.out.lines().filter(|line| line.contains(what)).count();
    assert_eq!((count("trace_joined"), count(r#""clean":true"#)), (2, 2), "{}", ended.out);
    assert_eq!((count(r#""kind":"request""#), count(r#""kind":"message""#)), (1, 1));
    assert!(ended.out.ends_with('\n') && ended.out.contains(r#""members":2,"datagrams":3"#));
}

#[test]
fn a_running_member_is_recorded_until_it_leaves() {
    let (room, primary) = answering();
    let secondary = room.secondary("web");
    let mut trace = Started::new(room.command(&["trace", "--attach", "primary"]));
    let first = trace.line();
    assert!(first.contains("is recorded: primary of \"web\" (native)"), "{first}");
    assert_eq!(primary.members().unwrap().len(), 1, "the recorder has left the group");
    secondary.request(&Message::new("hello").unwrap(), None).unwrap();
    secondary.send(&Message::new("nobody").unwrap()).unwrap();
    // What is said below is not shown without -v.
    secondary.to(primary.name()).ping(b"", None).unwrap();
    trace.line_that(|line| line.contains("no action of this name"));
    drop(primary);
    let ended = trace.end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    with_filters(&room, || assert_snapshot!("attached", ended.out));
    assert_eq!(
        ended.err,
        "rte-mp: 3 datagrams of 1 member recorded, 1 of them in trouble, no record lost\n"
    );
}

#[test]
fn what_is_said_below_is_shown_if_wanted() {
    let (room, primary) = answering();
    let mut trace = Started::new(room.command(&["trace", "--attach", "primary", "-v"]));
    trace.line_that(|line| line.contains("is recorded"));
    let secondary = room.secondary("web");
    secondary.to(primary.name()).ping(b"", None).unwrap();
    trace.line_that(|line| line.contains("request rte-mp/ping"));
    drop(primary);
    assert_eq!(trace.end().status, Some(0));
}

#[test]
fn ctrl_c_ends_the_recording_of_a_member_that_goes_on() {
    let (room, primary) = answering();
    let mut trace = Started::new(room.command(&["trace", "--attach", "primary", "--json"]));
    trace.line_that(|line| line.contains("trace_joined"));
    let secondary = room.secondary("web");
    secondary.request(&Message::new("hello").unwrap(), None).unwrap();
    trace.line_that(|line| line.contains(r#""direction":"out""#));
    trace.interrupt();
    let ended = trace.end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        ended.out.contains(r#""members":1,"datagrams":2,"troubled":0,"lost":0"#),
        "{}",
        ended.out
    );
    secondary.request(&Message::new("hello").unwrap(), None).unwrap();
    assert!(primary.members().is_ok());
}

/// A program that says its process id and waits, whatever Ctrl-C does.
fn waiting(room: &Room, trap: &str) -> (Started, Pid) {
    let script = format!("{trap}\necho $$ > pid.new; mv pid.new pid; while :; do sleep 0.05; done");
    let mut command = rte_mp();
    command
        .args(["trace", "--timeout", "100ms", "--", "bash", "-c", &script])
        .env("TMPDIR", room.path());
    command.current_dir(room.path());
    let trace = Started::new(command);
    let file = room.path().join("pid");
    wait_until("the program runs", || file.exists());
    let pid = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    (trace, Pid::from_raw(pid).unwrap())
}

#[test]
fn ctrl_c_ends_the_program_too_and_its_status_is_passed_on() {
    for (trap, expected) in [("trap 'exit 9' TERM", 9), ("", 143), ("trap '' TERM", 137)] {
        let room = Room::new();
        let (trace, pid) = waiting(&room, trap);
        trace.interrupt();
        let ended = trace.end();
        assert_eq!(ended.status, Some(expected), "{trap}: {ended:?}");
        assert!(test_kill_process(pid).is_err(), "{trap}: it has ended");
    }
    let room = Room::new();
    let (trace, pid) = waiting(&room, "trap 'exit 5' INT");
    // As on a terminal, both at once.
    trace.interrupt();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(trace.end().status, Some(5));
}

#[test]
fn a_reader_who_has_had_enough_ends_it_quietly() {
    let (room, primary) = answering();
    let mut command = room.command(&["trace", "--attach", "primary"]);
    let mut trace = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    let mut output = trace.stdout.take().unwrap();
    output.read_exact(&mut byte).unwrap();
    drop(output);
    // Nothing more is written; it notices all the same.
    let ended = trace.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
    drop(primary);
}

/// A program of two members that joins, goes on when it is told to, and ends with 7. It says what came of it.
fn goes_on(room: &Room) -> String {
    let directory = room.path().display();
    format!(
        "cd '{directory}'; '{RTE_MP}' request hello >/dev/null || exit 1; touch first; \
         while [ ! -e go ]; do sleep 0.01; done; \
         '{RTE_MP}' request hello >/dev/null || exit 2; touch second; exit 7"
    )
}

fn tracing(room: &Room, options: &[&str], script: &str) -> Command {
    let mut command = rte_mp();
    command.arg("trace").args(options).args(["--", "sh", "-c", script]);
    command.env("RUNTIME_DIRECTORY", room.path()).env("TMPDIR", room.path());
    command
}

#[test]
fn a_program_goes_on_when_nobody_reads_its_records_any_more() {
    let (room, _primary) = answering();
    let mut command = tracing(&room, &[], &goes_on(&room));
    let mut trace = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    let mut output = trace.stdout.take().unwrap();
    output.read_exact(&mut byte).unwrap();
    drop(output);
    fs::write(room.path().join("go"), "").unwrap();
    let ended = Ended::from(trace.wait_with_output().unwrap());
    let note = "rte-mp: nobody reads the records any more; sh goes on without being recorded\n";
    assert_eq!((ended.status, &*ended.err), (Some(7), note));
    assert!(room.path().join("second").exists());
    assert_nothing_left(&room);
}

#[test]
fn a_program_goes_on_when_the_disk_is_full() {
    for (format, is_stdout) in [("text", false), ("mermaid", false), ("text", true)] {
        let (room, _primary) = answering();
        let options = ["--format", format, "--out", "/dev/full"];
        let options = if is_stdout { &options[..2] } else { &options };
        let mut command = tracing(&room, options, &goes_on(&room));
        let full = || fs::File::create("/dev/full").unwrap();
        let output = if is_stdout { Stdio::from(full()) } else { Stdio::null() };
        let trace = command.stdout(output).stderr(Stdio::piped()).spawn().unwrap();
        let mut trace = Guarded(trace);
        let mut errors = BufReader::new(trace.0.stderr.take().unwrap());
        let mut note = String::new();
        errors.read_line(&mut note).unwrap();
        let what = if is_stdout { "the output" } else { "/dev/full" };
        let expected = format!(
            "rte-mp: cannot write {what}: No space left on device (os error 28); sh goes on without being \
             recorded\n"
        );
        assert_eq!(note, expected);
        fs::write(room.path().join("go"), "").unwrap();
        assert_eq!(trace.0.wait().unwrap().code(), Some(7));
        errors.read_line(&mut note).unwrap();
        assert_eq!(note, expected, "it is said once");
        assert!(room.path().join("second").exists());
    }
}

#[test]
fn ctrl_c_ends_a_program_that_is_not_recorded_any_more() {
    let (room, _primary) = answering();
    let script = format!("trap 'exit 9' TERM; {}", goes_on(&room));
    let mut command = tracing(&room, &["--timeout", "20s", "--out", "/dev/full"], &script);
    command.stdin(Stdio::null());
    let trace = Started::new(command);
    wait_until("the first has been answered", || room.path().join("first").exists());
    trace.interrupt();
    let ended = trace.end();
    assert_eq!(ended.status, Some(9), "{ended:?}");
    assert!(!room.path().join("second").exists());
}

#[test]
fn a_program_goes_on_when_no_descriptor_is_left_to_record_its_members() {
    let (room, _primary) = answering();
    let (members, limit) = (12, 17);
    // Each waits for its answer in vain, so that most of them are there at the same time.
    let script = format!(
        "ulimit -Sn 1024; for i in $(seq {members}); do '{RTE_MP}' request busy --timeout 2s & done; wait; exit 7"
    );
    let limited =
        format!("ulimit -Sn {limit}; exec '{RTE_MP}' trace --json -- sh -c \"$0\" >\"$1\"");
    let mut command = Command::new("sh");
    let path = room.path().join("records");
    command.args(["-c", &limited, &script]).arg(&path);
    command.env("RUNTIME_DIRECTORY", room.path()).env("TMPDIR", room.path());
    let ended = run(command);
    assert_eq!(ended.status, Some(7), "{ended:?}");
    assert_eq!(ended.err.matches("did not answer within").count(), members, "{}", ended.err);
    let note = "cannot record a member: Too many open files (os error 24); it goes on, and so do the others";
    assert_eq!(ended.err.matches(note).count(), 1, "{}", ended.err);
    let records = fs::read_to_string(path).unwrap();
    let summary = records.lines().last().unwrap();
    let number = |field: &str| {
        let (_, rest) = summary.split_once(&format!("\"{field}\":")).unwrap();
        rest.split(',').next().unwrap().parse::<usize>().unwrap()
    };
    assert!(number("members") > 0 && number("unrecorded") > 0, "{summary}");
    assert_eq!(number("members") + number("unrecorded"), members, "{summary}");
    assert_nothing_left(&room);
}

#[test]
fn ctrl_c_writes_what_is_recorded_already() {
    let (room, primary) = answering();
    let secondary = room.secondary("web");
    let mut trace = Started::new(room.command(&["trace", "--attach", "primary", "--json"]));
    trace.line_that(|line| line.contains("trace_joined"));
    kill_process(trace.pid(), Signal::STOP).unwrap();
    wait_until("it is stopped", || status(trace.pid(), "State:").starts_with('T'));
    // More than is read of one member at a time, and less than its socket holds.
    let count = 264;
    for _ in 0..count {
        secondary.to(primary.name()).send(&Message::new("news").unwrap()).unwrap();
    }
    // Answered after all before it.
    secondary.request(&Message::new("hello").unwrap(), None).unwrap();
    trace.interrupt();
    kill_process(trace.pid(), Signal::CONT).unwrap();
    let ended = trace.end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    // That the answer went out may be recorded a moment later.
    let totals = format!(r#""troubled":{count},"lost":0,"#);
    assert!(ended.out.contains(&totals), "{}", ended.out.lines().last().unwrap());
}

/// A block of a pcapng file: its type and what is in it.
fn blocks(path: &Path) -> Vec<(u32, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut at, mut blocks) = (0, Vec::new());
    while at < bytes.len() {
        let len = word(at + 4) as usize;
        assert!(len >= 12 && len.is_multiple_of(4), "block of {len} bytes at {at}");
        assert_eq!(word(at + len - 4) as usize, len, "the length stands at both ends");
        blocks.push((word(at), bytes[at + 8..at + len - 4].to_vec()));
        at += len;
    }
    blocks
}

/// Writes a capture of one request.
fn captured(room: &Room) -> PathBuf {
    let path = room.path().join("capture.pcapng");
    let out = path.to_str().unwrap();
    let ended = run(traced(room, &["--out", out], &["request", "hello"]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    // With a file, the program keeps its output.
    assert!(ended.out.contains("Hello yourself"), "{ended:?}");
    path
}

#[test]
fn a_capture_is_pcapng_as_its_specification_says() {
    let (room, _primary) = answering();
    let blocks = blocks(&captured(&room));
    let word = |body: &[u8], at: usize| u32::from_le_bytes(body[at..at + 4].try_into().unwrap());
    let types: Vec<_> = blocks.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(types, [0x0a0d_0d0a, 1, 6, 6, 6, 6], "section, interface, four packets");
    let (section, interface) = (&blocks[0].1, &blocks[1].1);
    assert_eq!((word(section, 0), word(section, 4)), (0x1a2b_3c4d, 1), "byte order, version 1.0");
    assert_eq!((word(interface, 0), word(interface, 4)), (147, 0), "LINKTYPE_USER0, nothing cut");
    let resolution = [9, 0, 1, 0, 9, 0, 0, 0];
    assert!(interface.windows(8).any(|option| option == resolution), "times in ns");
    for ((_, packet), sequence) in blocks[2..].iter().zip(0..) {
        assert_eq!(word(packet, 0), 0, "of the first interface");
        let time = (u64::from(word(packet, 4)) << 32) | u64::from(word(packet, 8));
        let len = word(packet, 12);
        assert_eq!(len, word(packet, 16), "captured in full");
        let record = Record::decode(&packet[20..20 + len as usize]).unwrap();
        assert_eq!((record.sequence, record.time_ns), (sequence, time));
        let direction =
            |direction: u8| packet.windows(8).any(|o| o == [2, 0, 4, 0, direction, 0, 0, 0]);
        if let Content::Datagram(traced) = record.content {
            let inbound = traced.direction == rte_mp::trace::Direction::In;
            assert_eq!((direction(1), direction(2)), (inbound, !inbound));
        }
    }
}

#[test]
fn a_capture_is_read_back_in_every_form() {
    let (room, _primary) = answering();
    let path = captured(&room);
    let path = path.to_str().unwrap();
    let read = |format: &str| {
        let ended = room.run(&["trace", "--in", path, "--format", format]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        ended.out
    };
    with_filters(&room, || {
        assert_snapshot!("read_back_text", read("text"));
        assert_snapshot!("read_back_json", read("json"));
        assert_snapshot!("read_back_mermaid", read("mermaid"));
    });
    let copy = room.path().join("copy.pcapng");
    let ended = room.run(&["trace", "--in", path, "--out", copy.to_str().unwrap()]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(fs::read(copy).unwrap(), fs::read(path).unwrap());
}

#[test]
fn a_capture_is_not_written_over_while_it_is_read() {
    let (room, _primary) = answering();
    let path = captured(&room);
    let before = fs::read(&path).unwrap();
    let link = room.path().join("link.pcapng");
    fs::hard_link(&path, &link).unwrap();
    for out in [&path, &link] {
        let [input, out] = [&path, out].map(|path| path.to_str().unwrap());
        let ended = room.run(&["trace", "--in", input, "--out", out]);
        assert_refused(&ended, 2, &format!("{out} is what is read; write to another file"));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_diagram_has_an_arrow_for_each_datagram_though_both_ends_are_recorded() {
    let (room, primary) = answering();
    let secondary = room.secondary("web");
    let pid = std::process::id().to_string();
    // Both are members of this process: they are told apart by their sockets.
    let socket = secondary.name().as_path().to_str().unwrap();
    let out = room.path().join("diagram.mmd");
    let arguments =
        ["trace", "--attach", "primary", "--attach", socket, "--out", out.to_str().unwrap()];
    let trace = Started::new(room.command(&arguments));
    wait_until("both are recorded", || {
        let text = fs::read_to_string(&out).unwrap_or_default();
        text.matches("participant").count() >= 1
    });
    secondary.send(&Message::new("news;\"<b>").unwrap()).unwrap();
    wait_until("it is recorded", || fs::read_to_string(&out).unwrap().contains("dropped"));
    drop((primary, secondary));
    assert_eq!(trace.end().status, Some(0));
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("sequenceDiagram\n"), "{text}");
    assert_eq!(text.matches("-)").count(), 1, "{text}");
    assert!(text.contains("message news#59;#34;#60;b#62;\n") && text.contains(&pid), "{text}");
}

#[test]
fn a_diagram_that_mermaid_does_not_draw_by_default_is_told_once() {
    let (room, _primary) = answering();
    let path = captured(&room);
    let path = path.to_str().unwrap();
    let ended = room.run(&["trace", "--in", path, "--format", "mermaid"]);
    assert!(!ended.err.contains("maxTextSize"), "{}", ended.err);
    let capture = fs::read(path).unwrap();
    let mut long = capture.clone();
    let packets = blocks(Path::new(path)).iter().take(3).map(|(_, body)| body.len() + 12).sum();
    // All but the first packet, which says whose they are, may be there many times.
    (0..1000).for_each(|_| long.extend_from_slice(&capture[packets..]));
    fs::write(path, long).unwrap();
    let ended = room.run(&["trace", "--in", path, "--format", "mermaid"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.err.matches("maxTextSize").count(), 1, "{}", ended.err);
}

#[test]
fn what_is_no_capture_is_refused() {
    let (room, _primary) = answering();
    let capture = fs::read(captured(&room)).unwrap();
    let path = room.path().join("bad");
    let path = path.to_str().unwrap();
    let mut no_record = capture.clone();
    let at = no_record.windows(4).position(|word| word == b"RMPT").unwrap();
    no_record[at] = b'X';
    let mut two_lengths = capture.clone();
    *two_lengths.last_mut().unwrap() = 1;
    let cases: [(&[u8], &str); 7] = [
        (b"", "it is no pcapng file"),
        (b"hello, world", "it is no pcapng file"),
        (&[0; 64], "it is no pcapng file"),
        (&capture[..capture.len() - 1], "it is cut short"),
        (b"\x0a\x0d\x0d\x0a\xff\xff\xff\xff", "a block of a length that cannot be"),
        (&no_record, "these bytes are no record of rte-mp"),
        (&two_lengths, "a block that says two different lengths"),
    ];
    for (bytes, expected) in cases {
        fs::write(path, bytes).unwrap();
        let ended = room.run(&["trace", "--in", path]);
        let last = ended.err.lines().last().unwrap();
        assert_eq!(
            (ended.status, last),
            (Some(1), &*format!("rte-mp: cannot read {path}: {expected}"))
        );
    }
    let ended = room.run(&["trace", "--in", "/nowhere"]);
    assert_refused(&ended, 1, "cannot open /nowhere: No such file or directory (os error 2)");
}

#[test]
fn a_wrong_command_line_is_refused() {
    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["trace"],
            2,
            "the following required arguments were not provided: <--attach <MEMBER>|--in <FILE>|CMD>; \
             see `rte-mp trace --help`",
        ),
        (
            &["trace", "--format", "gif", "--", "true"],
            2,
            "invalid value 'gif' for '--format <FORMAT>' [possible values: text, json, mermaid, pcapng]; \
             see `rte-mp trace --help`",
        ),
        (
            &["trace", "--", "/nowhere"],
            1,
            "cannot run /nowhere: No such file or directory (os error 2)",
        ),
        (
            &["trace", "--out", "/nowhere/x", "--", "true"],
            1,
            "cannot write /nowhere/x: No such file or directory (os error 2)",
        ),
        (
            &["trace", "--attach", "primary", "--", "true"],
            2,
            "the argument '--attach <MEMBER>' cannot be used with '[CMD]...'; see `rte-mp trace --help`",
        ),
    ];
    for (arguments, status, expected) in cases {
        assert_refused(&run_anywhere(arguments), status, expected);
    }
}

/// As timeout(1) does it: to the process, and to its process group.
#[test]
fn two_signals_at_once_are_one() {
    let room = Room::new();
    let (trace, program) = waiting(&room, "");
    for _ in 0..2 {
        kill_process(trace.pid(), Signal::TERM).unwrap();
        wait_until("the signal is handled", || !has_pending(trace.pid()));
    }
    // Without its recorder it would go on, and keep the recorder's output open.
    wait_until("the recorder has ended", || has_ended(trace.pid()));
    let is_left = kill_process(program, Signal::KILL).is_ok();
    let ended = trace.end();
    assert_eq!(ended.status, Some(143), "that of the program, which was asked to end: {ended:?}");
    assert!(!is_left, "the program has ended before");
    assert_nothing_left(&room);
}

/// Tells whether a signal has come to a process that it has not noticed yet.
fn has_pending(pid: Pid) -> bool {
    status(pid, "ShdPnd:").contains(|digit| digit != '0')
}

/// Tells whether a process has ended, though nobody has waited for it yet.
fn has_ended(pid: Pid) -> bool {
    status(pid, "State:").starts_with('Z')
}

fn status(pid: Pid, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    value.unwrap().trim().to_owned()
}

#[test]
fn nothing_is_left_behind() {
    let (room, _primary) = answering();
    run(traced(&room, &[], &["request", "hello"]));
    let (trace, _) = waiting(&room, "");
    trace.interrupt();
    trace.end();
    assert_nothing_left(&room);
}

fn assert_nothing_left(room: &Room) {
    let names = fs::read_dir(room.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with("rte-mp")).collect();
    assert!(left.is_empty(), "{left:?}");
}
