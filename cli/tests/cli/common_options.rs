//! What is the same for all subcommands: the options, the exit status, errors in one line.

use std::process::Stdio;

use rustix::process::{Signal, kill_process};

use crate::support::{Ended, Room, Started, assert_refused, rte_mp, wait_until};

#[test]
fn a_wrong_command_line_is_told_what_is_wrong_in_one_line() {
    let cases: [(&[&str], &str); 6] = [
        (
            &["demo", "--tineout", "1s"],
            "unexpected argument '--tineout' found; a similar argument exists: '--timeout'; \
             see `rte-mp demo --help`",
        ),
        (&["danse"], "unrecognized subcommand 'danse'; see `rte-mp --help`"),
        (
            &["demo", "--timeout", "soon"],
            "invalid value 'soon' for '--timeout <TIME>': expected number at 0; write a number and its unit, \
             as in 200ms, 5s or 1m30s; see `rte-mp demo --help`",
        ),
        (
            &["demo", "--color", "green"],
            "invalid value 'green' for '--color <WHEN>' [possible values: auto, always, never]; \
             see `rte-mp demo --help`",
        ),
        (
            &["demo", "--file-prefix"],
            "a value is required for '--file-prefix <P>' but none was supplied; see `rte-mp demo --help`",
        ),
        (&["demo", "\u{7}bell"], "unexpected argument 'bell' found; see `rte-mp demo --help`"),
    ];
    for (arguments, expected) in cases {
        let ended = Ended::from(rte_mp().args(arguments).output().unwrap());
        assert_refused(&ended, 2, expected);
    }
}

#[test]
fn without_a_subcommand_the_help_is_shown() {
    let ended = Ended::from(rte_mp().output().unwrap());
    assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains("Usage: rte-mp"), "{}", ended.err);
}

#[test]
fn an_output_that_is_closed_ends_it_quietly() {
    let room = Room::new();
    let command = format!("'{}' demo | head -n 1", env!("CARGO_BIN_EXE_rte-mp"));
    let shell = std::process::Command::new("bash")
        .args(["-o", "pipefail", "-c", &command])
        .env("TMPDIR", room.path())
        .output();
    let ended = Ended::from(shell.unwrap());
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    assert_eq!(ended.out.lines().count(), 1);
}

#[test]
fn a_terminal_that_is_closed_leaves_no_member_behind() {
    let room = Room::new();
    let primary = room.primary("web");
    let sockets = || {
        let files = std::fs::read_dir(primary.runtime_dir()).unwrap().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("mp_socket_")).count()
    };
    for arguments in [&["listen"][..], &["ping", "--interval", "1h"]] {
        let listening = Started::new(room.command(arguments));
        wait_until("it joins", || sockets() == 1);
        kill_process(listening.pid(), Signal::HUP).unwrap();
        assert_eq!(listening.end().status, Some(0), "{arguments:?}");
        assert_eq!(sockets(), 0, "{arguments:?}");
    }
    // Whoever wants it to go on says so.
    let mut command = std::process::Command::new("nohup");
    let listen = room.command(&["listen"]);
    command.arg(listen.get_program()).args(listen.get_args()).stdin(Stdio::null());
    let mut listening = Started::new(command);
    listening.line_that(|line| line.contains("Ctrl-C ends it"));
    kill_process(listening.pid(), Signal::HUP).unwrap();
    let path = format!("/proc/{}/status", listening.pid().as_raw_nonzero());
    let status = std::fs::read_to_string(path).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 1, 1, "{status}");
    listening.interrupt();
    assert_eq!(listening.end().status, Some(0));
}
