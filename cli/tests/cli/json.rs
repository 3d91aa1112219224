//! `JSON.md` against what the subcommands write: each field of a record is described there. What `listen` and `trace`
//! write has snapshots of its own; `hotplug` takes a DPDK primary, and is tested beside one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Room;

/// Gives what stands in the page below the heading of a subcommand.
fn section(name: &str) -> &'static str {
    let page = include_str!("../../JSON.md");
    let heading = format!("\n## {name}\n");
    let (_, rest) = page.split_once(&heading).unwrap_or_else(|| panic!("{name} is not described"));
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

/// Lists the names of all fields, those of objects in it included.
fn fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields_of) => {
            for (name, value) in fields_of {
                into.insert(name.clone());
                fields(value, into);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, into)),
        _ => {}
    }
}

#[test]
fn every_field_that_is_written_is_described() {
    let room = Room::new();
    let primary = room.primary("web");
    primary.register("hello", |request| request.reply(b"Hello yourself")).unwrap();
    primary.memzones().reserve("MZ", 64).commit().unwrap();
    let hello = ["hello", "--param", "x", "--fd", "/dev/null"];
    let runs: [&[&str]; 11] = [
        &["demo"],
        &["ps"],
        &["doctor"],
        &["top", "--once"],
        &["zones"],
        &["zones", "MZ", "--hex"],
        &["ping", "--count", "1"],
        &[&["send"], &hello[..]].concat(),
        &[&["request"], &hello[..], &["--show-struct", "u32"]].concat(),
        &[&["request"], &hello[..], &["--count", "2", "--each"]].concat(),
        &["bench", "--count", "10", "--members"],
    ];
    let carried = section("What a message carries");
    for arguments in runs {
        let ended = room.run(&[arguments, &["--json"]].concat());
        assert!(!ended.out.is_empty(), "{arguments:?}: {ended:?}");
        let own = section(arguments[0]);
        // Whose names it takes over.
        let others: &[&str] = match arguments[0] {
            "request" => &["send"],
            "top" => &["ps", "trace"],
            _ => &[],
        };
        let others: Vec<_> = others.iter().map(|name| section(name)).collect();
        for line in ended.out.lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            let kind = object["type"].as_str().unwrap();
            let mut names = BTreeSet::new();
            fields(&object, &mut names);
            names.remove("type");
            names.insert(kind.to_owned());
            for name in names {
                let quoted = format!("`{name}`");
                let mut texts = others.iter().chain([&own, &carried]);
                let is_described = texts.any(|text| text.contains(&quoted));
                assert!(is_described, "{name} of {kind}, by {arguments:?}: {line}");
            }
        }
    }
}
