//! `rte-mp hotplug`: attaches and detaches devices of a DPDK primary.
//!
//! Joins as a secondary and asks as DPDK's own secondaries do. The primary asks all secondaries in turn,
//! this one included, which the library answers by an ignore: nothing is attached here.

use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rte_mp::{Flavor, Group, Message, NoReplyError, Replies, Role};
use serde::Serialize;
use zerocopy::{FromBytes, IntoBytes};

use crate::args::Common;
use crate::dpdk::hotplug::{ACTION, Devargs, Operation, PATIENCE, Param, explain};
use crate::interrupt::Interrupt;
use crate::output::{Output, nanoseconds};
use crate::status::{Failure, Status, chain};

/// Attach a device to a DPDK primary and all its secondaries, or detach it.
///
/// The primary has all secondaries do the same before it answers; if one does not answer, that takes it
/// 10 s. --timeout is therefore 15s unless it is given.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to do
    #[arg(value_name = "attach|detach", hide_possible_values = true)]
    operation: Verb,

    /// The device as in --vdev or --allow: vdev:net_null7,size=128 or pci:0000:01:00.0
    #[arg(value_name = "DEVARGS", value_parser = Devargs::new)]
    devargs: Devargs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verb {
    Attach,
    Detach,
}

/// What came of it.
#[derive(Serialize)]
#[serde(tag = "type", rename = "hotplug")]
struct Record {
    operation: &'static str,
    devargs: String,
    ok: bool,
    /// The primary's answer: 0 or a negative errno; nothing if it did not answer.
    result: Option<i32>,
    /// What the primary's answer is about: `undo_attach` where all had to undo it.
    answered_operation: Option<&'static str>,
    primary_pid: Option<u32>,
    time_ns: u64,
    error: Option<String>,
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    let devargs = &args.devargs;
    let operation = match args.operation {
        Verb::Attach => Operation::Attach,
        Verb::Detach => Operation::Detach,
    };
    let interrupt = Interrupt::catch()?;
    let group = common.join()?;
    if group.flavor() == Flavor::Native {
        return Err(Failure::refused(format_args!(
            "file prefix {:?} is led by an rte-mp process, which has no devices; \
             hot-plug takes a DPDK primary",
            group.file_prefix()
        )));
    }
    let primary_pid = primary_pid(&group);
    let start = Instant::now();
    let answer = ask(&group, operation, devargs, common.timeout_or(PATIENCE), &interrupt)?;
    let record = Record::new(operation, devargs, primary_pid, start.elapsed(), answer);
    match (&record.error, output.is_json()) {
        (Some(_), false) => {}
        _ => output.show(&record)?,
    }
    match record.error {
        None => Ok(Status::Done),
        Some(error) => Err(Failure::refused(error)),
    }
}

/// Why there is no answer.
enum Silence {
    Interrupted,
    NoReply(NoReplyError),
    /// There is one, and it makes no sense.
    Unreadable,
}

/// Asks the primary, and waits until it has answered or the user has had enough.
fn ask(
    group: &Group,
    operation: Operation,
    devargs: &Devargs,
    timeout: Duration,
    interrupt: &Interrupt,
) -> Result<Result<Param, Silence>, Failure> {
    let param = Param::request(operation, devargs);
    let request = Message::new(ACTION)?.with_param(param.as_bytes())?;
    let (sender, replies) = mpsc::channel();
    let (bell, ringer) = UnixStream::pair()?;
    group.request_async(&request, Some(timeout), move |replies: Replies| {
        // Nobody waits any more if the command was interrupted.
        let _ = sender.send(replies);
        drop(ringer);
    })?;
    if interrupt.wait_for_either(bell.as_fd()) {
        return Ok(Err(Silence::Interrupted));
    }
    let replies = replies.recv()?;
    Ok(match replies.into_reply() {
        Ok(reply) => Param::read_from_bytes(reply.param()).map_err(|_| Silence::Unreadable),
        Err(error) => Err(Silence::NoReply(error)),
    })
}

fn primary_pid(group: &Group) -> Option<u32> {
    let members = group.members().ok()?;
    members.iter().find(|member| member.role == Role::Primary)?.pid
}

impl Record {
    fn new(
        operation: Operation,
        devargs: &Devargs,
        primary_pid: Option<u32>,
        time: Duration,
        answer: Result<Param, Silence>,
    ) -> Self {
        let answered = answer.as_ref().ok().and_then(Param::operation);
        let error = match &answer {
            Ok(param) => problem(param, operation, devargs),
            Err(silence) => Some(without_answer(silence, operation, devargs)),
        };
        Self {
            operation: operation.word(),
            devargs: devargs.as_str().to_owned(),
            ok: error.is_none(),
            result: answer.ok().map(|param| param.result()),
            answered_operation: answered.map(Operation::word),
            primary_pid,
            time_ns: nanoseconds(time),
            error,
        }
    }
}

/// Says what is wrong, if the primary says that something is.
fn problem(answer: &Param, operation: Operation, devargs: &Devargs) -> Option<String> {
    let device = devargs.as_str();
    let undone = match answer.operation() {
        Some(answered) if answered.is_undoing() => "; what was done of it was undone",
        Some(_) => "",
        None => return Some(format!("the primary's answer about {device:?} makes no sense")),
    };
    match (answer.result(), undone) {
        (0, "") => None,
        (0, _) => Some(format!("the primary did not {operation} {device:?}{undone}; see its log")),
        (result, _) => {
            let why = explain(operation, result);
            Some(format!("the primary did not {operation} {device:?}: {why}{undone}"))
        }
    }
}

fn without_answer(silence: &Silence, operation: Operation, devargs: &Devargs) -> String {
    let device = devargs.as_str();
    let unknown = "whether it will is not known, so look there before you try again";
    match silence {
        Silence::Interrupted => {
            format!("interrupted: the primary was asked to {operation} {device:?}, and {unknown}")
        }
        Silence::Unreadable => format!("the primary's answer about {device:?} cannot be read"),
        Silence::NoReply(NoReplyError::TimedOut { .. }) => format!(
            "the primary did not answer in time; it may be waiting for another secondary, \
             and was asked to {operation} {device:?}: {unknown}"
        ),
        Silence::NoReply(NoReplyError::Ignored { .. }) => {
            format!("the primary takes no part in hot-plug, and did not {operation} {device:?}")
        }
        Silence::NoReply(error) => format!("cannot {operation} {device:?}: {}", chain(error)),
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, devargs, .. } = self;
        let time = Duration::from_nanos(self.time_ns);
        write!(f, "{operation}ed {devargs:?} in {time:.1?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(operation: i32, result: i32) -> Param {
        let mut bytes = [0; 136];
        bytes[..4].copy_from_slice(&operation.to_ne_bytes());
        bytes[132..].copy_from_slice(&result.to_ne_bytes());
        Param::read_from_bytes(&bytes).expect("it is as long")
    }

    #[test]
    fn an_answer_is_success_only_if_all_of_it_says_so() {
        let device = Devargs::new("net_null7").unwrap();
        let cases = [
            (0, 0, None),
            (0, -17, Some("File exists")),
            (2, -42, Some("what was done of it was undone")),
            (2, 0, Some("what was done of it was undone")),
            (7, 0, Some("makes no sense")),
        ];
        for (operation, result, expected) in cases {
            let problem = problem(&answer(operation, result), Operation::Attach, &device);
            match (problem, expected) {
                (None, None) => {}
                (Some(problem), Some(expected)) => assert!(problem.contains(expected), "{problem}"),
                other => panic!("{operation} {result}: {other:?}"),
            }
        }
    }
}
