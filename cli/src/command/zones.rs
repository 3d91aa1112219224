//! `rte-mp zones`: the memory zones of a group, and their bytes.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// List the memory zones, or show the bytes of one.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp zones` is not here yet"))
}
