//! `rte-mp man`: the man pages.

use crate::status::{Failure, Status};

/// Write the man pages into a directory.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<Status, Failure> {
    Err(Failure::refused("`rte-mp man` is not here yet"))
}
