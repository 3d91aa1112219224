//! The tutorial's pair in C, each program against DPDK and against rte-mp: whoever it is that leads,
//! and whoever asks, both print the same.

use std::fs;
use std::path::Path;

use rte_mp_interop::{
    Against, CBuild, CLIENT_LINES, CPair, GREETED, PATIENCE, Process, Room, SERVER_LINES,
    Transcript, c_example, c_prefix, with_c_library, with_dpdk, with_dpdk_and_c_library,
};

const OURS: [Against; 2] = [Against::RteMp { abi: 25 }, Against::RteMp { abi: 22 }];

fn assert_plays(room: &Room, pair: &CPair, who: &str) {
    assert_eq!(pair.play(room, &[]), Transcript::expected(), "{who}");
}

#[test]
fn the_pair_on_dpdk_prints_what_the_tutorial_expects() {
    with_dpdk(|room| {
        assert_plays(room, &CPair::new(Against::Dpdk, Against::Dpdk), "DPDK");
    });
}

#[test]
fn the_pair_on_rte_mp_prints_the_same() {
    with_c_library(|room| {
        let [new, old] = OURS;
        for (server, client) in [(new, new), (new, old), (old, new)] {
            let pair = CPair::new(server, client);
            assert_plays(room, &pair, &format!("{server:?}, {client:?}"));
            assert_eq!(room.files(), [""; 0], "both have removed their files");
        }
    });
}

/// Without a change in the program: what the library does for Rust, it does for C.
#[test]
fn a_client_in_c_is_recorded() {
    with_c_library(|room| {
        let pair = CPair::new(Against::RTE_MP, Against::RTE_MP);
        let mut server = pair.server(room, &[]);
        let file = room.base().join("records.json");
        let (command, file_name) = (room.rte_mp(&[]), file.to_str().expect("it is UTF-8"));
        let rte_mp = command.get_program().to_str().expect("it is UTF-8");
        let under = [rte_mp, "trace", "--out", file_name, "--"];
        let mut client = pair.client(room, &under, &["--count", "1"]);
        assert_says(&mut client, &CLIENT_LINES);
        assert!(client.finish(PATIENCE).success(), "{}", client.errors());

        let records = fs::read_to_string(&file).expect("the records were written");
        let flew = |what: &[&str]| {
            records.lines().filter(|line| what.iter().all(|what| line.contains(what))).count()
        };
        let request = [r#""direction":"out""#, r#""kind":"request""#, "SYNC Hello 1 from Client"];
        assert_eq!(flew(&request), 2, "one of each kind of request: {records}");
        let reply = [r#""direction":"in""#, r#""kind":"reply""#, "Got 'SYNC Hello 1 from Client'"];
        assert_eq!(flew(&reply), 1, "{records}");
        server.interrupt();
        assert!(server.finish(PATIENCE).success(), "{}", server.errors());
    });
}

#[test]
fn the_pair_linked_statically_prints_the_same() {
    with_c_library(|room| {
        let build = CBuild::new(Against::RTE_MP).linked_statically();
        assert_plays(room, &CPair::built(&build, &build), "static");
    });
}

#[test]
fn a_client_on_rte_mp_and_a_server_on_dpdk_print_the_same() {
    with_dpdk_and_c_library(|room| {
        for client in OURS {
            let pair = CPair::new(Against::Dpdk, client);
            assert_plays(room, &pair, &format!("{client:?}"));
        }
    });
}

#[test]
fn a_client_on_dpdk_refuses_a_server_on_rte_mp_which_goes_on() {
    with_dpdk_and_c_library(|room| {
        let pair = CPair::new(Against::RTE_MP, Against::RTE_MP);
        let foreign = CPair::new(Against::Dpdk, Against::Dpdk);
        let mut server = pair.server(room, &[]);
        assert_eq!(server.line(PATIENCE).as_deref(), Some(GREETED));

        let mut client = foreign.client(room, &[], &["--count", "1"]);
        assert_eq!(client.line(PATIENCE), None, "it has joined");
        assert_eq!(client.finish(PATIENCE).code(), Some(1));
        let errors = client.errors();
        assert!(errors.contains("version mismatch"), "{errors}");

        let mut client = pair.client(room, &[], &["--count", "1"]);
        assert_says(&mut client, &CLIENT_LINES);
        assert!(client.finish(PATIENCE).success());
        assert_says(&mut server, &SERVER_LINES);
    });
}

/// The server sets `force_quit` in the zone, where its clients see it.
#[test]
fn a_server_that_ends_ends_its_clients() {
    let ends = |room: &Room, server| {
        let pair = CPair::new(server, Against::RTE_MP);
        let mut server = pair.server(room, &[]);
        let mut client = pair.client(room, &[], &[]);
        assert_says(&mut client, &CLIENT_LINES);
        server.interrupt();
        assert!(server.finish(PATIENCE).success());
        assert_eq!(client.line(PATIENCE), None);
        assert!(client.finish(PATIENCE).success());
    };
    with_c_library(|room| ends(room, Against::RTE_MP));
    with_dpdk_and_c_library(|room| ends(room, Against::Dpdk));
}

#[test]
fn the_pair_speaks_the_users_language() {
    with_c_library(|room| {
        let pair = CPair::new(Against::RTE_MP, Against::RTE_MP);
        let chinese = ["env", "LANG=zh_CN.UTF-8"];
        let mut server = pair.server(room, &chinese);
        let mut client = pair.client(room, &chinese, &["--count=1"]);
        let expected = [
            "[SYNC] 回复: Server SYNC reply: Got 'SYNC Hello 1 from Client'",
            "[SHARED] 同步请求: 1 个, 异步请求: 1 个",
            "[ASYNC] 请求已发送",
            "[ASYNC] 回调被调用",
            "[ASYNC] 回复: Server ASYNC reply: Got 'ASYNC Hello 1 from Client'",
        ];
        assert_says(&mut client, &expected);
        let expected = [
            "[ASYNC] 收到: Anybody there?",
            "[SYNC] 收到: SYNC Hello 1 from Client",
            "[ASYNC] 收到: ASYNC Hello 1 from Client",
            "[Server] 已处理同步请求: 1 个, 异步请求: 2 个",
        ];
        assert_says(&mut server, &expected);
    });
}

#[test]
fn mistakes_on_the_clients_command_line_are_named() {
    with_c_library(|room| {
        let pair = CPair::new(Against::RTE_MP, Against::RTE_MP);
        let _server = pair.server(room, &[]);
        let count = |value| format!("--count cannot be \"{value}\": it takes a number from 1");
        let cases = [
            (&["--count", "0"][..], count("0")),
            (&["--count=-1"], count("-1")),
            (&["--count", "many"], count("many")),
            (&["--count"], count("")),
            (&["--", "two", "words"], "there is no use for \"two\"".to_owned()),
        ];
        for (words, expected) in cases {
            let mut client = pair.client(room, &[], words);
            assert_eq!(client.finish(PATIENCE).code(), Some(1), "{words:?}");
            assert!(client.errors().contains(&expected), "{words:?}: {}", client.errors());
        }
    });
}

#[test]
fn the_makefile_builds_the_pair_against_dpdk_and_against_what_stands_in_for_it() {
    with_dpdk_and_c_library(|room| {
        let example = c_example("8-multiprocess-msg/Makefile").remove(0);
        let stand_in = c_prefix().join("lib/rte-mp/dpdk");
        for (package_path, library) in
            [(Path::new(""), "librte_eal.so"), (&stand_in, "librte_mp.so")]
        {
            let directory = room.base().join(library);
            fs::create_dir(&directory).expect("the room is empty");
            for file in ["Makefile", "common.h", "server.c", "client.c"] {
                fs::copy(example.with_file_name(file), directory.join(file)).expect("it is there");
            }
            let mut make = room.command("make");
            make.env("PKG_CONFIG_PATH", package_path).arg("PKG=libdpdk").arg("-C").arg(&directory);
            let mut make = room.start(make);
            while make.line(PATIENCE).is_some() {}
            assert!(make.finish(PATIENCE).success(), "{}", make.errors());
            for program in ["server", "client"] {
                let program = fs::read(directory.join(program)).expect("it was made");
                let is_needed = |name: &str| contains(&program, name.as_bytes());
                assert!(is_needed(library), "{library}");
                assert_ne!(is_needed("librte_eal.so"), is_needed("librte_mp.so"), "{library}");
            }
        }
    });
}

fn contains(program: &[u8], name: &[u8]) -> bool {
    program.windows(name.len()).any(|bytes| bytes == name)
}

fn assert_says(process: &mut Process, expected: &[&str]) {
    for &line in expected {
        assert_eq!(process.line(PATIENCE).as_deref(), Some(line));
    }
}
