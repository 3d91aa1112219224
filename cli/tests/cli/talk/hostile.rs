//! Peers that send what would harm a terminal: nothing of it gets there.

use std::sync::mpsc::channel;

use super::{LONG, listener, message};
use crate::support::{Room, Started};

/// Moves the cursor, hides, turns the direction, rings, and breaks lines; not UTF-8 at the end.
const EVIL: &[u8] = b"\x1b[2J\x1b]0;title\x07\r\n\tx\xe2\x80\xae\xc2\x9b31m\x7f\xff";

fn assert_harmless(text: &str) {
    let harmful = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    assert!(!text.contains(harmful), "{text:?}");
    assert!(text.contains(r"\x1b[2J"), "{text:?}");
}

#[test]
fn nothing_of_a_hostile_peer_reaches_the_terminal_as_it_is() {
    let evil_fd =
        || rustix::fs::memfd_create("\u{1b}[2Jevil", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    for json in [&[][..], &["--json"]] {
        let room = Room::new();
        let primary = room.primary("web");
        let (sender, asked) = channel();
        primary
            .register("ask", move |request| {
                sender.send(()).unwrap();
                request.reply_with(message("ask", EVIL).with_fd(evil_fd()).unwrap())
            })
            .unwrap();
        let ended = room.run(&[&["request", "ask", "--show-struct", "str23"], json].concat());
        asked.recv_timeout(LONG).unwrap();
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert_harmless(&ended.out);

        let listening =
            Started::new(room.command(&[&["listen", "--count", "2", "--echo"], json].concat()));
        super::wait_for_members(&room, "web", 1);
        let mut evil = rte_mp::Message::new(EVIL).unwrap().with_param(EVIL).unwrap();
        evil = evil.with_fd(evil_fd()).unwrap();
        primary.send(&evil).unwrap();
        primary.request(&evil, Some(LONG)).unwrap();
        let ended = listening.end();
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        assert_harmless(&ended.out);
    }
}

/// A name is a file's name, too, and a command's variable.
#[test]
fn a_hostile_name_is_only_text_to_a_command() {
    let room = Room::new();
    let primary = room.primary("web");
    let mut listening = listener(&room, &["--exec", "printf %s \"$RTE_MP_NAME\"", "--count", "1"]);
    let request = rte_mp::Message::new(EVIL).unwrap();
    let reply = primary.request(&request, Some(LONG)).unwrap().into_reply().unwrap();
    assert_eq!(reply.param(), EVIL);
    assert!(listening.line().contains(r"\\x1b[2J"));
}
