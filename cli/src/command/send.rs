//! `rte-mp send`: a one-way message. That it was sent means that it is in the queue of who is to get it.

use std::fmt;
use std::thread;

use rte_mp::{ActionName, Group, Kind, Member, Message, SendError};
use serde::Serialize;

use crate::args::Common;
use crate::content::Content;
use crate::escape::{Escaped, shown};
use crate::group::{find_members, label};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::payload::{Payload, action_name};
use crate::status::{Failure, Status, chain};

/// Send a one-way message.
///
/// It goes to the primary, or to whom --to names. That it was sent means that it is in the queue of its
/// receiver, not that anybody has an action of that name. The exit status is 1 if it did not reach everybody.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name of the action
    #[arg(value_parser = action_name)]
    name: ActionName,

    #[command(flatten)]
    payload: Payload,

    /// Who gets it: a process id, `primary`, a socket, or `all` [default: primary]
    #[arg(long, value_name = "MEMBER")]
    to: Option<String>,
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    // First, since it may block: there is nothing to be left tidy yet.
    let (message, opened) = args.payload.message(&args.name)?;
    let interrupt = Interrupt::catch()?;
    let group = common.join()?;
    let members = find_members(&group, args.to.as_deref())?;
    for descriptor in &opened {
        output.show(descriptor)?;
    }
    let results = interrupt.leaving(&group, || send(&group, &message, &members))?;
    let mut failed = Vec::new();
    for (member, result) in members.iter().zip(results) {
        let error = result.err().map(|error| chain(&error));
        if let Some(error) = &error {
            failed.push(format!("{} ({error})", label(member)));
        }
        // In text, the line on the standard error stream says who did not get it.
        if error.is_none() || output.is_json() {
            output.show(&Sent::new(&message, member, error))?;
        }
    }
    match failed.is_empty() {
        true => Ok(Status::Done),
        false => {
            Err(Failure::refused(format_args!("{} did not reach {}", args.name, failed.join(", "))))
        }
    }
}

/// Sends to all side by side, so that one with a full queue delays nobody else.
fn send(group: &Group, message: &Message, members: &[Member]) -> Vec<Result<(), SendError>> {
    thread::scope(|scope| {
        let start = |member: &Member| {
            let name = member.name;
            scope.spawn(move || group.to(&name).send(message))
        };
        let sending: Vec<_> = members.iter().map(start).collect();
        let end = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
        sending.into_iter().map(end).map(|result| result.expect("sending does not panic")).collect()
    })
}

/// A message that was sent to one member.
#[derive(Serialize)]
struct Sent {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    peer: String,
    peer_pid: Option<u32>,
    ok: bool,
    error: Option<String>,
    #[serde(skip)]
    label: String,
    #[serde(flatten)]
    content: Content,
}

impl Sent {
    fn new(message: &Message, member: &Member, error: Option<String>) -> Self {
        Self {
            kind: "sent",
            name: Escaped::bytes(message.name().as_bytes()).to_string(),
            peer: shown(member.name.as_path()),
            peer_pid: member.pid,
            ok: error.is_none(),
            error,
            label: label(member),
            content: Content::new(Kind::Message, message, None),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, label, content, .. } = self;
        write!(f, "sent {name} to {}: {}", Escaped::message(label), content.size())
    }
}
