//! What `/proc` tells about a process.
//!
//! Read anew for each question: a process may end, and its id may be used again, at any time.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

use crate::escape::Escaped;

/// A process, by its id in the pid namespace of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Tells whether there is such a process; one that has ended and was not waited for is none.
    pub(crate) fn exists(self) -> bool {
        self.stat(STATE).is_some_and(|state| state != "Z")
    }

    /// Its command line, of which the first [`COMMAND_LEN`] bytes, or its name in brackets if it has none;
    /// safe to be shown.
    pub(crate) fn command(self) -> Option<String> {
        let mut line = Vec::new();
        File::open(self.file("cmdline")).ok()?.take(COMMAND_LEN).read_to_end(&mut line).ok()?;
        if line.is_empty() {
            let name = fs::read(self.file("comm")).ok()?;
            return Some(format!("[{}]", Escaped::bytes(name.trim_ascii_end())));
        }
        let words = line.strip_suffix(b"\0").unwrap_or(&line).split(|&byte| byte == 0);
        let words: Vec<_> = words.map(|word| Escaped::bytes(word).to_string()).collect();
        Some(words.join(" "))
    }

    /// For how long it has run.
    pub(crate) fn age(self) -> Option<Duration> {
        let started: u64 = self.stat(START_TIME)?.parse().ok()?;
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime: f64 = uptime.split(' ').next()?.parse().ok()?;
        let started = started as f64 / clock_ticks_per_second() as f64;
        Duration::try_from_secs_f64((uptime - started).max(0.0)).ok()
    }

    /// Tells whether a signal or a debugger has stopped it.
    pub(crate) fn is_stopped(self) -> bool {
        self.stat(STATE).is_some_and(|state| matches!(state.as_str(), "T" | "t"))
    }

    /// The user that the kernel says to whoever gets a message of it.
    pub(crate) fn user(self) -> Option<u32> {
        let status = fs::read_to_string(self.file("status")).ok()?;
        let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        users.split_ascii_whitespace().next()?.parse().ok()
    }

    /// The names of its threads, of 15 bytes at most.
    pub(crate) fn threads(self) -> Vec<String> {
        let tasks = fs::read_dir(self.file("task")).into_iter().flatten().flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.map(|name| name.trim_end().to_owned()).collect()
    }

    /// Tells whether its process ids mean other processes than ours, as far as we may look.
    pub(crate) fn is_in_other_pid_namespace(self) -> Option<bool> {
        let namespace = fs::read_link(self.file("ns/pid")).ok()?;
        Some(namespace != fs::read_link("/proc/self/ns/pid").ok()?)
    }

    fn file(self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.0).into()
    }

    /// Reads a field of its `stat`, counted from the one behind its name, in which there may be anything.
    fn stat(self, field: usize) -> Option<String> {
        let stat = fs::read(self.file("stat")).ok()?;
        let name_end = stat.iter().rposition(|&byte| byte == b')')?;
        let fields = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
        fields.split_ascii_whitespace().nth(field).map(str::to_owned)
    }
}

/// How much of a command line is read: a process may have one of megabytes, or say that any part of its memory
/// is one.
const COMMAND_LEN: u64 = 4096;

const STATE: usize = 0;
/// In ticks since the machine was started.
const START_TIME: usize = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_process_everything_is_known() {
        let own = Process(std::process::id());
        assert!(own.exists() && !own.is_stopped());
        let program = std::env::current_exe().unwrap();
        let program = program.file_name().unwrap().to_str().unwrap();
        assert!(own.command().unwrap().contains(program), "{:?}", own.command());
        assert!(own.age().unwrap() < Duration::from_secs(3600), "{:?}", own.age());
        assert_eq!(own.user(), Some(rustix::process::getuid().as_raw()));
        assert_eq!(own.is_in_other_pid_namespace(), Some(false));
        let thread = std::thread::Builder::new().name("rte_mp_handle".to_owned());
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let thread = thread.spawn(move || receiver.recv()).unwrap();
        // A thread names itself, after it has begun.
        while !own.threads().iter().any(|name| name == "rte_mp_handle") {
            std::thread::yield_now();
        }
        drop(sender);
        thread.join().unwrap().unwrap_err();
    }

    #[test]
    fn of_no_process_nothing_is_known() {
        let nobody = Process(u32::MAX);
        assert!(!nobody.exists() && nobody.threads().is_empty());
        assert_eq!((nobody.command(), nobody.age(), nobody.user()), (None, None, None));
    }

    #[test]
    fn of_a_long_command_line_the_beginning_is_read() {
        let mut command = std::process::Command::new("sleep");
        let mut child = command.arg("1000").args(vec!["0"; 10_000]).spawn().unwrap();
        // It has its name a moment before its command line.
        let has_started =
            |shown: &Option<String>| shown.as_ref().is_none_or(|s| !s.starts_with('['));
        let shown = std::iter::repeat_with(|| Process(child.id()).command()).find(has_started);
        let shown = shown.flatten();
        child.kill().unwrap();
        child.wait().unwrap();
        let shown = shown.unwrap();
        assert!(shown.starts_with("sleep 1000 0 0"), "{shown}");
        assert_eq!(shown.len() as u64, COMMAND_LEN);
    }
}
