//! A peer that is killed while it is being asked: how long until the one that asks knows.

use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, Message, NoReplyError, PeerName, Role};

use crate::child::nanoseconds;
use crate::child::native::ECHO;
use crate::contender::{Process, Result};
use crate::report::{Bound, Report, Series, Target, Unit};
use crate::stage::Stage;

/// How long the one request is left waiting; the other's peer is killed as soon as it has it.
const LONG_WAIT: Duration = Duration::from_millis(20);
/// "About a millisecond", in nanoseconds.
const LIMIT: f64 = 2e6;
const GOAL: f64 = 1e6;

pub(super) fn measure(stage: &Stage, report: &mut Report, rounds: usize) -> Result<()> {
    let mut series = [
        Series::new("secondary, at once"),
        Series::new("secondary, after 20 ms"),
        Series::new("primary, after 20 ms"),
    ];
    for _ in 0..rounds {
        let waits =
            [("secondary", Duration::ZERO), ("secondary", LONG_WAIT), ("primary", LONG_WAIT)];
        for (series, (role, wait)) in series.iter_mut().zip(waits) {
            series.rounds.push(vec![kill(stage, role, wait)?]);
        }
    }
    let target = |what, series: &Series| Target {
        what,
        value: series.median() as f64,
        unit: Unit::Nanoseconds,
        bound: Bound::AtMost,
        limit: LIMIT,
        goal: Some(GOAL),
    };
    let targets = [
        target("secondary, from kill to error", &series[1]),
        target("primary, from kill to error", &series[2]),
    ];
    report.show("peer killed in mid-request", "unpinned", &series, &targets);
    Ok(())
}

/// Asks a peer of this role, kills it, and gives the time from the one to the other's end.
fn kill(stage: &Stage, role: &str, wait: Duration) -> Result<u64> {
    let group =
        |role| Group::builder().runtime_base(stage.base()).file_prefix("death").role(role).join();
    let mut victim = stage.part(&["native-silent", "death", role])?;
    let (group, mut victim) = if role == "primary" {
        let victim = Process::start(&mut victim)?;
        (group(Role::Secondary)?, victim)
    } else {
        let group = group(Role::Primary)?;
        (group, Process::start(&mut victim)?)
    };
    let member = group.members()?.pop().ok_or("the victim is no member")?;
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&group, &member.name));
        victim.expect("asked")?;
        thread::sleep(wait);
        let start = Instant::now();
        victim.kill()?;
        let noticed = asking.join().map_err(|_| "the request panicked")??;
        Ok(nanoseconds(noticed.duration_since(start)))
    })
}

/// Asks, and gives the time at which the error came.
fn ask(group: &Group, peer: &PeerName) -> std::result::Result<Instant, String> {
    let question = Message::new(ECHO).map_err(|error| error.to_string())?;
    let replies = group.to(peer).request(&question, None).map_err(|error| error.to_string())?;
    let noticed = Instant::now();
    match replies.into_reply() {
        Err(NoReplyError::Died { .. }) => Ok(noticed),
        other => Err(format!("the victim is not dead: {other:?}")),
    }
}
