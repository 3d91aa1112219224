//! `rte-mp send`: a one-way message.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Send a one-way message.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp send` is not here yet"))
}
