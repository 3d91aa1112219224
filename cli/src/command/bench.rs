//! `rte-mp bench`: how fast this machine is.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Measure round trips and throughput on this machine.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp bench` is not here yet"))
}
