//! `--exec`: a shell command for each message and request, on threads of its own, so that the group's driver
//! never waits for one.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rte_mp::{Kind, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::ears::reply;
use super::queue::Queue;
use super::records::{Heard, Reply};
use crate::payload::MAX_LEN;

/// How many may wait for a command that ends.
const MAX_WAITING: usize = 256;

/// Why a command was not run to its end.
const ENDED: &str = "listening ended";

/// What came, and what is known of it.
pub(super) struct Job {
    pub(super) heard: Heard,
    pub(super) request: Request,
    /// How many descriptors came with it.
    pub(super) fd_count: usize,
}

/// Where jobs are given.
pub(super) struct Jobs(SyncSender<Box<Job>>);

impl Jobs {
    /// Gives a job to the next thread that has time; gives it back if too many wait.
    pub(super) fn give(&self, job: Box<Job>) -> Result<(), Box<Job>> {
        self.0.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
        })
    }
}

/// The threads; dropped, they end, and so do the commands that run.
pub(super) struct Commands {
    stop: Option<UnixStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Commands {
    fn drop(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            // A panic of one was printed, and is no reason for another.
            let _ = thread.join();
        }
    }
}

/// Starts the threads that run `command`, each run for at most `limit`.
///
/// # Errors
/// The kernel's.
pub(super) fn start(
    command: &str,
    count: usize,
    limit: Duration,
    queue: &Arc<Queue>,
) -> io::Result<(Jobs, Commands)> {
    let (sender, jobs) = sync_channel(MAX_WAITING);
    let jobs = Arc::new(Mutex::new(jobs));
    let (stop, stopped) = UnixStream::pair()?;
    let stopped = Arc::new(stopped);
    let mut commands = Commands { stop: Some(stop), threads: Vec::with_capacity(count) };
    for number in 0..count {
        let (jobs, queue) = (Arc::clone(&jobs), Arc::clone(queue));
        let runner = Runner { command: command.to_owned(), limit, stopped: Arc::clone(&stopped) };
        let thread = thread::Builder::new().name(format!("exec-{number}"));
        commands.threads.push(thread.spawn(move || runner.work(&jobs, &queue))?);
    }
    Ok((Jobs(sender), commands))
}

/// What one thread knows.
struct Runner {
    command: String,
    limit: Duration,
    /// Readable once all is to end.
    stopped: Arc<UnixStream>,
}

impl Runner {
    fn work(&self, jobs: &Mutex<Receiver<Box<Job>>>, queue: &Queue) {
        loop {
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = next else { return };
            let Job { heard, request, fd_count } = *job;
            let reply = match self.run(&request, fd_count) {
                Ok(written) => reply(request, &written),
                Err(problem) => Reply::ignored_as(&request, &problem),
            };
            queue.push(heard.answered(reply));
        }
    }

    /// Runs the command to its end, and gives what it wrote.
    fn run(&self, request: &Request, fd_count: usize) -> Result<Vec<u8>, String> {
        if self.is_stopped() {
            return Err(ENDED.to_owned());
        }
        let mut child = self
            .spawn(request, fd_count)
            .map_err(|error| format!("the command cannot be run: {error}"))?;
        if let Some(mut input) = child.stdin.take() {
            // So little always fits, and who does not read it does not want it.
            let _ = input.write_all(request.param());
        }
        let result = self.watch(&mut child);
        if result.is_err() {
            // With all that it has started, and if it has left its group. It may have ended by itself.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        match result {
            Ok(_) if !status.success() => Err(format!("the command ended with {status}")),
            result => result,
        }
    }

    fn is_stopped(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.stopped, PollFlags::IN)], Some(&now)) == Ok(1)
    }

    fn spawn(&self, request: &Request, fd_count: usize) -> io::Result<Child> {
        let number = |id: Option<u32>| id.map(|id| id.to_string()).unwrap_or_default();
        let kind = if request.kind() == Kind::Request { "request" } else { "message" };
        Command::new("sh")
            .args(["-c", &self.command])
            .env("RTE_MP_NAME", std::ffi::OsStr::from_bytes(request.name().as_bytes()))
            .env("RTE_MP_KIND", kind)
            .env("RTE_MP_PEER", request.peer().as_path())
            .env("RTE_MP_PID", number(request.peer_pid()))
            .env("RTE_MP_UID", number(request.peer_uid()))
            .env("RTE_MP_FDS", fd_count.to_string())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
    }

    /// Reads what it writes until it has ended: whatever it has left running may go on.
    fn watch(&self, child: &mut Child) -> Result<Vec<u8>, String> {
        // One that is too far away to be counted is none.
        let deadline = Instant::now().checked_add(self.limit);
        let end = pidfd_open(Pid::from_child(child), PidfdFlags::empty())
            .map_err(|error| io::Error::from(error).to_string())?;
        let mut output = child.stdout.take();
        let mut written = Vec::new();
        loop {
            match self.wait(&end, output.as_ref(), deadline)? {
                News::Output => {
                    if !read(&mut output, &mut written)? {
                        output = None;
                    }
                }
                News::End => return Ok(written),
            }
        }
    }

    /// Waits for output, and only without any for the end.
    fn wait(
        &self,
        end: &OwnedFd,
        output: Option<&ChildStdout>,
        deadline: Option<Instant>,
    ) -> Result<News, String> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            let mut fds =
                vec![PollFd::new(&self.stopped, PollFlags::IN), PollFd::new(end, PollFlags::IN)];
            fds.extend(
                output.map(|output| PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)),
            );
            match poll(&mut fds, timeout.as_ref()) {
                Err(Errno::INTR) => continue,
                Err(error) => return Err(io::Error::from(error).to_string()),
                Ok(0) => return Err(format!("the command took longer than {:?}", self.limit)),
                Ok(_) => {}
            }
            let happened: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            return match happened[..] {
                [true, ..] => Err(ENDED.to_owned()),
                [_, _, true] => Ok(News::Output),
                _ => Ok(News::End),
            };
        }
    }
}

enum News {
    Output,
    End,
}

/// Reads what is there; `false` at its end.
fn read(output: &mut Option<ChildStdout>, written: &mut Vec<u8>) -> Result<bool, String> {
    let Some(output) = output else { return Ok(false) };
    let mut bytes = [0; MAX_LEN + 1];
    let len = output.read(&mut bytes).map_err(|error| error.to_string())?;
    written.extend_from_slice(&bytes[..len]);
    match written.len() {
        0..=MAX_LEN => Ok(len > 0),
        _ => Err(format!("the command wrote more than {MAX_LEN} bytes")),
    }
}
