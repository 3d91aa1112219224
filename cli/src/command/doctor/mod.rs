//! `rte-mp doctor`: what is wrong with this machine or group, and its cure.
//!
//! Joins no group, sends nothing to anybody, and changes nothing but what `--fix` may: sockets that nobody
//! owns. The findings on the machine are made in `machine`, those on a group in `group`, those on its members in
//! `member`.

mod finding;
mod group;
mod machine;
mod member;

use crate::args::Common;
use crate::machine::queues::Queues;
use crate::machine::survey::{Survey, is_inhabited};
use crate::output::Output;
use crate::status::{Failure, Status};

use finding::{Finding, Summary};

/// Explain this machine and its groups, and say what to mend.
///
/// Each finding is a note, a warning (it will do harm) or an error (it does harm now), and says what cures it.
/// Looks at all groups unless --runtime-dir or --file-prefix narrow it down, and joins none.
///
/// The exit status is 0 if nothing is wrong, 1 if something is to be cured.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Remove the sockets that nobody owns any more, and nothing else
    #[arg(long)]
    fix: bool,
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    let survey = Survey::take(common, |_| {});
    let inhabited = || survey.groups.iter().filter(|group| is_inhabited(group));
    if let (Some(prefix), None) = (&common.file_prefix, inhabited().next()) {
        return Err(Failure::no_group(format_args!(
            "there is no group of file prefix {prefix:?}{}; see `rte-mp ps` for those that there are",
            survey.proviso()
        )));
    }
    let queues = Queues::read();
    let mut findings = machine::findings(&survey, queues.as_ref().err());
    let queues = queues.unwrap_or_default();
    for group in &survey.groups {
        findings.extend(group::directory(group));
        if is_inhabited(group) {
            findings.extend(group::findings(group));
            findings.extend(member::findings(group, &queues));
            findings.extend(group::stale_sockets(group, args.fix, common.timeout));
        }
    }
    let mut summary = Summary::of_groups(inhabited().count());
    for finding in &findings {
        summary.count(finding);
        output.show(finding)?;
    }
    output.show(&summary)?;
    let well = !findings.iter().any(Finding::needs_cure);
    Ok(if well { Status::Done } else { Status::Refused })
}
