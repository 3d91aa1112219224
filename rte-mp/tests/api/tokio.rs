//! Groups that a tokio runtime drives.
#![cfg(feature = "tokio")]

use std::sync::mpsc::channel;
use std::thread;

use rte_mp::{Drive, Group, Replies, Role};
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

use crate::common::child::Child;
use crate::common::{
    LONG, SHORT, Scene, at_once, echo, eventually, message, message_with, only, wait_for,
};

/// One thread, and one that has several.
fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ]
}

fn driven_by_tokio(scene: &Scene, role: Role) -> Group {
    scene.builder(role).drive(Drive::Tokio).join().unwrap()
}

fn thread_names() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    tasks.filter_map(|task| name(task.unwrap())).map(|name| name.trim().to_owned()).collect()
}

#[test]
fn a_task_serves_requests_and_no_thread_is_started() {
    let scene = Scene::new();
    for runtime in runtimes() {
        runtime.block_on(async {
            let primary = driven_by_tokio(&scene, Role::Primary);
            echo(&primary, "echo");
            assert!(!thread_names().contains(&"mp-msg".to_owned()));
            let mut child = Child::member(&scene, "secondary");
            child.tell("request echo from-tokio");
            let (child, reply) = spawn_blocking(move || {
                let reply = child.expect("replies");
                (child, reply)
            })
            .await
            .unwrap();
            assert_eq!(reply, "from-tokio");
            spawn_blocking(move || child.end()).await.unwrap();
        });
    }
}

#[test]
fn futures_are_awaited_side_by_side() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    for runtime in runtimes() {
        runtime.block_on(async {
            let secondary = driven_by_tokio(&scene, Role::Secondary);
            let ask = |param: &[u8]| secondary.request_future(&message_with("echo", param), None);
            let (one, two, three) = tokio::join!(ask(b"1"), ask(b"2"), ask(b"3"));
            let replies = [one, two, three].map(|replies| only(&replies.unwrap()));
            assert_eq!(replies, ["1", "2", "3"]);
            for round in 0..100_u8 {
                let tasks = (0..4_u8).map(|task| {
                    let message = message_with("echo", &[round, task]);
                    tokio::spawn(secondary.request_future(&message, Some(LONG)))
                });
                for (task, asked) in tasks.collect::<Vec<_>>().into_iter().enumerate() {
                    let reply = asked.await.unwrap().unwrap().into_reply().unwrap();
                    assert_eq!(reply.param(), [round, u8::try_from(task).unwrap()]);
                }
            }
        });
    }
    child.end();
}

#[test]
fn timeouts_and_deaths_are_noticed() {
    let scene = Scene::with_killed();
    for runtime in runtimes() {
        let child = Child::member(&scene, "primary");
        runtime.block_on(async {
            let secondary = driven_by_tokio(&scene, Role::Secondary);
            let silent = secondary.request_future(&message("silent"), Some(SHORT));
            let ignored = secondary.request_future(&message("nothing"), Some(LONG));
            let died = secondary.request_future(&message("die"), Some(LONG));
            assert_eq!(only(&ignored.await.unwrap()), "ignored");
            assert_eq!(only(&died.await.unwrap()), "died");
            // The same process, so both ended with it unless the time was over first.
            let silent = only(&silent.await.unwrap());
            assert!(silent == "died" || silent == "timedout", "{silent}");
        });
        drop(child);
    }
}

#[test]
fn a_timer_alone_wakes_the_task() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    for runtime in runtimes() {
        runtime.block_on(async {
            let secondary = driven_by_tokio(&scene, Role::Secondary);
            let replies = secondary.request_future(&message("silent"), Some(SHORT)).await.unwrap();
            assert_eq!(only(&replies), "timedout");
        });
    }
    child.end();
}

#[test]
fn tokios_own_timeout_gives_the_request_up() {
    let scene = Scene::new();
    let child = Child::member(&scene, "primary");
    for runtime in runtimes() {
        runtime.block_on(async {
            let secondary = driven_by_tokio(&scene, Role::Secondary);
            let future = secondary.request_future(&message("silent"), Some(LONG));
            assert!(tokio::time::timeout(SHORT, future).await.is_err());
            let stats = secondary.clone();
            let given_up = move || {
                eventually("it is given up", || stats.stats().requests.abandoned == 1);
            };
            spawn_blocking(given_up).await.unwrap();
        });
    }
    child.end();
}

#[test]
fn a_callback_and_events_work_as_everywhere() {
    let scene = Scene::new();
    for runtime in runtimes() {
        runtime.block_on(async {
            let primary = driven_by_tokio(&scene, Role::Primary);
            let events = primary.events().unwrap();
            let child = Child::member(&scene, "secondary");
            let (sender, news) = channel();
            let done = move |replies: Replies| sender.send(only(&replies)).unwrap();
            primary.request_async(&message_with("echo", b"me"), Some(LONG), done).unwrap();
            let (reply, event) = spawn_blocking(move || {
                let reply = wait_for(&news);
                let event = events.recv_timeout(LONG).unwrap();
                child.end();
                (reply, event)
            })
            .await
            .unwrap();
            assert_eq!(reply, "me");
            assert!(matches!(event, rte_mp::Event::Joined(_)), "{event:?}");
        });
    }
}

#[test]
fn workers_take_blocking_handlers_off_the_runtime() {
    let scene = Scene::new();
    for runtime in runtimes() {
        runtime.block_on(async {
            let builder = scene.builder(Role::Primary).drive(Drive::Tokio).workers(1);
            let primary = builder.join().unwrap();
            primary
                .register("where", |request| {
                    request.reply(thread::current().name().unwrap().as_bytes())
                })
                .unwrap();
            let child = Child::member(&scene, "secondary");
            drop(child);
            let asked = primary.to(primary.name()).request_future(&message("where"), Some(LONG));
            assert_eq!(only(&asked.await.unwrap()), "mp-worker-0");
            primary.leave();
            assert!(!scene.files().contains(&"mp_socket".to_owned()));
        });
    }
    for stale in scene.files() {
        std::fs::remove_file(scene.path(&stale)).unwrap();
    }
}

#[test]
fn leaving_ends_the_task() {
    let scene = Scene::new();
    for runtime in runtimes() {
        let [future] = runtime.block_on(async {
            let _primary = scene.primary();
            let secondary = driven_by_tokio(&scene, Role::Secondary);
            let member = driven_by_tokio(&scene, Role::Secondary);
            member.register("silent", |request| request.stay_silent()).unwrap();
            let future = secondary.to(member.name()).request_future(&message("silent"), Some(LONG));
            secondary.leave();
            let replies = tokio::time::timeout(LONG, future).await.unwrap().unwrap();
            assert_eq!(only(&replies), "abandoned");
            [member.request_future(&message("any"), Some(LONG))]
        });
        // The runtime ends before its group is left: what is open is given up.
        at_once("the end of the runtime", || drop(runtime));
        let outcome = only(&crate::common::block_on(future).unwrap());
        assert!(outcome == "abandoned" || outcome == "ignored", "{outcome}");
    }
}
