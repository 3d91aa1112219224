//! Leaving: what stays, what handles say afterwards, who keeps a group alive.

use std::sync::mpsc::channel;

use rte_mp::{Group, MembersError, RequestError, Role, SendError};
use rustix::io::Errno;

use crate::common::{
    LONG, Scene, ask, at_once, block_on, echo, eventually, message, only, wait_for,
};

#[test]
fn leaving_removes_everything_that_a_member_made() {
    let scene = Scene::new();
    let ways: [fn(Group); 2] = [Group::leave, drop];
    for leave in ways {
        let primary = scene.primary();
        echo(&primary, "echo");
        let secondary = scene.secondary();
        echo(&secondary, "echo");
        ask(&secondary, "echo", b"a return address is made");
        ask(&primary, "echo", b"and one of the primary");
        leave(secondary);
        let files = scene.files();
        assert_eq!(files.iter().filter(|file| !file.starts_with("mp_reply_")).count(), 2);
        leave(primary);
        assert_eq!(scene.files(), [""; 0]);
    }
}

#[test]
fn the_last_handle_leaves() {
    let scene = Scene::new();
    let group = scene.primary();
    let weak = group.downgrade();
    let clone = group.clone();
    drop(group);
    assert_eq!(scene.files(), ["config", "mp_socket"]);
    let upgraded = weak.upgrade().unwrap();
    drop(clone);
    assert_eq!(scene.files(), ["config", "mp_socket"]);
    drop(upgraded);
    assert_eq!(scene.files(), [""; 0]);
    assert!(weak.upgrade().is_none());
}

#[test]
fn other_handles_say_that_the_group_was_left() {
    let scene = Scene::new();
    let _primary = scene.primary();
    let left = scene.secondary();
    let other = left.clone();
    left.leave();

    let shutdown = Errno::SHUTDOWN.raw_os_error();
    let error = other.send(&message("any")).unwrap_err();
    assert!(matches!(error, SendError::Left { .. }), "{error:?}");
    assert_eq!(error.errno(), shutdown);
    let error = other.request(&message("any"), None).unwrap_err();
    assert!(matches!(error, RequestError::Left { .. }), "{error:?}");
    assert_eq!(error.errno(), shutdown);
    let error = other.request_async(&message("any"), None, |_| panic!("called")).unwrap_err();
    assert!(matches!(error, RequestError::Left { .. }), "{error:?}");
    let error = other.to(other.name()).request(&message("any"), None).unwrap_err();
    assert!(matches!(error, RequestError::Left { .. }), "{error:?}");
    let error: MembersError = other.events().unwrap_err();
    assert_eq!(error.errno(), shutdown);
    let error = other.members().unwrap_err();
    assert_eq!(error.errno(), shutdown);
    // What needs no group still works.
    assert_eq!(other.role(), Role::Secondary);
    other.stats();
}

#[test]
fn leaving_twice_does_no_harm() {
    let scene = Scene::new();
    let first = scene.primary();
    let other = first.clone();
    first.leave();
    let second = scene.primary();
    other.leave();
    assert_eq!(scene.files(), ["config", "mp_socket"], "the second primary's files stay");
    let secondary = scene.secondary();
    echo(&second, "echo");
    assert_eq!(ask(&secondary, "echo", b"here"), b"here");
}

#[test]
fn a_weak_handle_in_a_handler_does_not_keep_the_group() {
    let scene = Scene::new();
    let primary = scene.primary();
    echo(&primary, "echo");
    let secondary = scene.secondary();
    let weak = secondary.downgrade();
    secondary
        .register("forward", move |request| {
            let group = weak.upgrade().unwrap();
            let reply = ask(&group, "echo", request.param());
            request.reply(&reply)
        })
        .unwrap();
    assert_eq!(ask(&primary, "forward", b"through"), b"through");
    drop(secondary);
    // The handler may be about to drop the handle that it upgraded.
    eventually("the group is left", || primary.members().unwrap().is_empty());
}

#[test]
fn a_handler_can_leave_its_own_group() {
    let scene = Scene::new();
    for workers in [0, 2] {
        let primary = scene.primary();
        let secondary = scene.builder(Role::Secondary).workers(workers).join().unwrap();
        let (sender, done) = channel();
        let weak = secondary.downgrade();
        secondary
            .register("go", move |request| {
                weak.upgrade().unwrap().leave();
                request.reply(b"gone").unwrap();
                sender.send(()).unwrap();
            })
            .unwrap();
        let replies = primary.request(&message("go"), Some(LONG)).unwrap();
        assert_eq!(only(&replies), "gone", "{workers} workers");
        wait_for(&done);
        assert_eq!(primary.members().unwrap(), [], "{workers} workers");
        drop(secondary);
    }
}

#[test]
fn a_handler_can_drop_the_last_handle() {
    let scene = Scene::new();
    for workers in [0, 2] {
        let primary = scene.primary();
        let secondary = scene.builder(Role::Secondary).workers(workers).join().unwrap();
        let (sender, done) = channel();
        let kept = std::sync::Mutex::new(None);
        let kept = std::sync::Arc::new(kept);
        let last = std::sync::Arc::clone(&kept);
        secondary
            .register("go", move |request| {
                drop(last.lock().unwrap().take());
                request.reply(b"gone").unwrap();
                sender.send(()).unwrap();
            })
            .unwrap();
        *kept.lock().unwrap() = Some(secondary);
        let replies = primary.request(&message("go"), Some(LONG)).unwrap();
        assert_eq!(only(&replies), "gone", "{workers} workers");
        wait_for(&done);
        eventually("the group is left", || primary.members().unwrap().is_empty());
    }
}

#[test]
fn leaving_waits_for_the_running_handler() {
    let scene = Scene::new();
    let primary = scene.primary();
    let secondary = scene.secondary();
    let (started, runs) = channel();
    let (open, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let (finished, end) = channel();
    primary
        .register("work", move |request| {
            started.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            finished.send(()).unwrap();
            request.reply(b"done")
        })
        .unwrap();
    let replies = secondary.request_future(&message("work"), Some(LONG));
    wait_for(&runs);
    let leaver = std::thread::spawn(move || {
        primary.leave();
        end.try_recv().is_ok()
    });
    eventually("the primary is leaving", || scene.files().len() < 3);
    assert!(!leaver.is_finished());
    drop(open);
    assert!(leaver.join().unwrap(), "the handler had finished");
    let replies = at_once("the answer", || block_on(replies)).unwrap();
    assert_eq!(only(&replies), "done");
}

#[test]
fn one_who_is_about_to_end_leaves_without_waiting_for_a_handler() {
    let scene = Scene::new();
    let primary = scene.primary();
    let secondary = scene.secondary();
    let (started, runs) = channel();
    let (open, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    primary
        .register("work", move |_| {
            started.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
        })
        .unwrap();
    secondary.send(&message("work")).unwrap();
    wait_for(&runs);
    at_once("leaving", || primary.leave_without_waiting());
    assert!(!scene.files().iter().any(|file| file == "config" || file == "mp_socket"));
    let error = primary.send(&message("late")).unwrap_err();
    assert_eq!(error.errno(), Errno::SHUTDOWN.raw_os_error());
    drop(open);
}
