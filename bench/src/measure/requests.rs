//! Round trips and one-way messages between a primary and a secondary.

use super::alternate;
use crate::contender::{Contender, Result};
use crate::cores::Placement;
use crate::report::{Bound, Report, Target, Unit};
use crate::stage::Stage;

/// Round trips a round.
const WARM: usize = 1000;
const COLD: usize = 20;
/// Messages a round.
const MESSAGES: usize = 10_000;

const NATIVE: &str = "rte-mp";
const NATIVE_BLOCKING: &str = "rte-mp busy_poll 0";
const BARE_POLLING: &str = "bare polling";
const BARE_BLOCKING: &str = "bare blocking";
const DPDK: &str = "DPDK 22.11";
const NATIVE_TO_DPDK: &str = "rte-mp to a DPDK primary";
/// The least that a primary costs that sleeps between requests, as DPDK's does: one wake-up.
const BARE_TO_SLEEPER: &str = "bare, a sleeping server";

pub(super) const NO_DPDK: &str = "no DPDK to compare with";

/// Everybody who takes part.
struct Cast {
    native: Contender,
    native_blocking: Contender,
    bare_polling: Contender,
    bare_blocking: Contender,
    bare_to_sleeper: Contender,
    dpdk: Option<Contender>,
    native_to_dpdk: Option<Contender>,
}

pub(super) fn measure(
    stage: &mut Stage,
    report: &mut Report,
    rounds: usize,
    wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut cast = Cast {
        native: stage.native(NATIVE, None)?,
        native_blocking: stage.native(NATIVE_BLOCKING, Some("0"))?,
        bare_polling: stage.bare(BARE_POLLING, "polling", "polling")?,
        bare_blocking: stage.bare(BARE_BLOCKING, "blocking", "blocking")?,
        bare_to_sleeper: stage.bare(BARE_TO_SLEEPER, "polling", "blocking")?,
        dpdk: stage.dpdk(DPDK)?,
        native_to_dpdk: stage.native_to_dpdk(NATIVE_TO_DPDK)?,
    };
    for placement in [Placement::Pinned, Placement::Free] {
        if wanted("sync") {
            cast.sync(report, placement, rounds)?;
        }
        if wanted("dpdk-primary") {
            cast.dpdk_primary(report, placement, rounds)?;
        }
        if wanted("cold") {
            cast.cold(report, placement, rounds)?;
        }
        if wanted("oneway") {
            cast.one_way(report, placement, rounds)?;
        }
    }
    if wanted("one-core") {
        cast.one_core(report, rounds)?;
    }
    Ok(())
}

impl Cast {
    fn sync(&mut self, report: &mut Report, placement: Placement, rounds: usize) -> Result<()> {
        let mut contenders = vec![
            &mut self.native,
            &mut self.bare_polling,
            &mut self.native_blocking,
            &mut self.bare_blocking,
        ];
        contenders.extend(&mut self.dpdk);
        let series = alternate(&mut contenders, placement, rounds, "steady", WARM)?;
        let [native, polling, native_blocking, blocking, dpdk @ ..] = &series[..] else {
            unreachable!("four contenders give four series");
        };
        let mut targets = vec![
            ratio("rte-mp over bare polling", native.over(polling), Bound::AtMost, 1.25)
                .with_goal(1.15),
            ratio(
                "rte-mp busy_poll 0 over bare blocking",
                native_blocking.over(blocking),
                Bound::AtMost,
                1.15,
            ),
        ];
        targets.extend(dpdk.first().map(|dpdk| {
            ratio("DPDK over rte-mp", dpdk.over(native), Bound::AtLeast, 12.0).with_goal(15.0)
        }));
        report.show("sync request", placement.name(), &series, &targets);
        Ok(())
    }

    fn dpdk_primary(
        &mut self,
        report: &mut Report,
        placement: Placement,
        rounds: usize,
    ) -> Result<()> {
        let bench = "sync request to a DPDK primary";
        let (Some(native), Some(dpdk)) = (&mut self.native_to_dpdk, &mut self.dpdk) else {
            report.left_out(bench, NO_DPDK);
            return Ok(());
        };
        let mut contenders = [native, dpdk, &mut self.bare_to_sleeper];
        let series = alternate(&mut contenders, placement, rounds, "steady", WARM)?;
        let limit = if placement == Placement::Pinned { 4.0 } else { 7.0 };
        let target =
            ratio("DPDK's client over rte-mp", series[1].over(&series[0]), Bound::AtLeast, limit);
        report.show(bench, placement.name(), &series, &[target]);
        Ok(())
    }

    fn cold(&mut self, report: &mut Report, placement: Placement, rounds: usize) -> Result<()> {
        let mut contenders = vec![&mut self.native];
        contenders.extend(&mut self.dpdk);
        let series = alternate(&mut contenders, placement, rounds, "cold", COLD)?;
        let targets: Vec<_> = series
            .get(1)
            .map(|dpdk| ratio("rte-mp over DPDK", series[0].over(dpdk), Bound::AtMost, 1.0))
            .into_iter()
            .collect();
        report.show("sync request after 10 ms of rest", placement.name(), &series, &targets);
        Ok(())
    }

    fn one_core(&mut self, report: &mut Report, rounds: usize) -> Result<()> {
        let mut contenders = [&mut self.native, &mut self.native_blocking];
        let series = alternate(&mut contenders, Placement::OneCore, rounds, "steady", WARM)?;
        let target =
            ratio("rte-mp over rte-mp busy_poll 0", series[0].over(&series[1]), Bound::AtMost, 1.0);
        report.show("sync request", Placement::OneCore.name(), &series, &[target]);
        Ok(())
    }

    fn one_way(&mut self, report: &mut Report, placement: Placement, rounds: usize) -> Result<()> {
        let mut contenders = vec![&mut self.native];
        contenders.extend(&mut self.dpdk);
        contenders.extend(&mut self.native_to_dpdk);
        let mut series = alternate(&mut contenders, placement, rounds, "oneway", MESSAGES)?;
        for time in series.iter_mut().flat_map(|one| one.rounds.iter_mut().flatten()) {
            *time /= MESSAGES as u64;
        }
        let targets = match &series[..] {
            [native, dpdk, native_to_dpdk] => vec![
                ratio("DPDK over rte-mp", dpdk.over(native), Bound::AtLeast, 4.0),
                ratio(
                    "DPDK over rte-mp, to a DPDK primary",
                    dpdk.over(native_to_dpdk),
                    Bound::AtLeast,
                    2.0,
                ),
            ],
            _ => Vec::new(),
        };
        report.show("one-way message, each, received", placement.name(), &series, &targets);
        Ok(())
    }
}

/// A ratio that was promised.
pub(super) fn ratio(what: &'static str, value: f64, bound: Bound, limit: f64) -> Target {
    Target { what, value, unit: Unit::Ratio, bound, limit, goal: None }
}

impl Target {
    fn with_goal(mut self, goal: f64) -> Self {
        self.goal = Some(goal);
        self
    }
}
