//! Requests that wait for their answers on the calling thread.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{NoReplyError, Outcome, RequestError};
use rustix::io::Errno;

use crate::common::child::Child;
use crate::common::{
    AT_ONCE, LONG, SHORT, Scene, ask, at_once, echo, eventually, message, message_with, only,
    wait_for,
};

#[test]
fn a_request_brings_its_reply() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary
        .register("hello", |request| {
            let reply = [b"you said ", request.param()].concat();
            request.reply(&reply)
        })
        .unwrap();
    let replies = secondary.request(&message_with("hello", b"hi"), None).unwrap();
    assert_eq!((replies.sent(), replies.received()), (1, 1));
    let asked = replies.iter().next().unwrap();
    assert_eq!(asked.peer, *primary.name());
    let reply = replies.into_reply().unwrap();
    assert_eq!(reply.name().as_bytes(), b"hello");
    assert_eq!(reply.param(), b"you said hi");
    assert!(reply.fds().is_empty());
}

#[test]
fn processes_ask_each_other() {
    let scene = Scene::new();
    let mut child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    echo(&secondary, "echo");
    for round in 0..100_u8 {
        assert_eq!(ask(&secondary, "echo", &[round; 256]), [round; 256]);
    }
    child.tell("request echo over-there");
    assert_eq!(child.expect("replies"), "over-there");
    child.end();
}

#[test]
fn what_becomes_of_a_request_is_its_outcome() {
    let scene = Scene::new();
    let primary = scene.primary();
    let child = Child::member(&scene, "secondary");
    let cases = [
        ("echo", "?", 1, 1, None),
        ("silent", "timedout", 1, 0, Some(Errno::TIMEDOUT)),
        ("ignore", "ignored", 0, 0, Some(Errno::NOTSUP)),
        ("no such action", "ignored", 0, 0, Some(Errno::NOTSUP)),
    ];
    for (action, outcome, sent, received, errno) in cases {
        let replies = primary.request(&message_with(action, b"?"), Some(SHORT)).unwrap();
        assert_eq!(only(&replies), outcome, "{action}");
        assert_eq!((replies.sent(), replies.received()), (sent, received), "{action}");
        let error = replies.into_reply().err().map(|error| error.errno());
        assert_eq!(error, errno.map(Errno::raw_os_error), "{action}");
    }
    child.end();
}

#[test]
fn who_has_no_such_action_says_so_at_once() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let replies = at_once("an ignore", || secondary.request(&message("any"), Some(LONG)).unwrap());
    let error = replies.into_reply().unwrap_err();
    let told = matches!(&error, NoReplyError::Ignored { peer, action }
        if peer == primary.name() && action == "any");
    assert!(told, "{error:?}");
    assert_eq!(primary.stats().sent.ignores, 1);
}

#[test]
fn a_silent_peer_costs_the_timeout_and_no_more() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary.register("silent", |request| request.stay_silent()).unwrap();
    for timeout in [Duration::from_millis(1), Duration::from_millis(50), SHORT] {
        let start = Instant::now();
        let replies = secondary.request(&message("silent"), Some(timeout)).unwrap();
        let took = start.elapsed();
        assert_eq!(only(&replies), "timedout");
        assert!(took >= timeout && took < timeout + AT_ONCE, "{timeout:?} took {took:?}");
    }
}

#[test]
fn without_a_timeout_it_is_5_seconds() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary.register("silent", |request| request.stay_silent()).unwrap();
    let start = Instant::now();
    let replies = secondary.request(&message("silent"), None).unwrap();
    let took = start.elapsed();
    assert_eq!(only(&replies), "timedout");
    assert!(took >= Duration::from_secs(5), "{took:?}");
    assert!(took < Duration::from_secs(5) + AT_ONCE, "{took:?}");
}

#[test]
fn a_timeout_of_zero_asks_and_does_not_wait() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, news) = channel();
    primary.register("hello", move |_| sender.send(()).unwrap()).unwrap();
    let ask = || secondary.request(&message("hello"), Some(Duration::ZERO)).unwrap();
    let replies = at_once("not waiting", ask);
    assert_eq!(replies.sent() + usize::from(only(&replies) == "ignored"), 1);
    wait_for(&news);
}

#[test]
fn a_timeout_that_no_clock_can_hold_is_for_ever() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    let replies = secondary.request(&message_with("echo", b"!"), Some(Duration::MAX)).unwrap();
    assert_eq!(only(&replies), "!");
}

#[test]
fn a_primary_without_secondaries_asks_nobody() {
    let scene = Scene::new();
    let primary = scene.primary();
    let replies =
        at_once("asking nobody", || primary.request(&message("any"), Some(LONG)).unwrap());
    assert_eq!((replies.sent(), replies.received(), replies.iter().count()), (0, 0, 0));
    let error = replies.into_reply().unwrap_err();
    assert!(matches!(error, NoReplyError::Nobody { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::NOENT.raw_os_error());
}

#[test]
fn a_request_to_a_primary_that_ended_says_so_at_once() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let secondary = scene.secondary();
    echo(&primary, "echo");
    ask(&secondary, "echo", b"an address is pooled");
    primary.leave();
    let fail = || {
        at_once("noticing", || {
            secondary.request(&message("echo"), Some(LONG)).map(drop).unwrap_err()
        })
    };
    let error = fail();
    assert!(matches!(error, RequestError::NoPrimary { .. }), "{error:?}");
    assert!(error.to_string().contains("\"test\""), "{error}");

    let mut child = Child::member(&scene, "primary");
    ask(&secondary, "echo", b"and another");
    child.kill();
    let error = fail();
    assert!(matches!(error, RequestError::NoPrimary { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::CONNREFUSED.raw_os_error());
    let mut called = false;
    let asked = secondary.request_async(&message("echo"), Some(LONG), |_| panic!("called"));
    called |= asked.is_ok();
    assert!(!called, "an error comes without a callback");
}

#[test]
fn a_reply_has_the_name_of_its_request() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary
        .register("question", |request| request.reply_with(message_with("any name", b"answer")))
        .unwrap();
    let reply = secondary.request(&message("question"), Some(LONG)).unwrap().into_reply().unwrap();
    assert_eq!(reply.name().as_bytes(), b"question");
    assert_eq!(reply.param(), b"answer");
}

#[test]
fn a_reply_that_cannot_be_made_ignores_the_request() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let (sender, news) = channel();
    primary
        .register("long", move |request| {
            sender.send(request.reply(&[0; 257]).unwrap_err().errno()).unwrap();
        })
        .unwrap();
    let replies = at_once("an ignore", || secondary.request(&message("long"), Some(LONG)).unwrap());
    assert_eq!(only(&replies), "ignored");
    assert_eq!(wait_for(&news), Errno::TOOBIG.raw_os_error());
}

#[test]
fn many_threads_ask_the_same_at_once_and_each_gets_its_own_answer() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    thread::scope(|scope| {
        for thread in 0..8_u8 {
            let secondary = &secondary;
            scope.spawn(move || {
                for round in 0..100_u8 {
                    assert_eq!(ask(secondary, "echo", &[thread, round]), [thread, round]);
                }
            });
        }
    });
    assert_eq!(secondary.stats().requests.replied, 800);
    child.end();
}

#[test]
fn return_addresses_are_used_again() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    echo(&primary, "echo");
    for _ in 0..100 {
        ask(&secondary, "echo", b"");
    }
    let addresses = scene.files().iter().filter(|file| file.starts_with("mp_reply_")).count();
    assert_eq!(addresses, 1, "{:?}", scene.files());
}

#[test]
fn leaving_ends_a_request_that_waits() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary.register("silent", |request| request.stay_silent()).unwrap();
    thread::scope(|scope| {
        let asker = secondary.clone();
        let asks = scope.spawn(move || asker.request(&message("silent"), Some(LONG)));
        eventually("the request is there", || primary.stats().received.requests == 1);
        secondary.leave();
        let error = at_once("giving up", || asks.join().unwrap()).map(drop).unwrap_err();
        assert!(matches!(error, RequestError::Left { .. }), "{error:?}");
    });
}

#[test]
fn a_peer_that_leaves_ignores_what_it_has_not_handled() {
    let scene = Scene::new();
    let primary = scene.primary();
    let (started, runs) = channel();
    let (open, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let secondary = scene.secondary();
    secondary
        .register("first", move |request| {
            started.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            request.reply(b"answered")
        })
        .unwrap();
    echo(&secondary, "second");
    let peer = *secondary.name();
    let first = primary.to(&peer).request_future(&message("first"), Some(LONG));
    wait_for(&runs);
    let second = primary.to(&peer).request_future(&message("second"), Some(LONG));
    thread::scope(|scope| {
        scope.spawn(move || secondary.leave());
        eventually("it is leaving", || {
            !scene.files().iter().any(|file| *file == *peer.file_name().to_str().unwrap())
        });
        drop(open);
        let [first, second] = at_once("the answers", || {
            [first, second].map(|asked| only(&crate::common::block_on(asked).unwrap()))
        });
        assert_eq!([first.as_str(), second.as_str()], ["answered", "ignored"]);
    });
}

#[test]
fn a_member_can_ask_itself() {
    let scene = Scene::new();
    let primary = scene.primary();
    echo(&primary, "echo");
    let replies = primary.to(primary.name()).request(&message_with("echo", b"me"), Some(LONG));
    let replies = replies.unwrap();
    assert!(matches!(replies.iter().next().unwrap().outcome, Outcome::Replied(_)));
    assert_eq!(only(&replies), "me");
}
