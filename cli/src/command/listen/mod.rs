//! `rte-mp listen`: prints what arrives, and answers if told to.
//!
//! What arrives is answered where it arrives (`ears`), or by commands that run on threads of their own
//! (`exec`), and is put into a queue with a limit (`queue`), from which it is printed. So a reader that stalls
//! holds up nobody in the group: what it is too slow for is counted and left out.

mod ears;
mod exec;
mod queue;
mod records;

use std::io;
use std::mem;
use std::sync::Arc;

use clap::ValueHint;
use rte_mp::{ActionName, GroupBuilder};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::args::Common;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::payload::{Layout, Param, action_name, unescape};
use crate::status::{Failure, Status};
use ears::{Ears, Reaction};
use queue::Queue;
use records::{Listening, Missed, Summary};

/// Join, print what arrives, and answer if told to.
///
/// Prints messages and requests of the names that are given, or of all names, until Ctrl-C. Requests
/// are answered by an ignore (MP_IGN) unless one of --echo, --reply and --exec says how. Without names these do
/// not answer what DPDK itself asks of all members (mp_malloc_sync, eal_dev_mp_request and others): that is
/// printed and ignored, and DPDK goes on as if nobody were there.
///
/// Descriptors are closed once they are printed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The names to listen to [default: all that nobody else in this process answers]
    #[arg(value_name = "NAME", value_parser = name_to_hear)]
    names: Vec<ActionName>,

    #[command(flatten)]
    answer: Answer,

    /// With --exec: how many commands may run at once
    #[arg(long, value_name = "J", allow_negative_numbers = true, default_value = "4", requires = "exec",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// End after so many messages and requests
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// What to be in the group: `primary` leads one, which must not run yet
    #[arg(long, value_name = "ROLE", default_value = "secondary")]
    proc_type: ProcType,

    /// Take parameters apart: u32,u64,str16 or with names count:u32,pad4,name:str16; see `request --struct`
    #[arg(long, value_name = "FIELDS")]
    show_struct: Option<Layout>,
}

/// How requests are answered.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Answer {
    /// Answer requests with the parameter that they came with
    #[arg(long)]
    echo: bool,

    /// Answer requests with this text: \0, \xNN, \n, \r, \t and \\ stand for bytes
    #[arg(long, value_name = "TEXT", value_parser = unescape)]
    reply: Option<Param>,

    /// Run a shell command for each, and answer with what it writes
    ///
    /// The command gets the parameter on its standard input, and RTE_MP_NAME, RTE_MP_KIND (message or request),
    /// RTE_MP_PEER (a socket), RTE_MP_PID, RTE_MP_UID and RTE_MP_FDS (how many descriptors came) in its environment.
    /// What it writes to its standard output, 256 bytes at most, is the reply. If it fails, writes more, or
    /// takes longer than --timeout, which ends it, the request is ignored.
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandString)]
    exec: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ProcType {
    Primary,
    Secondary,
}

/// Reads the name of an action that can be heard.
fn name_to_hear(text: &str) -> Result<ActionName, String> {
    let name = action_name(text)?;
    match name.is_reserved() {
        true => Err(format!(
            "rte-mp answers names that begin with {} itself",
            ActionName::RESERVED_PREFIX
        )),
        false => Ok(name),
    }
}

/// Checks that no name was given twice.
fn check(names: &[ActionName]) -> Result<(), Failure> {
    let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    match twice {
        Some((_, name)) => Err(Failure::usage(format_args!("{name:?} is named twice"))),
        None => Ok(()),
    }
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    check(&args.names)?;
    let interrupt = Interrupt::catch()?;
    let queue = Arc::new(Queue::new()?);
    // First: whoever runs commands ends only once nobody can give him any, which is so without a group.
    let builder = match args.proc_type {
        ProcType::Primary => common.leader(),
        ProcType::Secondary => common.builder()?,
    };
    let (reaction, commands) = match &args.answer {
        Answer { echo: true, .. } => (Reaction::Echo, None),
        Answer { reply: Some(reply), .. } => (Reaction::Reply(reply.clone()), None),
        Answer { exec: Some(command), .. } => {
            let (sender, commands) =
                exec::start(command, args.jobs.into(), common.timeout, &queue)?;
            (Reaction::Exec(sender), Some(commands))
        }
        _ => (Reaction::Ignore, None),
    };
    let ears = Ears::new(reaction, &args.names, args.show_struct.clone(), args.count, &queue);
    let group = hearing(builder, &args.names, ears).join()?;
    let listening = Listening::new(&group);
    let (count, summary) = (args.count, Summary::default());
    let mut listener = Listener { interrupt: &interrupt, queue: &queue, output, count, summary };
    let listened = interrupt.leaving(&group, || listener.listen(&listening))?;
    // Nobody can give commands any more, so that those who run them can end.
    group.leave();
    drop(commands);
    listened?;
    listener.end()
}

/// Has everything heard from the first moment on.
fn hearing(builder: GroupBuilder, names: &[ActionName], ears: Ears) -> GroupBuilder {
    let ears = Arc::new(ears);
    if names.is_empty() {
        return builder.default_action(move |request| ears.hear(request));
    }
    names.iter().fold(builder, |builder, name| {
        let ears = Arc::clone(&ears);
        builder.action(name.as_bytes(), move |request| ears.hear(request))
    })
}

/// Prints what was heard.
struct Listener<'a> {
    interrupt: &'a Interrupt,
    queue: &'a Queue,
    output: &'a mut Output,
    count: Option<u64>,
    summary: Summary,
}

/// What there is to do next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// It can go on.
    Go,
    /// The user wants it to end, or nobody reads any more.
    End,
}

impl Listener<'_> {
    fn listen(&mut self, listening: &Listening) -> Result<(), Failure> {
        self.output.show(listening)?;
        let count = self.count.unwrap_or(u64::MAX);
        while self.summary.total() < count && self.wait_for_news() == Next::Go {
            self.print_queue()?;
        }
        Ok(())
    }

    /// Prints what is left, all of which has been answered, and sums up.
    fn end(&mut self) -> Result<Status, Failure> {
        self.print_queue()?;
        let summary = mem::take(&mut self.summary);
        self.output.show_unless(self.interrupt, &summary)?;
        Ok(Status::Done)
    }

    fn print_queue(&mut self) -> Result<(), Failure> {
        let (heard, missed) = self.queue.take();
        for heard in heard {
            self.summary.add(&heard);
            self.output.show_unless(self.interrupt, &heard)?;
        }
        if missed > 0 {
            self.summary.add_missed(missed);
            self.output.show_unless(self.interrupt, &Missed::new(missed))?;
        }
        Ok(())
    }

    fn wait_for_news(&self) -> Next {
        let output = io::stdout();
        let mut fds = [
            PollFd::new(self.interrupt, PollFlags::IN),
            PollFd::new(self.queue, PollFlags::IN),
            // Errors are always told.
            PollFd::new(&output, PollFlags::empty()),
        ];
        loop {
            match poll(&mut fds, None) {
                Err(Errno::INTR) if !self.interrupt.is_caught() => {}
                _ if self.interrupt.is_caught() || fds[1].revents().is_empty() => return Next::End,
                _ => return Next::Go,
            }
        }
    }
}
