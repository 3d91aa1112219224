//! What one thread sends stays in order, whichever way each of it goes.

use std::collections::VecDeque;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicU64};
use loom::thread;

use super::*;

/// The server's inbox.
#[derive(Clone)]
struct Socket(Arc<Mutex<VecDeque<u8>>>);

impl Socket {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(VecDeque::new())))
    }

    fn send(&self, number: u8) {
        self.0.lock().expect("nobody panicked").push_back(number);
    }

    fn receive(&self) -> Vec<u8> {
        self.0.lock().expect("nobody panicked").drain(..).collect()
    }
}

/// The server, as the driver does it.
struct Server {
    socket: Socket,
    inlet: Inlet,
    handled: Vec<u8>,
}

impl Server {
    fn drain_lane(&mut self) {
        while let Some((number, way_back)) = take(&mut self.inlet) {
            assert!(way_back.is_none());
            self.handled.push(number);
        }
    }

    /// Receives what is in the inbox, and tells whether there was anything.
    fn drain_inbox(&mut self) -> bool {
        self.inlet.note_look();
        let batch = self.socket.receive();
        if batch.is_empty() {
            self.inlet.note_empty();
            return false;
        }
        self.drain_lane();
        self.handled.extend(batch);
        true
    }

    fn finish(mut self) -> Vec<u8> {
        while self.drain_inbox() {}
        self.drain_lane();
        self.handled
    }
}

/// An asker who sends messages by whichever way is open.
#[derive(Clone)]
struct Asker {
    socket: Socket,
    outlet: Arc<Outlet>,
}

impl Asker {
    fn send(&self, number: u8) {
        if !matches!(self.outlet.send(&bytes(number)), Push::In(())) {
            self.send_by_socket(number);
        }
    }

    fn send_by_socket(&self, number: u8) -> BySocket {
        let by_socket = Arc::clone(&self.outlet).before_socket();
        self.socket.send(number);
        self.outlet.note_socket();
        by_socket
    }
}

fn server_and_asker() -> (Server, Asker) {
    let (outlet, inlet) = lane();
    let socket = Socket::new();
    let asker = Asker { socket: socket.clone(), outlet };
    (Server { socket, inlet, handled: Vec::new() }, asker)
}

/// Those of one thread, which are its number times ten and more.
fn of_thread(handled: &[u8], thread: u8) -> Vec<u8> {
    handled.iter().copied().filter(|number| number / 10 == thread).collect()
}

/// Runs the server in a thread of its own, and gives what it has handled in the end, once the asker
/// has done.
fn serve(
    mut server: Server,
    serve: impl FnOnce(&mut Server) + 'static,
) -> impl FnOnce() -> Vec<u8> {
    let serving = thread::spawn(move || {
        serve(&mut server);
        server
    });
    move || serving.join().expect("nobody panicked").finish()
}

#[test]
fn nothing_overtakes_what_went_by_socket() {
    explore(3, || {
        let (server, asker) = server_and_asker();
        let finish = serve(server, |server| {
            for _ in 0..3 {
                server.drain_inbox();
                server.drain_lane();
            }
        });
        asker.send_by_socket(11);
        asker.send(12);
        asker.send(13);
        assert_eq!(finish(), [11, 12, 13]);
    });
}

#[test]
fn nothing_overtakes_though_the_socket_alone_orders_nothing() {
    explore(3, || {
        let (outlet, mut inlet) = lane();
        // What was sent by socket: its receiver may learn of it late.
        let socket = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let inbox = Arc::clone(&socket);
        let serving = thread::spawn(move || {
            let mut handled = Vec::new();
            for _ in 0..3 {
                inlet.note_look();
                let is_new = inbox[0].load(Ordering::Relaxed) != 0 && !handled.contains(&1);
                if is_new {
                    handled.push(1);
                } else {
                    inlet.note_empty();
                }
                handled.extend(take(&mut inlet).map(|(number, _)| number));
            }
            (inlet, handled)
        });
        socket[0].store(1, Ordering::Relaxed);
        outlet.note_socket();
        let by_lane = matches!(outlet.send(&bytes(2)), Push::In(()));
        let (_inlet, handled) = serving.join().unwrap();
        assert!(by_lane || !handled.contains(&2));
        if handled.contains(&2) {
            assert_eq!(handled, [1, 2]);
        }
    });
}

#[test]
fn nothing_overtakes_while_the_server_falls_asleep() {
    explore(4, || {
        let (server, asker) = server_and_asker();
        let finish = serve(server, |server| {
            if !server.inlet.fall_asleep() {
                server.drain_lane();
            }
            server.drain_inbox();
        });
        asker.send(11);
        asker.send(12);
        assert_eq!(finish(), [11, 12]);
    });
}

#[test]
fn one_thread_that_notes_late_does_not_let_another_overtake_itself() {
    explore(4, || {
        let (server, asker) = server_and_asker();
        let finish = serve(server, |server| {
            // Once with the first message, and twice without any.
            for _ in 0..3 {
                server.drain_inbox();
            }
            server.drain_lane();
        });
        let other = asker.clone();
        let noting = thread::spawn(move || {
            other.send_by_socket(21);
        });
        asker.send_by_socket(11);
        asker.send(12);
        noting.join().unwrap();
        let handled = finish();
        assert_eq!(of_thread(&handled, 1), [11, 12], "{handled:?}");
    });
}

#[test]
fn an_answer_to_one_thread_does_not_let_another_overtake_itself() {
    explore(4, || {
        let (server, asker) = server_and_asker();
        let answered = Arc::new(AtomicBool::new(false));
        let is_answered = Arc::clone(&answered);
        let finish = serve(server, move |server| {
            server.drain_inbox();
            answered.store(server.handled.contains(&21), Ordering::Release);
            server.drain_lane();
        });
        let other = asker.clone();
        let asking = thread::spawn(move || {
            // A request; its answer comes by socket.
            let by_socket = other.send_by_socket(21);
            if is_answered.load(Ordering::Acquire) {
                by_socket.note_answered();
            }
        });
        asker.send_by_socket(11);
        asker.send(12);
        asking.join().unwrap();
        let handled = finish();
        assert_eq!(of_thread(&handled, 1), [11, 12], "{handled:?}");
    });
}

#[test]
fn who_was_answered_comes_back_to_the_lane_in_order() {
    explore(4, || {
        let (server, asker) = server_and_asker();
        let answered = Arc::new(AtomicU64::new(0));
        let is_answered = Arc::clone(&answered);
        let finish = serve(server, move |server| {
            for _ in 0..2 {
                server.drain_inbox();
                let last = server.handled.last().copied().unwrap_or(0);
                answered.store(last.into(), Ordering::Release);
                server.drain_lane();
            }
        });
        asker.send_by_socket(11);
        let by_socket = asker.send_by_socket(12);
        if is_answered.load(Ordering::Acquire) == 12 {
            by_socket.note_answered();
        }
        asker.send(13);
        assert_eq!(finish(), [11, 12, 13]);
    });
}
