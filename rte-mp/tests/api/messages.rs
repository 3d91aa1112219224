//! One-way messages.

use std::sync::mpsc::channel;
use std::time::Instant;

use rte_mp::{Group, Kind, Message, MessageError, ReplyError, Role, SendError};
use rustix::io::Errno;

use crate::common::child::Child;
use crate::common::raw::RawPeer;
use crate::common::{
    AT_ONCE, LONG, SHORT, Scene, at_once, echo, eventually, message, message_with, wait_for,
};

/// Has every message of an action told to the test: its parameter.
fn hear(group: &Group, name: &str) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, news) = channel();
    group
        .register(name, move |request| {
            assert_eq!(request.kind(), Kind::Message);
            sender.send(request.param().to_vec()).unwrap();
        })
        .unwrap();
    news
}

#[test]
fn a_secondarys_message_goes_to_the_primary_only() {
    let scene = Scene::new();
    let (primary, secondary, other) = (scene.primary(), scene.secondary(), scene.secondary());
    let (sender, news) = channel();
    primary
        .register("hello", move |request| {
            let about = (request.kind(), *request.peer(), request.peer_pid(), request.peer_uid());
            assert_eq!(request.name().as_bytes(), b"hello");
            sender.send((about, request.message().param().to_vec())).unwrap();
        })
        .unwrap();
    let others = hear(&other, "hello");
    secondary.send(&message_with("hello", b"you")).unwrap();
    let ((kind, peer, pid, uid), param) = wait_for(&news);
    assert_eq!(kind, Kind::Message);
    assert_eq!(peer, *secondary.name());
    assert_eq!(pid, Some(std::process::id()));
    assert_eq!(uid, Some(rustix::process::geteuid().as_raw()));
    assert_eq!(param, b"you");
    assert!(others.try_recv().is_err());
}

#[test]
fn the_primarys_message_goes_to_every_secondary() {
    let scene = Scene::new();
    let primary = scene.primary();
    let mut child = Child::member(&scene, "secondary");
    let secondaries = [scene.secondary(), scene.secondary()];
    let news = secondaries.each_ref().map(|secondary| hear(secondary, "note"));
    let own = hear(&primary, "note");
    primary.send(&message_with("note", b"to-all")).unwrap();
    assert_eq!(child.expect("noted"), "to-all");
    for news in &news {
        assert_eq!(wait_for(news), b"to-all");
    }
    assert!(own.try_recv().is_err());
    child.tell("send note to-one");
    child.expect("sent");
    assert_eq!(wait_for(&own), b"to-one");
    child.end();
}

#[test]
fn a_message_to_nobody_is_sent() {
    let scene = Scene::new();
    let primary = scene.primary();
    primary.send(&message("any")).unwrap();
    assert_eq!(primary.stats().sent.messages, 0);
}

#[test]
fn names_and_parameters_of_every_allowed_length_arrive() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    for len in [1, 31, 62, 63] {
        let name = "n".repeat(len);
        let news = hear(&primary, &name);
        for len in [0, 1, 128, 255, 256] {
            let param: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            secondary.send(&message_with(&name, &param)).unwrap();
            assert_eq!(wait_for(&news), param);
        }
    }
    let too_long = Message::new("n".repeat(64)).unwrap_err();
    assert_eq!(too_long.errno(), Errno::TOOBIG.raw_os_error());
    assert_eq!(Message::new("").unwrap_err().errno(), Errno::INVAL.raw_os_error());
    assert_eq!(Message::new("a\0b").unwrap_err().errno(), Errno::INVAL.raw_os_error());
    let error = message("any").with_param(&[0; 257]).unwrap_err();
    assert_eq!(error, MessageError::ParamTooLong { len: 257, max: 256 });
    assert_eq!(error.errno(), Errno::TOOBIG.raw_os_error());
}

#[test]
fn a_burst_of_messages_arrives_whole_and_in_order() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let news = hear(&primary, "count");
    for number in 0..2000_u32 {
        secondary.send(&message_with("count", &number.to_ne_bytes())).unwrap();
    }
    for number in 0..2000_u32 {
        assert_eq!(wait_for(&news), number.to_ne_bytes());
    }
}

#[test]
fn many_senders_at_once_lose_nothing() {
    let scene = Scene::new();
    let primary = scene.primary();
    let news = hear(&primary, "count");
    let secondaries = [scene.secondary(), scene.secondary()];
    std::thread::scope(|scope| {
        for sender in 0..4_u8 {
            let secondary = &secondaries[usize::from(sender % 2)];
            scope.spawn(move || {
                for number in 0..250_u8 {
                    secondary.send(&message_with("count", &[sender, number])).unwrap();
                }
            });
        }
    });
    let mut next = [0; 4];
    for _ in 0..1000 {
        let [sender, number] = wait_for(&news)[..] else { panic!("two bytes") };
        assert_eq!(number, next[usize::from(sender)], "each sender's order is kept");
        next[usize::from(sender)] += 1;
    }
}

#[test]
fn a_message_for_no_action_is_dropped_and_counted() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let file = std::fs::File::open("/dev/null").unwrap();
    secondary.send(&message("nobody").with_fd(file).unwrap()).unwrap();
    eventually("the message is dropped", || primary.stats().dropped.no_action == 1);
    assert_eq!(primary.stats().closed_fds, 1);
    assert_eq!(primary.stats().sent.ignores, 0, "nobody asked");
}

#[test]
fn a_message_cannot_be_answered() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, news) = channel();
    primary
        .register("hello", move |request| {
            sender.send(request.reply(b"what for?").unwrap_err()).unwrap();
        })
        .unwrap();
    secondary.send(&message("hello")).unwrap();
    let error = wait_for(&news);
    assert!(matches!(error, ReplyError::NotARequest { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::INVAL.raw_os_error());
}

#[test]
fn a_message_to_a_primary_that_ended_says_so() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let secondary = scene.secondary();
    primary.leave();
    let error = at_once("noticing", || secondary.send(&message("any")).unwrap_err());
    assert!(matches!(error, SendError::NoPrimary { .. }), "{error:?}");

    let mut child = Child::member(&scene, "primary");
    secondary.send(&message_with("note", b"hello")).unwrap();
    assert_eq!(child.expect("noted"), "hello");
    child.kill();
    let error = at_once("noticing", || secondary.send(&message("any")).unwrap_err());
    assert!(matches!(error, SendError::NoPrimary { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::CONNREFUSED.raw_os_error());
}

#[test]
fn a_full_peer_delays_no_other() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).send_timeout(SHORT).join().unwrap();
    let full = RawPeer::bind(scene.path("mp_socket_1_full"));
    full.fill();
    let secondary = scene.secondary();
    let (sender, news) = channel();
    secondary.register("note", move |_| sender.send(Instant::now()).unwrap()).unwrap();
    let start = Instant::now();
    let error = primary.send(&message("note")).unwrap_err();
    let took = start.elapsed();
    let SendError::Undelivered { failures } = &error else { panic!("{error:?}") };
    let peers: Vec<_> = failures.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(peers, [full.name()]);
    assert_eq!(error.errno(), Errno::TIMEDOUT.raw_os_error());
    assert!(took >= SHORT && took < AT_ONCE, "{took:?}");
    assert!(wait_for(&news) < start + took, "the other had it before the full one was given up");
}

#[test]
fn a_full_peer_that_reads_gets_its_message() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).send_timeout(LONG).join().unwrap();
    let full = RawPeer::bind(scene.path("mp_socket_1_full"));
    let count = full.fill();
    std::thread::scope(|scope| {
        let sends = scope.spawn(|| primary.send(&message_with("note", b"late")));
        full.discard(count);
        let (_, note, _) = full.receive();
        assert_eq!(note.param.as_bytes(), b"late");
        sends.join().unwrap().unwrap();
    });
}

#[test]
fn leaving_ends_a_send_that_waits() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).send_timeout(LONG).join().unwrap();
    let full = RawPeer::bind(scene.path("mp_socket_1_full"));
    full.fill();
    let secondary = scene.secondary();
    let news = hear(&secondary, "note");
    std::thread::scope(|scope| {
        let sender = primary.clone();
        let sends = scope.spawn(move || sender.send(&message("note")));
        wait_for(&news);
        primary.leave();
        let error = at_once("giving up", || sends.join().unwrap()).unwrap_err();
        assert!(matches!(error, SendError::Left { .. }), "{error:?}");
    });
}

#[test]
fn a_stale_socket_is_no_failure_and_is_removed() {
    let scene = Scene::new();
    let primary = scene.primary();
    let news = hear(&primary, "note");
    let stale = scene.path("mp_socket_1_stale");
    drop(std::os::unix::net::UnixDatagram::bind(&stale).unwrap());
    primary.send(&message("any")).unwrap();
    assert!(!stale.exists());
    // A file of such a name is nobody, and stays.
    let file = scene.path("mp_socket_2_file");
    std::fs::write(&file, "precious").unwrap();
    primary.send(&message("any")).unwrap();
    assert!(file.exists());
    std::fs::remove_file(&file).unwrap();
    drop(news);
}

#[test]
fn a_handler_that_fails_harms_nobody() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary.register("fails", |_| Err::<(), _>("what went wrong")).unwrap();
    echo(&primary, "echo");
    secondary.send(&message("fails")).unwrap();
    assert_eq!(crate::common::ask(&secondary, "echo", b"fine"), b"fine");
}
