//! The page for operators, walked through beside a running `dpdk-testpmd`: what it shows is what comes.
//!
//! In its blocks ```` ```console ```` a line `$ rte-mp ...` is run, and what stands below it is compared with what
//! it writes: line by line, with numbers, times and addresses taken for equal. A line `...` stands for any
//! number of lines. Blocks ```` ```console background ```` are started, and ended by Ctrl-C once those that follow
//! are through. Before ```` ```console unwell ```` testpmd is sent what ends its IPC thread. Other blocks are not run.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::thread;
use std::time::Instant;

use regex::Regex;
use rte_mp_interop::{PATIENCE, Process, Room, with_dpdk_tool};

const PAGE: &str = include_str!("../../../cli/README.md");

#[test]
fn the_page_for_operators_shows_what_comes_beside_testpmd() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let mut testpmd = room.testpmd();
        let form = Form::new(room);
        let shown = shown(PAGE);
        let (unwell, well): (Vec<_>, Vec<_>) =
            shown.into_iter().partition(|shown| shown.block == Block::Unwell);
        assert!(well.len() >= 8 && !unwell.is_empty(), "the page has become short");

        let mut background = Vec::new();
        for shown in well {
            let mut process = room.start(command(room, &shown.line));
            match shown.block {
                Block::Background => {
                    let first = process.line(PATIENCE).expect("it says that it runs");
                    assert_eq!(form.of(&first), form.of(&shown.output[0]), "{}", shown.line);
                    background.push((shown, process));
                }
                _ => form.compare(&shown.line, &shown.output, &written(process)),
            }
        }
        for (shown, process) in background {
            process.interrupt();
            form.compare(&shown.line, &shown.output[1..], &written(process));
        }
        assert_eq!(testpmd.ports(), ["net_null0"], "the group is as it was");

        end_ipc_thread(room, testpmd.pid());
        for shown in unwell {
            let process = room.start(command(room, &shown.line));
            form.compare(&shown.line, &shown.output, &written(process));
        }
        testpmd.quit();
    });
}

/// Sends a DPDK process what no release takes, and waits until the thread is gone that received it.
fn end_ipc_thread(room: &Room, pid: u32) {
    let sender = UnixDatagram::unbound().expect("sockets can be made");
    sender.send_to(b"x", room.directory().join("mp_socket")).expect("testpmd listens");
    let has_thread = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("testpmd runs");
        let names = tasks.flatten().map(|task| fs::read_to_string(task.path().join("comm")));
        names.flatten().any(|name| name.trim() == "rte_mp_handle")
    };
    let deadline = Instant::now() + PATIENCE;
    while has_thread() {
        assert!(Instant::now() < deadline, "the IPC thread goes on");
        thread::yield_now();
    }
}

/// When and how the commands of a block are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    One,
    Background,
    Unwell,
}

/// One command of the page, and what stands below it.
#[derive(Debug)]
struct Shown {
    line: String,
    output: Vec<String>,
    block: Block,
}

/// Finds all commands of a page.
fn shown(page: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut block = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), block) {
            (Some("console"), None) => block = Some(Block::One),
            (Some("console background"), None) => block = Some(Block::Background),
            (Some("console unwell"), None) => block = Some(Block::Unwell),
            (Some(_), _) => block = None,
            (None, Some(block)) => match line.strip_prefix("$ ") {
                Some(line) => {
                    shown.push(Shown { line: line.to_owned(), output: Vec::new(), block })
                }
                None => {
                    shown.last_mut().expect("a command stands first").output.push(line.to_owned());
                }
            },
            (None, None) => {}
        }
    }
    shown
}

/// A line of the page as a command of a shell, which sees the groups of this room only.
fn command(room: &Room, line: &str) -> Command {
    let arguments = line.strip_prefix("rte-mp ").expect("only rte-mp is run");
    let mut command = room.rte_mp(&[]);
    let program = command.get_program().to_owned();
    command = room.command("sh");
    let script = format!("exec \"$0\" {arguments} --runtime-dir \"$1\" 2>&1");
    command.arg("-c").arg(script).arg(program).arg(room.base());
    command
}

/// Waits for the end of a command, and gives what it wrote.
fn written(mut process: Process) -> Vec<String> {
    let lines = std::iter::from_fn(|| process.line(PATIENCE)).collect();
    process.finish(PATIENCE);
    lines
}

/// How lines are made alike that differ from run to run only.
struct Form {
    changes: Vec<(Regex, &'static str)>,
}

impl Form {
    fn new(room: &Room) -> Self {
        let base = regex::escape(room.base().to_str().expect("the path is UTF-8"));
        let changes = [
            (format!("{base}/?"), "/var/run/"),
            (regex::escape(room.prefix()), "rte"),
            // Commands of processes: with other arguments here, and cut where the line is full.
            (r"dpdk-testpmd -.*".to_owned(), "dpdk-testpmd"),
            (r"\S*rte-mp (listen|\.).*".to_owned(), "rte-mp listen"),
            (r"mp_socket_\d+_[0-9a-f]+".to_owned(), "mp_socket_0_0"),
            (r"\d\d:\d\d:\d\d\.\d+".to_owned(), "0"),
            (r"\d+(\.\d+)?(ns|µs|ms|min|[smh])( \d+(ns|us|µs|ms|min|[smh]))*\b".to_owned(), "0s"),
            (r"0x[0-9a-f]+".to_owned(), "0"),
            (r"^[0-9a-f]{8}  ([0-9a-f]{2} +)+".to_owned(), "0 "),
            (r"\|.{1,16}\|$".to_owned(), "|.|"),
            (r"\d+(\.\d+)*".to_owned(), "0"),
            (r"[ ─]+".to_owned(), " "),
        ];
        let compiled = changes.map(|(pattern, by)| (Regex::new(&pattern).expect("it is one"), by));
        Self { changes: compiled.into() }
    }

    fn of(&self, line: &str) -> String {
        let change = |line: String, (pattern, by): &(Regex, &str)| {
            pattern.replace_all(&line, *by).into_owned()
        };
        self.changes.iter().fold(line.to_owned(), change).trim().to_owned()
    }

    /// Asserts that what was written is what is shown.
    fn compare(&self, command: &str, shown: &[String], written: &[String]) {
        let wanted: Vec<_> = shown.iter().map(|line| self.of(line)).collect();
        let came: Vec<_> = written.iter().map(|line| self.of(line)).collect();
        assert!(
            matches(&wanted, &came),
            "{command}\n\nis shown with\n{}\n\nand wrote\n{}\n\nwhich come down to\n{wanted:#?}\n{came:#?}",
            shown.join("\n"),
            written.join("\n")
        );
    }
}

/// Compares lines; `...` stands for any number of them.
fn matches(wanted: &[String], came: &[String]) -> bool {
    match wanted {
        [] => came.is_empty(),
        [dots, rest @ ..] if dots == "..." => {
            (0..=came.len()).any(|skipped| matches(rest, &came[skipped..]))
        }
        [first, rest @ ..] => came.first() == Some(first) && matches(rest, &came[1..]),
    }
}

#[test]
fn lines_are_told_apart_by_more_than_their_numbers() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a\n...\nd"), &lines("a\nb\nc\nd")));
    assert!(matches(&lines("a\n..."), &lines("a")));
    assert!(!matches(&lines("a\n...\nd"), &lines("a\nb\nc")));
    assert!(!matches(&lines("a"), &lines("a\nb")));
    assert!(!matches(&lines("a\nb"), &lines("b\na")));
    let page = "text\n```console\n$ rte-mp ps\none\n$ rte-mp zones\n```\n```sh\n$ rte-mp no\n```\n";
    let found = shown(page);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].line.as_str(), &found[0].output[..]), ("rte-mp ps", &lines("one")[..]));
}
