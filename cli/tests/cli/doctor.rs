//! `rte-mp doctor`: each thing that can be wrong is found, and only then.

use std::fs::{self, DirBuilder, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::Role;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use crate::members::MemberProcess;
use crate::support::Room;

const V22_11: u32 = 0x160B_0B63;
const V26_11: u32 = 0x1A0B_0063;
const MAGIC: u32 = 19_820_526;

/// What a run of `doctor --json` found.
struct Found {
    status: Option<i32>,
    findings: Vec<Value>,
    summary: Value,
}

impl Found {
    fn in_room(room: &Room, arguments: &[&str]) -> Self {
        let ended = room.run(&[&["doctor", "--json"], arguments].concat());
        assert_eq!(ended.err, "");
        let mut findings: Vec<Value> =
            ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = findings.pop().unwrap();
        assert_eq!(summary["type"], "doctor_summary");
        Self { status: ended.status, findings, summary }
    }

    /// The codes of what is to be cured. Each has a cure, and the exit status tells whether there is any.
    fn to_be_cured(&self) -> Vec<&str> {
        let bad = |finding: &&Value| finding["severity"] != "note" && finding["fixed"] == false;
        let bad: Vec<_> = self.findings.iter().filter(bad).collect();
        assert!(bad.iter().all(|finding| finding["cure"].is_string()), "{bad:?}");
        assert_eq!(self.status, Some(i32::from(!bad.is_empty())), "{bad:?}");
        let counted = ["errors", "warnings"].map(|name| self.summary[name].as_u64().unwrap());
        assert_eq!(counted.iter().sum::<u64>(), bad.len() as u64);
        bad.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
    }

    fn get(&self, code: &str) -> &Value {
        let found = self.findings.iter().find(|finding| finding["code"] == code);
        found.unwrap_or_else(|| panic!("no {code} in {:?}", self.findings))
    }
}

/// Makes the directory of a group as a primary does.
fn make_group(room: &Room, prefix: &str) -> PathBuf {
    let directory = room.path().join("dpdk").join(prefix);
    DirBuilder::new().recursive(true).mode(0o700).create(&directory).unwrap();
    directory
}

/// Writes a config file with this magic and version word; the rest is zero.
fn write_config(directory: &Path, magic: u32, version: u32) -> File {
    let path = directory.join("config");
    let file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    file.set_len(25_344).unwrap();
    file.write_all_at(&magic.to_ne_bytes(), 0).unwrap();
    file.write_all_at(&version.to_ne_bytes(), 4).unwrap();
    file
}

/// Sends to a socket until it is full.
fn fill(socket: &Path, len: usize) {
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(&vec![0; len], socket).is_ok() {}
}

#[test]
fn where_nothing_is_wrong_nothing_is_to_be_cured() {
    let room = Room::new();
    let _primary = room.primary("web");
    let _member = MemberProcess::join(&room, "web", Role::Secondary);
    let found = Found::in_room(&room, &[]);
    assert_eq!(found.to_be_cured(), [] as [&str; 0], "{:?}", found.findings);
    assert_eq!(found.get("live")["pid"], std::process::id());
    assert_eq!(found.summary["groups"], 1);
    let ended = room.run(&["doctor"]);
    assert!(ended.out.ends_with("\n1 group looked at; nothing is wrong.\n"), "{}", ended.out);
    assert_eq!(room.run(&["doctor", "--file-prefix", "dns"]).status, Some(3));
}

/// What it says of the machine is different on each.
#[test]
fn what_is_found_in_a_group_is_told_in_words_and_for_programs() {
    let room = Room::new();
    let _primary = room.primary("web");
    MemberProcess::join(&room, "web", Role::Secondary).kill();
    let directory = make_group(&room, "old");
    drop(write_config(&directory, MAGIC, V22_11));
    drop(write_config(&make_group(&room, "new"), MAGIC, V26_11));
    let of_groups = |out: &str, marks: [&str; 3]| {
        let mut is_told = false;
        let lines = out.lines().filter(|line| {
            // A cure belongs to the line before.
            is_told = if line.starts_with("  ") {
                is_told
            } else {
                marks.iter().any(|m| line.contains(m))
            };
            is_told
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(room.path().to_str().unwrap(), "[room]");
    settings.add_filter(r"mp_socket_\d+_[0-9a-f]+", "mp_socket_[x]");
    settings.add_filter(r"cli-[0-9a-f]+", "[program]");
    settings.add_filter(&format!(r"\b{}\b", std::process::id()), "[pid]");
    settings.bind(|| {
        let text = room.run(&["doctor"]).out;
        insta::assert_snapshot!("doctor", of_groups(&text, [" web: ", " old: ", " new: "]));
        let json = room.run(&["doctor", "--json"]).out;
        let prefix = |name: &str| format!("\"file_prefix\":\"{name}\"");
        let names = ["web", "old", "new"].map(prefix);
        let marks = names.each_ref().map(String::as_str);
        insta::assert_snapshot!("doctor_json", of_groups(&json, marks));
    });
}

#[test]
fn stale_sockets_are_found_and_with_fix_removed() {
    let room = Room::new();
    let _primary = room.primary("web");
    // Whoever joins removes those that are stale by then.
    let members = [(); 3].map(|()| MemberProcess::join(&room, "web", Role::Secondary));
    let [alive, first, second] = members;
    let pids = [first.kill(), second.kill()];
    fs::write(room.path().join("dpdk/web/mp_socket_7_7"), "").unwrap();
    let names = || {
        let entries = fs::read_dir(room.path().join("dpdk/web")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let before = names();
    let found = Found::in_room(&room, &[]);
    assert_eq!(found.to_be_cured(), ["not_a_socket", "stale_sockets"]);
    assert_eq!(names(), before, "without --fix nothing is changed");
    let of_pid =
        |text: &Value, pid: u32| text.as_str().unwrap().contains(&format!("mp_socket_{pid}_"));
    assert!(pids.iter().all(|&pid| of_pid(&found.get("stale_sockets")["text"], pid)));

    let found = Found::in_room(&room, &["--fix"]);
    assert_eq!(found.to_be_cured(), ["not_a_socket"], "no file that is no socket is removed");
    let fixed = found.get("stale_sockets");
    assert_eq!((&fixed["fixed"], &found.summary["fixed"]), (&true.into(), &1.into()));
    assert!(pids.iter().all(|&pid| of_pid(&fixed["text"], pid)), "{fixed}");
    let left = names();
    assert_eq!(left.len(), before.len() - 2, "{left:?}");
    assert!(left.iter().any(|name| name.contains(&format!("_{}_", alive.pid()))), "{left:?}");
    fs::remove_file(room.path().join("dpdk/web/mp_socket_7_7")).unwrap();
    assert!(Found::in_room(&room, &["--fix"]).to_be_cured().is_empty());
}

#[test]
fn what_cannot_be_fixed_stays_to_be_cured() {
    let room = Room::new();
    let directory = make_group(&room, "web");
    drop(UnixDatagram::bind(directory.join("mp_socket")).unwrap());
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    let found = Found::in_room(&room, &["--fix"]);
    assert_eq!(found.to_be_cured(), ["directory_open", "stale_sockets"]);
    assert!(directory.join("mp_socket").exists(), "others could change files under our hands");
}

#[test]
fn each_damage_of_a_group_is_found() {
    let room = Room::new();
    let directory = make_group(&room, "web");
    let found = || Found::in_room(&room, &[]);
    let write = |magic, version| write_config(&directory, magic, version);
    let assert_found = |expected: &[&str], what: &str| {
        assert_eq!(found().to_be_cured(), expected, "{what}");
    };
    assert_found(&[], "a directory alone");

    let config = write(MAGIC, V22_11);
    assert_found(&[], "DPDK primaries leave their files");
    let member = UnixDatagram::bind(directory.join("mp_socket_bridge")).unwrap();
    assert_found(&["left_alone"], "a member without a primary");
    drop(member);
    fs::remove_file(directory.join("mp_socket_bridge")).unwrap();
    write(7, V22_11);
    assert_found(&["not_a_config"], "another program's file");
    write(MAGIC, V26_11);
    assert_found(&[], "a release of the future that has ended");

    write(MAGIC, V22_11);
    let primary = UnixDatagram::bind(directory.join("mp_socket")).unwrap();
    assert_found(&["lock_lost"], "a primary without its lock");
    // On behalf of this process, which is not asked for it again.
    rustix::fs::fcntl_lock(&config, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_found(&[], "a primary");
    assert_eq!(found().get("live")["pid"], std::process::id());
    config.write_all_at(&V26_11.to_ne_bytes(), 4).unwrap();
    assert_found(&["layout_unknown"], "a release of the future");
    config.write_all_at(&V22_11.to_ne_bytes(), 4).unwrap();
    fill(&directory.join("mp_socket"), 332);
    assert_found(&["queue_full"], "a primary that does not read");
    while primary_reads(&primary) {}
    fill(&directory.join("mp_socket"), 340);
    assert_found(&["queue_full", "wrong_length"], "messages of the other layout");
    assert_eq!(found().get("wrong_length")["severity"], "error");
    while primary_reads(&primary) {}

    fs::write(directory.join("mp_socket_7_7"), "").unwrap();
    assert_found(&["not_a_socket"], "a file with the name of a socket");
    fs::remove_file(directory.join("mp_socket_7_7")).unwrap();
    fs::remove_file(directory.join("mp_socket")).unwrap();
    assert_found(&["primary_unreachable"], "the primary's socket was cleaned away");
    let _primary = UnixDatagram::bind(directory.join("mp_socket")).unwrap();
    assert_found(&[], "a primary again");

    let locked = File::open(&directory).unwrap();
    flock(&locked, FlockOperation::LockExclusive).unwrap();
    assert_found(&["directory_locked"], "nobody can join");
    assert_eq!(found().get("directory_locked")["pid"], std::process::id());
    drop(locked);
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    assert_found(&["directory_open"], "others may look");
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    let above = directory.parent().unwrap();
    fs::set_permissions(above, Permissions::from_mode(0o777)).unwrap();
    assert_found(&["base_open"], "others may change its directory");
    fs::set_permissions(above, Permissions::from_mode(0o700)).unwrap();
    assert_found(&[], "all is well again");
}

fn primary_reads(primary: &UnixDatagram) -> bool {
    primary.set_nonblocking(true).unwrap();
    primary.recv(&mut [0; 512]).is_ok()
}

#[test]
fn a_path_near_the_limit_is_told_before_it_hurts() {
    let room = Room::new();
    let base = room.path().join("dpdk/").as_os_str().len();
    // Behind the prefix come a slash and 37 bytes.
    let prefix = |room_left: usize| "p".repeat(107 - room_left - 38 - base);
    make_group(&room, &prefix(20));
    write_config(&make_group(&room, &prefix(4)), MAGIC, V22_11);
    let found = Found::in_room(&room, &["--file-prefix", &prefix(4)]);
    assert!(found.to_be_cured().is_empty());
    assert!(found.get("path_long")["text"].as_str().unwrap().contains("103 of the 107"));
    let directory = make_group(&room, &prefix(0).repeat(2));
    write_config(&directory, MAGIC, V22_11);
    let found = Found::in_room(&room, &["--file-prefix", &prefix(0).repeat(2)]);
    assert_eq!(found.to_be_cured(), ["path_too_long"]);
}

#[test]
fn a_member_that_is_stopped_is_told_from_one_that_is_slow() {
    let room = Room::new();
    let primary = room.primary("web");
    let member = MemberProcess::join(&room, "web", Role::Secondary);
    let socket = primary.members().unwrap()[0].name;
    member.stop();
    let found = Found::in_room(&room, &[]);
    assert_eq!(found.to_be_cured(), ["stopped"], "nobody has asked it yet");
    fill(socket.as_path(), 340);
    let found = Found::in_room(&room, &[]);
    assert_eq!(found.to_be_cured(), ["stopped"]);
    let finding = found.get("stopped");
    assert_eq!(finding["pid"], member.pid());
    assert_eq!(finding["cure"], format!("kill -CONT {}", member.pid()));
    member.go_on();
    let start = Instant::now();
    while !Found::in_room(&room, &[]).to_be_cured().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(20), "it reads again");
    }
}

/// Starts a thread of this name, which lives until what is returned is dropped.
fn thread_called(name: &str) -> Sender<()> {
    let (sender, receiver) = channel();
    let (started, has_started) = channel();
    let body = move || {
        started.send(()).unwrap();
        // Ends when the sender is gone.
        let _ = receiver.recv();
    };
    thread::Builder::new().name(name.to_owned()).spawn(body).unwrap();
    // It names itself before anything else.
    has_started.recv().unwrap();
    sender
}

/// This process plays DPDK's: its threads have the names that they have there.
#[test]
fn a_process_is_deaf_only_if_it_is_dpdks_and_lacks_the_thread_that_hears() {
    let room = Room::new();
    let directory = make_group(&room, "web");
    let config = write_config(&directory, MAGIC, V22_11);
    rustix::fs::fcntl_lock(&config, FlockOperation::NonBlockingLockExclusive).unwrap();
    let _socket = UnixDatagram::bind(directory.join("mp_socket")).unwrap();
    let assert_found = |expected: &[&str], what: &str| {
        assert_eq!(Found::in_room(&room, &[]).to_be_cured(), expected, "{what}");
    };
    assert_found(&[], "no process of DPDK's");
    for (interrupts, messages) in [
        ("eal-intr-thread", "rte_mp_handle"),
        ("dpdk-intr", "dpdk-mp-msg"),
        ("dpdk-intr", "mp-msg"),
    ] {
        let messages_thread = thread_called(messages);
        let _interrupts = thread_called(interrupts);
        assert_found(&[], messages);
        drop(messages_thread);
        let start = Instant::now();
        while Found::in_room(&room, &[]).to_be_cured() != ["ipc_thread_dead"] {
            assert!(start.elapsed() < Duration::from_secs(20), "{interrupts} alone");
        }
    }
}

/// rte-mp members take the messages of all releases.
#[test]
fn only_what_its_reader_cannot_take_is_a_wrong_length() {
    let room = Room::new();
    let _primary = room.primary("web");
    for (len, expected) in [(332, None), (340, None), (339, Some("wrong_length"))] {
        let socket = room.path().join("dpdk/web/mp_socket_bridge");
        let reader = UnixDatagram::bind(&socket).unwrap();
        reader.send_to(&vec![0; len], &socket).unwrap();
        let found = Found::in_room(&room, &[]);
        assert_eq!(found.to_be_cured(), Vec::from_iter(expected), "{len} bytes");
        fs::remove_file(socket).unwrap();
    }
}

/// A process that has a socket open as its standard input, and does nothing; killed when this is dropped.
struct Holder(Child);

impl Holder {
    fn of(socket: UnixDatagram, user: Option<u32>) -> Self {
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::from(OwnedFd::from(socket)));
        if let Some(user) = user {
            command.uid(user);
        }
        Self(command.spawn().unwrap())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// DPDK's own sockets are not closed when a program is started.
#[test]
fn a_socket_that_a_child_has_inherited_is_found() {
    let room = Room::new();
    let _primary = room.primary("web");
    // The highest process id is one less.
    let socket = room.path().join("dpdk/web/mp_socket_4194304_1");
    let holder = Holder::of(UnixDatagram::bind(socket).unwrap(), None);
    let found = Found::in_room(&room, &[]);
    assert_eq!(found.to_be_cured(), ["orphaned"], "{:?}", found.findings);
    assert_eq!(found.get("orphaned")["cure"], format!("end process {}", holder.0.id()));
}

#[test]
fn a_member_in_another_pid_namespace_is_noted() {
    if !rustix::process::geteuid().is_root() {
        println!("left out: only root can make a pid namespace");
        return;
    }
    let room = Room::new();
    let _primary = room.primary("web");
    let member = MemberProcess::join_from_elsewhere(&room, "web");
    assert_eq!(member.own_pid(), 1);
    let found = Found::in_room(&room, &[]);
    assert!(found.to_be_cured().is_empty(), "{:?}", found.findings);
    let finding = found.get("pid_namespace");
    assert_ne!(finding["pid"], 1);
    assert!(finding["text"].as_str().unwrap().contains("(it says 1)"), "{finding}");
}

#[test]
fn a_member_of_another_user_is_found() {
    if !rustix::process::geteuid().is_root() {
        println!("left out: only root can be another user");
        return;
    }
    let room = Room::new();
    let _primary = room.primary("web");
    let socket = room.path().join("dpdk/web/mp_socket_bridge");
    let holder = Holder::of(UnixDatagram::bind(socket).unwrap(), Some(65_534));
    let found = Found::in_room(&room, &[]);
    assert_eq!(found.to_be_cured(), ["other_user"], "{:?}", found.findings);
    assert_eq!(found.get("other_user")["pid"], holder.0.id());
    assert_eq!(found.get("other_user")["cure"], "run it as user 0");
}

#[test]
fn findings_are_shown_with_their_cures() {
    let room = Room::new();
    let directory = make_group(&room, "web");
    write_config(&directory, MAGIC, V22_11);
    drop(UnixDatagram::bind(directory.join("mp_socket")).unwrap());
    let ended = room.run(&["doctor"]);
    let group = ended.out.lines().skip_while(|line| !line.contains(" web: "));
    let shown = group.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(shown, @r"
    note     web: its primary has ended, and left its files as DPDK primaries do; the next one takes it over
    warning  web: 1 socket left behind by processes that were killed: mp_socket
             cure: rte-mp doctor --fix removes them; the next rte-mp process that joins does, too

    1 group looked at; to be cured: 0 errors, 1 warning.
    ");
    assert_eq!(ended.status, Some(1));
    let coloured = room.run(&["doctor", "--color", "always"]).out;
    assert!(coloured.contains("\u{1b}[33mwarning"), "{coloured:?}");
}
