//! `rte-mp listen --echo`, `--reply` and `--exec`: what is answered, by whom, and what is left alone.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{LONG, ask, listener, message, objects};
use crate::support::{Room, Started, wait_until};

const LISTENER: &str = "mp_socket_";
const IGNORED: &str = "ignored";

fn next(listening: &mut Started) -> Value {
    serde_json::from_str(&listening.line()).unwrap()
}

#[test]
fn a_request_is_echoed_replied_to_or_ignored() {
    let cases: [(&[&str], Option<&[u8]>); 3] =
        [(&["--echo"], Some(b"\0 any")), (&["--reply", r"a\0\xff"], Some(b"a\0\xff")), (&[], None)];
    for (arguments, expected) in cases {
        let room = Room::new();
        let primary = room.primary("web");
        let mut listening = listener(&room, arguments);
        let answer = ask(&primary, LISTENER, "any", b"\0 any");
        assert_eq!(answer.as_deref().ok(), expected, "{arguments:?}");
        let heard = next(&mut listening);
        assert_eq!(
            heard["answer"],
            if expected.is_some() { "replied" } else { IGNORED },
            "{heard}"
        );
        primary.send(&message("note", b"")).unwrap();
        let heard = next(&mut listening);
        assert_eq!(
            (&heard["kind"], &heard["answer"]),
            (&"message".into(), &Value::Null),
            "{heard}"
        );
    }
}

/// An answer would be taken for a member's word on memory and devices.
#[test]
fn what_dpdk_asks_is_answered_only_if_it_is_named() {
    let own = [
        "mp_malloc_sync",
        "mp_malloc_rollback",
        "eal_dev_mp_request",
        "mp_pdump",
        "mp_testpmd",
        "net_hns3_mp",
    ];
    for how in [&["--echo"][..], &["--reply", "x"], &["--exec", "echo x"]] {
        let room = Room::new();
        let primary = room.primary("web");
        let mut listening = listener(&room, how);
        for name in own {
            let error = ask(&primary, LISTENER, name, b"").unwrap_err();
            assert!(error.contains(IGNORED), "{name}: {error}");
            let heard = next(&mut listening);
            assert_eq!(
                (&heard["name"], &heard["answer"]),
                (&name.into(), &IGNORED.into()),
                "{how:?}"
            );
        }
        ask(&primary, LISTENER, "of ours", b"").unwrap();
    }
    let room = Room::new();
    let primary = room.primary("web");
    let _listening = listener(&room, &["mp_malloc_sync", "--reply", "named"]);
    assert_eq!(ask(&primary, LISTENER, "mp_malloc_sync", b"").unwrap(), b"named");
}

#[test]
fn a_command_gets_what_came_and_its_output_is_the_reply() {
    let room = Room::new();
    let primary = room.primary("web");
    let command = r#"printf '%s|' "$RTE_MP_NAME" "$RTE_MP_KIND" "$RTE_MP_PID" "$RTE_MP_UID" "$RTE_MP_FDS" "${RTE_MP_PEER##*/}"; cat"#;
    let mut listening = listener(&room, &["--exec", command]);
    let reply =
        String::from_utf8(ask(&primary, LISTENER, "a name; $(x)", b"the param").unwrap()).unwrap();
    let (pid, uid) = (std::process::id(), rustix::process::getuid().as_raw());
    let start = format!("a name; $(x)|request|{pid}|{uid}|0|mp_");
    assert!(reply.starts_with(&start) && reply.ends_with("|the param"), "{reply}");
    let heard = next(&mut listening);
    assert_eq!(
        (&heard["answer"], &heard["answer_text"]),
        (&"replied".into(), &reply.into()),
        "{heard}"
    );

    // For a message, too, whose output nobody gets.
    primary.send(&message("note", b"")).unwrap();
    let heard = next(&mut listening);
    assert_eq!((&heard["answer"], &heard["answer_error"]), (&Value::Null, &Value::Null), "{heard}");
}

#[test]
fn a_command_that_fails_or_says_too_much_or_takes_too_long_is_an_ignore() {
    let cases = [
        ("echo no; exit 3", "the command ended with exit status: 3"),
        ("kill -TERM $$", "the command ended with signal: 15 (SIGTERM)"),
        ("head -c 257 /dev/zero", "the command wrote more than 256 bytes"),
        ("cat /dev/zero", "the command wrote more than 256 bytes"),
        ("sleep 60", "the command took longer than 300ms"),
        ("exec >&-; sleep 60", "the command took longer than 300ms"),
    ];
    for (command, expected) in cases {
        let room = Room::new();
        let primary = room.primary("web");
        let mut listening = listener(&room, &["--exec", command, "--timeout", "300ms"]);
        let error = ask(&primary, LISTENER, "any", &[7; 256]).unwrap_err();
        assert!(error.contains(IGNORED), "{command}: {error}");
        let heard = next(&mut listening);
        assert_eq!((&heard["answer"], &heard["answer_error"]), (&IGNORED.into(), &expected.into()));
    }
    // As much as fits, and what goes on behind it does not matter.
    let room = Room::new();
    let primary = room.primary("web");
    let _listening = listener(&room, &["--exec", "head -c 256 /dev/zero; sleep 2 & exit 0"]);
    let start = Instant::now();
    assert_eq!(ask(&primary, LISTENER, "any", b"").unwrap(), [0; 256]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// The first command waits for a file that the second makes.
#[test]
fn a_command_holds_up_nobody_else() {
    let room = Room::new();
    let (primary, secondary) = (room.primary("web"), room.secondary("web"));
    let command = r#"if [ "$RTE_MP_NAME" = first ]; then until [ -e "$TMPDIR/go" ]; do sleep 0.01; done; else touch "$TMPDIR/go"; fi"#;
    let _listening = listener(&room, &["--exec", command, "--jobs", "2"]);
    let own = secondary.name().file_name().to_str().unwrap().to_owned();
    let listener = primary
        .members()
        .unwrap()
        .into_iter()
        .find(|member| member.name.file_name().to_str().unwrap() != own)
        .unwrap();
    let to = primary.to(&listener.name);
    let (sender, replied) = std::sync::mpsc::channel();
    let done = move |replies: rte_mp::Replies| sender.send(replies.received()).unwrap();
    to.request_async(&message("first", b""), Some(LONG), done).unwrap();
    to.ping(b"the driver is free", Some(LONG)).unwrap();
    assert!(replied.try_recv().is_err(), "the first command waits");
    assert_eq!(to.request(&message("second", b""), Some(LONG)).unwrap().received(), 1);
    assert_eq!(replied.recv_timeout(LONG).unwrap(), 1);
}

#[test]
fn more_commands_than_may_wait_are_ignored() {
    let room = Room::new();
    let primary = room.primary("web");
    let command = r#"until [ -e "$TMPDIR/go" ]; do sleep 0.01; done"#;
    let listening =
        listener(&room, &["--exec", command, "--jobs", "1", "--timeout", "60s", "--count", "300"]);
    let (sender, replied) = std::sync::mpsc::channel();
    for _ in 0..300 {
        let sender = sender.clone();
        let done = move |replies: rte_mp::Replies| sender.send(replies.received()).unwrap();
        primary.request_async(&message("any", b""), Some(4 * LONG), done).unwrap();
    }
    // One runs, 256 wait, and perhaps one more while the first was not begun.
    let mut ignored = 0;
    while ignored < 42 {
        assert_eq!(replied.recv_timeout(LONG).unwrap(), 0);
        ignored += 1;
    }
    fs::write(room.path().join("go"), "").unwrap();
    let rest: Vec<_> = (ignored..300).map(|_| replied.recv_timeout(LONG).unwrap()).collect();
    assert!(rest.iter().filter(|received| **received == 1).count() >= 256, "{rest:?}");
    let ended = listening.end();
    let reasons = objects(&ended.out)
        .iter()
        .filter(|object| object["answer_error"] == "too many commands run already")
        .count();
    assert!((42..=43).contains(&reasons), "{reasons}");
}

#[test]
fn an_interrupt_ends_the_commands_that_run() {
    let room = Room::new();
    let primary = room.primary("web");
    let command = r#"sleep 60 >/dev/null 2>&1 & echo $! > "$TMPDIR/pid.new"; mv "$TMPDIR/pid.new" "$TMPDIR/pid"; wait"#;
    let listening = listener(&room, &["--exec", command, "--timeout", "60s"]);
    let (sender, replied) = std::sync::mpsc::channel();
    let done = move |replies: rte_mp::Replies| sender.send(replies.received()).unwrap();
    primary.request_async(&message("any", b""), Some(LONG), done).unwrap();
    let file = room.path().join("pid");
    wait_until("the command runs", || file.exists());
    let pid = fs::read_to_string(file).unwrap();
    listening.interrupt();
    assert_eq!(listening.end().status, Some(0));
    assert_eq!(replied.recv_timeout(LONG).unwrap(), 0, "it is ignored");
    // What the command has started, too; it may not have been waited for by its new parent.
    wait_until("all of it is gone", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !stat.contains(" (sleep) ") || stat.contains(" (sleep) Z ")
    });
}
