//! Members in processes of their own: this test binary once more, told over its standard input what
//! to do. It ends when its input does.

use std::collections::HashMap;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write, stdin};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rte_mp::{Group, GroupBuilder, Memzone, Message, PeerName, Request, Role};
use rustix::fs::{FlockOperation, fcntl_lock};

use super::hammer::Hammer;
use super::heap_hammer::{Bytes, HeapHammer};
use super::{PREFIX, Scene, arena_of, at_once, echo, message_with, word};

const BASE: &str = "RTE_MP_TEST_BASE";
/// Begins each line that is meant for the parent; the test harness prints others.
const MARK: char = '@';

/// A process of its own; killed when it is dropped.
pub(crate) struct Child {
    process: std::process::Child,
    orders: Option<ChildStdin>,
    news: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Child {
    /// Starts one that is not in any group yet.
    pub(crate) fn start(scene: &Scene) -> Self {
        Self::run(Command::new(env::current_exe().unwrap()), scene)
    }

    /// Starts one with this variable in its environment.
    pub(crate) fn start_with(scene: &Scene, variable: &str, value: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(variable, value);
        Self::run(command, scene)
    }

    /// Starts one by another command that runs this test binary.
    pub(crate) fn start_by(scene: &Scene, command: Command) -> Self {
        Self::run(command, scene)
    }

    /// Starts one in a pid namespace of its own, in which it is process 1.
    pub(crate) fn start_elsewhere(scene: &Scene) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child"]).arg(env::current_exe().unwrap());
        Self::run(command, scene)
    }

    fn run(mut command: Command, scene: &Scene) -> Self {
        let mut process = command
            .args(["--exact", "common::child::does_what_it_is_told", "--nocapture"])
            .arg("--test-threads=1")
            .env(BASE, scene.base())
            .env("RUNTIME_DIRECTORY", scene.base())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, news) = channel();
        let reader = thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(news) = line.strip_prefix(MARK) {
                    let _ = sender.send(news.to_owned());
                }
            }
        });
        Self { process, orders, news, reader: Some(reader) }
    }

    /// Starts one that joins the scene's group.
    pub(crate) fn member(scene: &Scene, role: &str) -> Self {
        let mut child = Self::start(scene);
        child.tell(&format!("join {role}"));
        child.expect("joined");
        child
    }

    /// Starts one that holds the lock of the config file, as a DPDK primary does.
    pub(crate) fn with_config_lock(scene: &Scene) -> Self {
        let mut child = Self::start(scene);
        child.tell("lock");
        child.expect("locked");
        child
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Gives an order.
    pub(crate) fn tell(&mut self, order: &str) {
        let orders = self.orders.as_mut().unwrap();
        writeln!(orders, "{order}").unwrap();
    }

    /// Waits for the next piece of news, which must begin with `word`, and gives the rest.
    pub(crate) fn expect(&self, word: &str) -> String {
        let news = super::wait_for(&self.news);
        match news.strip_prefix(word) {
            Some(rest) => rest.trim_start().to_owned(),
            None => panic!("the child says {news:?} instead of {word:?}"),
        }
    }

    /// Kills it, and waits until it is dead.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Has it leave and end.
    pub(crate) fn end(mut self) {
        self.orders = None;
        let status = at_once("the end of a child", || self.process.wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// What a child has.
#[derive(Default)]
struct State {
    // Opened first: leaving the group waits for the handler that is behind it.
    gates: HashMap<String, Sender<()>>,
    group: Option<Group>,
    /// How long the group polls, if it is not the default.
    window: Option<Duration>,
    locked: Option<File>,
    held: Arc<Mutex<Vec<Request>>>,
}

#[test]
fn does_what_it_is_told() {
    let Ok(base) = env::var(BASE) else { return };
    let mut state = State::default();
    for line in stdin().lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        let order = words.next().unwrap();
        let words: Vec<_> = words.collect();
        state.obey(Path::new(&base), order, &words);
    }
    drop(state);
    std::process::exit(0);
}

fn report(news: &str) {
    println!("\n{MARK}{news}");
}

impl State {
    fn obey(&mut self, base: &Path, order: &str, words: &[&str]) {
        match (order, words) {
            ("join", [role]) => self.join(base, role),
            ("join", [role, size]) => {
                let size = size.parse().unwrap();
                self.join_with(base, role, |builder| builder.memory_size(size));
            }
            ("start", words) => {
                let (group, _) = Group::from_args([&["program"], words].concat()).unwrap();
                report(&format!("started with {:?} ignored", group.ignored_flags()));
                self.group = Some(group);
            }
            ("dump", []) => {
                let mut text = Vec::new();
                self.group().memzones().dump(&mut text).unwrap();
                report(String::from_utf8(text).unwrap().lines().next().unwrap());
            }
            ("window", [micros]) => {
                self.window = Some(Duration::from_micros(micros.parse().unwrap()));
            }
            ("leave", []) => {
                self.group = None;
                report("left");
            }
            ("send", [action, param]) => {
                let result = self.group().send(&message_with(action, param.as_bytes()));
                report(&result.map_or_else(|error| format!("failed {error}"), |()| "sent".into()));
            }
            ("request", [action, param]) => {
                let message = message_with(action, param.as_bytes());
                report(&outcomes(self.group(), &message));
            }
            ("ask", [peer, action, param]) => {
                let peer = PeerName::new(peer).unwrap();
                let message = message_with(action, param.as_bytes());
                let reply = self.group().to(&peer).request(&message, Some(super::LONG));
                let words: Vec<_> = reply.unwrap().iter().map(|r| word(&r.outcome)).collect();
                report(&format!("replies {}", words.join(" ")));
            }
            ("burst", [action, count]) => {
                let count: u32 = count.parse().unwrap();
                let send = |number: &u32| {
                    self.group().send(&message_with(action, &number.to_ne_bytes())).is_ok()
                };
                report(&format!("sent {}", (0..count).take_while(send).count()));
            }
            ("flood", []) => {
                let group = self.group().clone();
                thread::spawn(move || flood(&group));
            }
            ("answer", [param]) => {
                let request = self.held.lock().unwrap().remove(0);
                request.reply(param.as_bytes()).unwrap();
            }
            ("open", [gate]) => drop(self.gates.remove(*gate)),
            ("lock", ["memory"]) => {
                let file = arena_of(self.group());
                fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
                self.locked = Some(file);
                report("locked");
            }
            ("lock", []) => {
                let config = base.join("dpdk").join(PREFIX).join("config");
                let file = OpenOptions::new().read(true).write(true).open(config).unwrap();
                match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => report("locked"),
                    Err(errno) => report(&format!("refused {errno}")),
                }
                self.locked = Some(file);
            }
            ("reserve", [name, len]) => {
                let zones = self.group().memzones();
                let zone = zones.reserve(name, len.parse().unwrap()).zeroed().commit();
                report(&zone_or_error(zone));
            }
            ("lookup", [name]) => report(&zone_or_error(self.group().memzones().lookup(name))),
            ("free", [name]) => {
                let zones = self.group().memzones();
                let freed = zones.free(zones.lookup(name).unwrap());
                report(&freed.map_or_else(|error| format!("failed {error}"), |()| "freed".into()));
            }
            ("count", [name, times]) => {
                let zone = self.group().memzones().lookup(name).unwrap();
                let counter: &AtomicU64 = zone.shared().unwrap();
                for _ in 0..times.parse().unwrap() {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                report("counted");
            }
            ("hammer", [seed]) => {
                report("hammering");
                let error = Hammer::new(self.group(), seed.parse().unwrap()).strike_forever();
                report(&format!("failed {error}"));
            }
            ("hammer-heap", [row, seed]) => {
                let (row, seed) = (row.parse().unwrap(), seed.parse().unwrap());
                let hammer = HeapHammer::new(self.group(), row, seed);
                report("hammering");
                report(&format!("failed {}", hammer.strike_forever()));
            }
            ("allocate", [len, align]) => {
                let heap = self.group().heap();
                let block = heap.allocate(len.parse().unwrap(), align.parse().unwrap()).unwrap();
                report(&format!("block {:#x}", block.as_ptr().addr()));
            }
            ("write-block", [address, text]) => {
                let block = self.group().heap().find(hexadecimal(address)).unwrap();
                let address = block.as_ptr().addr() as u64;
                Bytes::of(self.group()).write(address, text.as_bytes());
                report("written");
            }
            ("free-block", [address]) => {
                let heap = self.group().heap();
                heap.free(heap.find(hexadecimal(address)).unwrap()).unwrap();
                report("freed");
            }
            ("unlock", []) => {
                self.locked = None;
                report("unlocked");
            }
            _ => panic!("{order} {words:?} is no order"),
        }
    }

    fn group(&self) -> &Group {
        self.group.as_ref().unwrap()
    }

    fn join(&mut self, base: &Path, role: &str) {
        self.join_with(base, role, |builder| builder);
    }

    fn join_with(
        &mut self,
        base: &Path,
        role: &str,
        how: impl FnOnce(GroupBuilder) -> GroupBuilder,
    ) {
        let role = match role {
            "primary" => Role::Primary,
            "secondary" => Role::Secondary,
            "auto" => Role::Auto,
            other => panic!("{other} is no role"),
        };
        let mut builder = Group::builder().runtime_base(base).file_prefix(PREFIX).role(role);
        if let Some(window) = self.window {
            builder = builder.busy_poll(window);
        }
        match how(builder).join() {
            Ok(group) => {
                self.register(&group);
                let role = format!("{:?}", group.role()).to_lowercase();
                report(&format!("joined {role} {}", group.name()));
                self.group = Some(group);
            }
            Err(error) => report(&format!("refused {error}")),
        }
    }

    /// One action for each way to treat a request.
    fn register(&mut self, group: &Group) {
        echo(group, "echo");
        group.register("pid", |r| r.reply(std::process::id().to_string().as_bytes())).unwrap();
        group.register("silent", |request| request.stay_silent()).unwrap();
        group.register("ignore", |request| request.ignore()).unwrap();
        group
            .register("note", |request| {
                report(&format!("noted {}", String::from_utf8_lossy(request.param())));
            })
            .unwrap();
        let held = Arc::clone(&self.held);
        group
            .register("hold", move |request| {
                held.lock().unwrap().push(request);
                report("held");
            })
            .unwrap();
        group
            .register("die", |_| -> () {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
                // Process 1 of a pid namespace does not die of its own signals.
                std::process::exit(1);
            })
            .unwrap();
        let (open, gate) = channel::<()>();
        self.gates.insert("block".to_owned(), open);
        let gate = Mutex::new(gate);
        group
            .register("block", move |request| {
                report("blocked");
                let _ = gate.lock().unwrap().recv();
                request.reply(b"unblocked")
            })
            .unwrap();
        group
            .register("slow", |request| {
                report("working");
                // Nobody sends: the work takes this long.
                let (_keep, never) = channel::<()>();
                let _ = never.recv_timeout(Duration::from_millis(300));
                request.reply(b"slow")
            })
            .unwrap();
    }
}

fn hexadecimal(word: &str) -> usize {
    usize::from_str_radix(word.strip_prefix("0x").unwrap(), 16).unwrap()
}

fn zone_or_error<E: std::fmt::Display>(zone: Result<Memzone, E>) -> String {
    match zone {
        Ok(zone) => {
            format!("zone {:#x} {:#x} {}", zone.address(), zone.as_ptr().addr(), zone.len())
        }
        Err(error) => format!("failed {error}"),
    }
}

/// Asks the primary and sends to it, until there is no group or no primary any more.
fn flood(group: &Group) {
    while group.request(&message_with("echo", b"flood"), Some(super::LONG)).is_ok()
        && group.send(&message_with("nothing", b"flood")).is_ok()
    {}
}

fn outcomes(group: &Group, message: &Message) -> String {
    match group.request(message, Some(super::LONG)) {
        Ok(replies) => {
            let words: Vec<_> = replies.iter().map(|asked| word(&asked.outcome)).collect();
            format!("replies {}", words.join(" "))
        }
        Err(error) => format!("failed {error}"),
    }
}
