//! A wrong value for every option of every subcommand: each is refused in one line, which names it and says
//! what would be right.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::support::{Ended, Room, rte_mp};

/// Options that all subcommands have; each is tried with one of them.
const COMMON: [&str; 4] = ["--file-prefix", "--runtime-dir", "--timeout", "--color"];

/// Command lines with one value that is wrong, in a room with the group `web`.
const CASES: &[&[&str]] = &[
    &["ps", "--file-prefix", "nobody"],
    &["request", "x", "--file-prefix", "../web"],
    &["request", "x", "--file-prefix", ""],
    &["doctor", "--runtime-dir", "/nowhere"],
    &["zones", "--runtime-dir", "/nowhere"],
    &["ps", "--timeout", "soon"],
    &["ps", "--color", "green"],
    &["send", "", "--to", "primary"],
    &["send", "x", "--param", r"\x4"],
    &["send", "x", "--hex", "1"],
    &["send", "x", "--file", "/nowhere"],
    &["send", "x", "--struct", "u32"],
    &["send", "x", "--fd", "/nowhere"],
    &["send", "x", "--to", "nobody"],
    &["request", "x", "--param", r"\q"],
    &["request", "x", "--hex", "xy"],
    &["request", "x", "--file", "/"],
    &["request", "x", "--struct", "u8=256"],
    &["request", "x", "--fd", "/nowhere"],
    &["request", "x", "--to", "nobody"],
    &["request", "x", "--count", "0"],
    &["request", "x", "--count", "2", "--interval", "0s"],
    &["request", "x", "--count", "2", "--jobs", "0"],
    &["request", "x", "--save-fd", "/proc/nowhere"],
    &["request", "x", "--show-struct", "u24"],
    &["listen", "--reply", "\\"],
    &["listen", "--exec", "true", "--echo"],
    &["listen", "--exec", "true", "--jobs", "0"],
    &["listen", "--count", "-1"],
    &["listen", "--proc-type", "auto"],
    &["listen", "--show-struct", "strx"],
    &["ping", "nobody"],
    &["ping", "--count", "0"],
    &["ping", "--interval", "1"],
    &["top", "--once", "--interval", "never"],
    &["zones", "nothing"],
    &["zones", "nothing", "--follow", "--interval", "0s"],
    &["zones", "nothing", "--hex", "--offset", "-1"],
    &["zones", "nothing", "--hex", "--len", "0"],
    &["hotplug", "attach", ""],
    &["hotplug", "plug", "net_null7"],
    &["trace", "--out", "/nowhere/file", "--", "true"],
    &["trace", "--format", "xml", "--", "true"],
    &["trace", "--attach", "nobody"],
    &["trace", "--in", "/nowhere"],
    &["bench", "--duration", "0s"],
    &["bench", "--count", "0"],
    &["bench", "--size", "257"],
    &["bench", "--count", "1", "--plot", "/nowhere/file.svg"],
    &["completions", "csh"],
    &["man", "/proc/nowhere"],
];

#[test]
fn every_option_refuses_what_is_wrong_in_one_line() {
    let room = Room::new();
    let _primary = room.primary("web");
    let mut shown = String::new();
    for &case in CASES {
        let has_place = case.contains(&"--runtime-dir");
        let ended = match has_place {
            true => Ended::from(rte_mp().args(case).output().unwrap()),
            false => room.run(case),
        };
        let Ended { status, out, err } = ended;
        let status = status.expect("no signal ends it");
        assert!((1..=3).contains(&status), "{case:?}: {status} {out}");
        assert_eq!(err.lines().count(), 1, "{case:?}: {err}");
        assert!(err.starts_with("rte-mp: ") && err.len() > 30, "{case:?}: {err}");
        assert_eq!(out, "", "{case:?}");
        writeln!(shown, "$ rte-mp {}\n{status}  {err}", case.join(" ")).unwrap();
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(room.path().to_str().unwrap(), "[room]");
    settings.add_filter(&std::process::id().to_string(), "[pid]");
    settings.bind(|| insta::assert_snapshot!(shown));
}

#[test]
fn no_option_that_takes_a_value_is_left_out() {
    let tried: BTreeSet<(String, String)> = CASES
        .iter()
        .flat_map(|case| case.iter().map(|word| (case[0].to_owned(), (*word).to_owned())))
        .collect();
    let help = |arguments: &[&str]| {
        let ended = Ended::from(rte_mp().args(arguments).arg("--help").output().unwrap());
        ended.out
    };
    let all = help(&[]);
    let (_, commands) = all.split_once("Commands:").expect("they are listed");
    let commands = commands.lines().skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> = commands
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help" && *name != "demo")
        .collect();
    assert!(names.len() >= 13, "{names:?}");
    for name in names {
        let text = help(&[name]);
        let options = text.lines().filter(|line| line.trim_start().starts_with('-'));
        let options = options.filter(|line| line.contains('<'));
        for option in
            options.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")))
        {
            let is_tried = tried.contains(&(name.to_owned(), option.to_owned()));
            assert!(is_tried || COMMON.contains(&option), "{name} {option}");
        }
    }
    for option in COMMON {
        assert!(tried.iter().any(|(_, word)| word == option), "{option}");
    }
}
