//! `rte-mp demo`: a group of three processes that shows and checks what its members can say.
//!
//! This process is the coordinator and no member. It starts the members from its own binary, with
//! a hidden subcommand, tells them over pipes what to do, and hears what came of it. Whatever
//! happens, it ends them and removes their runtime directory.

mod actions;
mod cast;
mod member;
mod script;
mod steps;
mod tasks;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use cast::Cast;
use script::Answer;
use steps::STEPS;

pub(crate) use member::{MemberArgs, run as run_member};

/// An error of anything here; it is only ever printed.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// How long the whole demo may take.
const PATIENCE: Duration = Duration::from_secs(9);

/// Plays the demo, and tells whether all of it holds.
pub(crate) fn run(output: &mut impl Write) -> Result<ExitCode, Failure> {
    let interrupted = catch_signals()?;
    let start = Instant::now();
    let directory = tempfile::Builder::new()
        .prefix("rte-mp-demo-")
        .tempdir()
        .map_err(|error| format!("cannot make a runtime directory: {error}"))?;
    let mut cast = Cast::start(directory.path(), start + PATIENCE)?;
    let [primary, first, second] = cast.pids();
    writeln!(
        output,
        "A primary (process {primary}) and two secondaries ({first}, {second}) joined in {:.1?}.\n",
        start.elapsed()
    )?;

    let mut failed = 0;
    for (number, step) in (1..).zip(STEPS) {
        if interrupted.load(Ordering::Relaxed) {
            return Err("interrupted".into());
        }
        let answer = (step.play)(&mut cast);
        failed += usize::from(answer.is_err());
        show(output, number, step.title, &answer)?;
    }
    if failed == 0 {
        cast.end()?;
    }
    drop(cast);
    directory.close().map_err(|error| format!("cannot remove the runtime directory: {error}"))?;

    let (count, time) = (STEPS.len(), start.elapsed());
    if failed == 0 {
        writeln!(output, "\nAll {count} steps hold. The demo took {time:.1?}.")?;
        Ok(ExitCode::SUCCESS)
    } else {
        writeln!(output, "\n{failed} of {count} steps failed. The demo took {time:.1?}.")?;
        Ok(ExitCode::FAILURE)
    }
}

/// Has Ctrl-C and `SIGTERM` noted from now on, so that they do not keep us from tidying up.
fn catch_signals() -> io::Result<Arc<AtomicBool>> {
    let caught = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&caught))?;
    }
    Ok(caught)
}

/// Writes the line of one step.
fn show(output: &mut impl Write, number: usize, title: &str, answer: &Answer) -> io::Result<()> {
    let blank = "";
    match answer {
        Ok(done) => {
            writeln!(output, "{number:>2}  {title:<26}  ok      {:>8.1?}  {}", done.time, done.note)
        }
        Err(reason) => writeln!(output, "{number:>2}  {title:<26}  FAILED  {blank:>8}  {reason}"),
    }
}
