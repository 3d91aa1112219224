//! `rte-mp demo`: a group of three processes that shows and checks what its members can say.
//!
//! This process is the coordinator and no member. It starts the members from its own binary, with
//! a hidden subcommand, tells them over pipes what to do, and hears what came of it. Whatever
//! happens, it ends them and removes their runtime directory.

mod actions;
mod cast;
mod member;
mod records;
mod script;
mod steps;
mod tasks;

use std::error::Error;
use std::time::{Duration, Instant};

use cast::Cast;
use records::{Joined, Step, Summary};
use steps::STEPS;

use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::status::{self, Status, chain};

pub(crate) use member::MemberArgs;

/// An error of anything here; it is only ever printed, and some of it by other processes.
type Failure = Box<dyn Error + Send + Sync>;

/// How long the whole demo may take.
const PATIENCE: Duration = Duration::from_secs(9);

/// Plays the demo, and tells whether all of it holds.
pub(crate) fn run(output: &mut Output) -> Result<Status, status::Failure> {
    let interrupt = Interrupt::catch()?;
    let start = Instant::now();
    let directory = tempfile::Builder::new().prefix("rte-mp-demo-").tempdir().map_err(|error| {
        status::Failure::refused(format_args!("cannot make a runtime directory: {error}"))
    })?;
    let mut cast = Cast::start(directory.path(), start + PATIENCE).map_err(in_one_line)?;
    output.show(&Joined::new(cast.pids(), start.elapsed()))?;

    let mut failed = 0;
    for (number, step) in (1..).zip(STEPS) {
        if interrupt.is_caught() {
            return Err(status::Failure::refused("interrupted"));
        }
        let answer = (step.play)(&mut cast);
        failed += usize::from(answer.is_err());
        output.show(&Step::new(number, step.title, answer))?;
    }
    if failed == 0 {
        cast.end().map_err(in_one_line)?;
    }
    drop(cast);
    directory.close().map_err(|error| {
        status::Failure::refused(format_args!("cannot remove the runtime directory: {error}"))
    })?;

    output.show(&Summary::new(STEPS.len(), failed, start.elapsed()))?;
    Ok(if failed == 0 { Status::Done } else { Status::Refused })
}

/// Is one of its members.
pub(crate) fn run_member(args: &MemberArgs) -> Result<Status, status::Failure> {
    member::run(args).map_err(in_one_line)
}

fn in_one_line(failure: Failure) -> status::Failure {
    status::Failure::refused(chain(failure.as_ref()))
}
