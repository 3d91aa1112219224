//! Becoming a member: primary, secondary or whichever is free.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Barrier;
use std::thread;

use rte_mp::{Flavor, Group, JoinError, Layout, Role};

use crate::common::child::Child;
use crate::common::{PREFIX, Scene, ask, at_once, echo};

#[test]
fn a_member_knows_what_it_joined() {
    let scene = Scene::new();
    let primary = scene.primary();
    let secondary = scene.secondary();
    for (group, role) in [(&primary, Role::Primary), (&secondary, Role::Secondary)] {
        assert_eq!(group.role(), role);
        assert_eq!(group.file_prefix(), PREFIX);
        assert_eq!(group.runtime_dir(), scene.dir());
        assert_eq!(group.flavor(), Flavor::Native);
        assert_eq!(group.layout(), Layout::DPDK_25_11);
        assert!(group.ignored_flags().is_empty());
    }
    assert_eq!(primary.name().as_path(), scene.path("mp_socket"));
    let own = format!("mp_socket_{}_", std::process::id());
    assert!(secondary.name().file_name().to_str().unwrap().starts_with(&own));
    let files = scene.files();
    assert_eq!(files[..2], ["config", "mp_socket"]);
    assert_eq!(files[2..], [secondary.name().file_name().to_str().unwrap()]);
}

#[test]
fn what_a_primary_makes_is_closed_to_others() {
    let scene = Scene::new();
    let _primary = scene.primary();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(scene.dir()), 0o700);
    assert_eq!(mode(scene.base().join("dpdk")), 0o700);
    assert_eq!(mode(scene.path("config")), 0o600);
}

#[test]
fn the_default_is_a_primary_of_the_prefix_rte() {
    let scene = Scene::new();
    let primary = Group::builder().runtime_base(scene.base()).join().unwrap();
    assert_eq!(primary.role(), Role::Primary);
    assert_eq!(primary.file_prefix(), "rte");
    assert_eq!(primary.runtime_dir(), scene.base().join("dpdk/rte"));
}

#[test]
fn two_prefixes_are_two_groups() {
    let scene = Scene::new();
    let one = scene.primary();
    let other = scene.builder(Role::Primary).file_prefix("other").join().unwrap();
    echo(&one, "one");
    echo(&other, "other");
    let member = scene.secondary();
    assert_eq!(ask(&member, "one", b"?"), b"?");
    let replies = member.request(&crate::common::message("other"), None).unwrap();
    assert_eq!(crate::common::only(&replies), "ignored");
}

#[test]
fn auto_leads_alone_and_follows_others() {
    let scene = Scene::new();
    let first = scene.builder(Role::Auto).join().unwrap();
    assert_eq!(first.role(), Role::Primary);
    let second = scene.builder(Role::Auto).join().unwrap();
    assert_eq!(second.role(), Role::Secondary);
    first.leave();
    let third = scene.builder(Role::Auto).join().unwrap();
    assert_eq!(third.role(), Role::Primary);
}

#[test]
fn of_many_threads_that_start_at_once_exactly_one_leads() {
    let scene = Scene::new();
    for round in 0..20 {
        let start = Barrier::new(8);
        let join = || {
            start.wait();
            scene.builder(Role::Auto).join().unwrap()
        };
        let groups: Vec<Group> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(join)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let leaders = groups.iter().filter(|group| group.role() == Role::Primary).count();
        assert_eq!(leaders, 1, "round {round}");
    }
}

#[test]
fn of_many_processes_that_start_at_once_exactly_one_leads() {
    let scene = Scene::new();
    let mut children: Vec<_> = (0..6).map(|_| Child::start(&scene)).collect();
    for child in &mut children {
        child.tell("join auto");
    }
    let mut roles: Vec<_> = children
        .iter()
        .map(|child| child.expect("joined").split(' ').next().unwrap().to_owned())
        .collect();
    roles.sort();
    assert_eq!(roles, [["primary"].as_slice(), &["secondary"; 5]].concat());
    children.into_iter().for_each(Child::end);
}

#[test]
fn auto_joins_while_primaries_come_and_go() {
    let scene = Scene::new();
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                for round in 0..100 {
                    let joined = scene.builder(Role::Auto).join();
                    assert!(joined.is_ok(), "round {round}: {:?}", joined.err());
                }
            });
        }
    });
}

#[test]
fn a_second_primary_is_refused_and_touches_nothing() {
    let scene = Scene::new();
    let mut child = Child::member(&scene, "primary");
    let config = scene.path("config");
    let looks = || {
        let inode = |path| fs::metadata(path).unwrap().ino();
        let about = fs::metadata(&config).unwrap();
        let changed = (about.mtime(), about.mtime_nsec());
        (fs::read(&config).unwrap(), changed, inode(scene.path("mp_socket")), scene.files())
    };
    let before = looks();
    let error = scene.builder(Role::Primary).join().map(drop).unwrap_err();
    assert!(
        matches!(&error, JoinError::PrimaryRunning { prefix, pid }
            if prefix == PREFIX && *pid == Some(child.pid())),
        "{error:?}"
    );
    assert_eq!(error.errno(), rustix::io::Errno::BUSY.raw_os_error());
    assert_eq!(looks(), before);
    child.tell("request echo x");
    child.expect("replies");
    child.end();
}

#[test]
fn a_killed_primary_is_replaced_and_its_sockets_are_removed() {
    let scene = Scene::with_killed();
    let mut old = Child::member(&scene, "primary");
    let mut dead = Child::member(&scene, "secondary");
    let mut alive = Child::member(&scene, "secondary");
    fs::write(scene.path("mp_socket_x"), "no socket").unwrap();
    dead.kill();
    old.kill();
    assert_eq!(scene.files().len(), 5, "the dead left their sockets: {:?}", scene.files());

    let primary = at_once("replacing a killed primary", || scene.primary());
    let files = scene.files();
    assert_eq!(files.len(), 4, "{files:?}");
    assert!(files.iter().any(|file| file.contains(&format!("_{}_", alive.pid()))), "{files:?}");
    assert_eq!(fs::read_to_string(scene.path("mp_socket_x")).unwrap(), "no socket");

    echo(&primary, "echo");
    alive.tell("request echo again");
    assert_eq!(alive.expect("replies"), "again");
    assert_eq!(scene.files().iter().filter(|file| file.starts_with("mp_socket")).count(), 3);
    alive.end();
    primary.leave();
    assert_eq!(scene.files(), ["mp_socket_x"]);
}

#[test]
fn a_secondary_removes_stale_sockets_too() {
    let scene = Scene::with_killed();
    let primary = scene.primary();
    let mut dead = Child::member(&scene, "secondary");
    let stale = scene.files().pop().unwrap();
    dead.kill();
    assert!(scene.files().contains(&stale));
    let _secondary = scene.secondary();
    assert!(!scene.files().contains(&stale), "{:?}", scene.files());
    drop(primary);
}
