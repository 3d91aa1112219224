//! One look, for scripts and for those who only pass by.

use super::records::{Chosen, Group, Look, Member};
use super::view::{dash, size};
use crate::args::Common;
use crate::clock::age;
use crate::output::Output;
use crate::status::{Failure, Status};
use crate::table::table;

pub(super) fn show(look: &Look, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    if let (Some(prefix), true) = (&common.file_prefix, look.groups.is_empty()) {
        return Err(Failure::no_group(format_args!(
            "there is no group of file prefix {prefix:?}{}; see `rte-mp ps` for those that there are",
            look.proviso
        )));
    }
    if output.is_json() {
        output.object(look)?;
        return Ok(Status::Done);
    }
    if look.groups.is_empty() {
        output.note(format_args!("there is no group{}", look.proviso));
        return Ok(Status::Done);
    }
    let header = ["GROUP", "KIND", "STATE", " PRIMARY", " MEMBERS", " STALE", "DIRECTORY"];
    output.line(table("", header, look.groups.iter().map(group)))?;
    if let Some(chosen) = &look.chosen {
        show_chosen(chosen, output)?;
    }
    Ok(Status::Done)
}

fn show_chosen(chosen: &Chosen, output: &mut Output) -> Result<(), Failure> {
    let header = [
        " PID",
        "ROLE",
        "NATURE",
        "STATE",
        "QUEUE",
        " AGE",
        " SENT",
        " RECEIVED",
        " DROPPED",
        "COMMAND",
    ];
    output.line(format_args!("\nMembers of {}", chosen.file_prefix))?;
    output.line(table("", header, chosen.members.iter().map(member)))?;
    if let Some(zones) = &chosen.zones {
        output.line(format_args!(
            "\nZones of {}: {}, {}",
            chosen.file_prefix,
            zones.count,
            size(zones.len)
        ))?;
        let rows = zones
            .largest
            .iter()
            .map(|zone| [zone.name.clone(), zone.len.to_string(), format!("{:#x}", zone.address)]);
        if zones.count > 0 {
            output.line(table("", ["NAME", " LENGTH", " ADDRESS"], rows))?;
        }
    }
    for error in [&chosen.error, &chosen.zones_error].into_iter().flatten() {
        output.note(format_args!("group {}: {error}", chosen.file_prefix));
    }
    for member in &chosen.members {
        if let Some(error) = &member.error {
            output.note(error);
        }
    }
    Ok(())
}

fn group(group: &Group) -> [String; 7] {
    [
        group.file_prefix.clone(),
        group.kind_and_release(),
        group.state.to_owned(),
        group.primary_pid.map_or_else(dash, |pid| pid.to_string()),
        group.member_count.to_string(),
        group.stale_count.to_string(),
        group.directory.clone(),
    ]
}

fn member(member: &Member) -> [String; 10] {
    let count = |count: Option<u64>| count.map_or_else(dash, |count| count.to_string());
    let counters = member.counters.as_ref();
    [
        member.pid.map_or_else(dash, |pid| pid.to_string()),
        member.role.to_owned(),
        member.nature.word().to_owned(),
        member.state.to_owned(),
        member.queue.unwrap_or("-").to_owned(),
        member.age_ns.map_or_else(dash, age),
        count(counters.map(|counters| counters.sent.total())),
        count(counters.map(|counters| counters.received.total())),
        count(counters.map(|counters| counters.dropped.total())),
        member.command.clone().unwrap_or_else(dash),
    ]
}
