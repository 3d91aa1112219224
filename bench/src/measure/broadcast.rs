//! A request to eight secondaries, beside eight bare datagrams that are answered.

use super::alternate;
use super::requests::ratio;
use crate::contender::{Contender, Process, Result};
use crate::cores::Placement;
use crate::report::{Bound, Report, Target, Unit};
use crate::stage::Stage;

const PEERS: usize = 8;
/// Broadcasts a round.
const QUICK: usize = 200;
const SLOW: usize = 5;
/// What eight handlers of 10 ms may take in all, in nanoseconds.
const SLOW_LIMIT: f64 = 20e6;

pub(super) fn measure(stage: &mut Stage, report: &mut Report, rounds: usize) -> Result<()> {
    let mut native = native(stage)?;
    let mut bare = bare(stage)?;
    let series = alternate(&mut [&mut native, &mut bare], Placement::Free, rounds, "sync", QUICK)?;
    let target = ratio("rte-mp over bare", series[0].over(&series[1]), Bound::AtMost, 1.3);
    report.show("request to 8 secondaries", Placement::Free.name(), &series, &[target]);

    let series = alternate(&mut [&mut native], Placement::Free, rounds, "slow", SLOW)?;
    let target = Target {
        what: "all eight, each after 10 ms",
        value: series[0].median() as f64,
        unit: Unit::Nanoseconds,
        bound: Bound::AtMost,
        limit: SLOW_LIMIT,
        goal: None,
    };
    let bench = "request to 8 secondaries with handlers of 10 ms";
    report.show(bench, Placement::Free.name(), &series, &[target]);
    Ok(())
}

fn native(stage: &mut Stage) -> Result<Contender> {
    let client = Process::start(&mut stage.part(&["native-caller", "broadcast"])?)?;
    for _ in 0..PEERS {
        stage.serve(&mut stage.part(&["native-member", "broadcast"])?)?;
    }
    Ok(Contender { name: "rte-mp", server: client.id(), client })
}

fn bare(stage: &mut Stage) -> Result<Contender> {
    let path = stage.base().join("bare_echo").display().to_string();
    let peers: Vec<String> = (0..PEERS).map(|number| format!("{path}_{number}")).collect();
    for peer in &peers {
        stage.serve(&mut stage.part(&["bare-echo", peer])?)?;
    }
    let caller = format!("{path}_caller");
    let mut arguments = vec!["bare-caller", &caller];
    arguments.extend(peers.iter().map(String::as_str));
    let client = Process::start(&mut stage.part(&arguments)?)?;
    Ok(Contender { name: "bare", server: client.id(), client })
}
