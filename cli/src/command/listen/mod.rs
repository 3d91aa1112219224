//! `rte-mp listen`: prints what arrives, and answers if told to.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Join, and print what arrives.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp listen` is not here yet"))
}
