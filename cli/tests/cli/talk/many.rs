//! `rte-mp request --count`: how often is asked, what is summed up, and progress on a terminal.

use std::time::{Duration, Instant};

use insta::assert_snapshot;

use super::{done, objects, with_filters};
use crate::support::Room;
use crate::terminal::Terminal;

#[test]
fn many_requests_are_summed_up() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("echo", |request| request.reply(b"")).unwrap();
    for jobs in ["1", "4"] {
        let before = primary.stats().received.requests;
        let shown = done(&room, &["request", "echo", "--count", "500", "--jobs", jobs]);
        assert_eq!(primary.stats().received.requests - before, 500);
        with_filters(&room, || assert_snapshot!("request_count", shown));
    }
    let summary = &objects(&done(&room, &["request", "echo", "--count", "3", "--json"]))[0];
    for (key, expected) in [("sent", 3), ("received", 3), ("ignored", 0), ("timed_out", 0)] {
        assert_eq!(summary[key], expected, "{key}: {summary}");
    }
    let times = ["min_ns", "avg_ns", "p99_ns", "max_ns", "time_ns"]
        .map(|key| summary[key].as_u64().unwrap());
    assert!(times[0] > 0 && times[0] <= times[1] && times[1] <= times[3], "{summary}");
    assert!(times[0] <= times[2] && times[2] <= times[3] && times[3] <= times[4], "{summary}");
}

#[test]
fn only_what_is_no_reply_is_shown_unless_each_is_asked_for() {
    let room = Room::new();
    let primary = room.primary("web");
    let turns = std::sync::atomic::AtomicU32::new(0);
    primary
        .register("every other", move |request| {
            match turns.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 {
                0 => request.reply(b"yes"),
                _ => {
                    request.ignore();
                    Ok(())
                }
            }
        })
        .unwrap();
    let some = room.run(&["request", "every other", "--count", "4"]);
    let each = room.run(&["request", "every other", "--count", "4", "--each", "--json"]);
    assert_eq!((some.status, each.status), (Some(1), Some(1)));
    assert_eq!((some.err.as_str(), each.err.as_str()), ("", ""));
    with_filters(&room, || {
        assert_snapshot!("request_some", some.out);
        assert_snapshot!("request_each_json", each.out);
    });
}

#[test]
fn requests_are_as_far_apart_as_they_are_to_be() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("echo", |request| request.reply(b"")).unwrap();
    let start = Instant::now();
    done(&room, &["request", "echo", "--count", "4", "--interval", "50ms"]);
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

#[test]
fn progress_is_shown_on_a_terminal_and_gone_at_the_end() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("echo", |request| request.reply(b"")).unwrap();
    let arguments = ["request", "echo", "--count", "100", "--interval", "20ms"];
    let Some(terminal) = Terminal::start(&room, &arguments) else { return };
    terminal.wait_for("progress", |screen| screen.contains(" of 100 requests, "));
    let screen = terminal.wait_for("the end", |screen| screen.contains("ended with 0"));
    assert!(screen.contains("echo: 100 sent, 100 received"), "{screen}");
    assert!(!screen.contains(" of 100 requests, "), "{screen}");
}

#[test]
fn ctrl_c_on_a_terminal_sums_up() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("echo", |request| request.reply(b"")).unwrap();
    let arguments = ["request", "echo", "--count", "1000000", "--interval", "20ms"];
    let Some(terminal) = Terminal::start(&room, &arguments) else { return };
    // Until there is an answer, Ctrl-C ends it with nothing done.
    let has_begun =
        |screen: &str| screen.contains(" of 1000000 requests, ") && !screen.contains(" 0 of ");
    terminal.wait_for("progress", has_begun);
    terminal.press("C-c");
    let screen = terminal.wait_for("the end", |screen| screen.contains("ended with 0"));
    assert!(screen.contains("echo: ") && screen.contains(", interrupted"), "{screen}");
}
