//! `rte-mp top`: a live view of the groups of this machine, or one look at them.
//!
//! `look` finds out what there is to show, `model` keeps it and what the user chose, `view` draws it, `keys`
//! says what keys mean, and `screen` has the terminal and the time.

mod keys;
mod look;
mod model;
mod once;
mod records;
mod screen;
mod view;

use std::io::{self, IsTerminal};
use std::time::Duration;

use self::look::Looker;
use crate::args::{Common, duration};
use crate::output::Output;
use crate::status::{Failure, Status};

/// A view that is drawn more often only costs.
const SHORTEST: Duration = Duration::from_millis(100);

/// Watch groups, members, rates, drops and zones.
///
/// Groups are looked at from outside. The chosen one is joined for as long as it is shown, and its rte-mp
/// processes are asked for their counters; what this asking adds is not shown. DPDK processes are not asked:
/// of them there is what the kernel tells.
///
/// Keys: q quits, the arrows or j and k choose a member, Tab the next group; z shows the zones, s sorts by
/// another column, p pauses, h helps.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often to look: 100ms or more
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// Look once, and write what there is: counters since each member joined, not rates
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    if args.once {
        let look = Looker::new(common, common.timeout).look(None);
        return once::show(&look, common, output);
    }
    if common.json {
        return Err(Failure::usage("--json needs --once: the view is for a terminal"));
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "top needs a terminal for its input and output; `rte-mp top --once` writes what there is now",
        ));
    }
    if common.verbose && io::stderr().is_terminal() {
        return Err(Failure::usage(
            "--verbose would write over the view; put it elsewhere, as in 2>notes, or take --once",
        ));
    }
    screen::run(args.interval, common)
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        interval if interval < SHORTEST => Err("it takes 100ms or more".to_owned()),
        interval => Ok(interval),
    }
}
