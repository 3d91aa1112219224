//! `rte-mp hotplug` without DPDK: what it refuses before it asks anybody. What DPDK answers is tested beside
//! DPDK.

use crate::support::{Room, assert_refused};

#[test]
fn a_native_group_has_no_devices() {
    let room = Room::new();
    let _primary = room.primary("web");
    let expected = "file prefix \"web\" is led by an rte-mp process, which has no devices; \
                    hot-plug takes a DPDK primary";
    for verb in ["attach", "detach"] {
        assert_refused(&room.run(&["hotplug", verb, "vdev:net_null7"]), 1, expected);
        assert_refused(&room.run(&["hotplug", verb, "vdev:net_null7", "--json"]), 1, expected);
    }
}

#[test]
fn without_a_group_there_is_nobody_to_ask() {
    let room = Room::new();
    let ended = room.run(&["hotplug", "attach", "net_null7", "--file-prefix", "nowhere"]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(3), ""), "{ended:?}");
    assert!(ended.err.contains("no primary is running under file prefix \"nowhere\""), "{ended:?}");
}

#[test]
fn what_is_no_device_is_not_sent() {
    let room = Room::new();
    let long = "d".repeat(128);
    let too_long = format!(
        "invalid value '{long}' for '<DEVARGS>': a device's arguments have at most 127 bytes, these have 128; \
         see `rte-mp hotplug --help`"
    );
    let nameless = |text| {
        format!(
            "invalid value '{text}' for '<DEVARGS>': name a device, as in vdev:net_null7 or 0000:01:00.0; \
             see `rte-mp hotplug --help`"
        )
    };
    let cases = [
        (["attach", ""], nameless("")),
        // The blanks are one in a line.
        (["detach", " "], nameless(" ")),
        (["attach", &long], too_long),
        (
            ["plug", "net_null7"],
            "invalid value 'plug' for '<attach|detach>' [possible values: attach, detach]; see `rte-mp hotplug --help`"
                .to_owned(),
        ),
    ];
    for (arguments, expected) in cases {
        let ended = room.run(&[&["hotplug"], &arguments[..]].concat());
        assert_refused(&ended, 2, &expected);
    }
    let missing = "the following required arguments were not provided: <DEVARGS>; see `rte-mp hotplug --help`";
    assert_refused(&room.run(&["hotplug", "attach"]), 2, missing);
}
