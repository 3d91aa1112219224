//! The man pages as files. That they render without a warning is looked at where they are packaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Ended, Room, rte_mp};

fn write(directory: &Path) -> Ended {
    Ended::from(rte_mp().arg("man").arg(directory).output().unwrap())
}

#[test]
fn there_is_a_page_for_the_command_and_for_each_subcommand_in_its_help() {
    let room = Room::new();
    let directory = room.path().join("share/man1");
    let ended = write(&directory);
    assert_eq!((ended.status, ended.out.as_str(), ended.err.as_str()), (Some(0), "", ""));
    let mut pages: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();

    let help = Ended::from(rte_mp().arg("-h").output().unwrap()).out;
    let (_, commands) = help.split_once("Commands:\n").expect("the help lists them");
    let mut expected: Vec<_> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|&name| name != "help")
        .map(|name| format!("rte-mp-{name}.1"))
        .chain(["rte-mp.1".to_owned()])
        .collect();
    expected.sort();
    assert!(expected.len() > 10, "{expected:?}");
    assert_eq!(pages, expected);
}

#[test]
fn a_page_has_the_sections_that_its_readers_look_for() {
    let room = Room::new();
    assert_eq!(write(room.path()).status, Some(0));
    let sections = |page: &str| -> Vec<String> {
        let text = fs::read_to_string(room.path().join(page)).unwrap();
        let headings = text.lines().filter_map(|line| line.strip_prefix(".SH "));
        headings.map(|heading| heading.trim_matches('"').to_owned()).collect()
    };
    let expected = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "COMMON OPTIONS",
        "COMMANDS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "SEE ALSO",
    ];
    assert_eq!(sections("rte-mp.1"), expected);
    let expected = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMON OPTIONS", "SEE ALSO"];
    assert_eq!(sections("rte-mp-man.1"), expected);

    let title = fs::read_to_string(room.path().join("rte-mp-demo.1")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(".TH RTE-MP-DEMO 1 \"\" \"rte-mp {version}\" \"rte-mp manual\"");
    assert_eq!(title.lines().next(), Some(expected.as_str()));
}

#[test]
fn pages_that_are_there_are_replaced() {
    let room = Room::new();
    assert_eq!(write(room.path()).status, Some(0));
    let page = room.path().join("rte-mp.1");
    let first = fs::read(&page).unwrap();
    fs::write(&page, "old").unwrap();
    assert_eq!(write(room.path()).status, Some(0));
    assert!(fs::read(&page).unwrap() == first);
}

#[test]
fn a_directory_that_cannot_be_written_to_is_named() {
    let room = Room::new();
    let file = room.path().join("file");
    fs::write(&file, "").unwrap();
    // Not even root can write there.
    let closed = Path::new("/proc/self/fd");
    assert!(fs::metadata(closed).unwrap().permissions().mode() & 0o222 == 0);
    for directory in [&file, &file.join("below"), closed] {
        let ended = write(directory);
        assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""));
        let expected = format!("rte-mp: cannot write man pages to {}", directory.display());
        assert!(ended.err.starts_with(&expected), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1);
    }
    let ended = Ended::from(rte_mp().arg("man").output().unwrap());
    assert_eq!(ended.status, Some(2));
    assert!(ended.err.contains("<DIR>"), "{}", ended.err);
}
