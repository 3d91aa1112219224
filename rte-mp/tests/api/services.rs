//! What every member answers of its own accord.

use std::time::Duration;

use rte_mp::{MessageError, NoReplyError, RequestError, ServiceError};

use crate::common::child::Child;
use crate::common::raw::RawPeer;
use crate::common::{LONG, Scene, echo, message, message_with, only};

#[test]
fn a_ping_comes_back_from_any_member() {
    let scene = Scene::new();
    let primary = scene.primary();
    let child = Child::member(&scene, "secondary");
    let secondary = scene.secondary();
    let members = secondary.members().unwrap();
    assert_eq!(members.len(), 2);
    for member in members {
        for param in [&b""[..], b"\0 and more", &[7; 256]] {
            secondary.to(&member.name).ping(param, Some(LONG)).unwrap();
        }
    }
    // By lane too, once there is one.
    for _ in 0..1000 {
        secondary.to(primary.name()).ping(b"many", Some(LONG)).unwrap();
    }
    child.end();
}

#[test]
fn a_ping_that_cannot_be_answered_says_why() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let to = primary.to(secondary.name());
    let error = to.ping(&[0; 257], Some(LONG)).unwrap_err();
    assert!(
        matches!(error, ServiceError::Message(MessageError::ParamTooLong { len: 257, .. })),
        "{error}"
    );
    let silent = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_silent"));
    let error = primary.to(&silent.name()).ping(b"", Some(Duration::ZERO)).unwrap_err();
    assert!(matches!(error, ServiceError::NoReply(NoReplyError::TimedOut { .. })), "{error}");
    let name = *secondary.name();
    secondary.leave();
    let error = primary.to(&name).ping(b"", Some(LONG)).unwrap_err();
    assert!(matches!(error, ServiceError::Request(RequestError::NoPeer { .. })), "{error}");
}

#[test]
fn a_member_tells_others_what_it_has_counted() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    for _ in 0..3 {
        only(&secondary.request(&message_with("echo", b"again"), Some(LONG)).unwrap());
    }
    secondary.send(&message("nobody hears it")).unwrap();
    let stats = secondary.to(primary.name()).stats(Some(LONG)).unwrap();
    assert_eq!((stats.received.messages, stats.received.requests), (1, 4));
    assert_eq!((stats.sent.replies, stats.dropped.no_action), (3, 1));
    let own = primary.to(secondary.name()).stats(Some(LONG)).unwrap();
    assert_eq!((own.sent.messages, own.sent.requests, own.requests.replied), (1, 4, 4));
}
