//! What one thread sends to one member comes in order, whichever way each of it goes.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, Request, Role};

use super::{Lanes, WINDOW, needle, open_lane, went_by_lane};
use crate::common::{LONG, SHORT, echo, message, message_with, wait_for};

/// How many threads send, and how much each.
const THREADS: u32 = 3;
const COUNT: u32 = 600;

fn numbers(param: &[u8]) -> (u32, u32) {
    let word = |at: usize| u32::from_ne_bytes(param[at..at + 4].try_into().unwrap());
    (word(0), word(4))
}

/// Sends a mixture of everything: by lane, by socket, with pauses in which the server sleeps.
fn send_mixture(group: &Group, thread: u32) {
    let (_keep, never) = channel::<()>();
    for number in 0..COUNT {
        let param = [thread.to_ne_bytes(), number.to_ne_bytes()].concat();
        let mut message = message_with("note", &param);
        if number % 16 == 3 {
            message = message.with_fd(std::io::pipe().unwrap().0).unwrap();
        }
        if number % 60 == 59 {
            let _ = never.recv_timeout(Duration::from_millis(1));
        }
        if number % 25 == 5 {
            let reply = group.request(&message, Some(LONG)).unwrap().into_reply().unwrap();
            assert_eq!(reply.param(), param);
        } else {
            group.send(&message).unwrap();
        }
    }
}

#[test]
fn everything_comes_in_order() {
    for (window, workers) in [(50, 0), (50, 1), (2_000, 0), (200_000, 0), (200_000, 1)] {
        let lanes = Lanes::new();
        let window = Duration::from_micros(window);
        let primary = lanes.builder(Role::Primary).busy_poll(window).workers(workers);
        let primary = primary.join().unwrap();
        let secondary = lanes.builder(Role::Secondary).busy_poll(window).join().unwrap();
        let came: Arc<Mutex<Vec<(u32, u32)>>> = Arc::default();
        let list = Arc::clone(&came);
        primary
            .register("note", move |request: Request| {
                let param = request.param().to_vec();
                list.lock().unwrap().push(numbers(&param));
                let _ = request.reply(&param);
            })
            .unwrap();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let secondary = &secondary;
                scope.spawn(move || send_mixture(secondary, thread));
            }
        });
        // It comes after all of them.
        secondary.request(&message_with("note", &[0xff; 8]), Some(LONG)).unwrap();
        let came = came.lock().unwrap();
        for thread in 0..THREADS {
            let of_thread = came.iter().filter(|(from, _)| *from == thread);
            let numbers: Vec<_> = of_thread.map(|(_, number)| *number).collect();
            let first = (0..COUNT).zip(&numbers).position(|(a, b)| a != *b);
            assert_eq!((first, numbers.len()), (None, COUNT as usize), "{window:?}, {workers}");
        }
    }
}

/// A server whose handler waits at a gate when it is told so, and tells what came.
fn gated(lanes: &Lanes, workers: usize) -> (Group, std::sync::mpsc::Sender<()>, Receiver<u32>) {
    let primary = lanes.builder(Role::Primary).busy_poll(WINDOW * 5).workers(workers);
    let primary = primary.join().unwrap();
    echo(&primary, "echo");
    let (open, gate) = channel::<()>();
    let (sender, news) = channel();
    let (gate, blocked) = (Mutex::new(gate), sender.clone());
    primary
        .register("block", move |_| {
            blocked.send(u32::MAX).unwrap();
            let _ = gate.lock().unwrap().recv();
        })
        .unwrap();
    primary
        .register("note", move |request| {
            // Not too quick, so that the queue of the workers is full again and again.
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(10) {
                std::hint::spin_loop();
            }
            sender.send(u32::from_ne_bytes(request.param().try_into().unwrap())).unwrap();
        })
        .unwrap();
    (primary, open, news)
}

#[test]
fn what_fills_the_lane_and_the_queue_of_one_worker_comes_in_order() {
    // The driver waits at the gate itself, or its only worker does. A few more than a lane and the
    // queue of the workers hold together, for the socket.
    // It takes many rounds until two threads meet in the worst way.
    let end = Instant::now() + Duration::from_secs(5);
    let one_worker = std::iter::repeat_n((1, 256 + 64 + 5), 150);
    let one_worker = one_worker.take_while(|_| Instant::now() < end);
    for (workers, count) in std::iter::once((0, 64 + 5_u32)).chain(one_worker) {
        let lanes = Lanes::new();
        let (primary, open, news) = gated(&lanes, workers);
        let secondary = lanes.builder(Role::Secondary).busy_poll(Duration::from_millis(20));
        let secondary = secondary.join().unwrap();
        open_lane(&secondary, primary.name());
        secondary.send(&message("block")).unwrap();
        assert_eq!(wait_for(&news), u32::MAX);
        let sender = secondary.clone();
        let sending = thread::spawn(move || {
            for number in 0..count {
                sender.send(&message_with("note", &number.to_ne_bytes())).unwrap();
            }
        });
        // All of it, or until there is no room any more.
        let (_keep, never) = channel::<()>();
        let mut sent = 0;
        while !sending.is_finished() && sent != secondary.stats().sent.messages {
            sent = secondary.stats().sent.messages;
            let _ = never.recv_timeout(Duration::from_millis(5));
        }
        open.send(()).unwrap();
        sending.join().unwrap();
        let came: Vec<_> = (0..count).map(|_| wait_for(&news)).collect();
        let expected: Vec<_> = (0..count).collect();
        let first = came.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(first, None, "{workers} workers");
    }
}

#[test]
fn what_a_process_sent_before_its_end_is_handled_though_the_workers_are_busy() {
    let lanes = Lanes::with_killed();
    let (primary, open, news) = gated(&lanes, 1);
    let mut child = lanes.child("secondary", WINDOW);
    // By requests, so that the child has come to its lane.
    for _ in 0..40 {
        child.tell("request echo hello");
        child.expect("replies hello");
    }
    child.tell("send block now");
    child.expect("sent");
    assert_eq!(wait_for(&news), u32::MAX);
    // All of it, or as much as there is room for if some of it has to go by socket.
    child.tell(&format!("burst note {}", 256 + 40));
    let count: u32 = child.expect("sent").parse().unwrap();
    assert!(count >= 256, "there was room for {count} only");
    child.end();
    // Time enough to notice it.
    let (_keep, never) = channel::<()>();
    let _ = never.recv_timeout(SHORT);
    open.send(()).unwrap();
    for number in 0..count {
        assert_eq!(wait_for(&news), number);
    }
    drop(primary);
}

#[test]
fn threads_of_a_process_do_not_let_each_other_overtake_themselves() {
    let lanes = Lanes::new();
    let (primary, secondary) = (lanes.primary(), lanes.secondary());
    echo(&primary, "echo");
    let came: Arc<Mutex<Vec<(u32, u32)>>> = Arc::default();
    let list = Arc::clone(&came);
    primary.register("note", move |r| list.lock().unwrap().push(numbers(r.param()))).unwrap();
    open_lane(&secondary, primary.name());
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let secondary = &secondary;
            scope.spawn(move || {
                for number in 0..1000_u32 {
                    let param = [thread.to_ne_bytes(), number.to_ne_bytes()].concat();
                    // A descriptor takes the socket; the next one tries the lane at once.
                    let mut message = message_with("note", &param);
                    if number % 3 == thread % 3 {
                        message = message.with_fd(std::io::stderr().as_fd_clone()).unwrap();
                    }
                    secondary.send(&message).unwrap();
                    if number % 7 == thread {
                        let echo =
                            message_with("echo", &param).with_fd(std::io::stderr().as_fd_clone());
                        secondary.request(&echo.unwrap(), Some(LONG)).unwrap();
                    }
                }
            });
        }
    });
    secondary.request(&message("echo"), Some(LONG)).unwrap();
    let came = came.lock().unwrap();
    for thread in 0..4 {
        let of_thread = came.iter().filter(|(from, _)| *from == thread);
        assert!(of_thread.map(|(_, number)| *number).eq(0..1000), "thread {thread}");
    }
    let needle = needle();
    assert!(!went_by_lane(&needle));
}

/// A descriptor that can be given away.
trait AsFdClone {
    fn as_fd_clone(&self) -> std::os::fd::OwnedFd;
}

impl<T: std::os::fd::AsFd> AsFdClone for T {
    fn as_fd_clone(&self) -> std::os::fd::OwnedFd {
        self.as_fd().try_clone_to_owned().unwrap()
    }
}
