//! `rte-mp send`, `request` and `listen` beside DPDK processes.

use std::fs;
use std::time::Duration;

use rte_mp_interop::{
    Failed, PATIENCE, Peer, Process, Replies, Reply, Room, with_dpdk, with_dpdk_tool,
};

use crate::running::{done, run};

const SECOND: Duration = Duration::from_secs(1);

/// Has the command listen, and waits until it does.
fn listen(room: &Room, arguments: &[&str]) -> Process {
    let mut listening = room.start(room.rte_mp(&[&["listen", "--json"], arguments].concat()));
    listening.wait_for("its first line", PATIENCE, |line| {
        line.contains("\"type\":\"listening\"").then_some(())
    });
    listening
}

/// Waits until the command tells of something of this name, and gives the line.
fn heard(listening: &mut Process, name: &str) -> String {
    let name = format!("\"name\":\"{name}\"");
    listening.wait_for(&name, PATIENCE, |line| line.contains(&name).then(|| line.to_owned()))
}

/// Ends it by Ctrl-C, and expects it to have nothing to complain of.
fn interrupt(room: &Room, mut listening: Process) {
    listening.interrupt();
    let status = listening.finish(PATIENCE);
    assert_eq!((status.code(), listening.errors().as_str()), (Some(0), ""));
    let own = format!("mp_socket_{}_", listening.pid());
    assert!(room.files().iter().all(|file| !file.starts_with(&own)), "{:?}", room.files());
}

fn replied(param: &str) -> Result<Replies, Failed> {
    let reply = Reply { param: param.to_owned(), contents: Vec::new() };
    Ok(Replies { sent: 1, received: 1, replies: vec![reply] })
}

/// Whatever it is told to answer, DPDK's own requests are ignored, so that the primary goes on at once.
#[test]
fn what_a_dpdk_primary_says_to_its_members_is_heard_and_does_not_disturb_it() {
    for how in [&[][..], &["--echo"], &["--reply", "no"], &["--exec", "sleep 5"]] {
        with_dpdk(|room| {
            let mut primary = room.dpdk_primary();
            let mut listening = listen(room, how);
            let at_once = |took: Result<Duration, Failed>| {
                assert!(took.as_ref().is_ok_and(|took| *took < 2 * SECOND), "{how:?}: {took:?}");
            };
            at_once(primary.reserve(32 << 20));
            let line = heard(&mut listening, "mp_malloc_sync");
            assert!(line.contains("\"kind\":\"request\""), "{line}");
            assert!(
                line.contains("\"decoded\":\"take over how the memory has changed ("),
                "{line}"
            );
            assert!(line.contains("\"answer\":\"ignored\""), "{line}");
            assert!(line.contains(&format!("\"peer_pid\":{}", primary.pid())), "{line}");

            at_once(primary.attach("net_null7"));
            let line = heard(&mut listening, "eal_dev_mp_request");
            assert!(line.contains(r#""decoded":"attach \"vdev:net_null7"#), "{line}");
            assert!(line.contains("\"answer\":\"ignored\""), "{line}");

            // A secondary that starts asks for the virtual devices, and all members are told.
            let secondary = room.dpdk_secondary();
            let line = heard(&mut listening, "bus_vdev_mp");
            assert!(line.contains(r#""decoded":"virtual device \"net_null7\"""#), "{line}");
            assert!(
                line.contains("\"kind\":\"message\"") && line.contains("\"answer\":null"),
                "{line}"
            );
            secondary.quit();

            at_once(primary.detach("net_null7"));
            let line = heard(&mut listening, "eal_dev_mp_request");
            assert!(line.contains(r#""decoded":"detach \"vdev:net_null7"#), "{line}");
            interrupt(room, listening);
            primary.quit();
        });
    }
}

#[test]
fn a_hot_plug_of_testpmd_is_heard_and_done_while_somebody_listens() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let mut testpmd = room.testpmd();
        let mut listening = listen(room, &["--echo"]);
        let line = done(room, &["hotplug", "attach", "vdev:net_null7", "--timeout", "4s"]);
        assert!(line.starts_with("attached "), "{line}");
        let line = heard(&mut listening, "eal_dev_mp_request");
        assert!(line.contains(r#""decoded":"attach \"vdev:net_null7\"""#), "{line}");
        assert_eq!(testpmd.ports(), ["net_null0", "net_null7"]);
        interrupt(room, listening);
        testpmd.quit();
    });
}

#[test]
fn a_dpdk_primary_is_answered_from_a_shell() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let ask = |primary: &mut Peer| primary.request("question", 5 * SECOND, "how many?", &[]);
        let mut listening = listen(room, &["--reply", r"seven\x21"]);
        assert_eq!(ask(&mut primary), replied("seven!"));
        let line = heard(&mut listening, "question");
        assert!(line.contains("\"param_text\":\"how many?\""), "{line}");
        assert!(line.contains("\"answer\":\"replied\",\"answer_text\":\"seven!\""), "{line}");
        primary.send("note", "with a file", &["its content"]).expect("it is sent");
        let line = heard(&mut listening, "note");
        assert!(line.contains("\"target\":\"/memfd:dpdk_peer (deleted)\""), "{line}");
        interrupt(room, listening);

        let listening =
            listen(room, &["question", "--exec", "tr a-z A-Z; printf \" $RTE_MP_NAME\""]);
        assert_eq!(ask(&mut primary), replied("HOW MANY? question"));
        interrupt(room, listening);

        // Named, DPDK's own are answered, too: here in the way in which a member says that it agrees.
        let mut listening = listen(room, &["mp_malloc_sync", "--echo"]);
        let took = primary.reserve(32 << 20).expect("the member agrees");
        assert!(took < 2 * SECOND, "{took:?}");
        assert!(heard(&mut listening, "mp_malloc_sync").contains("\"answer\":\"replied\""));
        interrupt(room, listening);
        primary.quit();
    });
}

#[test]
fn dpdk_members_are_asked_from_a_shell() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let mut secondary = room.dpdk_secondary();
        for peer in [&mut primary, &mut secondary] {
            peer.register("hello", "echo");
        }
        let out = done(room, &["request", "hello", "--param", r"a\0b"]);
        assert!(out.starts_with(&format!("primary ({}) replied in ", primary.pid())), "{out}");
        assert!(out.contains(r"  text     Got 'a\0b'"), "{out}");
        assert_eq!(primary.received("hello").param, "a\0b");

        let (pid, content) = (secondary.pid().to_string(), room.base().join("content"));
        fs::write(&content, "of a file").expect("the room is writable");
        let content = content.to_str().expect("it is UTF-8");
        let out = done(room, &["request", "hello", "--to", &pid, "--fd", content]);
        assert!(out.contains(&format!("\n{pid} replied in ")), "{out}");
        assert_eq!(secondary.received("hello").contents, ["of a file"]);

        let out = done(room, &["request", "hello", "--to", "all", "--json"]);
        assert_eq!(out.matches("\"outcome\":\"replied\"").count(), 2, "{out}");
        let out = done(room, &["request", "hello", "--count", "50", "--jobs", "2"]);
        assert!(
            out.starts_with("hello: 50 sent, 50 received, 0.0% lost; min/avg/max/p99 "),
            "{out}"
        );

        // A DPDK process without action stays silent.
        let (status, out, err) = run(room.rte_mp(&["request", "unknown", "--timeout", "100ms"]));
        assert_eq!((status, err.as_str()), (Some(1), ""));
        assert!(out.ends_with(" did not answer within 100ms\n"), "{out}");
        secondary.quit();
        primary.quit();
    });
}

#[test]
fn files_that_a_dpdk_primary_sends_are_saved() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("files", "fds one two");
        let directory = room.base().join("saved");
        let path = directory.to_str().expect("it is UTF-8");
        let out = done(room, &["request", "files", "--save-fd", path]);
        assert!(out.contains("  fd 1     /memfd:dpdk_peer (deleted); 3 bytes saved as "), "{out}");
        for (name, expected) in [("1-mp_socket-0", "one"), ("1-mp_socket-1", "two")] {
            let content = fs::read_to_string(directory.join(name)).expect("it was saved");
            assert_eq!(content, expected);
        }
        primary.quit();
    });
}

#[test]
fn dpdk_members_get_messages_from_a_shell() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let mut secondary = room.dpdk_secondary();
        for peer in [&mut primary, &mut secondary] {
            peer.register("note", "silent");
        }
        let out = done(room, &["send", "note", "--struct", "u8=7,str3=ab"]);
        assert_eq!(out, format!("sent note to primary ({}): 4 bytes\n", primary.pid()));
        assert_eq!(primary.received("note").param, "\u{7}ab\0");
        done(room, &["send", "note", "--to", "all", "--param", "to all"]);
        for peer in [&mut primary, &mut secondary] {
            assert_eq!(peer.received("note").param, "to all");
        }
        secondary.quit();
        primary.quit();
    });
}
