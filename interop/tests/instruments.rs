//! The instruments themselves: the peers behave as the releases do that they stand for.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rte_mp_interop::{Failed, PATIENCE, Replies, Reply, with_dpdk, with_dpdk_tool, with_room};

const SECOND: Duration = Duration::from_secs(1);
const ETIMEDOUT: i32 = 110;

fn one_reply(param: &str, contents: &[&str]) -> Replies {
    let contents = contents.iter().map(|&content| content.to_owned()).collect();
    Replies { sent: 1, received: 1, replies: vec![Reply { param: param.to_owned(), contents }] }
}

#[test]
fn two_dpdk_processes_talk_to_each_other() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        primary.register("files", "fds one two%20words");
        primary.register("news", "count");
        let mut secondary = room.dpdk_secondary();
        secondary.register("question", "echo");

        let got = secondary.request("hello", SECOND, "a param\0", &["sent"]);
        assert_eq!(got, Ok(one_reply("Got 'a param\0'", &[])));
        let received = primary.received("hello");
        assert_eq!(
            (&*received.param, &*received.contents),
            ("a param\0", &["sent".to_owned()][..])
        );

        let got = secondary.request("files", SECOND, "", &[]);
        assert_eq!(got, Ok(one_reply("Got ''", &["one", "two words"])));

        assert_eq!(secondary.send("news", "", &[]), Ok(()));
        // One thread handles all: once this is answered the message has been counted.
        assert!(secondary.request("hello", SECOND, "", &[]).is_ok());
        assert_eq!(primary.counted("news"), 1);

        let got = primary.request("question", SECOND, "to all", &[]);
        assert_eq!(got, Ok(one_reply("Got 'to all'", &[])));
        assert_eq!(primary.request_async("question", SECOND, "later", &[]), Ok(()));
        assert_eq!(primary.async_replies(), one_reply("Got 'later'", &[]));
        let got = primary.request("unknown", SECOND / 10, "", &[]);
        assert_eq!(got, Err(Failed(ETIMEDOUT)));

        assert!(primary.reserve(64 << 20).is_ok() && primary.release().is_ok());
        assert!(primary.attach("net_null7").is_ok() && primary.detach("net_null7").is_ok());
        assert!(!primary.disable(), "a secondary has attached");
        secondary.quit();
        primary.quit();
    });
}

/// The flaw that return addresses cure.
#[test]
fn a_dpdk_secondary_takes_a_late_reply_for_the_next_one() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("slow", "slow 300");
        let mut secondary = room.dpdk_secondary();
        let got = secondary.request("slow", Duration::from_millis(50), "first", &[]);
        assert_eq!(got, Err(Failed(ETIMEDOUT)));
        let got = secondary.request("slow", SECOND, "second", &[]);
        assert_eq!(got, Ok(one_reply("Got 'first'", &[])));
    });
}

#[test]
fn the_dpdk_pair_for_benchmarks_measures_what_it_says() {
    with_dpdk(|room| {
        let mut server = room.dpdk_bench("primary", "serve");
        assert_eq!(server.line(PATIENCE).as_deref(), Some("ready"));
        let mut client = room.dpdk_bench("secondary", "ask");
        assert_eq!(client.line(PATIENCE).as_deref(), Some("ready"));
        let cases = [("steady 5", 5), ("cold 5", 5), ("oneway 1000", 1)];
        for (what, count) in cases {
            client.write(what);
            let line = client.line(PATIENCE).unwrap();
            let times = line.strip_prefix("ns ").unwrap_or_else(|| panic!("{what}: {line}"));
            let times: Vec<u64> = times.split(' ').map(|time| time.parse().unwrap()).collect();
            assert_eq!(times.len(), count, "{what}");
            assert!(times.iter().all(|&time| time > 1000), "{what}: {times:?}");
        }
        assert!(client.finish(PATIENCE).success() && server.finish(PATIENCE).success());
    });
}

#[test]
fn testpmd_lists_its_ports() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let mut testpmd = room.testpmd();
        assert_eq!(testpmd.ports(), ["net_null0"]);
        testpmd.quit();
    });
}

#[test]
fn the_26_07_peer_dies_for_good_on_what_dpdk_does_not_survive() {
    let with_words = |words: &[(usize, i32)]| {
        let mut bytes = vec![0; 340];
        for &(at, word) in words {
            bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    };
    let cases = [
        ("the older layout", vec![0; 332], "length=332"),
        ("a byte too many", vec![0; 341], "length=341"),
        ("nothing", vec![], "empty"),
        ("a negative param length", with_words(&[(72, -1)]), "len_param=-1"),
        ("a param too long", with_words(&[(72, 257)]), "len_param=257"),
        ("a negative descriptor count", with_words(&[(76, -1)]), "num_fds=-1"),
        ("too many descriptors", with_words(&[(76, 254)]), "num_fds=254"),
    ];
    with_room(|room| {
        for (what, bytes, reason) in cases {
            let mut peer = room.peer_26_07();
            let socket = UnixDatagram::unbound().unwrap();
            socket.send_to(&bytes, room.directory().join("mp_socket")).unwrap();
            assert_eq!(peer.wait_for_event("died"), reason, "{what}");
            peer.quit();
        }
    });
}

#[test]
fn a_second_26_07_primary_is_refused_by_the_lock() {
    with_room(|room| {
        let _first = room.peer_26_07();
        let mut second = room.start_26_07(&[]);
        assert_eq!(second.line(PATIENCE), None, "it says nothing");
        assert!(!second.finish(PATIENCE).success());
    });
}
