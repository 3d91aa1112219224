//! `rte-mp ps`: which groups and members it shows, and what it tells of those that come and go.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::Role;
use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::members::MemberProcess;
use crate::support::{Ended, Room, rte_mp};
use crate::terminal::Terminal;

/// Compares with a snapshot, but for what is another one each time: ids, ages, the test's own place and program,
/// and how wide the columns are for them.
macro_rules! assert_shown {
    ($room:expr, $shown:expr, @$expected:literal) => {
        let place = $room.path().to_str().unwrap().to_owned();
        insta::with_settings!({
            filters => vec![
                (place.as_str(), "DIR"),
                (r"[^\s\x22]*/deps/cli-[^\x22\n]*", "PROGRAM"),
                (r"_\d+_[0-9a-f]+", "_PID_UNIQUE"),
                (r" {2,}", "  "),
                (r"primary \d+, for \w+( \w+)?", "primary PID, for AGE"),
                (r"(?m)^  \d+  ", "  PID  "),
                (r"  \w+( \w+)?  mp_socket", "  AGE  mp_socket"),
                (r"(_ns|pid|uid)\x22:\d+", "$1\":NUMBER"),
            ],
        }, { insta::assert_snapshot!($shown, @$expected) });
    };
}

/// How soon `--watch` looks again without being told to, less some time to be sure.
const UNASKED: Duration = Duration::from_secs(8);

fn objects(ended: &Ended) -> Vec<Value> {
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_group_is_shown_with_all_its_members() {
    let room = Room::new();
    let _primary = room.primary("web");
    let killed = MemberProcess::join(&room, "web", Role::Secondary).kill();
    let ended = room.run(&["ps"]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    assert_shown!(room, ended.out, @r"
    web  native, 340-byte messages, live, primary PID, for AGE  DIR/dpdk/web
      PID  ROLE  STATE  QUEUE  AGE  SOCKET  COMMAND
      PID  primary  alive  empty  AGE  mp_socket  PROGRAM
      PID  secondary  stale  -  AGE  mp_socket_PID_UNIQUE  -
    ");
    let ended = room.run(&["ps", "--json"]);
    let group = &objects(&ended)[0];
    assert_eq!(group["primary_pid"], std::process::id());
    assert_eq!(group["members"][1]["claimed_pid"], killed);
    assert_shown!(room, ended.out, @r#"{"type":"group","file_prefix":"web","directory":"DIR/dpdk/web","state":"live","kind":"native","release":null,"version_word":1919774721,"datagram_len":340,"fd_max":253,"layout_error":null,"primary_pid":NUMBER,"command":"PROGRAM","age_ns":NUMBER,"multi_process":"enabled","listing":"locked","members":[{"role":"primary","pid":NUMBER,"claimed_pid":NUMBER,"socket":"DIR/dpdk/web/mp_socket","state":"alive","uid":NUMBER,"age_ns":NUMBER,"command":"PROGRAM","queue":"empty","first_datagram_len":0},{"role":"secondary","pid":NUMBER,"claimed_pid":NUMBER,"socket":"DIR/dpdk/web/mp_socket_PID_UNIQUE","state":"stale","uid":NUMBER,"age_ns":NUMBER,"command":null,"queue":null,"first_datagram_len":null}],"return_addresses":0}"#);
}

#[test]
fn each_runtime_directory_has_its_own_groups() {
    let (one, other) = (Room::new(), Room::new());
    let _web = one.primary("web");
    let _dns = other.primary("dns");
    let _web_too = other.primary("web");
    let prefixes = |ended: Ended| -> Vec<String> {
        assert_eq!(ended.status, Some(0), "{ended:?}");
        objects(&ended)
            .iter()
            .map(|group| group["file_prefix"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(prefixes(one.run(&["ps", "--json"])), ["web"]);
    assert_eq!(prefixes(other.run(&["ps", "--json"])), ["dns", "web"]);
    assert_eq!(prefixes(other.run(&["ps", "--json", "--file-prefix", "dns"])), ["dns"]);
    // Without a place, all of them, wherever they are; the machine may have others, too.
    let all =
        Ended::from(rte_mp().args(["ps", "--json", "--file-prefix", "web"]).output().unwrap());
    let directories: Vec<_> =
        objects(&all).iter().map(|group| group["directory"].as_str().unwrap().to_owned()).collect();
    for room in [&one, &other] {
        let directory = room.path().join("dpdk/web");
        let count = directories.iter().filter(|found| directory.as_os_str() == found.as_str());
        assert_eq!(count.count(), 1, "{directories:?}");
    }
}

#[test]
fn a_dead_primary_and_who_is_left_are_shown() {
    let room = Room::new();
    let primary = MemberProcess::join(&room, "web", Role::Primary);
    let _member = room.secondary("web");
    primary.kill();
    let ended = room.run(&["ps"]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    assert_shown!(room, ended.out, @r"
    web  native, 340-byte messages, dead  DIR/dpdk/web
      PID  ROLE  STATE  QUEUE  AGE  SOCKET  COMMAND
      -  primary  stale  -  AGE  mp_socket  -
      PID  secondary  alive  empty  AGE  mp_socket_PID_UNIQUE  PROGRAM
    ");
}

#[test]
fn a_queue_is_shown_as_far_as_the_kernel_tells() {
    let room = Room::new();
    let _primary = room.primary("web");
    let path = room.path().join("dpdk/web/mp_socket_bridge");
    let reader = UnixDatagram::bind(&path).unwrap();
    let queue = || {
        let group = objects(&room.run(&["ps", "--json"])).remove(0);
        let member = &group["members"][1];
        (member["queue"].clone(), member["first_datagram_len"].clone())
    };
    let word = || {
        let out = room.run(&["ps"]).out;
        let line = out.lines().find(|line| line.contains("mp_socket_bridge")).unwrap().to_owned();
        line.split_ascii_whitespace().nth(3).unwrap().to_owned()
    };
    assert_eq!((queue(), word()), (("empty".into(), 0.into()), "empty".into()));
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    sender.send_to(&[0; 340], &path).unwrap();
    assert_eq!((queue(), word()), (("waiting".into(), 340.into()), "waiting".into()));
    while sender.send_to(&[0; 332], &path).is_ok() {}
    assert_eq!((queue(), word()), (("full".into(), 340.into()), "full".into()));
    drop(reader);
    assert_eq!(queue(), (Value::Null, Value::Null), "nobody reads");
}

#[test]
fn where_nothing_is_nothing_is_shown() {
    let room = Room::new();
    let ended = room.run(&["ps"]);
    let nothing = format!("rte-mp: there is no group under {}/dpdk\n", room.path().display());
    assert_eq!((ended.status, ended.out.as_str(), ended.err), (Some(0), "", nothing));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(room.path().join("dpdk/web")).unwrap();
    assert_eq!(room.run(&["ps", "--json"]).out, "", "a directory alone is no group");
    let ended = room.run(&["ps", "--file-prefix", "web\u{1b}[2J"]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(3), ""));
    assert!(ended.err.starts_with("rte-mp: there is no group of file prefix"), "{}", ended.err);
    assert!(!ended.err.contains('\u{1b}'), "{:?}", ended.err);
    fs::remove_dir_all(room.path().join("dpdk")).unwrap();
    fs::write(room.path().join("dpdk"), "").unwrap();
    let ended = room.run(&["ps"]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(0), ""));
    assert!(ended.err.contains("cannot look into"), "{}", ended.err);
    for arguments in
        [&["ps"][..], &["ps", "--file-prefix", "web"], &["doctor", "--file-prefix", "web"]]
    {
        let ended = room.run(arguments);
        assert!(
            ended.err.contains("that may be seen by this user"),
            "{arguments:?}: {}",
            ended.err
        );
    }
}

/// Anybody may name a directory as he likes.
#[test]
fn a_name_cannot_reach_the_terminal() {
    let room = Room::new();
    let directory = room.path().join("dpdk/\u{1b}[31m\u{202e}web");
    fs::create_dir_all(&directory).unwrap();
    drop(UnixDatagram::bind(directory.join("mp_socket_\u{7}\u{9b}2J")).unwrap());
    // Its directory is open to others, so that the last two are refused, with its path.
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    for arguments in [
        &["ps"][..],
        &["ps", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["doctor", "--fix"],
        &["doctor", "--fix", "--json"],
    ] {
        let out = room.run(arguments).out;
        assert!(out.contains("web") && out.contains("mp_socket_"), "{out:?}");
        let escaped =
            !out.contains(|c: char| c.is_control() && c != '\n') && !out.contains('\u{202e}');
        assert!(escaped, "{arguments:?}: {out:?}");
    }
}

#[test]
fn prefixes_that_are_no_text_are_told_apart() {
    let room = Room::new();
    for prefix in [&b"web\xfe"[..], b"web\xff"] {
        let directory = room.path().join("dpdk").join(OsStr::from_bytes(prefix));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("config"), "").unwrap();
    }
    let groups = objects(&room.run(&["ps", "--json"]));
    let prefixes: Vec<_> =
        groups.iter().map(|group| group["file_prefix"].as_str().unwrap()).collect();
    assert_eq!(prefixes, [r"web\xfe", r"web\xff"]);
    let found = room.run(&["doctor"]).out;
    assert!(found.contains(r"web\xfe: ") && found.contains(r"web\xff: "), "{found}");
}

#[test]
fn a_wrong_argument_is_a_usage_error() {
    let room = Room::new();
    for arguments in
        [&["ps", "web"][..], &["ps", "--watch=yes"], &["doctor", "web"], &["doctor", "--fix=no"]]
    {
        let ended = room.run(arguments);
        assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
}

/// `ps --watch --json`, ended when it is dropped.
struct Watcher {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watcher {
    fn start(room: &Room) -> Self {
        let mut command = room.command(&["ps", "--watch", "--json"]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Waits for the next object; the runner of the tests ends one that hangs.
    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().expect("it goes on").unwrap()).unwrap()
    }

    /// Waits for the next object, and gives what it is about in a few words.
    fn told(&mut self) -> String {
        let news = self.next();
        assert_eq!(news["file_prefix"], "web");
        match news["type"].as_str().unwrap() {
            "group_state" => format!("{} -> {}", news["previous_state"], news["state"]),
            what => format!("{what} {} {}", news["role"], news["pid"]),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn whatever_comes_and_goes_is_told_until_it_is_interrupted() {
    let room = Room::new();
    // One group is there from the beginning, so that it is known when the watching has begun.
    let _first = room.primary("first");
    let mut watcher = Watcher::start(&room);
    assert_eq!(watcher.next()["type"], "group");

    let primary = MemberProcess::join(&room, "web", Role::Primary);
    // It may be seen in the midst of its start.
    let mut told = watcher.told();
    if told == "null -> \"starting\"" {
        told = watcher.told();
        assert!(told == "\"starting\" -> \"live\"" || told.starts_with("joined"), "{told}");
    } else {
        assert_eq!(told, "null -> \"live\"");
    }
    let joined = format!("joined \"primary\" {}", primary.pid());
    while told != joined {
        told = watcher.told();
    }
    let member = MemberProcess::join(&room, "web", Role::Secondary);
    told = watcher.told();
    if told == "\"starting\" -> \"live\"" {
        told = watcher.told();
    }
    assert_eq!(told, format!("joined \"secondary\" {}", member.pid()));
    let pid = member.leave();
    assert_eq!(watcher.told(), format!("left \"secondary\" {pid}"));
    let member = MemberProcess::join(&room, "web", Role::Secondary);
    assert_eq!(watcher.told(), format!("joined \"secondary\" {}", member.pid()));
    let start = Instant::now();
    let pid = member.kill();
    assert_eq!(watcher.told(), format!("left \"secondary\" {pid}"), "its socket stays");
    assert!(start.elapsed() < UNASKED, "its end was told by the kernel, not by looking again");
    let pid = primary.kill();
    assert_eq!(watcher.told(), format!("left \"primary\" {pid}"));
    assert_eq!(watcher.told(), "\"live\" -> \"dead\"");
    // In one step: while its files go one by one, it is in other states.
    fs::rename(room.path().join("dpdk/web"), room.path().join("gone")).unwrap();
    assert_eq!(watcher.told(), "\"dead\" -> null");

    kill_process(Pid::from_child(&watcher.process), Signal::INT).unwrap();
    let summary = watcher.next();
    assert_eq!(summary["type"], "watch_summary");
    let counts = ["joined", "left", "groups_came", "groups_gone"].map(|name| summary[name].clone());
    assert_eq!(counts, [3, 3, 1, 1].map(Value::from));
    assert!(watcher.lines.next().is_none());
    assert_eq!(watcher.process.wait().unwrap().code(), Some(0));
}

/// A primary that becomes ready makes no event.
#[test]
fn what_no_event_tells_is_seen_even_if_others_never_rest() {
    let room = Room::new();
    let directory = room.path().join("dpdk/web");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).unwrap();
    let path = directory.join("config");
    let config = fs::File::create(&path).unwrap();
    config.set_len(4096).unwrap();
    rustix::fs::fcntl_lock(&config, FlockOperation::NonBlockingLockExclusive).unwrap();
    let mut watcher = Watcher::start(&room);
    assert_eq!(watcher.next()["state"], "starting");
    // In the runtime directory, which may be /tmp, files come and go that are nobody's here.
    let (ended, is_ended) = mpsc::channel::<()>();
    let other = room.path().join("other");
    let others = thread::spawn(move || {
        while is_ended.recv_timeout(Duration::from_millis(5)) == Err(RecvTimeoutError::Timeout) {
            fs::write(&other, "").unwrap();
            fs::remove_file(&other).unwrap();
        }
    });
    config.write_all_at(&19_820_526_u32.to_ne_bytes(), 0).unwrap();
    let start = Instant::now();
    assert_eq!(watcher.told(), "\"starting\" -> \"live\"");
    assert!(start.elapsed() < UNASKED, "it was looked at again soon, as while nothing happens");
    drop(ended);
    others.join().unwrap();
}

#[test]
fn watching_ends_quietly_when_nobody_reads_any_more() {
    let room = Room::new();
    let _primary = room.primary("web");
    let mut command = room.command(&["ps", "--watch"]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("web  native"));
    drop(lines);
    let ended = Ended::from(process.wait_with_output().unwrap());
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
}

#[test]
fn a_terminal_shows_who_comes_and_goes() {
    let room = Room::new();
    let _primary = room.primary("web");
    let Some(terminal) = Terminal::start(&room, &["ps", "--watch"]) else { return };
    terminal
        .wait_for("the group", |screen| screen.contains("web  native, 340-byte messages, live"));
    let member = MemberProcess::join(&room, "web", Role::Secondary);
    let joined = format!("web  secondary {} joined  mp_socket_{0}_", member.pid());
    terminal.wait_for("the member", |screen| screen.contains(&joined));
    let left = format!("web  secondary {} left  mp_socket_{0}_", member.leave());
    terminal.wait_for("its end", |screen| screen.contains(&left));
    terminal.press("C-c");
    let screen = terminal.wait_for("the end", |screen| screen.contains("ended with 0"));
    assert!(screen.contains("members: 1 joined, 1 left; groups: 0 came, 0 went"), "{screen}");
}
