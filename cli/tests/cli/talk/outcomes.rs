//! `rte-mp request` that brings no reply: what is said, the exit status, and being interrupted.

use insta::assert_snapshot;

use super::{done, listener, objects, sockets, wait_for_members, with_filters};
use crate::support::{Room, Started, wait_until};

#[test]
fn who_does_not_reply_is_told_and_makes_the_status_1() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("silent", rte_mp::Request::stay_silent).unwrap();
    let cases = [("unknown", "request_ignored"), ("silent", "request_timed_out")];
    for (name, snapshot) in cases {
        let arguments = ["request", name, "--timeout", "200ms"];
        let ended = room.run(&arguments);
        assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""), "{name}");
        let json = room.run(&[&arguments[..], &["--json"]].concat());
        assert_eq!((json.status, json.err.as_str()), (Some(1), ""), "{name}");
        with_filters(&room, || {
            assert_snapshot!(snapshot, ended.out);
            assert_snapshot!(format!("{snapshot}_json"), json.out);
        });
    }
}

#[test]
fn a_peer_that_ends_is_told_of_at_once() {
    let room = Room::new();
    // The command that it runs kills the one that has run it.
    let _primary = listener(
        &room,
        &["--proc-type", "primary", "--file-prefix", "web", "--exec", "kill -9 $PPID"],
    );
    let ended = room.run(&["request", "kill", "--timeout", "60s", "--file-prefix", "web"]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.out.contains(") ended before it answered, after "), "{}", ended.out);
}

/// One that died of it, one that replies: who replied does not hide who did not.
#[test]
fn one_that_does_not_reply_among_many_makes_the_status_1() {
    let room = Room::new();
    let (primary, _secondary) = (room.primary("web"), room.secondary("web"));
    primary.register("known", |request| request.reply(b"yes")).unwrap();
    let ended = room.run(&["request", "known", "--to", "all", "--json"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let outcomes: Vec<_> =
        objects(&ended.out).iter().map(|object| object["outcome"].to_string()).collect();
    assert_eq!(outcomes, ["\"replied\"", "\"ignored\""]);
}

#[test]
fn an_interrupt_ends_a_request_that_waits_and_leaves_no_socket() {
    for (more, expected) in [
        (&[][..], "was not waited for any longer after "),
        (&["--count", "5"], "hold: 0 sent, 0 received, 0.0% lost; "),
        (&["--to", "all"], "was not waited for any longer after "),
        (&["--count", "5", "--jobs", "3", "--to", "all"], "hold: 0 sent, 0 received, 0.0% lost; "),
    ] {
        let room = Room::new();
        let (primary, secondary) = (room.primary("web"), room.secondary("web"));
        let (sender, held) = std::sync::mpsc::channel();
        for group in [&primary, &secondary] {
            let sender = sender.clone();
            group.register("hold", move |request| sender.send(request).unwrap()).unwrap();
        }
        let arguments = [&["request", "hold", "--timeout", "60s"], more].concat();
        let asking = Started::new(room.command(&arguments));
        let request = held.recv_timeout(super::LONG).unwrap();
        let socket = format!("mp_socket_{}_", asking.pid().as_raw_pid());
        assert!(sockets(&room, "web").iter().any(|name| name.starts_with(&socket)));
        asking.interrupt();
        let ended = asking.end();
        drop(request);
        assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.out.contains(expected), "{}", ended.out);
        let own = std::process::id().to_string();
        let left: Vec<_> = sockets(&room, "web")
            .into_iter()
            .filter(|name| name != "mp_socket" && !name.contains(&own))
            .collect();
        assert_eq!(left, [""; 0]);
    }
}

#[test]
fn an_interrupt_in_the_midst_of_many_requests_sums_up_what_was() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("echo", |request| request.reply(b"")).unwrap();
    let arguments = ["request", "echo", "--count", "1000000", "--interval", "1ms", "--json"];
    let asking = Started::new(room.command(&arguments));
    wait_for_members(&room, "web", 1);
    wait_until("some were answered", || primary.stats().sent.replies >= 10);
    asking.interrupt();
    let ended = asking.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let summary = &objects(&ended.out)[0];
    assert_eq!(
        (&summary["type"], &summary["interrupted"]),
        (&"request_summary".into(), &true.into())
    );
    assert!(summary["received"].as_u64().is_some_and(|count| count >= 9), "{summary}");
    assert_eq!(summary["received"], summary["sent"]);
}

#[test]
fn a_primary_that_ends_ends_many_requests() {
    let room = Room::new();
    let primary = room.primary("web");
    let (sender, asked) = std::sync::mpsc::channel();
    primary
        .register("echo", move |request| {
            sender.send(()).unwrap();
            request.reply(b"")
        })
        .unwrap();
    let arguments = ["request", "echo", "--count", "1000000", "--interval", "1ms", "--json"];
    let asking = Started::new(room.command(&arguments));
    asked.recv_timeout(super::LONG).unwrap();
    primary.leave();
    let ended = asking.end();
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let objects = objects(&ended.out);
    let [.., last, summary] = &objects[..] else { panic!("{}", ended.out) };
    assert_eq!(last["outcome"], "unsendable", "{last}");
    assert_eq!(last["error"], "no primary is running under file prefix \"web\"");
    assert_eq!((&summary["type"], &summary["unsendable"]), (&"request_summary".into(), &1.into()));
}

#[test]
fn who_replies_makes_the_status_0() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("echo", |request| request.reply(b"")).unwrap();
    done(&room, &["request", "echo"]);
}
