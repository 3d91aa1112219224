//! Another process: this very test program, started once more to be a member that can be killed or
//! limited.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rte_mp::{Group, Message, PeerName, Role};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::raw::PATIENCE;
use crate::room::{open_fds, pipe, with_echo};

const BASE: &str = "RTE_MP_TEST_BASE";
const WHAT: &str = "RTE_MP_TEST_WHAT";

/// What the other process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// Leads the group, and answers.
    Lead,
    /// Joins, and answers.
    Follow,
    /// Joins, and asks the primary without end.
    Ask,
}

const ALL: [(What, &str); 3] = [(What::Lead, "lead"), (What::Follow, "follow"), (What::Ask, "ask")];

/// The other process. It is killed when this goes away.
pub(crate) struct Process {
    child: Child,
    pub(crate) name: PeerName,
}

impl Process {
    /// Starts one, and waits until it has joined the group under `base`.
    pub(crate) fn start(base: &Path, what: What) -> Self {
        let word = ALL.iter().find(|(each, _)| *each == what).map(|(_, word)| *word);
        let mut child = Command::new(env::current_exe().expect("we run from a file"))
            .args(["--exact", "child::another_process", "--nocapture"])
            .env(BASE, base)
            .env(WHAT, word.expect("all are listed"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs once more");
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut lines = output.lines().map_while(Result::ok);
        let name = lines.find_map(|line| Some(line.split_once("joined as ")?.1.to_owned()));
        let name = PeerName::new(name.expect("it joins")).expect("it is bound");
        Self { child, name }
    }

    /// Kills it and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process of some tests; in a run of all of them there is nothing for it to do.
#[test]
fn another_process() {
    let (Some(base), Ok(word)) = (env::var_os(BASE), env::var(WHAT)) else { return };
    let (what, _) = ALL.iter().find(|(_, each)| *each == word).expect("one of ours");
    let role = if *what == What::Lead { Role::Primary } else { Role::Secondary };
    let group = Group::builder().runtime_base(base).role(role).join().expect("it is free");
    let group = with_echo(group);
    register_all(&group);
    println!("joined as {}", group.name().as_path().display());
    if *what == What::Ask {
        ask_without_end(&group);
    }
    // Ends with whoever started it.
    let _ = io::stdin().read(&mut [0]);
}

fn register_all(group: &Group) {
    let kept = std::sync::Mutex::new(Vec::new());
    let never = move |request: rte_mp::Request| kept.lock().expect("nobody panics").push(request);
    group.register("never", never).expect("the name is free");
    group
        .register("limit", |request: rte_mp::Request| {
            let open = open_fds();
            // The limit is the first number that cannot be had; some below may be free.
            let free = (0_u32..).filter(|fd| !open.contains_key(fd));
            limit(free.map(u64::from).nth(usize::from(request.param()[0])));
            request.reply(b"")
        })
        .expect("the name is free");
    group
        .register("unlimit", |request: rte_mp::Request| {
            limit(None);
            request.reply(b"")
        })
        .expect("the name is free");
    let counting = group.downgrade();
    group
        .register("stats", move |request: rte_mp::Request| {
            let stats = counting.upgrade().expect("it runs").stats();
            request
                .reply(&[stats.dropped.truncated, stats.closed_fds].map(u64::to_ne_bytes).concat())
        })
        .expect("the name is free");
}

fn limit(soft: Option<u64>) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = soft.or(maximum);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("less than before");
}

fn ask_without_end(group: &Group) {
    let echo = || Message::new("echo").expect("a name").with_param(b"?").expect("short");
    loop {
        let (_reader, writer) = pipe();
        let message = echo().with_fd(writer).expect("one");
        let _ = group.request_async(&message, Some(PATIENCE), |_| {});
        let _ = group.send(&message);
        let _ = group.request(&message, Some(PATIENCE));
        drop(group.request_future(&echo(), Some(PATIENCE)));
    }
}
