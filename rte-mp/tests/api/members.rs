//! Who is there, who joins and who leaves.

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};

use rte_mp::{Event, Events, Member, Role};

use crate::common::child::Child;
use crate::common::raw::RawPeer;
use crate::common::{LONG, SHORT, Scene, at_once, eventually};

fn next(events: &Events) -> Event {
    at_once("the news", || events.recv_timeout(LONG).expect("there is news"))
}

/// What kind of news it is, and of whom.
fn told(event: Event) -> (&'static str, Member) {
    match event {
        Event::Joined(member) => ("joined", member),
        Event::Left(member) => ("left", member),
        Event::PrimaryJoined(member) => ("primary joined", member),
        Event::PrimaryLeft(member) => ("primary left", member),
        other => panic!("{other:?}"),
    }
}

#[test]
fn everybody_sees_all_others() {
    let scene = Scene::new();
    let primary = scene.primary();
    assert_eq!(primary.members().unwrap(), []);
    let child = Child::member(&scene, "secondary");
    let secondary = scene.secondary();
    let own = std::process::id();

    let pids = |mut members: Vec<Member>| {
        members.sort_by_key(|member| member.name);
        members.into_iter().map(|member| (member.role, member.pid)).collect::<Vec<_>>()
    };
    let mut expected = vec![(Role::Secondary, Some(child.pid())), (Role::Secondary, Some(own))];
    let mut seen = pids(primary.members().unwrap());
    expected.sort_by_key(|(_, pid)| *pid);
    seen.sort_by_key(|(_, pid)| *pid);
    assert_eq!(seen, expected);
    let expected = [(Role::Primary, Some(own)), (Role::Secondary, Some(child.pid()))];
    assert_eq!(pids(secondary.members().unwrap()), expected);
    child.end();
    eventually("the child is gone", || primary.members().unwrap().len() == 1);
}

#[test]
fn stale_sockets_and_other_files_are_no_members() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let mut killed = Child::member(&scene, "secondary");
    killed.kill();
    let stale = scene.path("mp_socket_1_1");
    drop(UnixDatagram::bind(&stale).unwrap());
    std::fs::write(scene.path("mp_socket_2_2"), "").unwrap();
    std::fs::create_dir(scene.path("mp_socket_3_3")).unwrap();
    let stream = std::os::unix::net::UnixListener::bind(scene.path("mp_socket_4_4")).unwrap();
    assert_eq!(primary.members().unwrap(), []);
    assert!(stale.exists(), "looking removes nothing");
    drop(stream);
}

#[test]
fn a_member_whose_name_tells_no_process_is_a_member() {
    let scene = Scene::new();
    let primary = scene.primary();
    let odd = RawPeer::bind(scene.path("mp_socket_bridge"));
    let members = primary.members().unwrap();
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].name, members[0].pid), (odd.name(), None));
}

#[test]
fn the_news_begins_with_those_who_are_there() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let events = secondary.events().unwrap();
    let (what, member) = told(next(&events));
    assert_eq!((what, member.name), ("primary joined", *primary.name()));
    assert_eq!(member.role, Role::Primary);
    // One who listens later hears the same.
    let later = secondary.events().unwrap();
    assert_eq!(told(next(&later)), (what, member));
    assert_eq!(events.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    assert_eq!(events.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn joining_leaving_and_being_killed_is_news() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let events = primary.events().unwrap();
    let mut child = Child::member(&scene, "secondary");
    let (what, first) = told(next(&events));
    assert_eq!((what, first.pid), ("joined", Some(child.pid())));
    child.tell("leave");
    child.expect("left");
    assert_eq!(told(next(&events)), ("left", first));
    child.tell("join secondary");
    child.expect("joined");
    let (what, second) = told(next(&events));
    assert_eq!((what, second.pid), ("joined", Some(child.pid())));
    assert_ne!(second.name, first.name);
    child.kill();
    assert_eq!(told(next(&events)), ("left", second));
    assert_eq!(events.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout), "each is told once");
}

#[test]
fn a_primary_that_restarts_is_news() {
    let scene = Scene::with_killed();
    let mut primary = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let events = secondary.events().unwrap();
    let (what, first) = told(next(&events));
    assert_eq!((what, first.pid), ("primary joined", Some(primary.pid())));
    primary.tell("leave");
    primary.expect("left");
    assert_eq!(told(next(&events)), ("primary left", first));
    primary.tell("join primary");
    primary.expect("joined");
    let (what, second) = told(next(&events));
    assert_eq!(what, "primary joined");
    assert_eq!((second.name, second.pid), (first.name, first.pid));
    primary.kill();
    assert_eq!(told(next(&events)), ("primary left", second));
    let primary = Child::member(&scene, "primary");
    let (what, third) = told(next(&events));
    assert_eq!((what, third.pid), ("primary joined", Some(primary.pid())));
    primary.end();
    assert_eq!(told(next(&events)).0, "primary left");
}

#[test]
fn many_who_come_and_go_are_each_told_of_once() {
    let scene = Scene::new();
    let primary = scene.primary();
    let events = primary.events().unwrap();
    let mut expected = 0_usize;
    for _ in 0..20 {
        let members: Vec<_> = (0..5).map(|_| scene.secondary()).collect();
        let mut joined = Vec::new();
        for _ in &members {
            let (what, member) = told(next(&events));
            assert_eq!(what, "joined");
            joined.push(member.name);
        }
        joined.sort();
        let mut names: Vec<_> = members.iter().map(|member| *member.name()).collect();
        names.sort();
        assert_eq!(joined, names);
        drop(members);
        for _ in 0..5 {
            let (what, member) = told(next(&events));
            assert_eq!(what, "left");
            assert!(names.contains(&member.name));
            expected += 1;
        }
    }
    assert_eq!(expected, 100);
    assert_eq!(events.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_member_whose_process_is_not_known_is_missed_too() {
    let scene = Scene::new();
    let primary = scene.primary();
    let events = primary.events().unwrap();
    // Process 1 does not own this socket, so it cannot be watched.
    let path = scene.path("mp_socket_1_1");
    let peer = UnixDatagram::bind(&path).unwrap();
    let (what, member) = told(next(&events));
    assert_eq!(what, "joined");
    drop(peer);
    assert_eq!(told(next(&events)), ("left", member));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_news_ends_when_the_group_is_left() {
    let scene = Scene::new();
    let primary = scene.primary();
    let events = primary.events().unwrap();
    let other = primary.clone();
    primary.leave();
    assert_eq!(at_once("the end", || events.recv()), None);
    assert_eq!(events.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(events.count(), 0);
    drop(other);
}

#[test]
fn who_does_not_listen_any_more_costs_nothing() {
    let scene = Scene::new();
    let primary = scene.primary();
    let kept = primary.events().unwrap();
    for _ in 0..10 {
        drop(primary.events().unwrap());
    }
    let secondary = scene.secondary();
    assert_eq!(told(next(&kept)).0, "joined");
    drop(secondary);
    assert_eq!(told(next(&kept)).0, "left");
}

#[test]
fn a_process_of_another_pid_namespace_is_a_member() {
    if !crate::common::is_root() {
        println!("left out: only root can make a pid namespace");
        return;
    }
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let events = primary.events().unwrap();
    let mut child = Child::start_elsewhere(&scene);
    child.tell("join secondary");
    child.expect("joined");
    let (what, member) = told(next(&events));
    assert_eq!(what, "joined");
    assert_eq!(member.name.process_id(), Some(1));
    assert_eq!(primary.members().unwrap().len(), 1);
    child.kill();
    assert_eq!(told(next(&events)).0, "left");
    eventually("it is gone", || primary.members().unwrap().is_empty());
}
