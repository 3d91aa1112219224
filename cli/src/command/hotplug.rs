//! `rte-mp hotplug`: attaches and detaches devices of a DPDK primary.

use crate::args::Common;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Attach a device to a DPDK primary, or detach it.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _common: &Common, _output: &mut Output) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp hotplug` is not here yet"))
}
