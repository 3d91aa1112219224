//! The pair of examples, as processes: what they print, what they put on the wire, how they end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, Message, Request, Role};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity};
use tempfile::TempDir;

const PREFIX: &str = "mp_ipc";
/// Where the counters are.
const SHARED_INFO: &str = "MZ_SHARED_INFO";
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Shorter than the 5 s that a request waits for its reply.
const AT_ONCE: Duration = Duration::from_secs(3);

const CLIENT_LINES: [&str; 5] = [
    "[SYNC] reply: Server SYNC reply: Got 'SYNC Hello 1 from Client'",
    "[SHARED] sync requests: 1, async requests: 1",
    "[ASYNC] request sent",
    "[ASYNC] callback called",
    "[ASYNC] reply: Server ASYNC reply: Got 'ASYNC Hello 1 from Client'",
];
const CHINESE_CLIENT_LINES: [&str; 5] = [
    "[SYNC] 回复: Server SYNC reply: Got 'SYNC Hello 1 from Client'",
    "[SHARED] 同步请求: 1 个, 异步请求: 1 个",
    "[ASYNC] 请求已发送",
    "[ASYNC] 回调被调用",
    "[ASYNC] 回复: Server ASYNC reply: Got 'ASYNC Hello 1 from Client'",
];
/// What the client says in a group without the server's counters.
const NO_COUNTERS: &str = "[SHARED] no counters: there is no memory zone \"MZ_SHARED_INFO\" in the \
                           group of file prefix \"mp_ipc\"";

#[test]
fn the_pair_talks_in_english() {
    let room = Room::new();
    let server = room.server(&[("LANG", "en_US.UTF-8")]);
    assert_eq!(server.line(), "[ASYNC] received: Anybody there?");

    let client = room.client(&[("LANG", "C")], "--count 1").end();
    assert_eq!(client, Ended::well(&CLIENT_LINES));
    assert_eq!(server.line(), "[SYNC] received: SYNC Hello 1 from Client");
    assert_eq!(server.line(), "[ASYNC] received: ASYNC Hello 1 from Client");
    assert_eq!(server.line(), "[Server] handled sync requests: 1, async requests: 2");

    assert_eq!(server.interrupt().end(), Ended::well(&[]));
    assert_eq!(room.files(), [""; 0], "both have removed their files");
}

#[test]
fn the_pair_talks_in_chinese() {
    let room = Room::new();
    let server = room.server(&[("LANG", "zh_CN.UTF-8")]);
    assert_eq!(server.line(), "[ASYNC] 收到: Anybody there?");

    let client = room.client(&[("LANG", "zh_CN.UTF-8")], "--count 1").end();
    assert_eq!(client, Ended::well(&CHINESE_CLIENT_LINES));
    assert_eq!(server.line(), "[SYNC] 收到: SYNC Hello 1 from Client");
    assert_eq!(server.line(), "[ASYNC] 收到: ASYNC Hello 1 from Client");
    assert_eq!(server.line(), "[Server] 已处理同步请求: 1 个, 异步请求: 2 个");

    assert_eq!(server.interrupt().end(), Ended::well(&[]));
    assert_eq!(room.files(), [""; 0], "both have removed their files");
}

#[test]
fn the_language_is_that_of_the_locale() {
    let room = Room::new();
    let (_primary, _) = room.primary();
    let cases: [(&[(&str, &str)], _); 6] = [
        (&[], CLIENT_LINES),
        (&[("LC_ALL", "zh_TW.UTF-8"), ("LANG", "en_US.UTF-8")], CHINESE_CLIENT_LINES),
        (&[("LC_ALL", "C"), ("LC_MESSAGES", "zh_CN"), ("LANG", "zh_CN")], CLIENT_LINES),
        (&[("LC_MESSAGES", "zh_CN"), ("LANG", "en_US.UTF-8")], CHINESE_CLIENT_LINES),
        (&[("LC_MESSAGES", "de_DE.UTF-8"), ("LANG", "zh_CN.UTF-8")], CLIENT_LINES),
        (&[("LC_ALL", ""), ("LANG", "zh_CN.UTF-8")], CHINESE_CLIENT_LINES),
    ];
    for (locale, expected) in cases {
        let client = room.client(locale, "--count 1").end();
        assert_eq!(client, Ended::well(&expected), "{locale:?}");
    }
}

#[test]
fn the_client_sends_c_strings_and_their_nul() {
    let room = Room::new();
    let (_primary, params) = room.primary();
    assert_eq!(room.client(&[], "--count 1").end(), Ended::well(&CLIENT_LINES));
    assert_eq!(params.recv_timeout(PATIENCE).unwrap(), b"SYNC Hello 1 from Client\0");
    assert_eq!(params.recv_timeout(PATIENCE).unwrap(), b"ASYNC Hello 1 from Client\0");
    params.try_recv().expect_err("one of each was asked for");
}

#[test]
fn the_client_asks_every_3_seconds_and_every_5() {
    let room = Room::new();
    let (_primary, params) = room.primary();
    let started = Instant::now();
    let client = room.client(&[], "--count 2");
    for (seconds, expected) in [
        (0, &b"SYNC Hello 1 from Client\0"[..]),
        (0, b"ASYNC Hello 1 from Client\0"),
        (3, b"SYNC Hello 2 from Client\0"),
        (5, b"ASYNC Hello 2 from Client\0"),
    ] {
        assert_eq!(params.recv_timeout(PATIENCE).unwrap(), expected);
        assert!(started.elapsed() >= Duration::from_secs(seconds), "{expected:?} is early");
    }
    assert_eq!(client.end().status, 0);
}

#[test]
fn the_server_answers_with_c_strings_and_their_nul() {
    let room = Room::new();
    let server = room.server(&[]);
    let member = room.member().expect("the server runs");
    let longest = [b'x'; 256];
    let cases: [(_, &[u8], &[u8]); 5] = [
        (
            "hello_request",
            b"SYNC Hello 1 from Client\0",
            b"Server SYNC reply: Got 'SYNC Hello 1 from Client'\0",
        ),
        (
            "hello_async_req",
            b"ASYNC Hello 1 from Client\0",
            b"Server ASYNC reply: Got 'ASYNC Hello 1 from Client'\0",
        ),
        ("hello_request", b"no NUL", b"Server SYNC reply: Got 'no NUL'\0"),
        ("hello_request", b"", b"Server SYNC reply: Got ''\0"),
        (
            "hello_request",
            &longest,
            &[&b"Server SYNC reply: Got '"[..], &[b'x'; 231], b"\0"].concat(),
        ),
    ];
    for (action, param, expected) in cases {
        assert_eq!(ask(&member, action, param).unwrap(), expected, "{param:?}");
    }
    assert_eq!(server.interrupt().end().status, 0);
}

#[test]
fn the_count_may_stand_before_and_behind_the_end_of_the_eal_flags() {
    let room = Room::new();
    let (_primary, _) = room.primary();
    for words in ["--count 1 --no-telemetry", "--count=1", "-- --count 1", "-- --count=1"] {
        let client = room.client(&[], words).end();
        assert_eq!(client, Ended::well(&CLIENT_LINES), "{words}");
    }
}

#[test]
fn the_server_counts_where_every_member_can_see_it() {
    let room = Room::new();
    let server = room.server(&[]);
    let member = room.member().expect("the server runs");
    let zone = member.memzones().lookup(SHARED_INFO).expect("the server has reserved it");
    assert_eq!((zone.len(), zone.address() % 64), (64, 0), "as C aligns it");
    for _ in 0..3 {
        ask(&member, "hello_request", b"Hello\0").expect("the server answers");
    }
    let mut bytes = [0; 24];
    zone.read_at(0, &mut bytes).expect("it has 64 bytes");
    let words = [0_u64, 3, 1];
    assert_eq!(bytes, *words.map(u64::to_ne_bytes).as_flattened(), "as C lays it out");
    assert_eq!(server.interrupt().end().status, 0);
    zone.read_at(0, &mut bytes).expect("it is still there");
    assert_eq!(bytes[..4], 1_u32.to_ne_bytes(), "the server has told all to quit");
}

#[test]
fn who_sets_force_quit_ends_the_pair() {
    let room = Room::new();
    let server = room.server(&[]);
    let member = room.member().expect("the server runs");
    let client = room.client(&[], "");
    for expected in CLIENT_LINES {
        assert_eq!(client.line(), expected);
    }
    let zone = member.memzones().lookup(SHARED_INFO).expect("the server has reserved it");
    zone.shared::<AtomicU32>().expect("it begins so").store(1, Ordering::Relaxed);
    let ended = Instant::now();
    assert_eq!(client.end(), Ended::well(&[]));
    assert_eq!(server.end().status, 0);
    assert!(ended.elapsed() < AT_ONCE, "they ended after {:?}", ended.elapsed());
}

#[test]
fn a_server_that_ends_ends_its_clients() {
    let room = Room::new();
    let server = room.server(&[]);
    let client = room.client(&[], "");
    for expected in CLIENT_LINES {
        assert_eq!(client.line(), expected);
    }
    assert_eq!(server.interrupt().end().status, 0);
    assert_eq!(client.end(), Ended::well(&[]));
    assert_eq!(room.files(), [""; 0], "both have removed their files");
}

#[test]
fn an_interrupt_ends_a_client_that_waits_for_a_reply() {
    let room = Room::new();
    let primary = room.empty_primary();
    let (sender, held) = channel();
    primary.register("hello_request", move |request| sender.send(request).unwrap()).unwrap();
    let client = room.client(&[], "");
    let _unanswered: Request = held.recv_timeout(PATIENCE).unwrap();

    let interrupted = Instant::now();
    assert_eq!(client.interrupt().end(), Ended::well(&[NO_COUNTERS]));
    assert!(interrupted.elapsed() < AT_ONCE, "it ended after {:?}", interrupted.elapsed());
    assert_eq!(room.files(), ["config", "mp_socket"], "the client has removed its files");
}

#[test]
fn an_interrupt_ends_a_client_between_two_requests() {
    let room = Room::new();
    let (_primary, _) = room.primary();
    let client = room.client(&[], "");
    for expected in CLIENT_LINES {
        assert_eq!(client.line(), expected);
    }
    assert_eq!(client.interrupt().end(), Ended::well(&[]));
    assert_eq!(room.files(), ["config", "mp_socket"], "the client has removed its files");
}

#[test]
fn a_request_without_a_reply_is_reported_and_shows_in_the_exit_status() {
    let room = Room::new();
    let primary = room.empty_primary();
    let peer = primary.name();
    let ignored = "it has no such action, or wants not to be counted";
    let client = room.client(&[], "--count 1").end();
    let expected = Ended {
        status: 1,
        lines: vec![
            NO_COUNTERS.to_owned(),
            "[ASYNC] request sent".to_owned(),
            "[ASYNC] callback called".to_owned(),
        ],
        errors: format!(
            "mp_client: {peer} ignored hello_request; {ignored}\n\
             mp_client: {peer} ignored hello_async_req; {ignored}\n\
             mp_client: requests without a reply: 2\n"
        ),
    };
    assert_eq!(client, expected);
}

#[test]
fn a_core_that_the_machine_lacks_is_named_with_those_that_exist() {
    let room = Room::new();
    for program in ["mp_server", "mp_client"] {
        let refused = room.start(program, &[], "-l 1022-1023 -n 4 --file-prefix=mp_ipc").end();
        let start =
            format!("{program}: -l cannot be \"1022-1023\": this machine has no core 1022, only 0");
        assert_eq!((refused.status, refused.lines.len()), (1, 0), "{program}");
        assert!(refused.errors.starts_with(&start), "{}", refused.errors);
    }
    assert_eq!(room.files(), [""; 0]);
}

#[test]
fn mistakes_are_refused_with_their_cause_on_one_line() {
    let room = Room::new();
    let config = room.directory().join("config").display().to_string();
    let nobody = format!(
        "mp_client: no primary is running under file prefix \"mp_ipc\" ({config} is not locked)\n"
    );
    let count = |value: &str| {
        format!("mp_client: --count cannot be \"{value}\": it takes a number from 1\n")
    };
    let cases = [
        ("", nobody),
        ("--count 0", count("0")),
        ("--count=many", count("many")),
        ("--count", count("")),
    ];
    for (words, errors) in cases {
        let refused = room.client(&[], words).end();
        assert_eq!(refused, Ended { status: 1, lines: vec![], errors }, "{words}");
    }

    let _primary = room.empty_primary();
    let errors = "mp_client: there is no use for \"or two\" on the command line\n".to_owned();
    let refused = room.client(&[], "--count 1 -- or two").end();
    assert_eq!(refused, Ended { status: 1, lines: vec![], errors });
    assert_eq!(room.files(), ["config", "mp_socket"]);
}

#[test]
fn help_shows_the_tutorials_own_command_line() {
    let room = Room::new();
    for (program, line) in [
        ("mp_server", "  mp_server -l 0-1 -n 4 --proc-type=primary --file-prefix=mp_ipc"),
        (
            "mp_client",
            "  mp_client -l 2-3 -n 4 --proc-type=secondary --file-prefix=mp_ipc --count 3",
        ),
    ] {
        let help = room.start(program, &[], "--help").end();
        assert_eq!((help.status, help.errors.as_str()), (0, ""));
        assert_eq!(help.lines.last().map(String::as_str), Some(line));
    }
}

/// A runtime directory that no other test uses.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("the temporary directory is writable"))
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("dpdk").join(PREFIX)
    }

    /// The names of the group's files, in order.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory()).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn start(&self, program: &str, locale: &[(&str, &str)], words: &str) -> Program {
        let mut command = Command::new(example(program));
        for variable in ["LC_ALL", "LC_MESSAGES", "LANG"] {
            command.env_remove(variable);
        }
        command
            .env("RUNTIME_DIRECTORY", self.0.path())
            .envs(locale.iter().copied())
            .args(words.split_whitespace());
        Program::start(command)
    }

    /// Starts the server with the tutorial's flags, on a core that exists, and waits until it
    /// answers. It has received one async request then.
    fn server(&self, locale: &[(&str, &str)]) -> Program {
        let words = format!("-l {} -n 4 --proc-type=primary --file-prefix={PREFIX}", first_core());
        let server = self.start("mp_server", locale, &words);
        wait_for("the server", || ask(&self.member()?, "hello_async_req", b"Anybody there?\0"));
        server
    }

    /// Starts the client with the tutorial's flags, on a core that exists, and `words`.
    fn client(&self, locale: &[(&str, &str)], words: &str) -> Program {
        let core = first_core();
        let words = format!("-l {core} -n 4 --proc-type=secondary --file-prefix={PREFIX} {words}");
        self.start("mp_client", locale, &words)
    }

    /// Joins as the primary, without any action.
    fn empty_primary(&self) -> Group {
        let primary = Group::builder().runtime_base(self.0.path()).file_prefix(PREFIX);
        primary.role(Role::Primary).join().expect("no other primary runs")
    }

    /// Joins as a primary that answers as the server does, and gives what it receives. Its counters
    /// stand at 1.
    fn primary(&self) -> (Group, Receiver<Vec<u8>>) {
        let primary = self.empty_primary();
        let zone = primary.memzones().reserve(SHARED_INFO, 64).zeroed().commit();
        let zone = zone.expect("it is the first");
        let info: &[AtomicU64; 3] = zone.shared().expect("it is large enough");
        info[1..].iter().for_each(|counter| counter.store(1, Ordering::Relaxed));
        let (sender, params) = channel();
        for (action, kind) in [("hello_request", "SYNC"), ("hello_async_req", "ASYNC")] {
            let sender = sender.clone();
            let answer = move |request: Request| {
                let param = request.param().to_vec();
                let text = param.strip_suffix(b"\0").expect("the NUL is sent too");
                let text = String::from_utf8_lossy(text).into_owned();
                // A test that does not look has dropped the receiver.
                let _ = sender.send(param);
                request.reply(format!("Server {kind} reply: Got '{text}'\0").as_bytes())
            };
            primary.register(action, answer).expect("the name is free");
        }
        (primary, params)
    }

    fn member(&self) -> Option<Group> {
        let member = Group::builder().runtime_base(self.0.path()).file_prefix(PREFIX);
        member.role(Role::Secondary).join().ok()
    }
}

fn ask(member: &Group, action: &str, param: &[u8]) -> Option<Vec<u8>> {
    let request = Message::new(action).and_then(|request| request.with_param(param));
    let request = request.expect("the parts are short enough");
    let reply = member.request(&request, None).ok()?.into_reply().ok()?;
    Some(reply.param().to_vec())
}

/// Tries until there is something, for as long as patience lasts.
fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::yield_now();
    }
}

/// A core that this process may use.
fn first_core() -> usize {
    let allowed = sched_getaffinity(None).expect("a process may ask where it runs");
    (0..CpuSet::MAX_CPU).find(|&core| allowed.is_set(core)).expect("it runs somewhere")
}

/// The program, which cargo builds together with the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows where it lies");
    let built = test.parent().and_then(Path::parent).expect("it lies in target/PROFILE/deps");
    let path = built.join("examples").join(name);
    assert!(path.exists(), "{} is missing: cargo build --examples", path.display());
    path
}

/// A running example; it is killed when it is dropped.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the example can be run");
        let output = child.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                // Once the test has seen enough, the rest is read for nobody.
                let _ = sender.send(line.expect("the output is UTF-8"));
            }
        });
        Self { child, lines }
    }

    /// The next line that it prints.
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("it prints another line")
    }

    /// Presses Ctrl-C.
    fn interrupt(self) -> Self {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).expect("it still runs");
        self
    }

    /// Waits for its end.
    fn end(mut self) -> Ended {
        let lines = wait_for_end(&self.lines);
        let status = self.child.wait().expect("it is our child");
        let mut errors = String::new();
        let mut stream = self.child.stderr.take().expect("it is piped");
        stream.read_to_string(&mut errors).expect("the errors are UTF-8");
        Ended { status: status.code().expect("it was not killed"), lines, errors }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects the lines up to the end of the output, which comes with the end of the process.
fn wait_for_end(lines: &Receiver<String>) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut collected = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => collected.push(line),
            Err(RecvTimeoutError::Disconnected) => return collected,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end; it printed {collected:?}"),
        }
    }
}

/// How an example ended, and what it had printed that was not looked at.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    status: i32,
    lines: Vec<String>,
    errors: String,
}

impl Ended {
    fn well(lines: &[&str]) -> Self {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Self { status: 0, lines, errors: String::new() }
    }
}
