//! Descriptors that travel with messages, requests and replies.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use rte_mp::{Layout, Message, MessageError, ReplyError, RequestError, Role, SendError};
use rustix::io::{Errno, FdFlags, fcntl_getfd};

use crate::common::child::Child;
use crate::common::raw::RawPeer;
use crate::common::{
    LONG, Scene, at_once, descriptors, descriptors_of, echo, eventually, message, only, wait_for,
};

/// A file without a name that holds `text`.
fn file_with(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

fn text_of(fd: OwnedFd) -> String {
    let mut text = String::new();
    let mut file = File::from(fd);
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// A message with `count` descriptors of files that tell their place.
fn with_files(name: &str, count: usize) -> Message {
    let add = |message: Message, n: usize| message.with_fd(file_with(&n.to_string())).unwrap();
    (0..count).fold(message(name), add)
}

fn texts_of(mut message: Message) -> Vec<String> {
    message.take_fds().into_iter().map(text_of).collect()
}

#[test]
fn a_message_brings_descriptors_both_ways() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, news) = channel();
    for group in [&primary, &secondary] {
        let sender = sender.clone();
        let take = move |mut request: rte_mp::Request| sender.send(request.take_fds()).unwrap();
        group.register("file", take).unwrap();
    }
    for group in [&primary, &secondary] {
        group.send(&message("file").with_fd(file_with("read me")).unwrap()).unwrap();
        let mut fds = wait_for(&news);
        assert_eq!(fds.len(), 1);
        let fd = fds.pop().unwrap();
        assert!(fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
        assert_eq!(text_of(fd), "read me");
    }
}

#[test]
fn a_request_and_its_reply_bring_descriptors_between_processes() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    for count in [0, 1, 2, 8, 9, 64, 252, 253] {
        let replies = secondary.request(&with_files("echo", count), Some(LONG)).unwrap();
        let reply = replies.into_reply().unwrap();
        assert!(reply.fds().iter().all(|fd| fcntl_getfd(fd).unwrap().contains(FdFlags::CLOEXEC)));
        let expected: Vec<_> = (0..count).map(|n| n.to_string()).collect();
        assert_eq!(texts_of(reply), expected);
    }
    child.end();
}

#[test]
fn what_the_receiver_does_to_a_file_the_sender_sees() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary
        .register("write", |mut request| {
            let fd = request.take_fds().pop().unwrap();
            File::from(fd).write_all(b"was here").unwrap();
            request.reply(b"")
        })
        .unwrap();
    let file = tempfile::tempfile().unwrap();
    let mine = file.as_fd().try_clone_to_owned().unwrap();
    secondary.request(&message("write").with_fd(file).unwrap(), Some(LONG)).unwrap();
    assert_eq!(text_of(mine), "was here");
}

#[test]
fn a_broadcast_gives_everybody_a_descriptor() {
    let scene = Scene::new();
    let primary = scene.primary();
    let members: Vec<_> = (0..3).map(|_| scene.secondary()).collect();
    for member in &members {
        echo(member, "echo");
    }
    let replies = primary.request(&with_files("echo", 2), Some(LONG)).unwrap();
    assert_eq!((replies.sent(), replies.received()), (3, 3));
    for asked in replies {
        let rte_mp::Outcome::Replied(reply) = asked.outcome else { panic!("it replied") };
        assert_eq!(texts_of(reply), ["0", "1"]);
    }
    drop(members);
}

#[test]
fn more_descriptors_than_the_kernel_passes_are_no_message() {
    let full = with_files("many", 253);
    assert_eq!(full.fds().len(), 253);
    let error = full.with_fd(file_with("")).unwrap_err();
    assert_eq!(error, MessageError::TooManyFds { max: 253 });
    assert_eq!(error.errno(), Errno::TOOBIG.raw_os_error());
}

#[test]
fn an_old_group_takes_8_descriptors() {
    let scene = Scene::with_killed();
    scene.make_dir();
    crate::common::raw::write_config(&scene, 0x160B_0B63);
    let _dpdk = Child::with_config_lock(&scene);
    let primary = RawPeer::bind(scene.path("mp_socket"));
    let member = scene.secondary();
    assert_eq!(member.layout(), Layout::DPDK_18_05);
    member.send(&with_files("few", 8)).unwrap();
    assert_eq!(primary.receive().1.fd_count, 8);
    let many = with_files("many", 9);
    let error = member.send(&many).unwrap_err();
    assert!(matches!(error, SendError::TooManyFds { count: 9, max: 8 }), "{error:?}");
    assert_eq!(error.errno(), Errno::TOOBIG.raw_os_error());
    let error = member.request(&many, Some(LONG)).map(drop).unwrap_err();
    assert!(matches!(error, RequestError::TooManyFds { count: 9, max: 8 }), "{error:?}");
    let error = member.request_async(&many, Some(LONG), |_| panic!("called")).unwrap_err();
    assert_eq!(error.errno(), Errno::TOOBIG.raw_os_error());
}

#[test]
fn a_reply_to_an_old_form_takes_8_descriptors() {
    let scene = Scene::new();
    let primary = scene.primary();
    let (sender, news) = channel();
    primary
        .register("give", move |request| {
            let error = request.reply_with(with_files("any", 9)).unwrap_err();
            sender.send(error).unwrap();
        })
        .unwrap();
    let old = RawPeer::bind(scene.path("mp_socket_1_old"));
    let ask = crate::common::raw::datagram(rte_mp::Kind::Request, "give", b"");
    old.send(scene.path("mp_socket"), Layout::DPDK_18_05, ask);
    let error = wait_for(&news);
    let too_many =
        matches!(error, ReplyError::Message { source: MessageError::TooManyFds { max: 8 }, .. });
    assert!(too_many, "{error:?}");
    assert_eq!(old.receive().1.kind, rte_mp::Kind::Ignore);
}

#[test]
fn descriptors_that_nobody_takes_are_closed() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary
        .register("look", |request| {
            let count = request.fds().len();
            request.reply(&[count as u8])
        })
        .unwrap();
    let before = descriptors().len();
    let request = with_files("look", 10);
    let replies = secondary.request(&request, Some(LONG)).unwrap();
    assert_eq!(replies.messages().next().unwrap().param(), [10]);
    let request_for_nobody = with_files("nobody", 10);
    let replies = secondary.request(&request_for_nobody, Some(LONG)).unwrap();
    assert_eq!(only(&replies), "ignored");
    assert_eq!(primary.stats().closed_fds, 10);
    drop((request, request_for_nobody));
    // Its socket, the file of the peer's, and on a busy machine the peer's process.
    eventually("all but a return address are closed", || descriptors().len() <= before + 3);
}

#[test]
fn descriptors_of_a_late_reply_are_closed() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, news) = channel();
    primary.register("late", move |request| sender.send(request).unwrap()).unwrap();
    let replies = secondary.request(&message("late"), Some(crate::common::SHORT)).unwrap();
    assert_eq!(only(&replies), "timedout");
    // The return address is closed; a reply finds nobody, and the scene counts what is left.
    let _ = wait_for(&news).reply_with(with_files("late", 5));
}

#[test]
fn descriptors_of_requests_that_wait_are_closed_when_the_group_is_left() {
    let scene = Scene::new();
    let primary = scene.primary();
    let full = RawPeer::bind(scene.path("mp_socket_1_full"));
    full.fill();
    let (sender, news) = channel();
    let done = move |replies: rte_mp::Replies| sender.send(only(&replies)).unwrap();
    primary.request_async(&with_files("any", 20), Some(LONG), done).unwrap();
    at_once("leaving", || primary.leave());
    assert_eq!(wait_for(&news), "abandoned");
}

#[test]
fn a_full_peer_gets_the_descriptors_when_it_has_room() {
    let scene = Scene::new();
    let primary = scene.primary();
    let full = RawPeer::bind(scene.path("mp_socket_1_full"));
    let count = full.fill();
    let future = primary.request_future(&with_files("any", 3), Some(LONG));
    full.discard(count);
    let (_, request, from) = full.receive();
    assert_eq!(request.fd_count, 3);
    let reply = crate::common::raw::datagram(rte_mp::Kind::Reply, "any", b"thanks");
    full.send(from, Layout::DPDK_25_11, reply);
    assert_eq!(only(&crate::common::block_on(future).unwrap()), "thanks");
}

#[test]
fn a_program_that_is_started_inherits_nothing_of_a_group() {
    let scene = Scene::new();
    let before: Vec<_> = descriptors().into_values().collect();
    let primary = scene.builder(Role::Primary).workers(1).join().unwrap();
    let secondary = scene.secondary();
    echo(&primary, "echo");
    let _events = secondary.events().unwrap();
    let reply = secondary.request(&with_files("echo", 3), Some(LONG)).unwrap().into_reply();
    let mut other =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // It is called so once the kernel has closed what it is not to inherit.
    let comm = format!("/proc/{}/comm", other.id());
    eventually("the program runs", || fs::read_to_string(&comm).is_ok_and(|name| name == "cat\n"));
    let inherited: Vec<_> = descriptors_of(other.id())
        .into_iter()
        .filter(|(fd, link)| *fd > 2 && !before.contains(link))
        .collect();
    drop(other.stdin.take());
    other.wait().unwrap();
    assert_eq!(inherited, []);
    drop(reply);
}
