//! `rte-mp doctor`: what is wrong with this machine or group, and its cure.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Explain this machine and this group, and say what to mend.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp doctor` is not here yet"))
}
