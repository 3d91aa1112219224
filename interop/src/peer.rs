//! A peer that a test drives: `c/dpdk_peer.c`, or the example `peer_26_07`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use crate::line::{Line, decode, encode};
use crate::{PATIENCE, Process};

/// A test peer that is up.
#[derive(Debug)]
pub struct Peer {
    process: Process,
    /// What happened by itself while an answer was waited for.
    events: VecDeque<Line>,
}

/// A message that a peer received.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    /// The sender's socket.
    pub peer: PathBuf,
    /// The param, as text.
    pub param: String,
    /// What was read through each descriptor.
    pub contents: Vec<String>,
}

/// One reply that a peer received.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The param, as text.
    pub param: String,
    /// What was read through each descriptor.
    pub contents: Vec<String>,
}

/// What came of a peer's own request.
#[derive(Debug, PartialEq, Eq)]
pub struct Replies {
    /// DPDK's `nb_sent`.
    pub sent: u64,
    /// DPDK's `nb_received`.
    pub received: u64,
    /// The replies themselves.
    pub replies: Vec<Reply>,
}

/// A command that failed, with the peer's `rte_errno`.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed(pub i32);

impl Peer {
    /// Waits until `process` says that it is ready.
    pub fn new(mut process: Process) -> Self {
        match process.line(PATIENCE) {
            Some(line) if line.starts_with("ready") => Self { process, events: VecDeque::new() },
            other => process.fail(&format!("is not ready: {other:?}")),
        }
    }

    /// The process behind it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Registers an action. `mode` is one of `echo`, `slow MS`, `silent`, `count`,
    /// `fds TEXT...`, `twice TEXT...`.
    pub fn register(&mut self, name: &str, mode: &str) {
        self.expect(&format!("register {name} {mode}"));
    }

    /// Unregisters an action.
    pub fn unregister(&mut self, name: &str) {
        self.expect(&format!("unregister {name}"));
    }

    /// How many messages an action has had.
    pub fn counted(&mut self, name: &str) -> u64 {
        self.expect(&format!("counted {name}")).number("count").expect("a count")
    }

    /// Sends a message, with a descriptor for each of `contents`.
    pub fn send(&mut self, name: &str, param: &str, contents: &[&str]) -> Result<(), Failed> {
        self.command(&format!("send {name} {}", words(param, contents))).map(drop)
    }

    /// Asks, and waits for what comes of it.
    pub fn request(
        &mut self,
        name: &str,
        timeout: Duration,
        param: &str,
        contents: &[&str],
    ) -> Result<Replies, Failed> {
        self.start_request(name, timeout, param, contents);
        self.finish_request()
    }

    /// Asks, and does not wait: [`Peer::finish_request`] does.
    pub fn start_request(&mut self, name: &str, timeout: Duration, param: &str, contents: &[&str]) {
        let timeout = timeout.as_millis();
        self.process.write(&format!("request {name} {timeout} {}", words(param, contents)));
    }

    /// Waits for what comes of [`Peer::start_request`].
    pub fn finish_request(&mut self) -> Result<Replies, Failed> {
        self.answer().map(|line| replies(&line))
    }

    /// Asks by `rte_mp_request_async`: what comes of it is [`Peer::async_replies`].
    pub fn request_async(
        &mut self,
        name: &str,
        timeout: Duration,
        param: &str,
        contents: &[&str],
    ) -> Result<(), Failed> {
        let timeout = timeout.as_millis();
        self.command(&format!("request_async {name} {timeout} {}", words(param, contents)))
            .map(drop)
    }

    /// Waits until the callback of an async request has been called.
    pub fn async_replies(&mut self) -> Replies {
        replies(&self.event(|line| line.verb() == "async"))
    }

    /// Waits for the next message that came for an action.
    pub fn received(&mut self, action: &str) -> Received {
        let action = encode(action);
        let line = self
            .event(|line| line.verb() == "received" && line.rest().next() == Some(action.as_str()));
        let message = reply_list(&line).pop().expect("one message a line");
        Received {
            peer: line.value("peer").expect("its sender").into(),
            param: message.param,
            contents: message.contents,
        }
    }

    /// Has it allocate `bytes` of DPDK memory; how long that took.
    pub fn reserve(&mut self, bytes: usize) -> Result<Duration, Failed> {
        self.timed(&format!("reserve {bytes}"))
    }

    /// Has it free all that it reserved; how long that took.
    pub fn release(&mut self) -> Result<Duration, Failed> {
        self.timed("release")
    }

    /// Has it plug in a vdev; how long that took.
    pub fn attach(&mut self, device: &str) -> Result<Duration, Failed> {
        self.timed(&format!("attach {device}"))
    }

    /// Has it remove a vdev; how long that took.
    pub fn detach(&mut self, device: &str) -> Result<Duration, Failed> {
        self.timed(&format!("detach {device}"))
    }

    /// Calls `rte_mp_disable`.
    pub fn disable(&mut self) -> bool {
        self.expect("disable").number("disabled") == Some(1)
    }

    /// Gives any command and expects it to work; the value of `key` in the answer.
    pub fn ask(&mut self, command: &str, key: &str) -> Option<String> {
        self.expect(command).value(key)
    }

    /// Waits for the next line of this kind that comes by itself, such as `died`.
    pub fn wait_for_event(&mut self, verb: &str) -> String {
        let line = self.event(|line| line.verb() == verb);
        line.rest().collect::<Vec<_>>().join(" ")
    }

    /// Ends it the proper way, with `rte_eal_cleanup`.
    pub fn quit(mut self) {
        self.process.write("quit");
        let status = self.process.finish(PATIENCE);
        assert!(status.success(), "{status}: {}", self.process.errors());
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(mut self) {
        self.process.kill();
    }

    fn timed(&mut self, command: &str) -> Result<Duration, Failed> {
        let line = self.command(command)?;
        Ok(Duration::from_micros(line.number("us").expect("a time")))
    }

    fn expect(&mut self, command: &str) -> Line {
        match self.command(command) {
            Ok(line) => line,
            Err(Failed(errno)) => self.process.fail(&format!("fails at {command:?}: {errno}")),
        }
    }

    fn command(&mut self, command: &str) -> Result<Line, Failed> {
        self.process.write(command);
        self.answer()
    }

    fn answer(&mut self) -> Result<Line, Failed> {
        let line = self.next(|line| matches!(line.verb(), "ok" | "error"));
        match line.number("errno") {
            None => Ok(line),
            Some(errno) => Err(Failed(errno.try_into().expect("errno is small"))),
        }
    }

    fn event(&mut self, wanted: impl Fn(&Line) -> bool) -> Line {
        match self.events.iter().position(&wanted) {
            Some(at) => self.events.remove(at).expect("it is there"),
            None => self.next(wanted),
        }
    }

    /// The next line that `wanted` asks for; the others are kept as events.
    fn next(&mut self, wanted: impl Fn(&Line) -> bool) -> Line {
        let Self { process, events } = self;
        process.wait_for("the line that was waited for", PATIENCE, |line| {
            let line = Line::parse(line);
            if wanted(&line) {
                return Some(line);
            }
            events.push_back(line);
            None
        })
    }
}

fn words(param: &str, contents: &[&str]) -> String {
    let mut words = vec![encode(param)];
    words.extend(contents.iter().map(encode));
    words.join(" ")
}

fn replies(line: &Line) -> Replies {
    Replies {
        sent: line.number("sent").expect("how many were asked"),
        received: line.number("received").expect("how many answered"),
        replies: reply_list(line),
    }
}

fn reply_list(line: &Line) -> Vec<Reply> {
    let mut list: Vec<Reply> = Vec::new();
    for (key, value) in line.pairs() {
        match (key, list.last_mut()) {
            ("param", _) => list.push(Reply { param: decode(value), contents: Vec::new() }),
            ("fd", Some(reply)) => reply.contents.push(decode(value)),
            _ => {}
        }
    }
    list
}
