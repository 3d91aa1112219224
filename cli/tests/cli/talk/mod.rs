//! `rte-mp send`, `request` and `listen`: talking to a group from a shell.

mod answering;
mod ending;
mod hostile;
mod listening;
mod many;
mod outcomes;
mod requesting;
mod sending;
mod stalling;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use insta::Settings;
use rte_mp::{Group, Message};
use serde_json::Value;

use crate::support::{Room, Started, wait_until};

/// How long a request may take that must not need it.
const LONG: Duration = Duration::from_secs(20);

/// What is different each time stands in brackets in snapshots.
fn with_filters(room: &Room, test: impl FnOnce()) {
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(room.path().to_str().unwrap(), "[room]");
    settings.add_filter(r"mp_(socket|reply)_\d+_[0-9a-z_]+", "[$1]");
    settings.add_filter(r"\d\d:\d\d:\d\d\.\d{6}", "[clock]");
    settings.add_filter(r"\b\d+(\.\d+)?(ns|µs|ms|s)\b", "[time]");
    settings.add_filter(r#"_ns":\d+"#, r#"_ns":[ns]"#);
    settings.add_filter(r#"(pid|uid)":\d+"#, r#"$1":[id]"#);
    settings.add_filter(r":\[\d+\]", ":[inode]");
    settings.add_filter(r"user \d+", "user [id]");
    settings.add_filter(r"(primary|secondary|from) (\()?\d+", "$1 $2[pid]");
    settings.bind(test);
}

/// Runs the command, and expects it to be done with nothing to complain of.
fn done(room: &Room, arguments: &[&str]) -> String {
    let ended = room.run(arguments);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{arguments:?}: {ended:?}");
    ended.out
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Has the command listen, and waits until it does; gives its JSON from then on.
fn listener(room: &Room, arguments: &[&str]) -> Started {
    let mut started = Started::new(room.command(&[&["listen", "--json"], arguments].concat()));
    let first: Value = serde_json::from_str(&started.line()).unwrap();
    assert_eq!(first["type"], "listening", "{first}");
    started
}

fn message(name: &str, param: &[u8]) -> Message {
    Message::new(name).unwrap().with_param(param).unwrap()
}

/// Asks one member, and gives what it replied.
fn ask(group: &Group, to: &str, name: &str, param: &[u8]) -> Result<Vec<u8>, String> {
    let members = group.members().unwrap();
    let named = |member: &&rte_mp::Member| member.name.file_name().to_str().unwrap().contains(to);
    let member = members.iter().find(named).unwrap();
    let replies = group.to(&member.name).request(&message(name, param), Some(LONG)).unwrap();
    replies.into_reply().map(|reply| reply.param().to_vec()).map_err(|error| error.to_string())
}

/// The names of the files in the directory of a group.
fn files(room: &Room, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(room.path().join("dpdk").join(prefix)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A member's socket whose queue is full.
fn full_peer(room: &Room, prefix: &str) -> (UnixDatagram, PathBuf) {
    let path = room.path().join("dpdk").join(prefix).join("mp_socket_1_full");
    let socket = UnixDatagram::bind(&path).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"full", &path).is_ok() {}
    (socket, path)
}

/// The names of the sockets in the directory of a group.
fn sockets(room: &Room, prefix: &str) -> Vec<String> {
    files(room, prefix).into_iter().filter(|name| name.starts_with("mp_socket")).collect()
}

/// Waits until the group has so many members that are processes of ours.
fn wait_for_members(room: &Room, prefix: &str, count: usize) {
    let this = format!("mp_socket_{}_", std::process::id());
    let is_other = |name: &String| {
        name.starts_with("mp_socket_") && !name.starts_with(&this) && !name.ends_with("_full")
    };
    wait_until("they have joined", || {
        sockets(room, prefix).iter().filter(|name| is_other(name)).count() >= count
    });
}
