//! `rte-mp top` beside DPDK processes: seen, and not asked for what they do not know.

use std::fs::File;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rte_mp::{Message, Role};
use rte_mp_interop::{PATIENCE, Room, with_dpdk, with_dpdk_tool};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::running::done;

/// What DPDK notes of a message that it has no action for.
const NOTE: &str = "Cannot find action: rte-mp/";

fn look(room: &Room) -> String {
    done(room, &["top", "--once", "--json"])
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

/// The command in a terminal.
struct Terminal {
    child: Child,
    keys: File,
    /// Reads what is drawn, so that there is room for more.
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    fn start(mut command: Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("there are terminals");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = open(name, flags, Mode::empty()).expect("it can be opened");
        let copy = theirs.try_clone().expect("there are descriptors");
        let child = command.stdin(copy).stdout(theirs).stderr(Stdio::inherit()).spawn();
        // With it go our copies of the other end, so that the reader ends with the command.
        drop(command);
        let keys = File::from(ours);
        let mut drawn = keys.try_clone().expect("there are descriptors");
        let reader = thread::spawn(move || {
            // Once nobody has the other end, reading fails.
            let _ = io::copy(&mut drawn, &mut io::sink());
        });
        Self { child: child.expect("it can be run"), keys, reader: Some(reader) }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).expect("it is there");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Errors mean that it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            // It does not panic.
            let _ = reader.join();
        }
    }
}

/// Waits until `is_so`, which nobody tells of.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// In a terminal the group is joined for long: a hot-plug meanwhile takes no longer.
#[test]
fn a_primary_that_is_watched_attaches_devices_as_ever() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        let mut command = room.rte_mp(&["top", "--interval", "100ms"]);
        command.env("TERM", "xterm");
        let mut top = Terminal::start(command);
        let joined = || room.files().iter().any(|file| file.starts_with("mp_socket_"));
        wait_until("it joins", joined);
        let took = primary.attach("net_null7").expect("it is a device");
        assert!(took < Duration::from_secs(1), "{took:?}");
        primary.detach("net_null7").expect("it is there");
        top.press("q");
        let mut status = None;
        wait_until("it ends", || {
            status = top.child.try_wait().expect("it is ours");
            status.is_some()
        });
        assert_eq!(status.and_then(|status| status.code()), Some(0));
        assert!(!joined(), "{:?}", room.files());
        drop(top);
        primary.quit();
    });
}
