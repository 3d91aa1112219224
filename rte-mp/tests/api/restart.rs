//! Primaries that end and others that take their place, while secondaries stay.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Flavor, Group, Kind, Layout, Replies, RequestError, Role, SendError, Version};
use rustix::io::Errno;

use crate::common::child::Child;
use crate::common::raw::{RawPeer, write_config};
use crate::common::{
    LONG, Scene, ask, at_once, block_on, caller_driven, drive, echo, eventually, is_root, message,
    message_with, only, wait_for,
};

/// Asks the primary, and leaves the rest to [`drive`].
fn ask_later(secondary: &Group, name: &str) -> Receiver<String> {
    let (sender, news) = channel();
    let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
    secondary.request_async(&message(name), Some(LONG), done).unwrap();
    news
}

/// Drives what was asked until it has been looked at who is asked.
fn drive_until_watched(secondary: &Group) {
    let first_look = Instant::now() + Duration::from_millis(1);
    drive(secondary, || secondary.next_deadline().is_some_and(|due| due > first_look));
}

/// Drives what was asked to its end, which comes at once.
fn drive_to_the_end(secondary: &Group, news: &Receiver<String>) -> String {
    let mut outcome = None;
    at_once("the outcome", || {
        drive(secondary, || {
            outcome = news.try_recv().ok();
            outcome.is_some()
        });
    });
    outcome.unwrap()
}

/// Waits until a primary that is leaving or dying is out of the way of the next one.
fn wait_for_vacancy(scene: &Scene) {
    let (config, socket) = (scene.path("config"), scene.path("mp_socket"));
    eventually("the place is free", || {
        !rte_mp::primary_is_alive(&config).unwrap_or(false)
            && UnixDatagram::unbound().unwrap().connect(&socket).is_err()
    });
}

#[test]
fn requests_and_messages_go_to_the_new_primary() {
    let scene = Scene::with_killed();
    let mut child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    for how in ["leave", "kill", "leave", "kill"] {
        let before = child.pid().to_string();
        assert_eq!(ask(&secondary, "pid", b""), before.as_bytes());
        match how {
            "leave" => {
                child.tell("leave");
                child.expect("left");
            }
            _ => child.kill(),
        }
        let error = secondary.request(&message("pid"), Some(LONG)).map(drop).unwrap_err();
        assert!(matches!(error, RequestError::NoPrimary { .. }), "{how}: {error:?}");
        child = Child::member(&scene, "primary");
        assert_eq!(ask(&secondary, "pid", b""), child.pid().to_string().as_bytes(), "{how}");
        secondary.send(&message_with("note", b"welcome")).unwrap();
        assert_eq!(child.expect("noted"), "welcome", "{how}");
        let replies = block_on(secondary.request_future(&message("pid"), Some(LONG))).unwrap();
        assert_eq!(only(&replies), child.pid().to_string(), "{how}");
        // And the new primary finds the old secondary.
        echo(&secondary, "echo");
        child.tell("request echo found");
        assert_eq!(child.expect("replies"), "found", "{how}");
        secondary.unregister("echo");
    }
    child.end();
}

#[test]
fn a_request_to_a_primary_that_restarts_meanwhile_is_not_answered_by_the_new_one() {
    let scene = Scene::with_killed();
    let mut child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let future = secondary.request_future(&message("hold"), Some(LONG));
    child.expect("held");
    child.kill();
    let next = Child::member(&scene, "primary");
    assert_eq!(only(&block_on(future).unwrap()), "died");
    assert_eq!(ask(&secondary, "echo", b"new"), b"new");
    next.end();
}

#[test]
fn a_primary_that_is_replaced_before_anybody_looks_is_known_to_be_dead() {
    let scene = Scene::with_killed();
    let mut child = Child::member(&scene, "primary");
    let secondary = caller_driven(&scene, Role::Secondary);
    for from in ["a new address", "a pooled address", "a new address again"] {
        if from == "a pooled address" {
            ask(&secondary, "echo", b"");
        }
        let news = ask_later(&secondary, "hold");
        child.expect("held");
        child.kill();
        child = Child::member(&scene, "primary");
        assert_eq!(drive_to_the_end(&secondary, &news), "died", "{from}");
    }
    child.end();
}

#[test]
fn a_primary_of_another_pid_namespace_that_is_replaced_between_two_looks_is_known_to_be_dead() {
    if !is_root() {
        println!("left out: only root can make a pid namespace");
        return;
    }
    let scene = Scene::with_killed();
    let mut child = Child::start_elsewhere(&scene);
    child.tell("join primary");
    child.expect("joined");
    let secondary = caller_driven(&scene, Role::Secondary);
    let news = ask_later(&secondary, "hold");
    child.expect("held");
    drive_until_watched(&secondary);
    child.kill();
    wait_for_vacancy(&scene);
    let next = Child::member(&scene, "primary");
    assert_eq!(drive_to_the_end(&secondary, &news), "died");
    next.end();
}

#[test]
fn a_primary_that_leaves_still_answers_whatever_becomes_of_the_next_one() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let (started, runs) = channel();
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    primary
        .register("work", move |request| {
            started.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            request.reply(b"done")
        })
        .unwrap();
    let secondary = caller_driven(&scene, Role::Secondary);
    let news = ask_later(&secondary, "work");
    wait_for(&runs);
    let leaver = thread::spawn(move || primary.leave());
    wait_for_vacancy(&scene);
    let mut next = Child::member(&scene, "primary");
    drive_until_watched(&secondary);
    next.kill();
    // Whoever is probed is probed in this time.
    let watched = Instant::now() + Duration::from_millis(60);
    drive(&secondary, || Instant::now() >= watched || secondary.next_deadline().is_none());
    assert!(news.try_recv().is_err(), "it is waited for");
    drop(open);
    assert_eq!(drive_to_the_end(&secondary, &news), "done");
    leaver.join().unwrap();
}

#[test]
fn a_primary_that_dies_while_it_leaves_is_known_to_be_dead_though_the_next_one_is_there() {
    let scene = Scene::with_killed();
    let mut child = Child::member(&scene, "primary");
    let secondary = caller_driven(&scene, Role::Secondary);
    let news = ask_later(&secondary, "block");
    child.expect("blocked");
    child.tell("leave");
    wait_for_vacancy(&scene);
    let next = scene.primary();
    drive_until_watched(&secondary);
    child.kill();
    assert_eq!(drive_to_the_end(&secondary, &news), "died");
    drop(next);
}

#[test]
fn members_that_stayed_see_those_that_joined_later() {
    let scene = Scene::with_killed();
    let mut child = Child::member(&scene, "primary");
    let old = scene.secondary();
    child.kill();
    assert_eq!(old.members().unwrap(), []);
    let child = Child::member(&scene, "primary");
    let new = scene.secondary();
    let names = |group: &rte_mp::Group| {
        let mut names: Vec<_> = group.members().unwrap().iter().map(|m| m.name).collect();
        names.sort();
        names
    };
    assert_eq!(names(&old)[1..], [*new.name()]);
    assert_eq!(names(&new)[1..], [*old.name()]);
    assert_eq!(old.members().unwrap()[0].pid, Some(child.pid()));
    child.end();
}

#[test]
fn a_primary_of_another_layout_is_not_spoken_to() {
    let scene = Scene::with_killed();
    let native = scene.primary();
    let member = scene.secondary();
    echo(&native, "echo");
    ask(&member, "echo", b"an address is pooled");
    native.leave();

    write_config(&scene, 0x160B_0B63);
    let dpdk = Child::with_config_lock(&scene);
    let socket = RawPeer::bind(scene.path("mp_socket"));
    socket.socket.set_nonblocking(true).unwrap();
    let error = member.request(&message("echo"), Some(LONG)).map(drop).unwrap_err();
    assert!(matches!(error, RequestError::OtherPrimary { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::PROTO.raw_os_error());
    let error = member.send(&message("echo")).unwrap_err();
    assert!(matches!(error, SendError::OtherPrimary { .. }), "{error:?}");
    let error = member.to(&socket.name()).send(&message("echo")).unwrap_err();
    assert!(matches!(error, SendError::OtherPrimary { .. }), "{error:?}");
    let error = block_on(member.request_future(&message("echo"), None)).map(drop).unwrap_err();
    assert!(matches!(error, RequestError::OtherPrimary { .. }), "{error:?}");
    assert!(socket.socket.recv(&mut [0; 512]).is_err(), "not a byte went to it");

    // Whoever joins now speaks its layout.
    socket.socket.set_nonblocking(false).unwrap();
    let new = scene.secondary();
    assert_eq!(new.layout(), Layout::DPDK_18_05);
    let future = new.request_future(&message("echo"), Some(LONG));
    socket.answer_one(Kind::Reply, b"old form");
    assert_eq!(only(&block_on(future).unwrap()), "old form");
    drop((socket, dpdk));
}

#[test]
fn a_primary_of_another_release_with_the_same_layout_is_as_good() {
    let scene = Scene::with_killed();
    let native = scene.primary();
    let member = scene.secondary();
    native.leave();
    write_config(&scene, 0x1A07_0063);
    let _dpdk = Child::with_config_lock(&scene);
    let socket = RawPeer::bind(scene.path("mp_socket"));
    let future = member.request_future(&message("ask"), Some(LONG));
    socket.answer_one(Kind::Reply, b"from 26.07");
    assert_eq!(only(&block_on(future).unwrap()), "from 26.07");
    assert_eq!(member.flavor(), Flavor::Native, "what was joined");
    let other = scene.secondary();
    assert_eq!(other.flavor(), Flavor::Dpdk(Version::from_word(0x1A07_0063)));
}

#[test]
fn a_primary_that_is_not_ready_yet_is_not_spoken_to() {
    let scene = Scene::with_killed();
    let native = scene.primary();
    let member = scene.secondary();
    native.leave();
    crate::common::raw::write_config_with(&scene, 0, 0x160B_0B63);
    let _dpdk = Child::with_config_lock(&scene);
    let socket = RawPeer::bind(scene.path("mp_socket"));
    socket.socket.set_nonblocking(true).unwrap();
    let error = member.send(&message("any")).unwrap_err();
    assert!(matches!(error, SendError::NoPrimary { .. }), "{error:?}");
    assert!(socket.socket.recv(&mut [0; 512]).is_err(), "not a byte went to it");
    fs::remove_file(scene.path("config")).unwrap();
}
