//! `rte-mp request`: asks, and prints what became of each peer.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Ask, and print each peer's outcome and reply.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp request` is not here yet"))
}
