//! Members in processes of their own, which can be stopped and killed: this test program once more. One ends
//! when its standard input does.

use std::env;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rte_mp::{Group, Role};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::support::Room;

const BASE: &str = "RTE_MP_TEST_BASE";
const PREFIX: &str = "RTE_MP_TEST_PREFIX";
const ROLE: &str = "RTE_MP_TEST_ROLE";
/// Begins the line that is meant for the parent; the test harness prints others.
const MARK: &str = "@joined ";

/// A process that is a member of a group; killed when this is dropped.
pub(crate) struct MemberProcess {
    process: Child,
    /// Its process id where it runs.
    own_pid: u32,
    orders: Option<ChildStdin>,
    _news: BufReader<ChildStdout>,
}

impl MemberProcess {
    /// Starts one, and waits until it has joined.
    pub(crate) fn join(room: &Room, prefix: &str, role: Role) -> Self {
        Self::start(Command::new(env::current_exe().unwrap()), room.path(), prefix, role)
    }

    /// Starts one in a pid namespace of its own, in which it is process 1.
    pub(crate) fn join_from_elsewhere(room: &Room, prefix: &str) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child"]).arg(env::current_exe().unwrap());
        Self::start(command, room.path(), prefix, Role::Secondary)
    }

    fn start(mut command: Command, base: &Path, prefix: &str, role: Role) -> Self {
        let mut process = command
            .args(["--exact", "members::is_a_member_when_it_is_told", "--nocapture"])
            .env(BASE, base)
            .env(PREFIX, prefix)
            .env(ROLE, format!("{role:?}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take();
        let mut news = BufReader::new(process.stdout.take().unwrap());
        let own_pid = loop {
            let mut line = String::new();
            assert_ne!(news.read_line(&mut line).unwrap(), 0, "the member ended");
            if let Some(pid) = line.trim_end().strip_prefix(MARK) {
                break pid.parse().unwrap();
            }
        };
        Self { process, own_pid, orders, _news: news }
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The member's process id where it runs.
    pub(crate) fn own_pid(&self) -> u32 {
        self.own_pid
    }

    /// Stops it, and waits until all its threads have stopped.
    pub(crate) fn stop(&self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::STOP).unwrap();
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "{status:?}");
    }

    /// Has it go on.
    pub(crate) fn go_on(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).unwrap();
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(mut self) -> u32 {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process.id()
    }

    /// Has it leave, and waits until it is gone.
    pub(crate) fn leave(mut self) -> u32 {
        self.orders = None;
        assert!(self.process.wait().unwrap().success());
        self.process.id()
    }
}

impl Drop for MemberProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn is_a_member_when_it_is_told() {
    let Some(base) = env::var_os(BASE) else { return };
    let role = match env::var(ROLE).unwrap().as_str() {
        "Primary" => Role::Primary,
        _ => Role::Secondary,
    };
    let group = Group::builder()
        .runtime_base(base)
        .file_prefix(env::var(PREFIX).unwrap())
        .role(role)
        .join()
        .unwrap();
    // Apart from what the harness has begun to print.
    writeln!(stdout(), "\n{MARK}{}", std::process::id()).unwrap();
    for line in stdin().lines() {
        line.unwrap();
    }
    drop(group);
}
