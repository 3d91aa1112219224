//! `rte-mp trace`: records the messages of an rte-mp process.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Record the messages of an rte-mp process.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp trace` is not here yet"))
}
