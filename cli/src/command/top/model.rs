//! What is shown: the last look, rates by the one before, and what the user chose.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use super::keys::Wish;
use super::records::{Chosen, Counters, Key, Look, Member, Zone};

/// What is on the screen. There are no groups before the first look.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) look: Option<Look>,
    rates: HashMap<Key, Rates>,
    counted: HashMap<Key, (Instant, Counters)>,
    pub(super) pane: Pane,
    pub(super) member_order: MemberOrder,
    pub(super) zone_order: ZoneOrder,
    /// By what it is and not by where it stands, so that it stays the same when rows change places.
    selected_member: Option<Key>,
    selected_zone: Option<String>,
    pub(super) is_paused: bool,
    pub(super) is_helping: bool,
}

/// What fills the most of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pane {
    #[default]
    Members,
    Zones,
}

/// What members are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MemberOrder {
    /// The primary, then by process id.
    #[default]
    Pid,
    Rate,
    Drops,
    /// The youngest first.
    Age,
}

/// What zones are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ZoneOrder {
    /// The largest first.
    #[default]
    Length,
    Name,
    Address,
}

/// How much a member has said and heard lately, in datagrams a second; without our asking.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rates {
    pub(super) sent: f64,
    pub(super) received: f64,
    pub(super) dropped: f64,
}

/// What has to be done outside of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Quit,
    Suspend,
    /// Look into this group from now on.
    LookInto(PathBuf),
    Pause(bool),
}

impl Model {
    /// Takes a new look.
    pub(super) fn take(&mut self, look: Look) {
        let members = || look.chosen.iter().flat_map(|chosen| &chosen.members);
        let counted: HashMap<_, _> = members()
            .filter_map(|member| Some((member.key.clone(), (look.taken, member.counters?))))
            .collect();
        self.rates = counted
            .iter()
            .filter_map(|(key, now)| {
                Some((key.clone(), Rates::between(self.counted.get(key)?, now)?))
            })
            .collect();
        self.counted = counted;
        self.look = Some(look);
    }

    /// Does what the user wants, as far as it can be done here.
    pub(super) fn handle(&mut self, wish: Wish) -> Option<Effect> {
        match wish {
            Wish::Quit => return Some(Effect::Quit),
            Wish::Suspend => return Some(Effect::Suspend),
            Wish::Back if self.is_helping => self.is_helping = false,
            Wish::Back => return Some(Effect::Quit),
            Wish::Help => self.is_helping = !self.is_helping,
            Wish::Pause => {
                self.is_paused = !self.is_paused;
                return Some(Effect::Pause(self.is_paused));
            }
            Wish::Zones => {
                self.pane = match self.pane {
                    Pane::Members => Pane::Zones,
                    Pane::Zones => Pane::Members,
                }
            }
            Wish::Sort => self.sort(),
            Wish::Up => self.select(|row, _| row.saturating_sub(1)),
            Wish::Down => self.select(|row, last| (row + 1).min(last)),
            Wish::First => self.select(|_, _| 0),
            Wish::Last => self.select(|_, last| last),
            Wish::NextGroup => return self.turn(|at, count| (at + 1) % count),
            Wish::PreviousGroup => return self.turn(|at, count| (at + count - 1) % count),
        }
        None
    }

    pub(super) fn chosen(&self) -> Option<&Chosen> {
        self.look.as_ref()?.chosen.as_ref()
    }

    /// Gives a member's rates, if it told its counters twice.
    pub(super) fn rates(&self, member: &Member) -> Option<Rates> {
        self.rates.get(&member.key).copied()
    }

    /// Lists the members in the order that was chosen.
    pub(super) fn members(&self) -> Vec<&Member> {
        let mut members: Vec<_> =
            self.chosen().into_iter().flat_map(|chosen| &chosen.members).collect();
        let rate =
            |member: &Member| self.rates(member).map_or(-1.0, |rates| rates.sent + rates.received);
        let drops = |member: &Member| member.counters.map(|counters| counters.dropped.total());
        members.sort_by_key(|member| (member.role != "primary", member.pid));
        match self.member_order {
            MemberOrder::Pid => {}
            MemberOrder::Rate => members.sort_by(|one, other| rate(other).total_cmp(&rate(one))),
            MemberOrder::Drops => members.sort_by_key(|member| std::cmp::Reverse(drops(member))),
            MemberOrder::Age => members.sort_by_key(|member| member.age_ns.unwrap_or(u64::MAX)),
        }
        members
    }

    /// Lists the zones in the order that was chosen.
    pub(super) fn zones(&self) -> Vec<&Zone> {
        let zones = self.chosen().and_then(|chosen| chosen.zones.as_ref());
        let mut zones: Vec<_> = zones.into_iter().flat_map(|zones| &zones.all).collect();
        match self.zone_order {
            // As they come.
            ZoneOrder::Length => {}
            ZoneOrder::Name => zones.sort_by(|one, other| one.name.cmp(&other.name)),
            ZoneOrder::Address => zones.sort_by_key(|zone| zone.address),
        }
        zones
    }

    /// Gives the row that is selected, if there is any row.
    pub(super) fn selected(&self) -> Option<usize> {
        let (position, count) = match self.pane {
            Pane::Members => {
                let members = self.members();
                let is_selected =
                    |member: &&Member| Some(&member.key) == self.selected_member.as_ref();
                (members.iter().position(is_selected), members.len())
            }
            Pane::Zones => {
                let zones = self.zones();
                let is_selected = |zone: &&Zone| Some(&zone.name) == self.selected_zone.as_ref();
                (zones.iter().position(is_selected), zones.len())
            }
        };
        (count > 0).then(|| position.unwrap_or(0))
    }

    fn select(&mut self, to: impl Fn(usize, usize) -> usize) {
        let Some(row) = self.selected() else { return };
        match self.pane {
            Pane::Members => {
                let members = self.members();
                let key = members[to(row, members.len() - 1)].key.clone();
                self.selected_member = Some(key);
            }
            Pane::Zones => {
                let zones = self.zones();
                let name = zones[to(row, zones.len() - 1)].name.clone();
                self.selected_zone = Some(name);
            }
        }
    }

    fn sort(&mut self) {
        match self.pane {
            Pane::Members => {
                self.member_order = match self.member_order {
                    MemberOrder::Pid => MemberOrder::Rate,
                    MemberOrder::Rate => MemberOrder::Drops,
                    MemberOrder::Drops => MemberOrder::Age,
                    MemberOrder::Age => MemberOrder::Pid,
                }
            }
            Pane::Zones => {
                self.zone_order = match self.zone_order {
                    ZoneOrder::Length => ZoneOrder::Name,
                    ZoneOrder::Name => ZoneOrder::Address,
                    ZoneOrder::Address => ZoneOrder::Length,
                }
            }
        }
    }

    /// Chooses another group. Until it was looked into, the one before is shown.
    fn turn(&mut self, to: impl Fn(usize, usize) -> usize) -> Option<Effect> {
        let look = self.look.as_ref()?;
        let shown = &look.chosen.as_ref()?.path;
        let at = look.groups.iter().position(|group| group.path == *shown)?;
        let next = look.groups.get(to(at, look.groups.len()))?;
        (next.path != *shown).then(|| Effect::LookInto(next.path.clone()))
    }
}

impl Rates {
    /// Says what has changed in between; nothing if no time has passed.
    fn between(before: &(Instant, Counters), now: &(Instant, Counters)) -> Option<Self> {
        let seconds = now.0.checked_duration_since(before.0)?.as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        // Between two answers with counters lie our next question and our last answer.
        let rate = |now: u64, before: u64, ours: u64| {
            now.saturating_sub(before).saturating_sub(ours) as f64 / seconds
        };
        let (before, now) = (&before.1, &now.1);
        Some(Self {
            sent: rate(now.sent.total(), before.sent.total(), 1),
            received: rate(now.received.total(), before.received.total(), 1),
            dropped: rate(now.dropped.total(), before.dropped.total(), 0),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::records::{ByKind, Dropped, Group, Zones};
    use super::*;
    use crate::nature::Nature;

    pub(in super::super) fn member(role: &'static str, pid: u32, said: Option<u64>) -> Member {
        let counters = |count| Counters {
            sent: ByKind { messages: count, ..ByKind::default() },
            received: ByKind { requests: 2 * count, ..ByKind::default() },
            dropped: Dropped { malformed: count / 10, ..Dropped::default() },
            ..Counters::default()
        };
        let file =
            if role == "primary" { "mp_socket".to_owned() } else { format!("mp_socket_{pid}_0") };
        let path = PathBuf::from(format!("/run/dpdk/web/{file}"));
        Member {
            role,
            pid: Some(pid),
            nature: if said.is_some() { Nature::RteMp } else { Nature::Dpdk },
            socket: path.display().to_string(),
            state: "alive",
            queue: Some("empty"),
            age_ns: Some(u64::from(pid) * 1_000_000_000),
            command: Some(format!("app --number {pid}")),
            counters: said.map(counters),
            error: None,
            key: (path, 1),
        }
    }

    pub(in super::super) fn group(prefix: &str) -> Group {
        let directory = format!("/run/dpdk/{prefix}");
        Group {
            file_prefix: prefix.to_owned(),
            state: "live",
            kind: Some("dpdk"),
            release: Some("22.11.11".to_owned()),
            primary_pid: Some(10),
            member_count: 3,
            stale_count: 1,
            path: directory.clone().into(),
            directory,
        }
    }

    pub(in super::super) fn look(taken: Instant, members: Vec<Member>) -> Look {
        let zone = |name: &str, len, address| Zone { name: name.to_owned(), len, address };
        let zones = Zones::new(vec![
            zone("rte_eth_dev_data", 200_192, 0x1_0002_0000),
            zone("MP_mb_pool_0", 5 << 20, 0x1_0080_0000),
            zone("RG_MP_mb_pool_0", 33_152, 0x1_0010_0000),
        ]);
        let chosen = Chosen {
            file_prefix: "web".to_owned(),
            directory: "/run/dpdk/web".to_owned(),
            error: None,
            members,
            zones: Some(zones),
            zones_error: None,
            path: "/run/dpdk/web".into(),
        };
        let groups = vec![group("db"), group("web")];
        Look { unix_time_ns: 0, groups, chosen: Some(chosen), proviso: "", taken }
    }

    fn pids(model: &Model) -> Vec<u32> {
        model.members().iter().filter_map(|member| member.pid).collect()
    }

    #[test]
    fn rates_are_those_between_two_looks_without_our_own_asking() {
        let (mut model, start) = (Model::default(), Instant::now());
        let members = |said| vec![member("primary", 10, None), member("secondary", 20, Some(said))];
        model.take(look(start, members(100)));
        let rates = |model: &Model| {
            model.members().iter().map(|member| model.rates(member)).collect::<Vec<_>>()
        };
        assert_eq!(rates(&model), [None, None], "one look has no rate");
        model.take(look(start + Duration::from_secs(2), members(121)));
        let expected = Rates { sent: 10.0, received: 20.5, dropped: 1.0 };
        assert_eq!(rates(&model), [None, Some(expected)]);
        // A member that has joined anew has counted anew.
        let mut restarted = members(5);
        restarted[1].key.1 = 2;
        model.take(look(start + Duration::from_secs(4), restarted));
        assert_eq!(rates(&model), [None, None]);
        // Counters that went backwards are a peer's nonsense.
        let mut less = members(1);
        less[1].key.1 = 2;
        model.take(look(start + Duration::from_secs(6), less));
        assert_eq!(rates(&model)[1], Some(Rates::default()));
    }

    #[test]
    fn members_and_zones_are_sorted_by_one_column_after_the_other() {
        let (mut model, start) = (Model::default(), Instant::now());
        let members = |one, other| {
            vec![
                member("secondary", 30, Some(one)),
                member("secondary", 20, Some(other)),
                member("primary", 40, None),
            ]
        };
        model.take(look(start, members(1, 100)));
        model.take(look(start + Duration::from_secs(1), members(99, 101)));
        assert_eq!(pids(&model), [40, 20, 30], "the primary, then by process id");
        for (order, expected) in [
            (MemberOrder::Rate, [30, 20, 40]),
            (MemberOrder::Drops, [20, 30, 40]),
            (MemberOrder::Age, [20, 30, 40]),
            (MemberOrder::Pid, [40, 20, 30]),
        ] {
            assert_eq!(model.handle(Wish::Sort), None);
            assert_eq!((model.member_order, pids(&model)), (order, expected.to_vec()));
        }
        model.handle(Wish::Zones);
        let first = |model: &Model| model.zones()[0].name.clone();
        assert_eq!((model.pane, first(&model)), (Pane::Zones, "MP_mb_pool_0".to_owned()));
        model.handle(Wish::Sort);
        model.handle(Wish::Sort);
        assert_eq!(first(&model), "rte_eth_dev_data");
        model.handle(Wish::Zones);
        assert_eq!(model.pane, Pane::Members);
    }

    #[test]
    fn the_selected_row_stays_the_same_member_when_rows_change_places() {
        let (mut model, start) = (Model::default(), Instant::now());
        assert_eq!((model.selected(), model.handle(Wish::Down)), (None, None), "nothing is there");
        let members = || [10, 20, 30].map(|pid| member("secondary", pid, Some(1))).to_vec();
        model.take(look(start, members()));
        assert_eq!(model.selected(), Some(0));
        model.handle(Wish::Up);
        assert_eq!(model.selected(), Some(0));
        model.handle(Wish::Down);
        assert_eq!(model.selected(), Some(1));
        model.take(look(start, members().split_off(1)));
        assert_eq!(model.selected(), Some(0), "process 20 is the first by now");
        model.handle(Wish::Last);
        model.handle(Wish::Down);
        assert_eq!(model.selected(), Some(1));
        model.take(look(start, Vec::new()));
        assert_eq!(model.selected(), None);
        model.handle(Wish::First);
    }

    #[test]
    fn the_groups_are_gone_through_in_a_circle() {
        let mut model = Model::default();
        assert_eq!(model.handle(Wish::NextGroup), None);
        model.take(look(Instant::now(), Vec::new()));
        let db = Some(Effect::LookInto("/run/dpdk/db".into()));
        assert_eq!(
            (model.handle(Wish::NextGroup), model.handle(Wish::PreviousGroup)),
            (db.clone(), db)
        );
    }

    #[test]
    fn escape_leaves_the_help_and_then_the_view() {
        let mut model = Model::default();
        model.handle(Wish::Help);
        assert!(model.is_helping);
        assert_eq!((model.handle(Wish::Back), model.is_helping), (None, false));
        assert_eq!(model.handle(Wish::Back), Some(Effect::Quit));
        assert_eq!(model.handle(Wish::Quit), Some(Effect::Quit));
        assert_eq!(model.handle(Wish::Pause), Some(Effect::Pause(true)));
        assert_eq!(model.handle(Wish::Pause), Some(Effect::Pause(false)));
    }
}
