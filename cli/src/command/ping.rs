//! `rte-mp ping`: round trips to members.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Measure round trips to the members.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp ping` is not here yet"))
}
