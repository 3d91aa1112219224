//! `rte-mp request`, once: what is shown of replies, and the files that come with them.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use insta::assert_snapshot;
use rte_mp::{Group, Message};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{done, message, objects, with_filters};
use crate::support::{Room, assert_refused};

fn echo(group: &Group, name: &str) {
    group
        .register(name, |request| {
            let param = request.param().to_vec();
            request.reply(&param)
        })
        .unwrap();
}

#[test]
fn a_reply_is_shown_in_every_notation() {
    let room = Room::new();
    let primary = room.primary("web");
    echo(&primary, "echo");
    let fields = ["--struct", "u32=7,pad4,i64=-1,str8=net\u{e9}"];
    let show = ["--show-struct", "count:u32,pad4,total:i64,port:str8"];
    let arguments = [&["request", "echo"], &fields[..], &show].concat();
    let wrong = ["request", "echo", "--param", "short", "--show-struct", "u64"];
    with_filters(&room, || {
        assert_snapshot!("request", done(&room, &arguments));
        assert_snapshot!("request_json", done(&room, &[&arguments[..], &["--json"]].concat()));
        assert_snapshot!("request_empty", done(&room, &["request", "echo"]));
        assert_snapshot!("request_wrong_struct", done(&room, &wrong));
        assert_snapshot!(
            "request_wrong_struct_json",
            done(&room, &[&wrong[..], &["--json"]].concat())
        );
    });
}

#[test]
fn all_members_can_be_asked_and_each_is_shown() {
    let room = Room::new();
    let (primary, secondary) = (room.primary("web"), room.secondary("web"));
    for (group, who) in [(&primary, "the primary"), (&secondary, "the secondary")] {
        group.register("who", move |request| request.reply(who.as_bytes())).unwrap();
    }
    let json = done(&room, &["request", "who", "--to", "all", "--json"]);
    let replies: Vec<_> = objects(&json)
        .iter()
        .map(|reply| (reply["role"].to_string(), reply["param_text"].to_string()))
        .collect();
    let expected = [("\"primary\"", "\"the primary\""), ("\"secondary\"", "\"the secondary\"")];
    assert_eq!(replies, expected.map(|(role, text)| (role.to_owned(), text.to_owned())));
    let socket = secondary.name().file_name().to_str().unwrap();
    let text = done(&room, &["request", "who", "--to", socket]);
    assert!(text.contains("the secondary") && !text.contains("the primary"), "{text}");
}

/// A file of each kind, as a member might send it.
fn files(room: &Room) -> (Vec<OwnedFd>, Vec<OwnedFd>) {
    let in_memory = memfd_create("counters", MemfdFlags::CLOEXEC).unwrap();
    // Its position is at its end, where nothing is left to be read.
    File::from(in_memory.try_clone().unwrap()).write_all(b"in memory").unwrap();
    let path = room.path().join("on disk");
    fs::write(&path, "on disk").unwrap();
    let on_disk = File::open(&path).unwrap();
    let unreadable = OpenOptions::new().write(true).open(&path).unwrap();
    let (pipe, writer) = rustix::pipe::pipe().unwrap();
    let (socket, other) = UnixStream::pair().unwrap();
    let device = File::open("/dev/zero").unwrap();
    let directory = File::open(room.path()).unwrap();
    let sent = vec![
        in_memory,
        on_disk.into(),
        unreadable.into(),
        pipe,
        socket.into(),
        device.into(),
        directory.into(),
    ];
    (sent, vec![writer, other.into()])
}

#[test]
fn what_can_be_read_of_received_files_is_saved_and_the_rest_is_told() {
    let room = Room::new();
    let primary = room.primary("web");
    let (files, _others) = files(&room);
    primary
        .register("files", move |request| {
            let mut reply = Message::new("files").unwrap();
            for fd in &files {
                reply = reply.with_fd(fd.try_clone().unwrap()).unwrap();
            }
            request.reply_with(reply)
        })
        .unwrap();
    let saved = room.path().join("made/for it");
    let arguments = ["request", "files", "--save-fd", saved.to_str().unwrap()];
    let (plain, first) = (done(&room, &["request", "files"]), done(&room, &arguments));
    let content = |name| fs::read_to_string(saved.join(name)).unwrap();
    assert_eq!(content("1-mp_socket-0"), "in memory");
    assert_eq!(content("1-mp_socket-1"), "on disk");
    assert_eq!(fs::read_dir(&saved).unwrap().count(), 2);

    // Nothing is written over.
    fs::write(saved.join("1-mp_socket-0"), "mine").unwrap();
    fs::remove_file(saved.join("1-mp_socket-1")).unwrap();
    let second = done(&room, &[&arguments[..], &["--json"]].concat());
    assert_eq!(
        (content("1-mp_socket-0").as_str(), content("1-mp_socket-1").as_str()),
        ("mine", "on disk")
    );
    with_filters(&room, || {
        assert_snapshot!("request_files", plain);
        assert_snapshot!("request_saved", first);
        assert_snapshot!("request_saved_json", second);
    });
}

/// A large file that has nothing in it costs nothing, and a peer could send any size.
#[test]
fn of_a_large_file_the_beginning_is_saved() {
    let room = Room::new();
    let primary = room.primary("web");
    let large = memfd_create("large", MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&large, 65 << 20).unwrap();
    primary
        .register("large", move |request| {
            let reply = message("large", b"").with_fd(large.try_clone().unwrap()).unwrap();
            request.reply_with(reply)
        })
        .unwrap();
    let directory = room.path().to_str().unwrap();
    let shown = done(&room, &["request", "large", "--save-fd", directory, "--json"]);
    let fd = &objects(&shown)[0]["fds"][0];
    assert_eq!(fd["saved_len"], 64 << 20, "{shown}");
    assert_eq!(fd["not_saved"], "the rest is left out, beyond 64 MiB", "{shown}");
    assert_eq!(fs::metadata(room.path().join("1-mp_socket-0")).unwrap().len(), 64 << 20);
}

#[test]
fn a_wrong_option_is_told_what_is_right() {
    let room = Room::new();
    let _primary = room.primary("web");
    let cases: [(&[&str], i32, &str); 9] = [
        (
            &["--count", "0"],
            2,
            "invalid value '0' for '--count <N>': 0 is not in 1..18446744073709551615; see `rte-mp request --help`",
        ),
        (
            &["--jobs", "2"],
            2,
            "the following required arguments were not provided: --count <N>; see `rte-mp request --help`",
        ),
        (
            &["--each"],
            2,
            "the following required arguments were not provided: --count <N>; see `rte-mp request --help`",
        ),
        (
            &["--count", "2", "--jobs", "257"],
            2,
            "invalid value '257' for '--jobs <J>': 257 is not in 1..=256; see `rte-mp request --help`",
        ),
        (
            &["--count", "2", "--interval", "0s"],
            2,
            "invalid value '0s' for '--interval <TIME>': it takes a time that is not 0; see `rte-mp request --help`",
        ),
        (
            &["--show-struct", "u7"],
            2,
            "invalid value 'u7' for '--show-struct <FIELDS>': field \"u7\": \"u7\" is no kind of field; there are \
             u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 strN hexN padN; see `rte-mp request --help`",
        ),
        (
            &["--save-fd", "/proc/nowhere"],
            1,
            "cannot make /proc/nowhere for the files of --save-fd: No such file or directory (os error 2)",
        ),
        (
            &["--to", "nobody"],
            1,
            "\"nobody\" is no member of the group; its members are primary (PID)",
        ),
        (
            &["--file-prefix", "other"],
            3,
            "no primary is running under file prefix \"other\" (ROOM/dpdk/other/config is not locked); see `rte-mp ps` for those that run",
        ),
    ];
    for (arguments, status, expected) in cases {
        let ended = room.run(&[&["request", "echo"], arguments].concat());
        let expected = expected.replace("PID", &std::process::id().to_string());
        let expected = expected.replace("ROOM", room.path().to_str().unwrap());
        assert_refused(&ended, status, &expected);
    }
}
