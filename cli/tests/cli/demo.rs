//! The demo as a user runs it: what it shows, how it ends, and that it leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, kill_process, kill_process_group, test_kill_process, test_kill_process_group,
};
use tempfile::TempDir;

use crate::support::rte_mp;

const TITLES: [&str; 12] = [
    "sync request",
    "async request",
    "struct in the param",
    "ping_request",
    "one-way notification",
    "broadcast, two replies",
    "several clients at once",
    "descriptors",
    "shared memory",
    "timeout kept",
    "peer killed in mid-request",
    "no primary running",
];

/// How long the demo may take, whatever happens.
const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn every_step_is_shown_and_holds() {
    let room = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let (demo, mut lines) = start_demo(&room);
    let ended = demo.end(&mut lines);
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
    assert_eq!((ended.status, ended.errors.as_str()), (Some(0), ""), "{:#?}", ended.lines);

    let steps = steps(&ended.lines);
    let titles: Vec<_> = steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, TITLES);
    for Step { title, outcome, time } in &steps {
        assert_eq!(outcome, "ok", "{title}");
        assert!(time.ends_with('s') && time.starts_with(|c: char| c.is_ascii_digit()), "{time}");
    }
    let last = ended.lines.last().unwrap();
    assert!(last.starts_with("All 12 steps hold. The demo took "), "{last}");
    assert_nothing_is_left(&room, &ended.lines);
}

#[test]
fn programs_get_an_object_for_each_step() {
    let room = tempfile::tempdir().unwrap();
    let output = command(&room).args(["demo", "--json"]).output().unwrap();
    assert_eq!((output.status.code(), errors(&output).as_str()), (Some(0), ""));
    let text = String::from_utf8(output.stdout).unwrap();
    let objects: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [joined, steps @ .., summary] = &objects[..] else { panic!("{text}") };
    assert_eq!((&joined["type"], joined["secondary_pids"][1].is_u64()), (&"demo".into(), true));
    for (number, (step, title)) in (1..).zip(steps.iter().zip(TITLES)) {
        assert_eq!((&step["type"], &step["number"]), (&"step".into(), &number.into()));
        assert_eq!((&step["title"], &step["ok"]), (&title.into(), &true.into()));
        assert!(step["time_ns"].as_u64().is_some_and(|time| time > 0), "{step}");
    }
    assert_eq!(
        (&summary["type"], &summary["steps"]),
        (&"demo_summary".into(), &TITLES.len().into())
    );
    assert_eq!((steps.len(), &summary["failed"]), (TITLES.len(), &0.into()));
}

#[test]
fn what_was_said_is_shown() {
    let room = tempfile::tempdir().unwrap();
    let (demo, mut lines) = start_demo(&room);
    let shown = demo.end(&mut lines).lines.join("\n");
    for expected in [
        "Server SYNC reply: Got 'SYNC Hello 1 from Client'",
        "Server ASYNC reply: Got 'ASYNC Hello 1 from Client'",
        "the primary got \"port 3 is up\" from process ",
        "\"a file without a name\" was read, \"A FILE WITHOUT A NAME\" came back",
        "2 processes counted to 200000 at 0x100049000: none was lost",
        "nobody answered within 200ms",
        "no primary is running under file prefix \"demo\"",
    ] {
        assert!(shown.contains(expected), "{expected:?} is missing:\n{shown}");
    }
}

/// The signal may come too late to change anything, but it never leaves anything behind.
#[test]
fn an_interrupt_at_any_moment_leaves_nothing_behind() {
    let to_all = |demo: &Demo| kill_process_group(demo.pid(), Signal::INT);
    let to_coordinator = |demo: &Demo| kill_process(demo.pid(), Signal::TERM);
    for moment in [1, 3, 6, 9, 11] {
        for (whom, send) in [("all", to_all as fn(&Demo) -> _), ("coordinator", to_coordinator)] {
            let room = tempfile::tempdir().unwrap();
            let (demo, mut lines) = start_demo(&room);
            let mut seen = read_lines(&mut lines, moment);
            send(&demo).expect("it has not been waited for");
            let ended = demo.end(&mut lines);
            seen.extend(ended.lines.clone());
            let whole = seen.last().is_some_and(|line| line.starts_with("All 12 steps hold."));
            let status = if whole { 0 } else { 1 };
            assert_eq!(ended.status, Some(status), "{whom} at {moment}: {seen:#?}");
            assert_nothing_is_left(&room, &seen);
        }
    }
}

/// Until the last step it is needed; the signal may come later than that.
#[test]
fn a_primary_that_is_killed_makes_steps_fail_and_leaves_nothing_behind() {
    let room = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let (demo, mut lines) = start_demo(&room);
    let mut seen = read_lines(&mut lines, 1);
    let primary = pids(&seen[0])[0];
    // If it is gone, the demo was through before us.
    let _ = kill_process(primary, Signal::KILL);
    let ended = demo.end(&mut lines);
    seen.extend(ended.lines.clone());
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
    let failed = steps(&seen).iter().any(|step| step.outcome == "FAILED");
    assert_eq!(ended.status, Some(i32::from(failed)), "{seen:#?}");
    assert_nothing_is_left(&room, &seen);
}

#[test]
fn a_member_that_cannot_join_is_reported() {
    let room = tempfile::tempdir().unwrap();
    let output = command(&room).arg("demo").env("RTE_MP_BUSY_POLL_US", "fast").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = "rte-mp: RTE_MP_BUSY_POLL_US cannot be \"fast\": it takes a whole number of \
                    microseconds from 0 to 1000000\n";
    assert_eq!(errors(&output), expected);
    assert_nothing_is_left(&room, &[]);
}

#[test]
fn a_temporary_directory_that_cannot_be_used_is_named() {
    let room = tempfile::tempdir().unwrap();
    let missing = room.path().join("missing");
    let output = command(&room).arg("demo").env("TMPDIR", &missing).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(errors.starts_with("rte-mp: cannot make a runtime directory: "), "{errors}");
    assert!(errors.contains(missing.to_str().unwrap()), "{errors}");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let room = tempfile::tempdir().unwrap();
    let cases: [&[&str]; 5] =
        [&[], &["dance"], &["demo", "--loud"], &["demo", "twice"], &["demo-member"]];
    for words in cases {
        let output = command(&room).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(errors(&output).contains("rte-mp"), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn help_shows_the_demo_and_hides_its_members() {
    let room = tempfile::tempdir().unwrap();
    let output = command(&room).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("  demo "), "{help}");
    assert!(!help.contains("demo-member"), "{help}");
}

/// One line of the demo, as it is laid out.
struct Step {
    title: String,
    outcome: String,
    time: String,
}

/// Takes the lines of steps apart: `NUMBER  TITLE  OUTCOME  TIME  NOTE`, with two blanks or more
/// between the columns.
fn steps(lines: &[String]) -> Vec<Step> {
    let mut steps = Vec::new();
    for line in lines {
        let columns: Vec<_> =
            line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
        if let [number, title, outcome, time, ..] = columns[..]
            && number.parse() == Ok(steps.len() + 1)
        {
            let [title, outcome, time] = [title, outcome, time].map(str::to_owned);
            steps.push(Step { title, outcome, time });
        }
    }
    steps
}

/// The member processes that the first line names, the primary first.
fn pids(line: &str) -> Vec<Pid> {
    let numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    numbers.take(3).filter_map(Pid::from_raw).collect()
}

fn assert_nothing_is_left(room: &TempDir, lines: &[String]) {
    let mut files = fs::read_dir(room.path()).expect("the test's own directory is there");
    if let Some(file) = files.next() {
        panic!("{file:?} is left");
    }
    for pid in lines.first().map(|line| pids(line)).unwrap_or_default() {
        test_kill_process(pid).expect_err("the member is gone");
    }
}

fn command(room: &TempDir) -> Command {
    let mut command = rte_mp();
    command.env("TMPDIR", room.path());
    command
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("the errors are UTF-8")
}

/// A running demo, in a process group of its own, which is killed when it is dropped.
struct Demo(Child);

/// How a demo ended, and the lines that had not been read.
struct Ended {
    status: Option<i32>,
    lines: Vec<String>,
    errors: String,
}

type Lines = std::io::Lines<BufReader<ChildStdout>>;

fn start_demo(room: &TempDir) -> (Demo, Lines) {
    let mut command = command(room);
    command.arg("demo").process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the demo can be run");
    let output = child.stdout.take().expect("it is piped");
    (Demo(child), BufReader::new(output).lines())
}

fn read_lines(lines: &mut Lines, count: usize) -> Vec<String> {
    lines.take(count).map(|line| line.expect("the output is UTF-8")).collect()
}

impl Demo {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Waits for its end. The runner of the tests ends one that hangs.
    fn end(mut self, lines: &mut Lines) -> Ended {
        let lines = lines.map(|line| line.expect("the output is UTF-8")).collect();
        let mut errors = String::new();
        let mut stream = self.0.stderr.take().expect("it is piped");
        stream.read_to_string(&mut errors).expect("the errors are UTF-8");
        let status = self.0.wait().expect("it is our child").code();
        test_kill_process_group(self.pid()).expect_err("no process of the group is left");
        Ended { status, lines, errors }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended, which is as well.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.0.wait();
    }
}
