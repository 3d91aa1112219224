//! Talking to one member, whoever it is.

use std::sync::mpsc::channel;

use rte_mp::{Kind, Layout, PeerName, Replies, RequestError, SendError};
use rustix::io::Errno;

use crate::common::child::Child;
use crate::common::raw::{RawPeer, datagram};
use crate::common::{LONG, Scene, at_once, block_on, echo, message, message_with, only, wait_for};

#[test]
fn a_primary_talks_to_one_secondary() {
    let scene = Scene::new();
    let (primary, one, other) = (scene.primary(), scene.secondary(), scene.secondary());
    echo(&one, "echo");
    echo(&other, "echo");
    let (sender, news) = channel();
    one.register("note", move |request| sender.send(*request.peer()).unwrap()).unwrap();
    let to = primary.to(one.name());
    to.send(&message("note")).unwrap();
    assert_eq!(wait_for(&news), *primary.name());
    let replies = to.request(&message_with("echo", b"sync"), Some(LONG)).unwrap();
    assert_eq!(replies.iter().next().unwrap().peer, *one.name());
    assert_eq!(only(&replies), "sync");
    let (sender, news) = channel();
    let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
    to.request_async(&message_with("echo", b"async"), Some(LONG), done).unwrap();
    assert_eq!(wait_for(&news), "async");
    let replies = block_on(to.request_future(&message_with("echo", b"future"), Some(LONG)));
    assert_eq!(only(&replies.unwrap()), "future");
    assert_eq!(other.stats().received, rte_mp::ByKind::default());
}

#[test]
fn a_secondary_talks_to_another() {
    let scene = Scene::new();
    let _primary = scene.primary();
    let child = Child::member(&scene, "secondary");
    let secondary = scene.secondary();
    let members = secondary.members().unwrap();
    let peer = members.iter().find(|member| member.pid == Some(child.pid())).unwrap();
    let to = secondary.to(&peer.name);
    let replies = to.request(&message_with("echo", b"sister"), Some(LONG)).unwrap();
    assert_eq!(only(&replies), "sister");
    to.send(&message_with("note", b"hello")).unwrap();
    assert_eq!(child.expect("noted"), "hello");
    child.end();
}

#[test]
fn a_secondary_talks_to_the_primary_by_its_name() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let to = secondary.to(primary.name());
    assert_eq!(only(&to.request(&message_with("echo", b"you"), Some(LONG)).unwrap()), "you");
    let name = *primary.name();
    primary.leave();
    let error = secondary.to(&name).request(&message("echo"), None).map(drop).unwrap_err();
    assert!(matches!(error, RequestError::NoPrimary { .. }), "{error:?}");
}

#[test]
fn the_one_who_sent_a_message_can_be_asked_back() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&secondary, "echo");
    let (sender, news) = channel();
    primary.register("hello", move |request| sender.send(*request.peer()).unwrap()).unwrap();
    secondary.send(&message("hello")).unwrap();
    let peer = wait_for(&news);
    let replies = primary.to(&peer).request(&message_with("echo", b"and you?"), Some(LONG));
    assert_eq!(only(&replies.unwrap()), "and you?");
}

#[test]
fn a_member_that_is_not_there_is_named_in_the_error() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let never = PeerName::new(scene.path("mp_socket_7_7")).unwrap();
    let left = scene.secondary();
    let left_name = *left.name();
    left.leave();
    let mut killed = Child::start(&scene);
    killed.tell("join secondary");
    let joined = killed.expect("joined secondary");
    let killed_name = PeerName::new(&joined).unwrap();
    // An address that talks to it is pooled.
    primary.to(&killed_name).request(&message("echo"), Some(LONG)).unwrap();
    killed.kill();
    let cases = [
        ("never there", never, Errno::NOENT),
        ("left", left_name, Errno::NOENT),
        ("killed", killed_name, Errno::CONNREFUSED),
    ];
    for (what, peer, errno) in cases {
        let to = primary.to(&peer);
        let error =
            at_once(what, || to.request(&message("any"), Some(LONG)).map(drop).unwrap_err());
        let told = matches!(&error, RequestError::NoPeer { peer: p, .. } if *p == peer);
        assert!(told, "{what}: {error:?}");
        assert_eq!(error.errno(), errno.raw_os_error(), "{what}");
        let error = to.send(&message("any")).unwrap_err();
        let told = matches!(&error, SendError::NoPeer { peer: p, .. } if *p == peer);
        assert!(told, "{what}: {error:?}");
        assert_eq!(error.errno(), errno.raw_os_error(), "{what}");
        let error = block_on(to.request_future(&message("any"), None)).map(drop).unwrap_err();
        assert_eq!(error.errno(), errno.raw_os_error(), "{what}");
    }
}

#[test]
fn any_socket_in_the_directory_can_be_asked() {
    let scene = Scene::new();
    let primary = scene.primary();
    // Outside of the pattern, so that no broadcast sees it.
    let tool = RawPeer::bind(scene.path("tool"));
    let future = primary.to(&tool.name()).request_future(&message("ask"), Some(LONG));
    tool.answer_one(Kind::Reply, b"hammer");
    assert_eq!(only(&block_on(future).unwrap()), "hammer");
    assert_eq!(primary.request(&message("ask"), Some(LONG)).unwrap().iter().count(), 0);
    echo(&primary, "echo");
    tool.send(scene.path("mp_socket"), Layout::DPDK_25_11, datagram(Kind::Request, "echo", b"?"));
    assert_eq!(tool.receive().1.param.as_bytes(), b"?");
}
