//! `rte-mp listen`: what is heard and shown, and how it ends.

use std::fs::File;

use insta::assert_snapshot;
use rte_mp::{Group, Role};
use serde_json::Value;

use super::{LONG, ask, done, files, listener, message, objects, sockets, with_filters};
use crate::support::{Room, Started, assert_refused};

/// Says something of each kind to the only listener.
fn talk(primary: &Group) {
    let file = File::open("/dev/null").unwrap();
    primary.send(&message("notice", b"port 3\x1b is up").with_fd(file).unwrap()).unwrap();
    primary.request(&message("count", &7_u32.to_ne_bytes()), Some(LONG)).unwrap();
    primary.send(&message("bus_vdev_mp", &[&3_i32.to_ne_bytes()[..], &[0; 68]].concat())).unwrap();
}

#[test]
fn what_arrives_is_shown_in_every_notation() {
    for (json, snapshot) in [(&[][..], "listen"), (&["--json"], "listen_json")] {
        let room = Room::new();
        let primary = room.primary("web");
        let arguments = [&["listen", "--count", "3", "--show-struct", "count:u32"], json].concat();
        let mut listening = Started::new(room.command(&arguments));
        assert!(listening.line().contains("listening"));
        talk(&primary);
        let ended = listening.end();
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        with_filters(&room, || assert_snapshot!(snapshot, ended.out));
    }
}

#[test]
fn only_what_was_named_is_heard() {
    let room = Room::new();
    let primary = room.primary("web");
    let mut listening = listener(&room, &["yes", "too"]);
    for name in ["no", "yes", "no", "too"] {
        primary.request(&message(name, b""), Some(LONG)).unwrap();
    }
    let mut name = || serde_json::from_str::<Value>(&listening.line()).unwrap()["name"].clone();
    assert_eq!([name(), name()], ["yes", "too"]);
    listening.interrupt();
    let ended = listening.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let summary: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["type"], &summary["requests"]), (&"listen_summary".into(), &2.into()));
}

#[test]
fn an_interrupt_leaves_no_socket_and_sums_up() {
    let room = Room::new();
    let primary = room.primary("web");
    let mut listening = Started::new(room.command(&["listen"]));
    let line = listening.line();
    assert!(line.starts_with("listening in the group web as secondary "), "{line}");
    primary.send(&message("one", b"")).unwrap();
    listening.line_that(|line| line.contains("message one"));
    listening.interrupt();
    let ended = listening.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.out.ends_with("heard 1 message and 0 requests, 0 replied to"), "{}", ended.out);
    assert_eq!(sockets(&room, "web"), ["mp_socket"]);
}

#[test]
fn a_group_can_be_led_from_a_shell() {
    let room = Room::new();
    let leading = listener(&room, &["--proc-type", "primary", "--file-prefix", "web", "--echo"]);
    let secondary = room.secondary("web");
    assert_eq!(secondary.role(), Role::Secondary);
    assert_eq!(ask(&secondary, "mp_socket", "any", b"there and back").unwrap(), b"there and back");
    let shown = done(&room, &["request", "any", "--param", "text", "--json"]);
    assert_eq!(objects(&shown)[0]["param_text"], "text");

    let ended = room.run(&["listen", "--proc-type", "primary", "--file-prefix", "web"]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.err.contains("web"), "{}", ended.err);
    drop(secondary);
    leading.interrupt();
    assert_eq!(leading.end().status, Some(0));
    let left: Vec<_> =
        files(&room, "web").into_iter().filter(|name| name != "fbarray_memzone").collect();
    assert!(left.iter().all(|name| !name.starts_with("mp_socket") && name != "config"), "{left:?}");
}

#[test]
fn after_the_given_count_it_ends_and_hears_no_more() {
    let room = Room::new();
    let primary = room.primary("web");
    let listening = listener(&room, &["--count", "2", "--reply", "yes"]);
    let own = ask(&primary, "mp_socket_", "first", b"");
    assert_eq!(own.unwrap(), b"yes");
    assert_eq!(ask(&primary, "mp_socket_", "second", b"").unwrap(), b"yes");
    let ended = listening.end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let names: Vec<_> = objects(&ended.out)
        .iter()
        .filter(|object| object["type"] == "heard")
        .map(|object| object["name"].to_string())
        .collect();
    assert_eq!(names, ["\"first\"", "\"second\""]);
    assert_eq!(sockets(&room, "web"), ["mp_socket"]);
}

#[test]
fn a_wrong_option_is_told_what_is_right() {
    let room = Room::new();
    let _primary = room.primary("web");
    let cases: [(&[&str], i32, &str); 8] = [
        (
            &["--echo", "--reply", "x"],
            2,
            "the argument '--echo' cannot be used with '--reply <TEXT>'; see `rte-mp listen --help`",
        ),
        (
            &["--reply", r"\x"],
            2,
            r"invalid value '\x' for '--reply <TEXT>': \x takes two hexadecimal digits, as in \x1b; see `rte-mp listen --help`",
        ),
        (
            &["--count", "none"],
            2,
            "invalid value 'none' for '--count <N>': invalid digit found in string; see `rte-mp listen --help`",
        ),
        (
            &["--jobs", "2"],
            2,
            "the following required arguments were not provided: --exec <CMD>; see `rte-mp listen --help`",
        ),
        (
            &["--proc-type", "auto"],
            2,
            "invalid value 'auto' for '--proc-type <ROLE>' [possible values: primary, secondary]; see `rte-mp listen --help`",
        ),
        (
            &["--show-struct", "pad0"],
            2,
            "invalid value 'pad0' for '--show-struct <FIELDS>': field \"pad0\": pad takes a number of bytes from 1 to \
             256, as in pad16; see `rte-mp listen --help`",
        ),
        (
            &["rte-mp/ping"],
            2,
            "invalid value 'rte-mp/ping' for '[NAME]...': rte-mp answers names that begin with rte-mp/ itself; see \
             `rte-mp listen --help`",
        ),
        (&["twice", "twice"], 2, "\"twice\" is named twice"),
    ];
    for (arguments, status, expected) in cases {
        assert_refused(&room.run(&[&["listen"], arguments].concat()), status, expected);
    }
}
