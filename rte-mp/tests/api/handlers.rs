//! How handlers are called: in order, on workers, asking in turn, failing.

use std::collections::HashSet;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;

use rte_mp::{RegisterError, Role};
use rustix::io::Errno;

use crate::common::child::Child;
use crate::common::{
    LONG, Scene, ask, at_once, block_on, echo, message, message_with, only, wait_for,
};

#[test]
fn actions_that_are_there_from_the_beginning_answer_the_first_request() {
    let scene = Scene::new();
    let primary = scene
        .builder(Role::Primary)
        .action("first", |request| request.reply(b"there"))
        .action("fails", |_| Err::<(), _>("noted"))
        .join()
        .unwrap();
    let secondary = scene.secondary();
    assert_eq!(ask(&secondary, "first", b""), b"there");
    assert_eq!(only(&secondary.request(&message("fails"), Some(LONG)).unwrap()), "ignored");
    assert!(primary.unregister("first"));
    assert!(!primary.unregister("other"));
}

#[test]
fn an_action_that_cannot_be_registered_lets_nobody_join() {
    let scene = Scene::new();
    let cases = [("", Errno::INVAL), ("rte-mp/x", Errno::INVAL), ("twice", Errno::EXIST)];
    for (name, errno) in cases {
        let builder = scene.builder(Role::Primary).action("twice", drop);
        let error = builder.action(name, drop).join().unwrap_err();
        assert_eq!(error.errno(), errno.raw_os_error(), "{name}: {error}");
    }
    assert_eq!(scene.files(), [""; 0]);
}

#[test]
fn a_name_is_registered_once() {
    let scene = Scene::new();
    let primary = scene.primary();
    let register = |name: &str| primary.register(name, |request| request.ignore());
    register("once").unwrap();
    let error = register("once").unwrap_err();
    assert_eq!(error, RegisterError::Exists { name: "once".to_owned() });
    assert_eq!(error.errno(), Errno::EXIST.raw_os_error());
    assert!(primary.unregister("once"));
    assert!(!primary.unregister("once"));
    register("once").unwrap();
    register(&"n".repeat(63)).unwrap();
    let cases = [
        ("", Errno::INVAL),
        ("a\0b", Errno::INVAL),
        ("nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", Errno::TOOBIG),
    ];
    for (name, errno) in cases {
        let error = register(name).unwrap_err();
        assert!(matches!(error, RegisterError::Name { .. }), "{name:?}: {error:?}");
        assert_eq!(error.errno(), errno.raw_os_error(), "{name:?}");
        assert!(!primary.unregister(name));
    }
    let error = register("rte-mp/mine").unwrap_err();
    assert!(matches!(error, RegisterError::Reserved { prefix: "rte-mp/", .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::INVAL.raw_os_error());
}

#[test]
fn a_handler_can_ask() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let weak = secondary.downgrade();
    secondary
        .register("relay", move |request| {
            let reply = ask(&weak.upgrade().unwrap(), "echo", request.param());
            request.reply(&reply)
        })
        .unwrap();
    let to_self = secondary.to(secondary.name());
    let replies = at_once("the relay", || {
        to_self.request(&message_with("relay", b"there and back"), Some(LONG)).unwrap()
    });
    assert_eq!(only(&replies), "there and back");
    child.end();
}

#[test]
fn two_members_ask_each_other_from_their_handlers_on_workers() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).workers(2).join().unwrap();
    let secondary = scene.builder(Role::Secondary).workers(2).join().unwrap();
    echo(&primary, "echo");
    let (to_primary, to_secondary) = (secondary.downgrade(), primary.downgrade());
    secondary
        .register("second", move |request| {
            let reply = ask(&to_primary.upgrade().unwrap(), "echo", request.param());
            request.reply(&reply)
        })
        .unwrap();
    // The primary's handler waits for the secondary's, which asks the busy primary once more.
    primary
        .register("first", move |request| {
            let reply = ask(&to_secondary.upgrade().unwrap(), "second", request.param());
            request.reply(&reply)
        })
        .unwrap();
    let replies = at_once("all of it", || {
        secondary.request(&message_with("first", b"round"), Some(LONG)).unwrap()
    });
    assert_eq!(only(&replies), "round");
}

#[test]
fn without_workers_handlers_run_in_order_on_one_thread() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, news) = channel();
    for name in ["a", "b"] {
        let sender = sender.clone();
        let tell = move |request: rte_mp::Request| {
            sender.send((thread::current().id(), request.param().to_vec())).unwrap();
        };
        primary.register(name, tell).unwrap();
    }
    for number in 0..100_u8 {
        let name = if number % 3 == 0 { "a" } else { "b" };
        secondary.send(&message_with(name, &[number])).unwrap();
    }
    let calls: Vec<_> = (0..100).map(|_| wait_for(&news)).collect();
    assert!(calls.iter().map(|(_, param)| param[0]).eq(0..100));
    assert_eq!(calls.iter().map(|(thread, _)| thread).collect::<HashSet<_>>().len(), 1);
}

#[test]
fn workers_run_handlers_side_by_side() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).workers(3).join().unwrap();
    let secondary = scene.secondary();
    // Nobody passes before three are there.
    let barrier = Arc::new(Barrier::new(3));
    primary
        .register("meet", move |request| {
            barrier.wait();
            request.reply(thread::current().name().unwrap().as_bytes())
        })
        .unwrap();
    let futures = [(); 3].map(|()| secondary.request_future(&message("meet"), Some(LONG)));
    let threads: HashSet<_> =
        futures.into_iter().map(|future| only(&block_on(future).unwrap())).collect();
    assert_eq!(threads.len(), 3, "{threads:?}");
    assert!(threads.iter().all(|name| name.starts_with("mp-worker-")), "{threads:?}");
}

#[test]
fn a_busy_worker_delays_nobody_else() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).workers(2).join().unwrap();
    let secondary = scene.secondary();
    echo(&primary, "echo");
    let (open, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    primary
        .register("slow", move |request| {
            let _ = gate.lock().unwrap().recv();
            request.reply(b"done")
        })
        .unwrap();
    let slow = secondary.request_future(&message("slow"), Some(LONG));
    for _ in 0..100 {
        assert_eq!(at_once("an echo", || ask(&secondary, "echo", b"quick")), b"quick");
    }
    drop(open);
    assert_eq!(only(&block_on(slow).unwrap()), "done");
}

#[test]
fn more_work_than_workers_take_waits_at_the_senders() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).workers(1).join().unwrap();
    let secondary = scene.secondary();
    let (open, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let (sender, news) = channel();
    primary
        .register("count", move |request| {
            // Closed at first, open for good afterwards.
            let _ = gate.lock().unwrap().recv();
            sender.send(request.param().to_vec()).unwrap();
        })
        .unwrap();
    thread::scope(|scope| {
        let sends = scope.spawn(|| {
            for number in 0..1000_u32 {
                secondary.send(&message_with("count", &number.to_ne_bytes())).unwrap();
            }
        });
        crate::common::eventually("the queue of the workers is full", || {
            primary.stats().received.messages >= 256
        });
        assert!(!sends.is_finished());
        drop(open);
        for number in 0..1000_u32 {
            assert_eq!(wait_for(&news), number.to_ne_bytes());
        }
    });
}

#[test]
fn a_handler_that_panics_ignores_the_request_and_the_group_lives_on() {
    let scene = Scene::new();
    for workers in [0, 1] {
        let primary = scene.builder(Role::Primary).workers(workers).join().unwrap();
        let secondary = scene.secondary();
        echo(&primary, "echo");
        primary.register("panic", |_| -> () { panic!("this panic is part of the test") }).unwrap();
        for _ in 0..3 {
            let replies =
                at_once("the ignore", || secondary.request(&message("panic"), Some(LONG)).unwrap());
            assert_eq!(only(&replies), "ignored", "{workers} workers");
        }
        secondary.send(&message("panic")).unwrap();
        assert_eq!(ask(&secondary, "echo", b"alive"), b"alive");
        crate::common::eventually("all panics are counted", || primary.stats().panics == 4);
    }
}

#[test]
fn a_handler_can_unregister_itself_and_register_another() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let weak = primary.downgrade();
    primary
        .register("once", move |request| {
            let group = weak.upgrade().unwrap();
            assert!(group.unregister("once"));
            group.register("next", |request| request.reply(b"next")).unwrap();
            request.reply(b"once")
        })
        .unwrap();
    let ask_for = |name| only(&secondary.request(&message(name), Some(LONG)).unwrap());
    assert_eq!(ask_for("once"), "once");
    assert_eq!(ask_for("once"), "ignored");
    assert_eq!(ask_for("next"), "next");
}

#[test]
fn what_a_handler_owns_is_dropped_with_it() {
    let scene = Scene::new();
    let primary = scene.primary();
    let owned = Arc::new(());
    let weak = Arc::downgrade(&owned);
    primary.register("own", move |_| drop(Arc::clone(&owned))).unwrap();
    assert!(weak.upgrade().is_some());
    primary.unregister("own");
    assert!(weak.upgrade().is_none());

    let owned = Arc::new(());
    let weak = Arc::downgrade(&owned);
    primary.register("own", move |_| drop(Arc::clone(&owned))).unwrap();
    let other = primary.clone();
    primary.leave();
    assert!(weak.upgrade().is_none());
    drop(other);
}

#[test]
fn a_group_takes_only_so_many_actions() {
    let scene = Scene::new();
    let primary = scene.primary();
    let register = |n: u32| primary.register(format!("action {n}"), |request| request.ignore());
    let count = (0..).take_while(|n| register(*n).is_ok()).count();
    let error = register(u32::MAX).unwrap_err();
    assert!(matches!(error, RegisterError::TooMany { max, .. } if max == count), "{error:?}");
    assert_eq!(error.errno(), Errno::NOMEM.raw_os_error());
}

#[test]
fn actions_are_registered_while_requests_come() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..500 {
                echo(&primary, "now and then");
                assert!(primary.unregister("now and then"));
            }
        });
        for _ in 0..500 {
            let message = message_with("now and then", b"there");
            let outcome = only(&secondary.request(&message, Some(LONG)).unwrap());
            assert!(outcome == "there" || outcome == "ignored", "{outcome}");
        }
    });
}
