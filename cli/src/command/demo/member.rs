//! A member's own process: it joins, performs one task after the other, and leaves when there are
//! no more.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rte_mp::{Group, Request, Role};

use super::Failure;
use super::actions;
use super::script::{Answer, Done, Part, Report, Task};
use crate::status::{Status, chain};

const FILE_PREFIX: &str = "demo";

/// What a member is told when it is started.
#[derive(clap::Args)]
pub(crate) struct MemberArgs {
    /// The directory for the group's files.
    base: PathBuf,
    /// The member's part.
    part: Part,
}

/// A member of the demo's group.
pub(super) struct Member {
    pub(super) group: Group,
    /// What one-way messages said.
    pub(super) notices: Receiver<String>,
    /// Requests that were kept waiting.
    pub(super) held: Receiver<Request>,
}

/// Is a member until there are no more orders, which is also when the coordinator is gone.
pub(super) fn run(args: &MemberArgs) -> Result<Status, Failure> {
    let start = Instant::now();
    let member = match Member::join(args) {
        Ok(member) => member,
        Err(error) => {
            report(0, Err(chain(error.as_ref())))?;
            return Ok(Status::Refused);
        }
    };
    report(0, Ok(Done { time: start.elapsed(), note: "joined".to_owned() }))?;

    for (number, order) in (1..).zip(io::stdin().lines()) {
        let answer = Task::from_line(&order?)
            .map_err(Failure::from)
            .and_then(|task| member.perform(task))
            .map_err(|error| chain(error.as_ref()));
        report(number, answer)?;
    }
    member.group.leave();
    Ok(Status::Done)
}

fn report(number: usize, answer: Answer) -> io::Result<()> {
    writeln!(io::stdout(), "{}", Report { number, answer }.to_line())
}

impl Member {
    fn join(args: &MemberArgs) -> Result<Self, Failure> {
        let role = match args.part {
            Part::Primary => Role::Primary,
            Part::Answerer | Part::Holder => Role::Secondary,
        };
        let group =
            Group::builder().runtime_base(&args.base).file_prefix(FILE_PREFIX).role(role).join()?;
        let (notice, notices) = channel();
        let (hold, held) = channel();
        match args.part {
            Part::Primary => actions::serve_secondaries(&group, notice)?,
            Part::Answerer => actions::serve_primary(&group, |request| request.reply(b"here"))?,
            Part::Holder => actions::serve_primary(&group, move |request| {
                // If nobody holds it any more, the request is dropped, and so ignored.
                let _ = hold.send(request);
            })?,
        }
        Ok(Self { group, notices, held })
    }
}
