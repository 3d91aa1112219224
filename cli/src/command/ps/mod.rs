//! `rte-mp ps`: which groups run on this machine, and who is in them.
//!
//! Joins none of them, and sends nothing to anybody.

mod records;
mod watch;

use crate::args::Common;
use crate::machine::queues::Queues;
use crate::machine::shown;
use crate::machine::survey::Survey;
use crate::output::Output;
use crate::status::{Failure, Status};

use records::GroupRecord;

/// List the groups of this machine and their members.
///
/// Looks at every place where groups can be, and joins none: groups that have ended, that are of an unknown
/// release or of other users show, too. --runtime-dir and --file-prefix narrow it down. Of the members, the
/// queue is `empty`, `waiting` or `full`: messages that have come and were not read yet.
///
/// The exit status is 3 if there is no group of the --file-prefix that was given.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Go on until Ctrl-C, with a line for each group and member that comes or goes
    #[arg(short, long)]
    watch: bool,
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    if args.watch {
        return watch::run(common, output);
    }
    let survey = Survey::take(common, |_| {});
    let found = show(&survey, output)?;
    match &common.file_prefix {
        Some(prefix) if !found => Err(Failure::no_group(format_args!(
            "there is no group of file prefix {prefix:?}{} under {}; see `rte-mp ps` for all that there are",
            survey.proviso(),
            places(&survey)
        ))),
        None if !found => {
            let places = places(&survey);
            output.note(format_args!("there is no group{} under {places}", survey.proviso()));
            Ok(Status::Done)
        }
        _ => Ok(Status::Done),
    }
}

/// Writes all groups, and tells whether there is any; says where it could not look.
fn show(survey: &Survey, output: &mut Output) -> Result<bool, Failure> {
    // Without the kernel's table it is still known which queues are full.
    let queues = Queues::read().unwrap_or_default();
    let mut found = false;
    for group in survey.inhabited() {
        if found && !output.is_json() {
            output.line("")?;
        }
        found = true;
        output.show(&GroupRecord::new(group, &queues))?;
    }
    for (path, error) in &survey.unreadable {
        output.note(format_args!("cannot look into {}: {error}", shown(path)));
    }
    Ok(found)
}

/// Names the places that were looked at.
fn places(survey: &Survey) -> String {
    let places: Vec<_> = survey.bases.iter().map(|base| shown(&base.dpdk_directory())).collect();
    places.join(", ")
}
