//! Looking: at all groups from outside, into one of them as a member.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rte_mp::inspect::{GroupReport, SocketReport, SocketState, State};
use rte_mp::{Flavor, Group, PeerName, Role, Stats};

use super::records::{self, Chosen, Key, Look, Member, Zones};
use crate::args::Common;
use crate::clock::unix_nanoseconds;
use crate::group::{DEFAULT_PREFIX, role_word};
use crate::machine::process::Process;
use crate::machine::queues::Queues;
use crate::machine::survey::{Survey, kind_word, release, role, socket_word, state_word};
use crate::machine::{shown, shown_prefix};
use crate::nature::Nature;
use crate::output::nanoseconds;
use crate::status::Failure;

/// How many members are asked at once.
const AT_ONCE: usize = 16;

/// Looks again and again, and stays a member of the group that it looks into.
pub(super) struct Looker<'a> {
    common: &'a Common,
    /// How long is waited for a member, or to join.
    patience: Duration,
    joined: Option<Joined>,
    /// Who did not answer when it was asked last, and what was told of that.
    silent: HashMap<Key, String>,
}

struct Joined {
    directory: PathBuf,
    /// The primary that was there: another one leads another group.
    incarnation: Option<u64>,
    group: Group,
}

impl<'a> Looker<'a> {
    pub(super) fn new(common: &'a Common, patience: Duration) -> Self {
        Self {
            common,
            patience: patience.min(common.timeout),
            joined: None,
            silent: HashMap::new(),
        }
    }

    /// Looks at all groups, and into the one in the directory `wanted`, or else the one that is most likely
    /// meant. Blocks for as long as members do not answer, within the patience for each.
    pub(super) fn look(&mut self, wanted: Option<&Path>) -> Look {
        let survey = Survey::take(self.common, |_| {});
        let reports: Vec<_> = survey.inhabited().collect();
        let own = self.joined.as_ref().map(|joined| joined.group.name().as_path().to_owned());
        let groups = reports.iter().map(|report| group(report, own.as_deref())).collect();
        let chosen = choose(&reports, wanted).map(|report| self.look_into(report, own.as_deref()));
        if chosen.is_none() {
            self.joined = None;
        }
        Look {
            unix_time_ns: unix_nanoseconds(SystemTime::now()),
            groups,
            chosen,
            proviso: survey.proviso(),
            taken: Instant::now(),
        }
    }

    fn look_into(&mut self, report: &GroupReport, own: Option<&Path>) -> Chosen {
        // Without the kernel's table it is still known which queues are full.
        let queues = Queues::read().unwrap_or_default();
        let flavor = report.flavor();
        let sockets = report.members().filter(|socket| Some(socket.path.as_path()) != own);
        let mut members: Vec<_> = sockets.map(|socket| member(socket, flavor, &queues)).collect();
        let mut chosen = Chosen {
            file_prefix: shown_prefix(report),
            directory: shown(&report.directory),
            error: None,
            members: Vec::new(),
            zones: None,
            zones_error: None,
            path: report.directory.clone(),
        };
        match self.join(report) {
            Err(failure) => chosen.error = failure.line(),
            Ok(group) => {
                // Before the counters: a native primary is asked for its memory the first time, which is not to
                // be taken for something that it heard between two looks.
                match group.memzones().iter() {
                    Ok(zones) => chosen.zones = Some(Zones::new(zones.map(Into::into).collect())),
                    Err(error) => chosen.zones_error = Failure::from(error).line(),
                }
                self.ask(&group, &mut members);
            }
        }
        chosen.members = members;
        chosen
    }

    /// Asks those for their counters that are sure to answer, side by side.
    ///
    /// Who was silent the last time, and has not read what it was sent, is left alone: question after question
    /// would fill its queue, so that others could not send to it any more.
    fn ask(&mut self, group: &Group, members: &mut [Member]) {
        let mut asked = Vec::new();
        for member in members.iter_mut().filter(|member| answers(member)) {
            match self.silent.get(&member.key) {
                Some(error) if matches!(member.queue, Some("waiting" | "full")) => {
                    member.error = Some(error.clone());
                }
                Some(_) | None => asked.push(member),
            }
        }
        for members in asked.chunks_mut(AT_ONCE) {
            thread::scope(|scope| {
                for member in members {
                    scope.spawn(|| match stats(group, &member.key.0, self.patience) {
                        Ok(stats) => member.counters = Some(stats.into()),
                        Err(failure) => member.error = failure.line(),
                    });
                }
            });
        }
        let silent =
            members.iter().filter_map(|member| Some((member.key.clone(), member.error.clone()?)));
        self.silent = silent.collect();
    }

    /// Joins the group, unless that was done before and its primary is the same.
    fn join(&mut self, report: &GroupReport) -> Result<Group, Failure> {
        let incarnation = report.primary().map(|socket| socket.incarnation);
        if let Some(joined) = &self.joined
            && joined.directory == report.directory
            && joined.incarnation == incarnation
        {
            return Ok(joined.group.clone());
        }
        self.joined = None;
        if report.state() != State::Live {
            return Err(Failure::refused(format_args!(
                "the group is {}, and cannot be joined",
                state_word(report.state())
            )));
        }
        // `BASE/dpdk/PREFIX`.
        let base = report.directory.ancestors().nth(2).unwrap_or(Path::new("/"));
        let group = Group::builder()
            .runtime_base(base)
            .file_prefix(&report.prefix)
            .role(Role::Secondary)
            .ready_timeout(self.patience)
            .lock_timeout(self.patience)
            .send_timeout(self.patience)
            .join()?;
        let directory = report.directory.clone();
        self.joined = Some(Joined { directory, incarnation, group: group.clone() });
        Ok(group)
    }
}

/// Chooses the group that is wanted, or else `rte` if it runs, or else the first one that does.
fn choose<'a>(reports: &[&'a GroupReport], wanted: Option<&Path>) -> Option<&'a GroupReport> {
    let find = |is_meant: &dyn Fn(&GroupReport) -> bool| {
        reports.iter().find(|report| is_meant(report)).copied()
    };
    let is_live = |report: &GroupReport| report.state() == State::Live;
    find(&|report| Some(report.directory.as_path()) == wanted)
        .or_else(|| find(&|report| is_live(report) && report.prefix == DEFAULT_PREFIX))
        .or_else(|| find(&is_live))
        .or_else(|| reports.first().copied())
}

fn group(report: &GroupReport, own: Option<&Path>) -> records::Group {
    let others = || report.members().filter(|socket| Some(socket.path.as_path()) != own);
    let count = |state| others().filter(|socket| socket.state == state).count();
    records::Group {
        file_prefix: shown_prefix(report),
        directory: shown(&report.directory),
        state: state_word(report.state()),
        kind: report.flavor().map(kind_word),
        release: report.flavor().and_then(release),
        primary_pid: report.primary_pid(),
        member_count: count(SocketState::Alive),
        stale_count: count(SocketState::Stale),
        path: report.directory.clone(),
    }
}

fn member(socket: &SocketReport, flavor: Option<Flavor>, queues: &Queues) -> Member {
    let role = role(socket);
    Member {
        role: role_word(role),
        pid: socket.pid(),
        nature: flavor
            .map_or(Nature::Unknown, |flavor| Nature::of_socket(flavor, role, socket.owner)),
        socket: shown(&socket.path),
        state: socket_word(socket.state),
        queue: queues.word(socket),
        age_ns: socket.age(SystemTime::now()).map(nanoseconds),
        // The process that a dead member was may be another one by now.
        command: socket.owner.map(Process).and_then(Process::command),
        counters: None,
        error: None,
        key: (socket.path.clone(), socket.incarnation),
    }
}

/// Tells whether a member is sure to answer, as long as it runs.
fn answers(member: &Member) -> bool {
    member.nature == Nature::RteMp && member.state == socket_word(SocketState::Alive)
}

fn stats(group: &Group, socket: &Path, patience: Duration) -> Result<Stats, Failure> {
    let name = PeerName::new(socket)?;
    Ok(group.to(&name).stats(Some(patience))?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use clap::Parser;
    use rte_mp::{Drive, GroupBuilder};
    use tempfile::TempDir;

    use super::*;
    use crate::args::Cli;

    fn common(room: &TempDir) -> Common {
        let directory = room.path().to_str().unwrap();
        Cli::try_parse_from(["rte-mp", "top", "--runtime-dir", directory]).unwrap().common
    }

    fn builder(room: &TempDir, role: Role) -> GroupBuilder {
        Group::builder().runtime_base(room.path()).file_prefix("web").role(role)
    }

    #[test]
    fn a_second_look_finds_nothing_new_but_the_question_of_the_first_and_its_answer() {
        let room = tempfile::tempdir().unwrap();
        let _primary = builder(&room, Role::Primary).join().unwrap();
        let common = common(&room);
        let mut looker = Looker::new(&common, Duration::from_secs(10));
        let mut counters = || {
            let counters = looker.look(None).chosen.unwrap().members[0].counters.unwrap();
            (counters.received.total(), counters.sent.total())
        };
        let (received, sent) = counters();
        assert_eq!(counters(), (received + 1, sent + 1));
    }

    #[test]
    fn the_queue_of_a_member_that_does_not_read_is_not_filled() {
        let room = tempfile::tempdir().unwrap();
        let _primary = builder(&room, Role::Primary).join().unwrap();
        let stopped = builder(&room, Role::Secondary).drive(Drive::Caller).join().unwrap();
        let common = common(&room);
        let mut looker = Looker::new(&common, Duration::from_millis(20));
        let mut look = || looker.look(None).chosen.unwrap().members.remove(1);
        for _ in 0..50 {
            let member = look();
            assert_eq!(member.queue.filter(|queue| *queue == "full"), None);
            assert_eq!(member.counters, None);
            assert!(member.error.is_some_and(|error| error.contains("did not answer")));
        }
        // It goes on, and is asked again.
        let goes_on = AtomicBool::new(true);
        thread::scope(|scope| {
            scope.spawn(|| {
                while goes_on.load(Ordering::Relaxed) {
                    stopped.process();
                    thread::yield_now();
                }
            });
            let deadline = Instant::now() + Duration::from_secs(20);
            while look().counters.is_none() && Instant::now() < deadline {}
            let counters = look().counters;
            goes_on.store(false, Ordering::Relaxed);
            assert!(counters.is_some());
        });
    }
}
