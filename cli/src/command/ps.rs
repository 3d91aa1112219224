//! `rte-mp ps`: which groups run on this machine, and who is in them.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// List the groups of this machine and their members.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp ps` is not here yet"))
}
