//! `rte-mp request`: asks, and prints what became of each peer.
//!
//! `asking` asks, from several threads if told so; `records` is what is written; `saving` keeps the files that
//! come with replies.

mod asking;
mod records;
mod saving;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueHint;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rte_mp::ActionName;

use crate::args::{Common, interval};
use crate::group::find_members;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::payload::{Layout, Payload, action_name};
use crate::status::{Failure, Status};
use asking::{Asked, Asking, Pace};
use records::{Answer, Summary, Tally};

/// Ask, and print each peer's outcome and reply.
///
/// The primary is asked, or whom --to names. The exit status is 0 if all that were asked replied; 1 if
/// anybody ignored the request, did not answer within --timeout, ended, or could not be asked.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name of the action
    #[arg(value_parser = action_name)]
    name: ActionName,

    #[command(flatten)]
    payload: Payload,

    /// Who is asked: a process id, `primary`, a socket, or `all` [default: primary]
    #[arg(long, value_name = "MEMBER")]
    to: Option<String>,

    /// Ask so many times, and sum up how long the replies took; only what is no reply is printed
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// With --count: print every reply
    #[arg(long, requires = "count")]
    each: bool,

    /// With --count: how often a job asks [default: as soon as it was answered]
    #[arg(long, value_name = "TIME", value_parser = interval, requires = "count")]
    interval: Option<Duration>,

    /// With --count: how many requests are on their way at once
    #[arg(long, value_name = "J", allow_negative_numbers = true, default_value = "1", requires = "count",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Copy what can be read of the files that come with replies into this directory, 64 MiB of each at most
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    save_fd: Option<PathBuf>,

    /// Take replies apart: u32,u64,str16 or with names count:u32,pad4,name:str16; see --struct
    #[arg(long, value_name = "FIELDS")]
    show_struct: Option<Layout>,
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    // First, since it may block: there is nothing to be left tidy yet.
    let (message, opened) = args.payload.message(&args.name)?;
    let interrupt = Interrupt::catch()?;
    if let Some(directory) = &args.save_fd {
        saving::make(directory)?;
    }
    let group = common.join()?;
    let members = find_members(&group, args.to.as_deref())?;
    for descriptor in &opened {
        output.show(descriptor)?;
    }
    let pace = Pace {
        count: args.count.unwrap_or(1),
        interval: args.interval.unwrap_or_default(),
        jobs: args.jobs,
    };
    let timeout = common.timeout;
    let asking = Asking::new(&group, &interrupt, &message, &members, timeout, pace);
    let mut report = Report::new(args, output, timeout, &interrupt);
    let start = Instant::now();
    let shown = interrupt.leaving(&group, || asking.run(|asked| report.add(asked)))?;
    report.progress.finish_and_clear();
    shown?;
    let tally = report.tally;
    if args.count.is_some() {
        let interrupted = interrupt.is_caught();
        let summary = Summary::new(&args.name, &tally, start.elapsed(), interrupted);
        output.show_unless(&interrupt, &summary)?;
    }
    Ok(if tally.all_replied() { Status::Done } else { Status::Refused })
}

/// What is told of the answers as they come.
struct Report<'a> {
    args: &'a Args,
    output: &'a mut Output,
    timeout: Duration,
    interrupt: &'a Interrupt,
    tally: Tally,
    progress: ProgressBar,
}

impl<'a> Report<'a> {
    fn new(
        args: &'a Args,
        output: &'a mut Output,
        timeout: Duration,
        interrupt: &'a Interrupt,
    ) -> Self {
        let target = match args.count {
            Some(2..) if io::stderr().is_terminal() => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len} requests, {eta} left");
        let progress = ProgressBar::with_draw_target(args.count, target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        progress.tick();
        Self { args, output, timeout, interrupt, tally: Tally::default(), progress }
    }

    /// Counts and shows what became of one round.
    fn add(&mut self, round: Vec<Asked<'_>>) -> Result<(), Failure> {
        let Self { args, output, timeout, interrupt, tally, progress } = self;
        for asked in round {
            tally.add(&asked);
            let is_shown = match args.count {
                None => true,
                Some(_) => !asked.is_abandoned() && (args.each || !asked.is_reply()),
            };
            if !is_shown && args.save_fd.is_none() {
                continue;
            }
            let number = args.count.map(|_| asked.number);
            let mut answer = Answer::new(&asked, number, *timeout, args.show_struct.as_ref());
            if let Some(directory) = &args.save_fd {
                saving::save(directory, &asked, &mut answer);
            }
            if is_shown {
                progress.suspend(|| output.show_unless(interrupt, &answer))?;
            }
        }
        progress.inc(1);
        Ok(())
    }
}
