//! `rte-mp top`: one look for scripts, and the view in a real terminal.

use std::fs;
use std::process::Stdio;

use insta::{Settings, assert_snapshot};
use rte_mp::{Group, Message};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Guarded, Room, assert_refused, wait_until};
use crate::terminal::Terminal;

fn look(room: &Room, arguments: &[&str]) -> Value {
    let ended = room.run(&[&["top", "--once", "--json"], arguments].concat());
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.out.lines().count(), 1, "{ended:?}");
    serde_json::from_str(&ended.out).unwrap()
}

/// What differs from run to run: processes, times, sockets, where the room is and the test.
fn with_filters(room: &Room, test: impl FnOnce()) {
    let mut settings = Settings::clone_current();
    settings.add_filter(&room.path().display().to_string(), "[room]");
    settings.add_filter(r"mp_socket_\d+_[0-9a-f]+", "mp_socket_[x]");
    settings.add_filter(&format!(r"\b{}\b", std::process::id()), "[pid]");
    settings.add_filter(r#""(unix_time_ns|age_ns|address)":\d+"#, r#""$1":[number]"#);
    settings.add_filter(r#""command":"[^"]*""#, r#""command":"[command]""#);
    settings.add_filter(r"(\d+) +\S*cli-[0-9a-f]+.*", "$1  [command]");
    settings.add_filter(r"0x[0-9a-f]{6,}", "[address]");
    settings.add_filter(r" \d+s ", " [age] ");
    // Columns are as wide as what stands in them.
    settings.add_filter(r"(?m)^ +", "");
    settings.add_filter(r" {2,}", "  ");
    settings.bind(test);
}

/// Has a secondary say something, which the primary drops for want of a handler.
fn talk(secondary: &Group, times: usize) {
    let message = Message::new("hello").unwrap();
    for _ in 0..times {
        secondary.send(&message).unwrap();
    }
}

#[test]
fn one_look_tells_of_groups_members_counters_and_zones() {
    let room = Room::new();
    let primary = room.primary("web");
    let secondary = room.secondary("web");
    primary.register("hello", |_| {}).unwrap();
    talk(&secondary, 3);
    wait_until("the primary has heard it", || primary.stats().received.messages == 3);
    primary.memzones().reserve("MZ_SHARED_INFO", 64).commit().unwrap();
    let object = look(&room, &[]);
    let members = object["chosen"]["members"].as_array().unwrap();
    assert_eq!(members.len(), 2, "the command itself is none: {object}");
    assert_eq!(members[0]["counters"]["received"]["messages"], 3, "{object}");
    assert_eq!(members[1]["counters"]["sent"]["messages"], 3, "{object}");
    assert_eq!(members[1]["pid"], std::process::id(), "{object}");
    assert_eq!(primary.members().unwrap().len(), 1, "it has left again");
}

#[test]
fn one_look_is_written_for_people_and_for_programs() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.memzones().reserve("MZ_SHARED_INFO", 64).commit().unwrap();
    with_filters(&room, || {
        let ended = room.run(&["top", "--once", "--json"]);
        assert_snapshot!("once_json", ended.out);
        let ended = room.run(&["top", "--once"]);
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        assert_snapshot!("once", ended.out);
    });
}

#[test]
fn the_group_that_is_looked_into_is_the_one_that_is_meant() {
    let room = Room::new();
    let nothing = look(&room, &[]);
    assert_eq!((&nothing["groups"], &nothing["chosen"]), (&Value::Array(Vec::new()), &Value::Null));
    let _groups = [room.primary("a"), room.primary("rte"), room.primary("z")];
    let object = look(&room, &[]);
    assert_eq!(object["chosen"]["file_prefix"], "rte", "{object}");
    let prefixes: Vec<_> =
        object["groups"].as_array().unwrap().iter().map(|group| &group["file_prefix"]).collect();
    assert_eq!(prefixes, ["a", "rte", "z"]);
    let object = look(&room, &["--file-prefix", "z"]);
    assert_eq!(
        (&object["chosen"]["file_prefix"], &object["groups"][1]),
        (&"z".into(), &Value::Null)
    );
}

#[test]
fn a_group_that_cannot_be_joined_is_shown_all_the_same() {
    let room = Room::new();
    let primary = room.primary("web");
    let config = primary.runtime_dir().join("config");
    // DPDK 30.11, of which nobody knows how it speaks.
    let mut bytes = fs::read(&config).unwrap();
    bytes[4..8].copy_from_slice(&0x1e0b_0063_u32.to_ne_bytes());
    fs::write(&config, bytes).unwrap();
    let object = look(&room, &[]);
    let chosen = &object["chosen"];
    assert_eq!(object["groups"][0]["release"], "30.11.0", "{object}");
    assert_eq!(chosen["zones"], Value::Null, "{object}");
    assert!(chosen["error"].as_str().unwrap().contains("30.11"), "{object}");
    assert_eq!(chosen["members"][0]["nature"], "dpdk", "{object}");
    assert_eq!(chosen["members"][0]["counters"], Value::Null, "{object}");
    let ended = room.run(&["top", "--once"]);
    assert!(ended.err.starts_with("rte-mp: group web: "), "{ended:?}");
    assert_eq!(ended.status, Some(0), "{ended:?}");
}

#[test]
fn what_makes_no_sense_is_told_in_one_line() {
    let room = Room::new();
    let terminal = "top needs a terminal for its input and output; \
                    `rte-mp top --once` writes what there is now";
    assert_refused(&room.run(&["top"]), 2, terminal);
    assert_refused(
        &room.run(&["top", "--json"]),
        2,
        "--json needs --once: the view is for a terminal",
    );
    let short = "invalid value '99ms' for '--interval <TIME>': it takes 100ms or more; see `rte-mp top --help`";
    assert_refused(&room.run(&["top", "--interval", "99ms"]), 2, short);
    let none =
        "there is no group of file prefix \"nowhere\"; see `rte-mp ps` for those that there are";
    for form in [&["--json"][..], &[]] {
        let arguments = [&["top", "--once", "--file-prefix", "nowhere"], form].concat();
        assert_refused(&room.run(&arguments), 3, none);
    }
    let ended = room.run(&["top", "--once"]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(0), ""));
    assert_eq!(ended.err, "rte-mp: there is no group\n");
    fs::write(room.path().join("dpdk"), "").unwrap();
    for (arguments, status) in
        [(&["top", "--once"][..], 0), (&["top", "--once", "--file-prefix", "web"], 3)]
    {
        let ended = room.run(arguments);
        assert_eq!((ended.status, ended.out.as_str()), (Some(status), ""));
        assert!(
            ended.err.contains("that may be seen by this user"),
            "{arguments:?}: {}",
            ended.err
        );
    }
}

/// Tells whether the shell says that the command has ended well. A prompt may stand before it.
fn has_ended(screen: &str) -> bool {
    screen.lines().any(|line| line.trim_end().ends_with("ended with 0"))
}

/// Tells whether there is a line in which all these words stand.
fn has_line(screen: &str, words: &[&str]) -> bool {
    screen.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn the_view_follows_what_happens_and_gives_the_terminal_back() {
    let room = Room::new();
    let Some(terminal) = Terminal::open(&room, 80, 24) else { return };
    let primary = room.primary("web");
    primary.register("hello", |_| {}).unwrap();
    primary.memzones().reserve("MZ_SHARED_INFO", 64).commit().unwrap();
    let _other = room.primary("db");
    terminal.type_line("echo before");
    terminal.run(&room, &["top", "--interval", "100ms"]);
    terminal.wait_for("the view", |screen| {
        has_line(screen, &["rte-mp top  2 groups"]) && has_line(screen, &["db", "native", "live"])
    });
    assert_eq!(terminal.tells("#{alternate_on}"), "1");

    // The other group, in which a member joins and talks.
    terminal.press("Tab");
    terminal.wait_for("the group", |screen| has_line(screen, &["Members of web"]));
    let secondary = room.secondary("web");
    terminal.wait_for("the member", |screen| has_line(screen, &["secondary", "rte-mp", "alive"]));
    let screen = terminal.wait_for("its rate", |screen| {
        talk(&secondary, 5);
        let row = screen.lines().find(|line| line.contains(" secondary "));
        let sent = row.and_then(|row| row.split_whitespace().nth(5)).unwrap_or_default();
        sent.parse().is_ok_and(|rate: f64| rate > 0.0)
    });
    assert!(has_line(&screen, &["Zones: 1, 64 bytes: MZ_SHARED_INFO"]), "{screen}");
    drop(secondary);
    terminal.wait_for("its end", |screen| !has_line(screen, &["secondary"]));

    terminal.press("z");
    terminal.wait_for("the zones", |screen| has_line(screen, &["MZ_SHARED_INFO", "0x"]));
    terminal.press("h");
    terminal.wait_for("the help", |screen| has_line(screen, &["Shift-Tab"]));
    terminal.press("Escape");
    terminal.wait_for("the zones again", |screen| has_line(screen, &["Zones of web"]));
    terminal.press("z");
    for (columns, lines) in [(40, 10), (120, 40)] {
        terminal.resize(columns, lines);
        let size = format!("{columns} {lines}");
        wait_until("it has that size", || terminal.tells("#{pane_width} #{pane_height}") == size);
        terminal.wait_for("the view in that size", |screen| {
            has_line(screen, &["q quit"]) && has_line(screen, &["STALE"]) == (lines >= 14)
        });
    }
    terminal.press("p");
    terminal.wait_for("the pause", |screen| has_line(screen, &["PAUSED"]));

    terminal.press("q");
    let screen = terminal.wait_for("the end", has_ended);
    assert!(has_line(&screen, &["before"]), "what was there is there again:\n{screen}");
    assert_given_back(&terminal);
    assert!(primary.members().unwrap().is_empty(), "it has left");
}

#[test]
fn an_interval_that_no_clock_reaches_the_end_of_leaves_the_first_look_on_the_screen() {
    let room = Room::new();
    let Some(terminal) = Terminal::open(&room, 100, 24) else { return };
    let _groups = [room.primary("db"), room.primary("web")];
    terminal.run(&room, &["top", "--interval", "500000000000y"]);
    terminal.wait_for("the first look", |screen| has_line(screen, &["Members of db"]));
    terminal.press("Tab");
    terminal.wait_for("the next group", |screen| has_line(screen, &["Members of web"]));
    terminal.press("q");
    terminal.wait_for("the end", has_ended);
}

/// The alternate screen is left, the cursor is there, and what is typed is seen.
fn assert_given_back(terminal: &Terminal) {
    assert_eq!(terminal.tells("#{alternate_on} #{cursor_flag}"), "0 1");
    terminal.type_line("echo $((40 + 2)) is seen");
    let screen = terminal.wait_for("an echo", |screen| has_line(screen, &["42 is seen"]));
    assert!(has_line(&screen, &["echo $((40 + 2)) is seen"]), "{screen}");
}

/// The process that runs in the terminal.
fn pid_of_top(room: &Room) -> Pid {
    let sockets = fs::read_dir(room.path().join("dpdk/web")).unwrap().flatten();
    let names = sockets.filter_map(|file| file.file_name().into_string().ok());
    let pids = names.filter_map(|name| {
        let pid = name.strip_prefix("mp_socket_")?.split('_').next()?.parse().ok()?;
        (pid != std::process::id().cast_signed()).then_some(pid)
    });
    Pid::from_raw(pids.last().unwrap()).unwrap()
}

#[test]
fn a_signal_or_ctrl_c_gives_the_terminal_back_too() {
    type End = fn(&Terminal, &Room);
    let room = Room::new();
    let Some(terminal) = Terminal::open(&room, 80, 24) else { return };
    let primary = room.primary("web");
    let ways: [(&str, End); 3] = [
        ("Ctrl-C", |terminal, _| terminal.press("C-c")),
        ("SIGTERM", |_, room| kill_process(pid_of_top(room), Signal::TERM).unwrap()),
        ("SIGINT", |_, room| kill_process(pid_of_top(room), Signal::INT).unwrap()),
    ];
    for (way, end) in ways {
        terminal.type_line("clear");
        terminal.run(&room, &["top", "--interval", "100ms"]);
        terminal.wait_for("the view", |screen| has_line(screen, &["Members of web"]));
        wait_until("it has joined", || primary.members().unwrap().len() == 1);
        end(&terminal, &room);
        terminal.wait_for(way, has_ended);
        assert_given_back(&terminal);
        assert!(primary.members().unwrap().is_empty(), "{way}: it has left");
    }
}

#[test]
fn the_shell_has_the_terminal_while_the_view_is_stopped() {
    type Stop = fn(&Terminal, &Room);
    let room = Room::new();
    let Some(terminal) = Terminal::open(&room, 80, 24) else { return };
    let _primary = room.primary("web");
    let is_shown = |screen: &str| has_line(screen, &["Members of web"]);
    terminal.run(&room, &["top", "--interval", "100ms"]);
    terminal.wait_for("the view", is_shown);
    terminal.press("C-z");
    terminal.wait_for("the shell", |screen| has_line(screen, &["Stopped"]));
    assert_given_back(&terminal);
    let ways: [(&str, Stop); 2] = [
        ("Ctrl-Z", |terminal, _| terminal.press("C-z")),
        // Nobody hears of that one, and the shell writes over the view.
        ("SIGSTOP", |_, room| kill_process(pid_of_top(room), Signal::STOP).unwrap()),
    ];
    for (way, stop) in ways {
        terminal.type_line("fg");
        terminal.wait_for("the view again", is_shown);
        wait_until("it has the terminal", || terminal.tells("#{alternate_on}") == "1");
        stop(&terminal, &room);
        terminal.wait_for(way, |screen| has_line(screen, &["Stopped"]));
    }
    // The terminal is not set for lines any more, so that Enter does not end one.
    for key in ["f", "g", "C-j"] {
        terminal.press(key);
    }
    let screen = terminal.wait_for("all of the view", |screen| {
        is_shown(screen)
            && !has_line(screen, &["Stopped"])
            && has_line(screen, &["rte-mp top  1 group"])
    });
    assert!(!has_line(&screen, &["fg"]), "{screen}");
    terminal.press("q");
    wait_until("it has ended", || terminal.tells("#{alternate_on} #{cursor_flag}") == "0 1");
    assert_given_back(&terminal);
}

/// Has a member join that is then stopped: its process exists, and does not answer.
fn stopped_member(room: &Room, primary: &Group) -> Guarded {
    let mut command = room.command(&["zones", "MZ", "--follow"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let stopped = Guarded(child);
    wait_until("it joins", || primary.members().unwrap().len() == 1);
    kill_process(Pid::from_child(&stopped.0), Signal::STOP).unwrap();
    stopped
}

#[test]
fn a_member_that_does_not_answer_is_told_of_and_does_not_hold_up_the_view() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.memzones().reserve("MZ", 64).commit().unwrap();
    let stopped = stopped_member(&room, &primary);
    let object = look(&room, &["--timeout", "100ms"]);
    let silent = &object["chosen"]["members"][1];
    assert_eq!(
        (&silent["counters"], &silent["pid"]),
        (&Value::Null, &stopped.0.id().into()),
        "{object}"
    );
    assert!(silent["error"].as_str().unwrap().contains("did not answer"), "{object}");

    let Some(terminal) = Terminal::open(&room, 100, 24) else { return };
    terminal.run(&room, &["top", "--interval", "100ms"]);
    terminal.wait_for("who is silent", |screen| has_line(screen, &["secondary", "silent"]));
    terminal.press("h");
    terminal.wait_for("the help", |screen| has_line(screen, &["Shift-Tab"]));
    terminal.press("q");
    terminal.wait_for("the end", has_ended);
}

#[test]
fn a_primary_that_is_replaced_is_joined_anew() {
    let room = Room::new();
    let Some(terminal) = Terminal::open(&room, 80, 24) else { return };
    let primary = room.primary("web");
    primary.memzones().reserve("MZ_FIRST", 64).commit().unwrap();
    terminal.run(&room, &["top", "--interval", "100ms"]);
    terminal.wait_for("its zone", |screen| has_line(screen, &["MZ_FIRST"]));
    primary.leave();
    terminal.wait_for("its end", |screen| !has_line(screen, &["MZ_FIRST"]));
    let primary = room.primary("web");
    primary.memzones().reserve("MZ_SECOND", 64).commit().unwrap();
    terminal.wait_for("the next one's zone", |screen| has_line(screen, &["MZ_SECOND"]));
    wait_until("it has joined", || primary.members().unwrap().len() == 1);
    terminal.press("q");
    terminal.wait_for("the end", has_ended);
}
