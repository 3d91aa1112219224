//! Groups that the caller's own event loop drives.

use std::os::fd::AsFd;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Drive, Event, Replies, Role};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::common::child::Child;
use crate::common::{
    AT_ONCE, LONG, SHORT, Scene, ask, at_once, block_on, caller_driven, descriptors, drive, echo,
    message, message_with, only,
};

#[test]
fn a_loop_serves_requests() {
    let scene = Scene::new();
    let primary = caller_driven(&scene, Role::Primary);
    let caller = thread::current().id();
    let (sender, news) = channel();
    primary
        .register("where", move |request| {
            sender.send(thread::current().id()).unwrap();
            request.reply(b"here")
        })
        .unwrap();
    let secondary = scene.secondary();
    let mut future = Some(secondary.request_future(&message("where"), Some(LONG)));
    drive(&primary, || news.try_recv().is_ok_and(|thread| thread == caller));
    assert_eq!(only(&block_on(future.take().unwrap()).unwrap()), "here");
    assert_eq!(primary.next_deadline(), None, "there is nothing to wait for");
}

#[test]
fn a_loop_drives_async_requests() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = caller_driven(&scene, Role::Secondary);
    let (sender, news) = channel();
    for number in 0..20_u8 {
        let sender = sender.clone();
        let done = move |replies: Replies| sender.send((number, only(&replies))).unwrap();
        let param = [b'a' + number];
        secondary.request_async(&message_with("echo", &param), Some(LONG), done).unwrap();
    }
    let mut answers = Vec::new();
    drive(&secondary, || {
        answers.extend(news.try_iter());
        answers.len() == 20
    });
    assert!(answers.iter().all(|(number, reply)| reply.as_bytes() == [b'a' + number]));
    child.end();
}

#[test]
fn a_timeout_is_kept_by_the_deadline() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = caller_driven(&scene, Role::Secondary);
    let (sender, news) = channel();
    let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
    let start = Instant::now();
    secondary.request_async(&message("silent"), Some(SHORT), done).unwrap();
    let mut outcome = None;
    drive(&secondary, || {
        outcome = news.try_recv().ok();
        outcome.is_some()
    });
    let took = start.elapsed();
    assert_eq!(outcome.unwrap(), "timedout");
    assert!(took >= SHORT && took < SHORT + AT_ONCE, "{took:?}");
    assert_eq!(secondary.next_deadline(), None);
    child.end();
}

#[test]
fn a_death_wakes_the_loop() {
    let scene = Scene::with_killed();
    let mut child = Child::member(&scene, "primary");
    let secondary = caller_driven(&scene, Role::Secondary);
    let (sender, news) = channel();
    let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
    secondary.request_async(&message("hold"), Some(LONG), done).unwrap();
    child.expect("held");
    // The loop has begun to watch by the time that it is asked for nothing more.
    let watched = Instant::now() + Duration::from_millis(20);
    drive(&secondary, || Instant::now() >= watched || secondary.next_deadline().is_none());
    child.kill();
    let mut outcome = None;
    at_once("noticing", || {
        drive(&secondary, || {
            outcome = news.try_recv().ok();
            outcome.is_some()
        });
    });
    assert_eq!(outcome.unwrap(), "died");
}

#[test]
fn sync_requests_need_no_loop() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = caller_driven(&scene, Role::Secondary);
    assert_eq!(ask(&secondary, "echo", b"alone"), b"alone");
    secondary.send(&message_with("note", b"note")).unwrap();
    assert_eq!(child.expect("noted"), "note");
    child.end();
}

#[test]
fn a_loop_hears_who_joins_and_leaves() {
    let scene = Scene::new();
    let primary = caller_driven(&scene, Role::Primary);
    let events = primary.events().unwrap();
    let secondary = scene.secondary();
    let mut event = None;
    let mut next = || {
        drive(&primary, || {
            event = events.try_recv().ok();
            event.is_some()
        });
        event.take().unwrap()
    };
    assert!(matches!(next(), Event::Joined(member) if member.name == *secondary.name()));
    let name = *secondary.name();
    drop(secondary);
    assert!(matches!(next(), Event::Left(member) if member.name == name));
}

#[test]
fn two_groups_share_one_loop() {
    let scene = Scene::new();
    let primary = caller_driven(&scene, Role::Primary);
    let secondary = caller_driven(&scene, Role::Secondary);
    echo(&primary, "echo");
    let (sender, news) = channel();
    let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
    secondary.request_async(&message_with("echo", b"me"), Some(LONG), done).unwrap();
    let give_up = Instant::now() + LONG;
    let outcome = loop {
        if let Ok(outcome) = news.try_recv() {
            break outcome;
        }
        assert!(Instant::now() < give_up);
        let due = [primary.next_deadline(), secondary.next_deadline()].into_iter().flatten().min();
        let due = due.map_or(give_up, |due| due.min(give_up));
        let timeout = Timespec::try_from(due.saturating_duration_since(Instant::now())).unwrap();
        let (one, other) = (primary.as_fd(), secondary.as_fd());
        let mut fds = [PollFd::new(&one, PollFlags::IN), PollFd::new(&other, PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).unwrap();
        primary.process();
        secondary.process();
    };
    assert_eq!(outcome, "me");
}

#[test]
fn nothing_to_do_is_said_so() {
    let scene = Scene::new();
    let before = descriptors().len();
    let primary = caller_driven(&scene, Role::Primary);
    assert!(!primary.process());
    assert_eq!(primary.next_deadline(), None);
    let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(&primary.as_fd(), PollFlags::IN)], Some(&no_time));
    assert_eq!(ready.unwrap(), 0);
    drop(primary);
    assert_eq!(descriptors().len(), before);
}

#[test]
fn a_handler_in_the_loop_can_leave_and_cannot_nest() {
    let scene = Scene::new();
    let primary = caller_driven(&scene, Role::Primary);
    let weak = primary.downgrade();
    let (sender, news) = channel();
    primary
        .register("go", move |request| {
            let group = weak.upgrade().unwrap();
            assert!(!group.process(), "the loop is not entered twice");
            group.leave();
            sender.send(()).unwrap();
            request.reply(b"gone")
        })
        .unwrap();
    let secondary = scene.secondary();
    let future = secondary.request_future(&message("go"), Some(LONG));
    drive(&primary, || news.try_recv().is_ok());
    assert_eq!(only(&at_once("the answer", || block_on(future).unwrap())), "gone");
    assert!(primary.events().is_err());
    // A loop that does not know yet does no harm.
    primary.process();
    assert!(primary.as_fd().try_clone_to_owned().is_ok());
}

#[test]
fn leaving_calls_back_what_is_open() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    let secondary = caller_driven(&scene, Role::Secondary);
    let (sender, news) = channel();
    let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
    secondary.request_async(&message("silent"), Some(LONG), done).unwrap();
    secondary.leave();
    assert_eq!(news.try_recv().unwrap(), "abandoned");
    child.end();
}

#[test]
fn a_loop_with_workers_runs_handlers_on_them() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).drive(Drive::Caller).workers(1).join().unwrap();
    let (sender, news) = channel();
    primary
        .register("where", move |request| {
            let name = thread::current().name().unwrap().to_owned();
            request.reply(name.as_bytes())?;
            sender.send(()).unwrap();
            Ok::<(), rte_mp::ReplyError>(())
        })
        .unwrap();
    let secondary = scene.secondary();
    let future = secondary.request_future(&message("where"), Some(LONG));
    drive(&primary, || primary.stats().received.requests == 1);
    crate::common::wait_for(&news);
    assert_eq!(only(&block_on(future).unwrap()), "mp-worker-0");
}
