//! What is the same for all subcommands: the options, the exit status, errors in one line.

use crate::support::{Ended, Room, assert_refused, rte_mp};

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
