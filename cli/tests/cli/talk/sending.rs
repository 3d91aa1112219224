//! `rte-mp send`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};

use insta::assert_snapshot;
use rte_mp::Group;

use super::{LONG, done, full_peer, with_filters};
use crate::support::{Ended, Room, assert_refused};

/// What comes as `note`: the parameter, and what is in the files.
fn notes(group: &Group) -> Receiver<(Vec<u8>, Vec<String>)> {
    let (sender, notes) = channel();
    group
        .register("note", move |mut request| {
            let param = request.param().to_vec();
            let read = |fd| {
                let mut text = String::new();
                // A directory has no text.
                let _ = File::from(fd).read_to_string(&mut text);
                text
            };
            sender.send((param, request.take_fds().into_iter().map(read).collect())).unwrap();
        })
        .unwrap();
    notes
}

#[test]
fn a_parameter_can_be_written_in_four_ways() {
    let room = Room::new();
    let primary = room.primary("web");
    let notes = notes(&primary);
    let file = room.path().join("param");
    fs::write(&file, b"\0from a file").unwrap();
    let cases: [(&[&str], &[u8]); 5] = [
        (&[], b""),
        (&["--param", r"a\0\x1b\\"], b"a\0\x1b\\"),
        (&["--hex", "00 ff:41"], b"\0\xffA"),
        (&["--file", file.to_str().unwrap()], b"\0from a file"),
        (&["--struct", "u8=1,pad1,str3=ab"], b"\x01\0ab\0"),
    ];
    for (arguments, expected) in cases {
        done(&room, &[&["send", "note"], arguments].concat());
        assert_eq!(notes.recv_timeout(LONG).unwrap().0, expected, "{arguments:?}");
    }

    let mut command = room.command(&["send", "note", "--file", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&[7; 256]).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(notes.recv_timeout(LONG).unwrap().0, [7; 256]);
}

#[test]
fn descriptors_are_opened_for_as_much_as_is_allowed() {
    let room = Room::new();
    let primary = room.primary("web");
    let notes = notes(&primary);
    let file = room.path().join("a file");
    fs::write(&file, "its text").unwrap();
    let [file, directory] = [&file, room.path()].map(|path| path.to_str().unwrap());
    let arguments = ["send", "note", "--fd", file, "--fd", directory];
    let shown = done(&room, &arguments);
    assert_eq!(notes.recv_timeout(LONG).unwrap().1, ["its text", ""]);
    let json = done(&room, &[&arguments[..], &["--json"]].concat());
    with_filters(&room, || {
        assert_snapshot!("send_descriptors", shown);
        assert_snapshot!("send_descriptors_json", json);
    });
}

#[test]
fn a_message_goes_to_whom_it_is_for() {
    let room = Room::new();
    let (primary, secondary) = (room.primary("web"), room.secondary("web"));
    let (to_primary, to_secondary) = (notes(&primary), notes(&secondary));
    let socket = secondary.name().file_name().to_str().unwrap().to_owned();
    let path = secondary.name().to_string();
    let cases: [(&str, bool, bool); 4] = [
        ("primary", true, false),
        (&socket, false, true),
        (&path, false, true),
        ("all", true, true),
    ];
    for (to, first, second) in cases {
        done(&room, &["send", "note", "--to", to, "--param", to]);
        for (is_for, notes) in [(first, &to_primary), (second, &to_secondary)] {
            if is_for {
                assert_eq!(notes.recv_timeout(LONG).unwrap().0, to.as_bytes());
            }
        }
    }
    // What went astray would have come before this.
    done(&room, &["send", "note", "--to", "all", "--param", "last"]);
    for notes in [to_primary, to_secondary] {
        assert_eq!(notes.recv_timeout(LONG).unwrap().0, b"last");
    }
    with_filters(&room, || {
        assert_snapshot!(
            "send_json",
            done(&room, &["send", "note", "--param", "x\u{7}", "--json"])
        );
    });
}

#[test]
fn who_does_not_get_it_is_named_and_the_others_get_it() {
    let room = Room::new();
    let primary = room.primary("web");
    let notes = notes(&primary);
    let (_full, _) = full_peer(&room, "web");
    for json in [&[][..], &["--json"]] {
        let arguments = ["send", "note", "--to", "all", "--param", "x", "--timeout", "100ms"];
        let ended = room.run(&[&arguments[..], json].concat());
        assert_eq!(notes.recv_timeout(LONG).unwrap().0, b"x");
        assert_eq!(ended.status, Some(1));
        assert!(ended.err.starts_with("rte-mp: note did not reach 1 ("), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        with_filters(&room, || {
            assert_snapshot!(
                if json.is_empty() { "send_undelivered" } else { "send_undelivered_json" },
                ended.out
            );
        });
    }
}

#[test]
fn an_interrupt_ends_a_message_that_waits_for_room() {
    let room = Room::new();
    let _primary = room.primary("web");
    let (_full, _) = full_peer(&room, "web");
    let arguments = ["send", "note", "--to", "1", "--timeout", "60s"];
    let sending = crate::support::Started::new(room.command(&arguments));
    // It has joined, so it does not take long until it waits.
    super::wait_for_members(&room, "web", 1);
    sending.interrupt();
    let ended = sending.end();
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.err.contains("was left"), "{}", ended.err);
    assert_eq!(super::sockets(&room, "web"), ["mp_socket", "mp_socket_1_full"]);
}

#[test]
fn a_wrong_parameter_is_told_what_is_right() {
    let room = Room::new();
    let _primary = room.primary("web");
    let long = room.path().join("long");
    fs::write(&long, [0; 257]).unwrap();
    let long = long.to_str().unwrap();
    let see = "see `rte-mp send --help`";
    let cases: [(&[&str], i32, String); 12] = [
        (&[], 2, format!("the following required arguments were not provided: <NAME>; {see}")),
        (
            &[""],
            2,
            format!("invalid value '' for '<NAME>': an action's name must not be empty; {see}"),
        ),
        (
            &["note", "--param", r"\q"],
            2,
            format!(
                r"invalid value '\q' for '--param <TEXT>': \q stands for nothing; write \\ for a backslash, \xNN for any byte; {see}"
            ),
        ),
        (
            &["note", "--hex", "0"],
            2,
            format!(
                "invalid value '0' for '--hex <DIGITS>': \"0\" has an odd number of digits; write two for each byte; {see}"
            ),
        ),
        (
            &["note", "--struct", "u8=256"],
            2,
            format!(
                "invalid value 'u8=256' for '--struct <FIELDS>': field \"u8=256\": \"256\" is none of the whole numbers from 0 to 255; {see}"
            ),
        ),
        (
            &["note", "--hex", "00", "--param", "x"],
            2,
            format!("the argument '--hex <DIGITS>' cannot be used with '--param <TEXT>'; {see}"),
        ),
        (
            &["note", "--file", long],
            2,
            format!("{long} holds more than 256 bytes, which a parameter has at most"),
        ),
        (
            &["note", "--file", "/nowhere"],
            1,
            "cannot read the parameter from /nowhere: No such file or directory (os error 2)"
                .to_owned(),
        ),
        (
            &["note", "--fd", "/nowhere"],
            1,
            "cannot open /nowhere for a descriptor: No such file or directory (os error 2)"
                .to_owned(),
        ),
        (
            &["note", "--to", "4242424"],
            1,
            format!(
                "\"4242424\" is no member of the group; its members are primary ({})",
                std::process::id()
            ),
        ),
        (
            &["note", "--to", "\u{1b}[2J"],
            1,
            format!(
                r#""\u{{1b}}[2J" is no member of the group; its members are primary ({})"#,
                std::process::id()
            ),
        ),
        (
            &["note", "--file-prefix", "other"],
            3,
            "no primary is running under file prefix \"other\" (ROOM/dpdk/other/config is not locked); see `rte-mp ps` for those that run"
                .to_owned(),
        ),
    ];
    for (arguments, status, expected) in cases {
        let ended: Ended = room.run(&[&["send"], arguments].concat());
        assert_refused(&ended, status, &expected.replace("ROOM", room.path().to_str().unwrap()));
    }
    let fds: Vec<_> = (0..9).flat_map(|_| ["--fd", "/dev/null"]).collect();
    let many: Vec<_> = (0..254).flat_map(|_| ["--fd", "/dev/null"]).collect();
    let ended = room.run(&[&["send", "note"], &many[..]].concat());
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.err.contains("at most 253"), "{}", ended.err);
    done(&room, &[&["send", "note"], &fds[..]].concat());
}
