//! `rte-mp top`: a live view of the groups.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Watch groups, members, rates, drops and zones.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp top` is not here yet"))
}
