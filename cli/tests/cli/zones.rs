//! `rte-mp zones` in native groups: the list, bytes, following, and what it says if that cannot be.

use std::io::Read;
use std::process::Stdio;

use insta::{Settings, assert_snapshot};
use rte_mp::{Group, Memzone};

use crate::support::{Ended, Guarded, Room, Started, assert_refused, wait_until};

/// Addresses depend on what else this process has mapped, and with them how wide columns are.
fn with_filters(test: impl FnOnce()) {
    let mut settings = Settings::clone_current();
    settings.add_filter(r"0x[0-9a-f]{6,}", "[address]");
    settings.add_filter(r#""address":\d+"#, r#""address":[address]"#);
    settings.add_filter(r" {2,}", "  ");
    settings.bind(test);
}

fn reserve(group: &Group, name: &str, bytes: &[u8]) -> Memzone {
    let zone = group.memzones().reserve(name, bytes.len()).zeroed().commit().unwrap();
    zone.write_at(0, bytes).unwrap();
    zone
}

fn done(room: &Room, arguments: &[&str]) -> String {
    let ended = room.run(arguments);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{arguments:?}: {ended:?}");
    ended.out
}

#[test]
fn all_zones_or_one_are_listed() {
    let room = Room::new();
    let primary = room.primary("web");
    assert_eq!(done(&room, &["zones"]), "0 zones in \"web\", 0 bytes\n");
    assert_eq!(done(&room, &["zones", "--json"]), "");
    reserve(&primary, "MZ_SHARED_INFO", &[0; 64]);
    reserve(&primary, "\u{1b}[2Jevil", &[0; 5]);
    with_filters(|| {
        assert_snapshot!("list", done(&room, &["zones"]));
        assert_snapshot!("list_json", done(&room, &["zones", "--json"]));
        assert_snapshot!("one", done(&room, &["zones", "MZ_SHARED_INFO"]));
        assert_snapshot!("one_json", done(&room, &["zones", "MZ_SHARED_INFO", "--json"]));
    });
}

#[test]
fn bytes_are_shown_as_hexdump_shows_them() {
    let room = Room::new();
    let primary = room.primary("web");
    let mut bytes = b"counters \x1b[31m".to_vec();
    bytes.resize(100, 0);
    bytes.extend(b"the end");
    reserve(&primary, "stats", &bytes);
    let dump = |more: &[&str]| done(&room, &[&["zones", "stats", "--hex"], more].concat());
    with_filters(|| assert_snapshot!("hex_json", dump(&["--json", "--len", "16"])));
    let expected = "\
00000000  63 6f 75 6e 74 65 72 73  20 1b 5b 33 31 6d 00 00  |counters .[31m..|
00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
00000060  00 00 00 00 74 68 65 20  65 6e 64                 |....the end|
0000006b
";
    assert_eq!(dump(&[]), expected);
    let part = "\
00000064  74 68 65                                          |the|
00000067
";
    assert_eq!(dump(&["--offset", "100", "--len", "3"]), part);
    assert_eq!(dump(&["--offset", "0x64", "--len", "3"]), part);
    assert!(
        dump(&["--offset", "100", "--len", "1G"]).contains("|the end|"),
        "no more than there is"
    );
}

#[test]
fn of_a_large_zone_a_part_is_shown_unless_more_is_asked_for() {
    let room = Room::new();
    let primary = room.primary("web");
    let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at / 16) as u8).collect();
    reserve(&primary, "large", &bytes);
    let ended = room.run(&["zones", "large", "--hex", "--offset", "16"]);
    assert_eq!(ended.status, Some(0));
    assert!(ended.out.ends_with("\n00001010\n"), "{}", ended.out);
    let note = "rte-mp: 4096 of 200000 bytes are shown; --len 199984 shows all from there on\n";
    assert_eq!(ended.err, note);

    let lines = done(&room, &["zones", "large", "--hex", "--json", "--len", "200000"]);
    let objects: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [zone, pieces @ ..] = &objects[..] else { panic!("{lines}") };
    assert_eq!(zone["len"], 200_000);
    let offsets: Vec<_> = pieces.iter().map(|piece| piece["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, [0, 65_536, 131_072, 196_608]);
    let hex: String = pieces.iter().map(|piece| piece["bytes_hex"].as_str().unwrap()).collect();
    let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}

#[test]
fn each_change_of_a_followed_zone_is_shown_until_ctrl_c() {
    let room = Room::new();
    let primary = room.primary("web");
    let zone = reserve(&primary, "stats", &[0; 48]);
    let follow = ["zones", "stats", "--follow", "--interval", "5ms"];
    let mut text = Started::new(room.command(&follow));
    let mut json = Started::new(room.command(&[&follow[..], &["--json"]].concat()));
    assert_eq!(text.line_that(|line| line == "00000030"), "00000030");
    json.line_that(|line| line.contains("zone_bytes"));

    zone.write_at(23, &[0x2a, 0x2b]).unwrap();
    let line = text.line();
    assert!(line.trim_start().starts_with('+'), "{line}");
    let row = "s  00000010  00 00 00 00 00 00 00[2a  2b]00 00 00 00 00 00 00  |.......*+.......|";
    assert!(line.ends_with(row), "{line}");
    let line = json.line();
    let change: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(change["type"], "zone_change", "{line}");
    assert_eq!((&change["name"], &change["offset"]), (&"stats".into(), &23.into()));
    assert_eq!((&change["old_hex"], &change["new_hex"]), (&"0000".into(), &"2a2b".into()));
    assert!(change["unix_time_ns"].as_u64() > Some(1_600_000_000_000_000_000), "{line}");

    text.interrupt();
    json.interrupt();
    let ended = text.end();
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let last = ended.out.lines().last().unwrap();
    assert!(last.starts_with("1 change of stats in "), "{last}");
    let ended = json.end();
    let last: serde_json::Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["type"], &last["changes"]), (&"zone_summary".into(), &1.into()));
    assert_eq!(last["ended_by"], "interrupt");
    assert!(primary.members().unwrap().is_empty(), "both have left");
}

#[test]
fn changed_bytes_are_coloured_where_that_is_wanted() {
    let room = Room::new();
    let primary = room.primary("web");
    let zone = reserve(&primary, "stats", &[0; 16]);
    let follow = ["zones", "stats", "--hex", "--follow", "--interval", "5ms", "--color", "always"];
    let mut following = Started::new(room.command(&follow));
    following.line_that(|line| line == "00000010");
    zone.write_at(0, &[1]).unwrap();
    let line = following.line();
    assert!(line.contains("[\u{1b}[1m\u{1b}[31m01\u{1b}[0m]00"), "{line:?}");
}

/// Follows a zone, does `end` to it, and gives what the command says then.
fn ends_by(end: impl FnOnce(Group, Memzone)) -> Ended {
    let room = Room::new();
    let primary = room.primary("web");
    let zone = reserve(&primary, "stats", &[0; 16]);
    let mut following =
        Started::new(room.command(&["zones", "stats", "--follow", "--interval", "300ms"]));
    following.line_that(|line| line == "00000010");
    end(primary, zone);
    following.end()
}

#[test]
fn a_followed_zone_that_is_freed_or_whose_primary_ends_is_told() {
    type End = fn(Group, Memzone);
    let cases: [(End, &str); 3] = [
        (
            |primary, zone| {
                primary.memzones().free(zone).unwrap();
                // The command must see that before the group goes.
                wait_until("it leaves", || primary.members().unwrap().is_empty());
            },
            "memory zone \"stats\" was freed",
        ),
        (
            |primary, zone| {
                // So that the next one lies elsewhere.
                reserve(&primary, "other", &[0; 4096]);
                primary.memzones().free(zone).unwrap();
                primary.memzones().reserve("stats", 65536).commit().unwrap();
                wait_until("it leaves", || primary.members().unwrap().is_empty());
            },
            "memory zone \"stats\" was freed, and another one of its name reserved",
        ),
        (
            |primary, _| primary.leave(),
            "the primary of file prefix \"web\" has ended, and memory zone \"stats\" with it",
        ),
    ];
    for (end, expected) in cases {
        let ended = ends_by(end);
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert!(ended.out.contains("0 changes of stats in "), "{ended:?}");
        let freed = "rte-mp: memory zone \"stats\" was freed\n";
        // Where the machine is slow, it looks between the two.
        let is_between = expected.contains("another") && ended.err == freed;
        assert!(is_between || ended.err == format!("rte-mp: {expected}\n"), "{ended:?}");
    }
}

#[test]
fn following_ends_quietly_when_nobody_reads_any_more() {
    let room = Room::new();
    let primary = room.primary("web");
    let _zone = reserve(&primary, "stats", &[0; 16]);
    let mut command = room.command(&["zones", "stats", "--follow", "--interval", "5ms"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut following = Guarded(child);
    following.0.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let mut status = None;
    wait_until("it ends", || {
        status = following.0.try_wait().unwrap();
        status.is_some()
    });
    let mut errors = String::new();
    following.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((status.unwrap().code(), errors.as_str()), (Some(0), ""));
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_told_in_one_line() {
    let room = Room::new();
    let primary = room.primary("web");
    let none = "there is no memory zone \"stats\" in the group of file prefix \"web\"; it has none";
    assert_refused(&room.run(&["zones", "stats"]), 1, none);
    reserve(&primary, "stats", &[0; 16]);
    let cases: [(&[&str], i32, &str); 13] = [
        (
            &["stat"],
            1,
            "there is no memory zone \"stat\" in the group of file prefix \"web\"; did you mean stats?",
        ),
        (
            &["else", "--hex"],
            1,
            "there is no memory zone \"else\" in the group of file prefix \"web\"; \
             see `rte-mp zones` for those there are",
        ),
        (
            &["Stats", "--follow"],
            1,
            "there is no memory zone \"Stats\" in the group of file prefix \"web\"; did you mean stats?",
        ),
        (&[""], 2, "\"\" cannot be a memory zone: a memory zone's name must not be empty"),
        (
            &["a_name_of_more_than_31_bytes_is_none"],
            2,
            "\"a_name_of_more_than_31_bytes_is_none\" cannot be a memory zone: \
             a memory zone's name has at most 31 bytes, this one has 36",
        ),
        (
            &["stats", "--hex", "--offset", "16"],
            2,
            "--offset 16 is past the end of memory zone \"stats\", which has 16 bytes",
        ),
        (
            &["stats", "--hex", "--offset", "many"],
            2,
            "invalid value 'many' for '--offset <BYTES>': write a number of bytes, as in 512, 0x200, 4K, 1M or 1G; \
             see `rte-mp zones --help`",
        ),
        (
            &["stats", "--hex", "--len", "0"],
            2,
            "invalid value '0' for '--len <BYTES>': it takes 1 byte or more; see `rte-mp zones --help`",
        ),
        (
            &["stats", "--follow", "--interval", "0s"],
            2,
            "invalid value '0s' for '--interval <TIME>': it takes a time that is not 0; see `rte-mp zones --help`",
        ),
        (
            &["stats", "--hex", "--interval", "1s"],
            2,
            "the following required arguments were not provided: --follow; see `rte-mp zones --help`",
        ),
        (
            &["--hex"],
            2,
            "the following required arguments were not provided: <NAME>; see `rte-mp zones --help`",
        ),
        (
            &["stats", "--len", "4"],
            2,
            "the following required arguments were not provided: <--hex|--follow>; see `rte-mp zones --help`",
        ),
        (&["stats", "--file-prefix", "nowhere"], 3, ""),
    ];
    for (arguments, status, expected) in cases {
        let ended = room.run(&[&["zones"], arguments].concat());
        if expected.is_empty() {
            assert_eq!((ended.status, ended.out.as_str()), (Some(status), ""), "{ended:?}");
        } else {
            assert_refused(&ended, status, expected);
        }
    }
}

#[test]
fn more_than_can_be_followed_is_refused() {
    let room = Room::new();
    let primary = room.primary("web");
    let _zone = primary.memzones().reserve("huge", 64 << 20).commit().unwrap();
    let expected = "at most 16777216 bytes can be followed; choose a part by --offset and --len";
    assert_refused(&room.run(&["zones", "huge", "--follow", "--len", "64M"]), 2, expected);
}
