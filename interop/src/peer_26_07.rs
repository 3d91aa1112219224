//! A primary that behaves like DPDK 26.07, which no distribution packages yet.
//!
//! On disk: the config file with its version word, lock and offsets. On the wire: 340 bytes, 253
//! descriptors, whatever lay on the stack in the bytes that nobody reads. In conduct: unknown
//! actions are answered MP_IGN before init is complete and not at all afterwards, a broadcast
//! request asks one peer after the other, and a datagram of a wrong length or with bad counts ends
//! the receiving thread for good, which is reported as `died REASON`.
//!
//! It is written from the documented behaviour and shares no code with rte-mp, so that a mistake
//! would have to be made twice. It must be a process of its own (`examples/peer_26_07.rs`), since
//! its POSIX lock conflicts between processes only. It is driven like `c/dpdk_peer.c`, by the
//! commands `register` (`echo`, `silent`, `count`, `fds`, `twice`), `unregister`, `counted`, `send`,
//! `request`, `quit`, and
//!
//! ```text
//! publish    writes the magic, which joining members wait for (option `unpublished` leaves it out)
//! complete   ends init: from now on unknown requests get no answer (option `initialising`)
//! status     -> ok mp_status=N
//! disable    sets mp_status to "disabled" if nobody has attached  -> ok disabled=0|1
//! ```
//!
//! DPDK 26.07: `eal_common_proc.c` and `eal_common_mcfg.c`.

mod files;
mod wire;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use self::files::{Config, Directory};
use self::wire::{Fatal, Kind, Message, Socket};
use crate::line::{Line, decode_bytes, encode};
use crate::{content_of, file_holding};

/// Runs the peer: `DIRECTORY [unpublished] [initialising]`, commands from standard input.
///
/// # Errors
/// The directory is not usable, or another primary holds the lock.
pub fn main(arguments: &[String]) -> io::Result<()> {
    let (directory, options) = arguments.split_first().ok_or(Errno::INVAL)?;
    let has = |option: &str| options.iter().any(|given| given == option);
    let directory = Directory::create(Path::new(directory))?;
    let mut config = Config::create(&directory)?;
    let socket = {
        let _lock = directory.lock_exclusive()?;
        Socket::bind(&directory.socket())?
    };
    let peer = Arc::new(Peer {
        socket,
        directory,
        state: Mutex::default(),
        news: Condvar::new(),
        initialised: AtomicBool::new(!has("initialising")),
    });
    if !has("unpublished") {
        config.publish()?;
    }
    let receiver = Arc::clone(&peer);
    thread::spawn(move || receiver.receive());

    say("ready role=primary");
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line == "quit" {
            break;
        }
        match peer.obey(&Line::parse(&line), &mut config) {
            Ok(answer) => say(format!("ok {answer}").trim_end()),
            Err(errno) => say(&format!("error errno={}", errno.raw_os_error())),
        }
    }
    peer.directory.remove_socket();
    Ok(())
}

struct Peer {
    socket: Socket,
    directory: Directory,
    state: Mutex<State>,
    /// An answer to a pending request has come.
    news: Condvar,
    initialised: AtomicBool,
}

#[derive(Default)]
struct State {
    actions: HashMap<String, Action>,
    /// Who was asked what: the whole identity of a request, as in DPDK.
    pending: HashMap<(PathBuf, String), Option<Answer>>,
}

struct Action {
    mode: Mode,
    count: u64,
}

#[derive(Clone)]
enum Mode {
    Echo,
    Silent,
    Count,
    Fds(Vec<String>),
    Twice(Vec<String>),
}

enum Answer {
    Reply(Message),
    Ignore,
}

impl Peer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- the receiving thread ----

    /// Receives until something comes that this release does not survive. The socket stays bound,
    /// as DPDK's does: nothing that comes afterwards is read.
    fn receive(&self) {
        let fatal = loop {
            match self.socket.receive() {
                Ok((message, sender)) => self.handle(message, &sender),
                Err(fatal) => break fatal,
            }
        };
        say(&match fatal {
            Fatal::Length(len) => format!("died length={len}"),
            Fatal::Truncated => "died truncated".to_owned(),
            Fatal::Empty => "died empty".to_owned(),
            Fatal::FdCount(count) => format!("died num_fds={count}"),
            Fatal::ParamLen(len) => format!("died len_param={len}"),
            Fatal::Receive(error) => format!("died {error}"),
        });
    }

    fn handle(&self, message: Message, sender: &Path) {
        match message.kind {
            Kind::REPLY => self.fulfil(sender, message.name.clone(), Answer::Reply(message)),
            Kind::IGNORE => self.fulfil(sender, message.name, Answer::Ignore),
            kind => self.call(kind, &message, sender),
        }
    }

    /// Gives a pending request its answer. What answers none is dropped.
    fn fulfil(&self, sender: &Path, name: String, answer: Answer) {
        if let Some(pending) = self.state().pending.get_mut(&(sender.to_owned(), name)) {
            *pending = Some(answer);
            self.news.notify_all();
        }
    }

    fn call(&self, kind: Kind, message: &Message, sender: &Path) {
        let mode = self.state().actions.get_mut(&message.name).map(|action| {
            action.count += 1;
            action.mode.clone()
        });
        let (times, contents) = match mode {
            None if kind == Kind::REQUEST && !self.initialised.load(Ordering::Relaxed) => {
                // A sender that has gone away is its own problem.
                let _ = self.socket.send(sender, Kind::IGNORE, &message.name, b"", &[]);
                return;
            }
            None | Some(Mode::Count) => return,
            Some(Mode::Silent) => {
                say_received(message, sender);
                return;
            }
            Some(Mode::Echo) => (1, Vec::new()),
            Some(Mode::Fds(contents)) => (1, contents),
            Some(Mode::Twice(contents)) => (2, contents),
        };
        let fds: Vec<_> = contents.iter().map(|text| file_holding(text)).collect();
        say_received(message, sender);
        let mut param = b"Got '".to_vec();
        param.extend_from_slice(&message.param[..message.param.len().min(250)]);
        param.push(b'\'');
        for _ in 0..times {
            let _ = self.socket.send(sender, Kind::REPLY, &message.name, &param, &fds);
        }
    }

    // ---- commands ----

    fn obey(&self, line: &Line, config: &mut Config) -> Result<String, Errno> {
        let words: Vec<_> = line.rest().collect();
        match (line.verb(), &words[..]) {
            ("register", [name, mode, contents @ ..]) => {
                let contents = || contents.iter().map(|&text| text.to_owned()).collect();
                let mode = match *mode {
                    "echo" => Mode::Echo,
                    "silent" => Mode::Silent,
                    "count" => Mode::Count,
                    "fds" => Mode::Fds(contents()),
                    "twice" => Mode::Twice(contents()),
                    _ => return Err(Errno::INVAL),
                };
                self.state().actions.insert((*name).to_owned(), Action { mode, count: 0 });
                Ok(String::new())
            }
            ("unregister", [name]) => {
                self.state().actions.remove(*name);
                Ok(String::new())
            }
            ("counted", [name]) => {
                let count = self.state().actions.get(*name).map_or(0, |action| action.count);
                Ok(format!("count={count}"))
            }
            ("send", [name, param, contents @ ..]) => self.broadcast(name, param, contents),
            ("request", [name, ms, param, contents @ ..]) => {
                let timeout = Duration::from_millis(ms.parse().map_err(|_| Errno::INVAL)?);
                self.request(name, timeout, param, contents)
            }
            ("publish", []) => config.publish().map(|()| String::new()).map_err(errno),
            ("complete", []) => {
                self.initialised.store(true, Ordering::Relaxed);
                Ok(String::new())
            }
            ("status", []) => Ok(format!("mp_status={}", config.mp_status().map_err(errno)?)),
            ("disable", []) => {
                Ok(format!("disabled={}", u8::from(config.disable().map_err(errno)?)))
            }
            _ => Err(Errno::INVAL),
        }
    }

    /// `rte_mp_sendmsg` of a primary: everybody is tried, the last error counts.
    fn broadcast(&self, name: &str, param: &str, contents: &[&str]) -> Result<String, Errno> {
        let fds: Vec<_> = contents.iter().map(|text| holding(text)).collect();
        let _lock = self.directory.lock_shared().map_err(errno)?;
        let mut result = Ok(String::new());
        for path in self.directory.secondaries() {
            match self.socket.send(&path, Kind::MESSAGE, name, &decode_bytes(param), &fds) {
                Err(Errno::CONNREFUSED) => self.directory.remove(&path),
                Err(error) => result = Err(error),
                Ok(()) => {}
            }
        }
        result
    }

    /// `rte_mp_request_sync` of a primary: one after the other, and the first silent one ends it.
    fn request(
        &self,
        name: &str,
        timeout: Duration,
        param: &str,
        contents: &[&str],
    ) -> Result<String, Errno> {
        let deadline = Instant::now() + timeout;
        let fds: Vec<_> = contents.iter().map(|text| holding(text)).collect();
        let _lock = self.directory.lock_shared().map_err(errno)?;
        let mut sent = 0;
        let mut replies = Vec::new();
        for path in self.directory.secondaries() {
            let key = (path, name.to_owned());
            self.state().pending.insert(key.clone(), None);
            match self.socket.send(&key.0, Kind::REQUEST, name, &decode_bytes(param), &fds) {
                Err(Errno::CONNREFUSED) => {
                    self.directory.remove(&key.0);
                    continue;
                }
                other => other?,
            }
            sent += 1;
            match self.await_answer(&key, deadline) {
                None => return Err(Errno::TIMEDOUT),
                Some(Answer::Ignore) => sent -= 1,
                Some(Answer::Reply(message)) => replies.push(describe(&message)),
            }
        }
        Ok(format!("sent={sent} received={}{}", replies.len(), replies.concat()))
    }

    fn await_answer(&self, key: &(PathBuf, String), deadline: Instant) -> Option<Answer> {
        let waiting = |state: &mut State| state.pending.get(key).is_some_and(Option::is_none);
        let left = deadline.saturating_duration_since(Instant::now());
        let (mut state, _) = self
            .news
            .wait_timeout_while(self.state(), left, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        state.pending.remove(key).flatten()
    }
}

fn holding(word: &str) -> std::os::fd::OwnedFd {
    file_holding(&String::from_utf8_lossy(&decode_bytes(word)))
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

fn describe(message: &Message) -> String {
    let fds = message.fds.iter().map(|fd| format!(" fd={}", encode(content_of(fd))));
    format!(" param={}{}", encode(&message.param), fds.collect::<String>())
}

fn say_received(message: &Message, sender: &Path) {
    say(&format!(
        "received {} peer={}{} last_word={} zeroed={}",
        encode(&message.name),
        encode(sender.as_os_str().as_encoded_bytes()),
        describe(message),
        message.last_word,
        message.zeroed,
    ));
}

fn say(line: &str) {
    // Whoever drove this peer has gone: its end of input follows.
    let _ = writeln!(io::stdout().lock(), "{line}");
}
