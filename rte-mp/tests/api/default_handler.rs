//! The handler of all names that have none.

use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::channel;

use rte_mp::{Kind, RegisterError, Role};
use rustix::io::Errno;

use crate::common::{LONG, Scene, ask, echo, eventually, message, message_with, only, wait_for};

#[test]
fn what_no_other_handler_takes_goes_to_the_default_one() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let (sender, news) = channel();
    primary
        .register_default(move |request| {
            sender.send((request.kind(), request.name().to_string())).unwrap();
            match request.kind() {
                Kind::Request => request.reply(b"by default").unwrap(),
                _ => drop(request),
            }
        })
        .unwrap();
    assert_eq!(ask(&secondary, "echo", b"named"), b"named");
    assert_eq!(ask(&secondary, "other", b""), b"by default");
    assert_eq!(wait_for(&news), (Kind::Request, "other".to_owned()));
    secondary.send(&message("notice")).unwrap();
    assert_eq!(wait_for(&news), (Kind::Message, "notice".to_owned()));
    primary.unregister("echo");
    assert_eq!(ask(&secondary, "echo", b"named"), b"by default");
    assert_eq!(primary.stats().dropped.no_action, 0);

    assert!(primary.unregister_default());
    assert!(!primary.unregister_default());
    assert_eq!(only(&secondary.request(&message("other"), Some(LONG)).unwrap()), "ignored");
    assert_eq!(primary.stats().dropped.no_action, 1);
}

#[test]
fn names_of_our_own_never_go_to_the_default_handler() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary.register_default(|request| request.reply(b"by default")).unwrap();
    for action in ["rte-mp/", "rte-mp/of-a-later-release"] {
        let replies = secondary.request(&message(action), Some(LONG)).unwrap();
        assert_eq!(only(&replies), "ignored", "{action}");
    }
    assert_eq!(primary.stats().dropped.no_action, 2);
    let to = secondary.to(primary.name());
    to.ping(b"still ours", Some(LONG)).unwrap();
    assert_eq!(to.stats(Some(LONG)).unwrap().dropped.no_action, 2);
    // By lane, too, which is offered under such a name.
    for _ in 0..1000 {
        assert_eq!(ask(&secondary, "other", b""), b"by default");
    }
}

#[test]
fn there_is_one_default_handler() {
    let scene = Scene::new();
    let primary = scene.primary();
    primary.register_default(drop).unwrap();
    let error = primary.register_default(drop).unwrap_err();
    assert_eq!(error, RegisterError::DefaultExists);
    assert_eq!(error.errno(), Errno::EXIST.raw_os_error());
    let builder = scene.builder(Role::Secondary).default_action(drop).default_action(drop);
    let error = builder.join().unwrap_err();
    assert_eq!(error.errno(), Errno::EXIST.raw_os_error(), "{error}");
}

#[test]
fn a_default_handler_that_is_there_from_the_beginning_answers_the_first_request() {
    let scene = Scene::new();
    let primary = scene
        .builder(Role::Primary)
        .workers(1)
        .action("named", |request| request.reply(b"by name"))
        .default_action(|request| request.reply(b"by default"))
        .join()
        .unwrap();
    let secondary = scene.secondary();
    assert_eq!(ask(&secondary, "other", b""), b"by default");
    assert_eq!(ask(&secondary, "named", b""), b"by name");
    assert!(primary.unregister_default());
}

/// What it does not answer is answered by an ignore, and what it does not take is closed.
#[test]
fn what_a_default_handler_drops_is_ignored_and_closed() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary.register_default(drop).unwrap();
    let request = message_with("any", b"with a file").with_fd(File::open("/dev/null").unwrap());
    let replies = secondary.request(&request.unwrap(), Some(LONG)).unwrap();
    assert_eq!(only(&replies), "ignored");
    primary.unregister_default();
    primary.register_default(|_| -> () { panic!("this panic is part of the test") }).unwrap();
    assert_eq!(only(&secondary.request(&message("any"), Some(LONG)).unwrap()), "ignored");
    eventually("the panic is counted", || primary.stats().panics == 1);
    assert_eq!(primary.stats().dropped.no_action, 0);
}

#[test]
fn what_a_default_handler_owns_is_dropped_with_it() {
    let scene = Scene::new();
    let primary = scene.primary();
    for leaves in [false, true] {
        let owned = Arc::new(());
        let weak = Arc::downgrade(&owned);
        primary.register_default(move |_| drop(Arc::clone(&owned))).unwrap();
        assert!(weak.upgrade().is_some());
        if leaves {
            primary.clone().leave();
        } else {
            primary.unregister_default();
        }
        assert!(weak.upgrade().is_none(), "by leaving: {leaves}");
    }
}
