//! `rte-mp completions`: what a shell needs to complete our command lines.

use crate::output::Output;
use crate::status::{Failure, Status};

/// Print the completions for a shell.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp completions` is not here yet"))
}
