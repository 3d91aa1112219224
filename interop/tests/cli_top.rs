//! `rte-mp top` beside DPDK processes: seen, and not asked for what they do not know.

use std::time::Duration;

use rte_mp::{Message, Role};
use rte_mp_interop::{PATIENCE, Room, with_dpdk, with_dpdk_tool};

/// What DPDK notes of a message that it has no action for.
const NOTE: &str = "Cannot find action: rte-mp/";

fn look(room: &Room) -> String {
    let output = room.rte_mp(&["top", "--once", "--json"]).output().expect("it can be run");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
    out
}

/// Finds the member of this process in the object.
fn member(object: &str, pid: u32) -> &str {
    let (_, members) = object.split_once("\"members\":[").expect("there are members");
    let own = format!("\"pid\":{pid},");
    members.split("{\"role\":").find(|member| member.contains(&own)).unwrap_or_else(|| {
        panic!("process {pid} is missing in {object}");
    })
}

#[test]
fn testpmd_is_seen_with_its_zones_and_is_not_asked() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let testpmd = room.testpmd();
        let group = room.member();
        group.send(&Message::new("mp_malloc_response").expect("it is a name")).expect("it runs");
        let object = look(room);
        let primary = member(&object, testpmd.pid());
        for expected in
            ["\"primary\"", "\"nature\":\"dpdk\"", "\"state\":\"alive\"", "\"counters\":null"]
        {
            assert!(primary.contains(expected), "{expected}: {primary}");
        }
        assert!(primary.contains("dpdk-testpmd -m 64"), "{primary}");
        let own = member(&object, std::process::id());
        assert!(own.contains("\"nature\":\"rte-mp\""), "{own}");
        assert!(own.contains("\"counters\":{\"sent\":{\"messages\":1,"), "{own}");

        let zones: Vec<_> = group.memzones().iter().expect("they can be read").collect();
        let len: usize = zones.iter().map(rte_mp::MemzoneInfo::len).sum();
        let expected = format!("\"zones\":{{\"count\":{},\"len\":{len},", zones.len());
        assert!(object.contains(&expected), "{expected}: {object}");
        assert!(object.contains("\"release\":\"22.11"), "{object}");

        // It notes what it does not know; so it would have been seen.
        assert!(!testpmd.errors().contains(NOTE), "{}", testpmd.errors());
        let members = group.members().expect("they can be listed");
        let primary = members.iter().find(|member| member.role == Role::Primary).expect("it runs");
        let silence = group.to(&primary.name).stats(Some(Duration::from_millis(100)));
        assert!(silence.is_err(), "{silence:?}");
        assert!(testpmd.errors().contains(NOTE), "{}", testpmd.errors());
        drop(group);
        testpmd.quit();
    });
}

#[test]
fn secondaries_of_both_kinds_are_told_apart() {
    with_dpdk(|room| {
        let (mut primary, mut secondary) = (room.dpdk_primary(), room.dpdk_secondary());
        let group = room.member();
        let object = look(room);
        for pid in [primary.pid(), secondary.pid()] {
            let found = member(&object, pid);
            assert!(
                found.contains("\"nature\":\"dpdk\"") && found.contains("\"counters\":null"),
                "{found}"
            );
        }
        assert!(member(&object, std::process::id()).contains("\"nature\":\"rte-mp\""), "{object}");
        for peer in [&mut primary, &mut secondary] {
            let errors = peer.process().errors();
            assert!(!errors.contains(NOTE), "{errors}");
        }
        drop(group);
        secondary.quit();
        primary.quit();
    });
}

/// In a terminal the group is joined for long: a hot-plug meanwhile takes no longer.
#[test]
fn a_primary_that_is_watched_attaches_devices_as_ever() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        // `script` gives it a terminal; what it draws comes out.
        let top = room.rte_mp(&["top", "--interval", "100ms"]);
        let mut words = vec![top.get_program().to_string_lossy().into_owned()];
        words.extend(top.get_args().map(|word| word.to_string_lossy().into_owned()));
        let mut command = room.command("script");
        command.args(["-qec", &words.join(" "), "/dev/null"]).env("TERM", "xterm");
        let mut top = room.start(command);
        let joined = || room.files().iter().any(|file| file.starts_with("mp_socket_"));
        while !joined() {
            assert!(!top.has_ended(), "{}", top.errors());
            std::thread::yield_now();
        }
        let took = primary.attach("net_null7").expect("it is a device");
        assert!(took < Duration::from_secs(1), "{took:?}");
        primary.detach("net_null7").expect("it is there");
        top.write("q");
        let status = top.finish(PATIENCE);
        assert!(status.success(), "{status}: {}", top.errors());
        assert!(!joined(), "{:?}", room.files());
        primary.quit();
    });
}
