//! `rte-mp zones` and `rte-mp hotplug` beside DPDK primaries.

use std::sync::mpsc;

use rte_mp::Request;
use rte_mp_interop::{PATIENCE, Process, Room, with_dpdk, with_dpdk_tool, with_room};

use crate::running::{done, run};

const HOTPLUG: &str = "eal_dev_mp_request";

/// Runs it, and expects it to refuse with this in its one line.
fn assert_refused(room: &Room, arguments: &[&str], expected: &str) {
    let (status, out, err) = run(room.rte_mp(arguments));
    assert_eq!((status, out.as_str()), (Some(1), ""), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.starts_with("rte-mp: ") && err.contains(expected), "{err}");
}

/// Takes a number out of a line of JSON.
fn number(line: &str, key: &str) -> u64 {
    let (_, rest) = line.split_once(&format!("\"{key}\":")).expect("it has such a field");
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("{key} in {line}"))
}

/// Waits until the command ends: its status, its last line, its errors.
fn ended(mut process: Process) -> (Option<i32>, String, String) {
    let mut last = String::new();
    while let Some(line) = process.line(PATIENCE) {
        last = line;
    }
    let status = process.finish(PATIENCE);
    (status.code(), last, process.errors())
}

#[test]
fn the_zones_of_testpmd_are_listed_and_their_bytes_shown() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let testpmd = room.testpmd();
        let table = done(room, &["zones"]);
        let names: Vec<_> =
            table.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let ring =
            *names.iter().find(|name| name.starts_with("RG_MP_")).expect("a pool has a ring");
        assert!(names.iter().any(|name| name.starts_with("MP_")), "{table}");
        assert_eq!(names[0], "NAME", "{table}");

        // The same as the library reads, field by field.
        let objects = done(room, &["zones", "--json"]);
        let member = room.member();
        let zones: Vec<_> = member.memzones().iter().expect("they can be read").collect();
        assert_eq!(objects.lines().count(), zones.len());
        for (line, zone) in objects.lines().zip(&zones) {
            assert!(line.contains(&format!("\"name\":\"{}\"", zone.name())), "{line}");
            assert_eq!(number(line, "len"), zone.len() as u64, "{line}");
            assert_eq!(number(line, "address"), zone.address(), "{line}");
            assert_eq!(number(line, "page_len"), 2 << 20, "{line}");
            assert_eq!(number(line, "iova"), zone.iova().expect("devices find it"), "{line}");
        }

        // DPDK 22.11: `rte_ring_core.h`, a ring begins with its name, which lacks the zone's prefix.
        let dump = done(room, &["zones", ring, "--hex", "--len", "32"]);
        assert!(dump.contains(&format!("|{:.<16}|", &ring[3..])), "{dump}");
        let near = format!("did you mean {ring}");
        assert_refused(room, &["zones", &ring.to_lowercase()], &near);
        drop(member);
        testpmd.quit();
    });
}

#[test]
fn what_a_primary_writes_into_a_zone_is_followed_until_it_frees_it() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&[]);
        server.reserve("MZ_WATCHED", 64).expect("there is memory");
        server.set("MZ_WATCHED", 0, 0);
        server.set("MZ_WATCHED", 8, 0);
        let follow = ["zones", "MZ_WATCHED", "--follow", "--len", "16", "--interval", "5ms"];
        let mut command = room.start(room.rte_mp(&follow));
        command.wait_for("its bytes", PATIENCE, |line| (line == "00000010").then_some(()));
        server.set("MZ_WATCHED", 8, 0x2a2b);
        let line = command.line(PATIENCE).expect("a change");
        let row = "00000000  00 00 00 00 00 00 00 00 [2b 2a]00 00 00 00 00 00  |........+*......|";
        assert!(line.ends_with(row), "{line}");

        server.free("MZ_WATCHED");
        let (status, last, errors) = ended(command);
        assert_eq!(status, Some(1), "{errors}");
        assert!(last.starts_with("1 change of MZ_WATCHED in "), "{last}");
        assert_eq!(errors, "rte-mp: memory zone \"MZ_WATCHED\" was freed\n");
    });
}

#[test]
fn following_ends_with_the_primary() {
    with_dpdk(|room| {
        let server = room.zone_server(&[]);
        let follow = ["zones", "MZ_SHARED_INFO", "--follow", "--json", "--interval", "5ms"];
        let mut command = room.start(room.rte_mp(&follow));
        command.wait_for("its bytes", PATIENCE, |line| line.contains("zone_bytes").then_some(()));
        server.kill();
        let (status, last, errors) = ended(command);
        assert_eq!(status, Some(1), "{errors}");
        assert!(last.contains("\"ended_by\":\"primary_ended\""), "{last}");
        assert!(
            errors.contains("has ended, and memory zone \"MZ_SHARED_INFO\" with it"),
            "{errors}"
        );
    });
}

/// The pages of `--no-huge` have no file: they are the process's, which an ordinary user may not look at.
#[test]
fn who_may_not_read_a_zone_is_told_which_right_is_missing() {
    with_dpdk(|room| {
        let server = room.zone_server(&["--no-huge", "-m", "64"]);
        let command = |user: &[&str]| {
            let zones = room.rte_mp(&["zones", "MZ_SHARED_INFO", "--hex", "--len", "16"]);
            let mut command = room.command("setpriv");
            command.args(user).arg(zones.get_program()).args(zones.get_args());
            command
        };
        let (status, out, err) = run(command(&[]));
        assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
        let capabilities =
            "-sys_admin,-checkpoint_restore,-sys_ptrace,-dac_override,-dac_read_search";
        let (status, out, err) = run(command(&["--bounding-set", capabilities]));
        assert_eq!((status, out.as_str()), (Some(1), ""), "{err}");
        assert!(err.contains("may not be opened: run as the primary's user"), "{err}");
        server.kill();
    });
}

#[test]
fn a_device_is_attached_to_testpmd_and_detached_again() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let mut testpmd = room.testpmd();
        assert_eq!(testpmd.ports(), ["net_null0"]);
        let line = done(room, &["hotplug", "attach", "vdev:net_null7"]);
        assert!(line.starts_with("attached \"vdev:net_null7\" in "), "{line}");
        assert_eq!(testpmd.ports(), ["net_null0", "net_null7"]);

        let line = done(room, &["hotplug", "detach", "net_null7", "--json"]);
        let whole = format!(
            "{{\"type\":\"hotplug\",\"operation\":\"detach\",\"devargs\":\"net_null7\",\"ok\":true,\"result\":0,\
             \"answered_operation\":\"detach\",\"primary_pid\":{},\"time_ns\":{},\"error\":null}}\n",
            testpmd.pid(),
            number(&line, "time_ns")
        );
        assert_eq!(line, whole);
        assert_eq!(testpmd.ports(), ["net_null0"]);
        testpmd.quit();
    });
}

#[test]
fn what_the_primary_refuses_is_told_in_words() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let mut testpmd = room.testpmd();
        let hotplug = |verb, device, expected| {
            assert_refused(room, &["hotplug", verb, device], expected);
        };
        hotplug("attach", "no_such_bus_knows_it", "Bad address (-14): no bus knows such a device");
        hotplug("detach", "vdev:net_null7", "(-2): it has no such device");

        // Other members have a say, too.
        let member = room.member();
        member
            .register(HOTPLUG, |request| {
                let mut param = request.param().to_vec();
                param[132..].copy_from_slice(&(-22_i32).to_ne_bytes());
                request.reply(&param)
            })
            .expect("the name is free");
        hotplug(
            "attach",
            "vdev:net_null7",
            "Invalid argument (-22): it, its driver or another member",
        );
        assert_eq!(testpmd.ports(), ["net_null0"], "it was undone");

        let (status, out, err) =
            run(room.rte_mp(&["hotplug", "attach", "vdev:net_null7", "--json"]));
        assert_eq!((status, err.lines().count()), (Some(1), 1), "{err}");
        assert!(
            out.contains("\"ok\":false,\"result\":-22,\"answered_operation\":\"undo_attach\""),
            "{out}"
        );
        drop(member);
        testpmd.quit();
    });
}

/// It takes DPDK 10 s to give up; the command waits for that.
#[test]
fn a_secondary_that_does_not_answer_is_told_of_after_all() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let mut testpmd = room.testpmd();
        let member = room.member();
        let (sender, unanswered) = mpsc::channel::<Request>();
        member.register(HOTPLUG, move |request| drop(sender.send(request))).expect("it is free");
        let words = "(-42): another secondary did not answer";
        assert_refused(room, &["hotplug", "attach", "vdev:net_null7"], words);
        assert!(unanswered.try_recv().is_ok(), "it was asked");
        assert_eq!(testpmd.ports(), ["net_null0"], "it was undone");
        drop((unanswered, member));
        testpmd.quit();
    });
}

#[test]
fn a_primary_that_says_nothing_or_nonsense_is_told_of() {
    with_room(|room| {
        let mut primary = room.peer_26_07();
        primary.register(HOTPLUG, "silent");
        let words = "the primary did not answer in time; it may be waiting for another secondary, \
                     and was asked to attach \"net_null7\": whether it will is not known";
        assert_refused(room, &["hotplug", "attach", "net_null7", "--timeout", "100ms"], words);

        let mut command = room.start(room.rte_mp(&["hotplug", "detach", "net_null7"]));
        // Asked by now, or a moment later: it is interrupted in either case.
        while room.files().iter().all(|file| !file.starts_with("mp_reply_")) {
            assert!(!command.has_ended(), "{}", command.errors());
            std::thread::yield_now();
        }
        command.interrupt();
        let (status, last, errors) = ended(command);
        assert_eq!((status, last.as_str()), (Some(1), ""), "{errors}");
        assert!(
            errors.starts_with("rte-mp: interrupted: the primary was asked to detach"),
            "{errors}"
        );

        primary.unregister(HOTPLUG);
        primary.register(HOTPLUG, "echo");
        let words = "the primary's answer about \"net_null7\" cannot be read";
        assert_refused(room, &["hotplug", "attach", "net_null7"], words);
        primary.quit();
    });
}
