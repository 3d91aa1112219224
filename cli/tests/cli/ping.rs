//! `rte-mp ping` in native groups.

use std::sync::mpsc;

use insta::{Settings, assert_snapshot};
use rte_mp::{Group, Role};

use crate::support::{Ended, Room, Started, assert_refused, wait_until};

/// Times and process ids are different each time.
fn with_filters(room: &Room, test: impl FnOnce()) {
    let mut settings = Settings::clone_current();
    settings.add_filter(&room.path().display().to_string(), "[room]");
    settings.add_filter(r"\d+\.\d(ns|µs|ms|s)", "[time]");
    settings.add_filter(r"(\w+_ns)\x22:\d+", "$1\":[time]");
    settings.add_filter(&std::process::id().to_string(), "[pid]");
    settings.add_filter(r"mp_socket_\[pid\]_[0-9a-f]+", "mp_socket_[pid]_[number]");
    settings.bind(test);
}

fn ended(room: &Room, arguments: &[&str]) -> Ended {
    room.run(&[&["ping", "--interval", "1ms"], arguments].concat())
}

#[test]
fn one_member_is_asked_as_often_as_wanted() {
    let room = Room::new();
    let _primary = room.primary("web");
    let text = ended(&room, &["primary", "--count", "3"]);
    assert_eq!((text.status, text.err.as_str()), (Some(0), ""), "{text:?}");
    let json = ended(&room, &["primary", "--count", "2", "--json"]);
    assert_eq!((json.status, json.err.as_str()), (Some(0), ""), "{json:?}");
    with_filters(&room, || {
        assert_snapshot!("one", text.out);
        assert_snapshot!("one_json", json.out);
    });
}

#[test]
fn without_a_name_all_members_are_asked() {
    let room = Room::new();
    let primary = room.primary("web");
    let secondary = room.secondary("web");
    let ended = ended(&room, &["--count", "2", "--json"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    for group in [primary, secondary] {
        let name = format!("\"{}\"", group.name());
        assert_eq!(ended.out.matches(&name).count(), 3, "two answers and a summary: {}", ended.out);
    }
}

#[test]
fn it_goes_on_until_ctrl_c_and_sums_up() {
    let room = Room::new();
    let _primary = room.primary("web");
    let mut ping = Started::new(room.command(&["ping", "--interval", "1ms"]));
    ping.line_that(|line| line.contains("seq=5 "));
    ping.interrupt();
    let ended = ping.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let last = ended.out.lines().last().unwrap();
    assert!(last.contains(" sent, ") && last.contains(", 0.0% lost; min/avg/max/p99"), "{last}");
}

/// A member whose handler holds up all others until the sender is dropped.
fn held_up(room: &Room) -> (Group, mpsc::Sender<()>) {
    let (gate, waiting) = mpsc::channel();
    let waiting = std::sync::Mutex::new(waiting);
    let primary = Group::builder()
        .runtime_base(room.path())
        .file_prefix("web")
        .role(Role::Primary)
        .action("hold", move |_| assert!(waiting.lock().unwrap().recv().is_err()))
        .join()
        .unwrap();
    let secondary = room.secondary("web");
    secondary.send(&rte_mp::Message::new("hold").unwrap()).unwrap();
    (primary, gate)
}

#[test]
fn a_member_that_is_held_up_does_not_answer_in_time() {
    let room = Room::new();
    let (_primary, gate) = held_up(&room);
    let ended = ended(&room, &["primary", "--count", "2", "--timeout", "50ms"]);
    drop(gate);
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""), "{ended:?}");
    with_filters(&room, || assert_snapshot!("held_up", ended.out));
}

#[test]
fn members_that_are_held_up_are_asked_side_by_side_and_told_in_order() {
    let room = Room::new();
    let (primary, gate) = held_up(&room);
    let secondaries = [(); 3].map(|()| room.secondary("web"));
    let mut ping = Started::new(room.command(&["ping", "--timeout", "20s", "--count", "1"]));
    // The primary, whose turn would be first, answers none before.
    let asked = |group: &Group| group.stats().received.requests > 0;
    wait_until("all others were asked", || secondaries.iter().all(asked));
    drop(gate);
    let first = ping.line();
    assert!(first.starts_with("primary[") && first.contains("time="), "{first}");
    let ended = ping.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.out.matches("seq=1 time=").count(), 4, "{}", ended.out);
    drop(primary);
}

#[test]
fn ctrl_c_does_not_wait_for_an_answer() {
    let room = Room::new();
    let (_primary, gate) = held_up(&room);
    let ping =
        Started::new(room.command(&["ping", "primary", "--timeout", "1h", "--interval", "1ms"]));
    // Nothing tells that it waits; whether it does yet makes no difference to what is asserted.
    let mut quick =
        Started::new(room.command(&["ping", "primary", "--timeout", "50ms", "--count", "1"]));
    quick.line_that(|line| line.contains("no answer in time"));
    drop(quick.end());
    ping.interrupt();
    let ended = ping.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    drop(gate);
}

#[test]
fn an_interval_without_end_leaves_one_round() {
    let room = Room::new();
    let _primary = room.primary("web");
    let mut ping = Started::new(room.command(&["ping", "--interval", "18446744073709551615s"]));
    ping.line_that(|line| line.contains("seq=1 "));
    ping.interrupt();
    let ended = ping.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.out.matches("seq=").count(), 1, "{}", ended.out);
}

#[test]
fn a_member_that_leaves_is_told() {
    let room = Room::new();
    let primary = room.primary("web");
    let mut ping = Started::new(room.command(&["ping", "primary", "--interval", "1ms", "--json"]));
    ping.line_that(|line| line.contains("replied"));
    drop(primary);
    ping.line_that(|line| line.contains(r#""outcome":"gone""#));
    ping.interrupt();
    let ended = ping.end();
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.out.contains(r#""ok":false"#), "{}", ended.out);
}

#[test]
fn who_cannot_be_asked_is_told_why() {
    let room = Room::new();
    assert_refused(
        &room.run(&["ping", "--file-prefix", "web"]),
        3,
        &format!(
            "no primary is running under file prefix \"web\" ({} is not locked); see `rte-mp ps` for those that \
             run",
            room.path().join("dpdk/web/config").display()
        ),
    );
    let primary = room.primary("web");
    let pid = std::process::id();
    let expected = format!("\"nobody\" is no member of the group; its members are primary ({pid})");
    assert_refused(&ended(&room, &["nobody"]), 1, &expected);
    for (arguments, expected) in [
        (
            ["--count", "0"],
            "invalid value '0' for '--count <N>': 0 is not in 1..18446744073709551615",
        ),
        (
            ["--count", "many"],
            "invalid value 'many' for '--count <N>': invalid digit found in string",
        ),
    ] {
        let ended = ended(&room, &arguments);
        assert_refused(&ended, 2, &format!("{expected}; see `rte-mp ping --help`"));
    }
    let error = ended(&room, &["--interval", "soon"]);
    assert_eq!((error.status, error.out.as_str()), (Some(2), ""));
    drop(primary);
}

#[test]
fn it_leaves_no_socket_behind() {
    let room = Room::new();
    let _primary = room.primary("web");
    ended(&room, &["--count", "1"]);
    let names = std::fs::read_dir(room.path().join("dpdk/web")).unwrap();
    let sockets = names
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("mp_"));
    assert_eq!(sockets.count(), 1, "the primary's");
}
