//! `rte-mp ps --watch`: what comes and goes, until Ctrl-C.
//!
//! The kernel tells that something has changed (inotify, pidfds); another look tells what. It does not tell of
//! everything: a primary that becomes ready writes it into memory, and a member whose process may not be
//! looked at ends unseen. As long as there is any such, it is looked again soon.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use rte_mp::inspect::{GroupReport, SocketState, State, Watch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::Serialize;

use super::records::MemberRecord;
use crate::args::Common;
use crate::clock::{time_of_day, unix_nanoseconds};
use crate::interrupt::Interrupt;
use crate::machine::queues::Queues;
use crate::machine::survey::{Survey, is_inhabited, kind_word, release, state_word};
use crate::machine::{shown, shown_prefix};
use crate::output::Output;
use crate::status::{Failure, Status};

/// How soon it is looked again while a primary is starting.
const WHILE_STARTING: Duration = Duration::from_millis(100);
/// How soon while there is a member whose end nobody would tell.
const WHILE_UNSURE: Duration = Duration::from_secs(1);
/// How soon in any case: new bases come without notice.
const AT_LAST: Duration = Duration::from_secs(10);

pub(super) fn run(common: &Common, output: &mut Output) -> Result<Status, Failure> {
    let interrupt = Interrupt::catch()?;
    let mut watch = Watch::new()?;
    let survey = look(common, &mut watch);
    if !super::show(&survey, output)? {
        let places = super::places(&survey);
        output.note(format_args!("there is no group yet{} under {places}", survey.proviso()));
    }
    let mut known = Known::of(&survey);
    let mut look_at = Instant::now() + pause(&survey);
    let mut summary = Summary::default();
    // Kept while they are waited for: their pidfds are.
    let mut _kept = survey;
    while !interrupt.is_caught() {
        let look_again = wait(&interrupt, &mut watch, look_at)?;
        if output.is_closed() {
            return Ok(Status::Done);
        }
        if !look_again {
            continue;
        }
        let survey = look(common, &mut watch);
        let now = Known::of(&survey);
        for news in now.since(&known) {
            summary.count(&news);
            output.show(&news)?;
        }
        (known, look_at) = (now, Instant::now() + pause(&survey));
        _kept = survey;
    }
    output.show(&summary)?;
    Ok(Status::Done)
}

/// Looks at the groups, with everything watched before it is looked at.
fn look(common: &Common, watch: &mut Watch) -> Survey {
    let survey = Survey::take(common, |bases| watch.cover(bases));
    watch.follow(&survey.groups);
    survey
}

/// Waits until it is time for another look, and tells whether it is: at `look_at` in any case, whatever comes
/// and goes beside the groups meanwhile; not if Ctrl-C came.
fn wait(interrupt: &Interrupt, watch: &mut Watch, look_at: Instant) -> Result<bool, Failure> {
    let left = look_at.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).ok();
    let stdout = io::stdout();
    let mut fds = [
        PollFd::new(interrupt, PollFlags::IN),
        PollFd::new(watch, PollFlags::IN),
        // Wakes us when its reader goes away while there is nothing to write.
        PollFd::new(&stdout, PollFlags::empty()),
    ];
    match poll(&mut fds, timeout.as_ref()) {
        Ok(0) => return Ok(true),
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(false),
        Err(error) => return Err(io::Error::from(error).into()),
    }
    let has_changed = !interrupt.is_caught() && watch.wait(Duration::ZERO)?;
    Ok(has_changed || (Instant::now() >= look_at && !interrupt.is_caught()))
}

fn pause(survey: &Survey) -> Duration {
    let is_starting = |group: &GroupReport| group.state() == State::Starting;
    let is_unsure = |group: &GroupReport| {
        group.members().any(|member| match member.state {
            SocketState::Alive => member.pidfd().is_none(),
            state => state == SocketState::Unknown,
        })
    };
    if survey.groups.iter().any(is_starting) {
        WHILE_STARTING
    } else if survey.groups.iter().any(is_unsure) {
        WHILE_UNSURE
    } else {
        AT_LAST
    }
}

/// What was known after a look: who was there, in the order in which it is told.
struct Known {
    groups: BTreeMap<PathBuf, Group>,
    /// By socket, and by what tells apart those that had one name.
    members: BTreeMap<(PathBuf, u64), MemberNews>,
}

/// What is told of a group.
#[derive(Clone)]
struct Group {
    file_prefix: String,
    state: State,
    kind: Option<&'static str>,
    release: Option<String>,
    primary_pid: Option<u32>,
}

impl Known {
    fn of(survey: &Survey) -> Self {
        let mut known = Self { groups: BTreeMap::new(), members: BTreeMap::new() };
        let queues = Queues::default();
        for group in survey.groups.iter().filter(|group| is_inhabited(group)) {
            let file_prefix = shown_prefix(group);
            for socket in group.members().filter(|socket| socket.state == SocketState::Alive) {
                let member = MemberRecord::new(socket, &queues);
                let news = MemberNews {
                    unix_time_ns: 0,
                    file_prefix: file_prefix.clone(),
                    directory: shown(&group.directory),
                    role: member.role,
                    pid: member.pid,
                    file: member.file,
                    socket: member.socket,
                    command: member.command,
                };
                known.members.insert((socket.path.clone(), socket.incarnation), news);
            }
            let group_known = Group {
                file_prefix,
                state: group.state(),
                kind: group.flavor().map(kind_word),
                release: group.flavor().and_then(release),
                primary_pid: group.primary_pid(),
            };
            known.groups.insert(group.directory.clone(), group_known);
        }
        known
    }

    /// Tells what has changed: who left, then what became of groups, then who joined.
    fn since(&self, before: &Self) -> Vec<News> {
        let unix_time_ns = unix_nanoseconds(SystemTime::now());
        let stamped = |news: &MemberNews| MemberNews { unix_time_ns, ..news.clone() };
        let mut news = Vec::new();
        for (key, member) in &before.members {
            if !self.members.contains_key(key) {
                news.push(News::Left(stamped(member)));
            }
        }
        let directories = before.groups.keys().chain(self.groups.keys());
        let mut directories: Vec<_> = directories.collect();
        directories.sort();
        directories.dedup();
        for directory in directories {
            let (then, now) = (before.groups.get(directory), self.groups.get(directory));
            let states = (then.map(|group| group.state), now.map(|group| group.state));
            if let (true, Some(group)) = (states.0 != states.1, now.or(then)) {
                news.push(News::Group(GroupNews {
                    unix_time_ns,
                    file_prefix: group.file_prefix.clone(),
                    directory: shown(directory),
                    state: states.1.map(state_word),
                    previous_state: states.0.map(state_word),
                    kind: group.kind,
                    release: group.release.clone(),
                    primary_pid: now.and_then(|group| group.primary_pid),
                }));
            }
        }
        for (key, member) in &self.members {
            if !before.members.contains_key(key) {
                news.push(News::Joined(stamped(member)));
            }
        }
        news
    }
}

/// What has changed.
#[derive(Serialize)]
#[serde(tag = "type")]
enum News {
    #[serde(rename = "group_state")]
    Group(GroupNews),
    #[serde(rename = "joined")]
    Joined(MemberNews),
    #[serde(rename = "left")]
    Left(MemberNews),
}

/// A group has come, has gone, or is in another state.
#[derive(Serialize)]
struct GroupNews {
    unix_time_ns: u64,
    file_prefix: String,
    directory: String,
    /// Nothing if it is gone.
    state: Option<&'static str>,
    /// Nothing if it was not there.
    previous_state: Option<&'static str>,
    kind: Option<&'static str>,
    release: Option<String>,
    primary_pid: Option<u32>,
}

/// A member has joined or left.
#[derive(Serialize, Clone)]
struct MemberNews {
    unix_time_ns: u64,
    file_prefix: String,
    directory: String,
    role: &'static str,
    pid: Option<u32>,
    socket: String,
    #[serde(skip)]
    file: String,
    command: Option<String>,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(news) => news.fmt(f),
            Self::Joined(news) => news.show("joined", f),
            Self::Left(news) => news.show("left", f),
        }
    }
}

impl fmt::Display for GroupNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = clock(self.unix_time_ns);
        write!(f, "{time}  {}  group {}", self.file_prefix, self.state.unwrap_or("gone"))?;
        match (self.kind, &self.release) {
            (Some("native"), _) => f.write_str(", native")?,
            (Some(_), Some(release)) => write!(f, ", DPDK {release}")?,
            _ => {}
        }
        if let Some(pid) = self.primary_pid {
            write!(f, ", primary {pid}")?;
        }
        write!(f, "  {}", self.directory)
    }
}

impl MemberNews {
    fn show(&self, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let (time, command) = (clock(self.unix_time_ns), self.command.as_deref().unwrap_or("-"));
        write!(f, "{time}  {}  {} {pid} {what}", self.file_prefix, self.role)?;
        write!(f, "  {}  {command}", self.file)
    }
}

/// The local time of day.
fn clock(unix_time_ns: u64) -> String {
    time_of_day(SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_time_ns))
}

/// How much was told.
#[derive(Serialize, Default)]
#[serde(tag = "type", rename = "watch_summary")]
struct Summary {
    joined: u64,
    left: u64,
    groups_came: u64,
    groups_gone: u64,
}

impl Summary {
    fn count(&mut self, news: &News) {
        match news {
            News::Joined(_) => self.joined += 1,
            News::Left(_) => self.left += 1,
            News::Group(news) => {
                self.groups_came += u64::from(news.previous_state.is_none());
                self.groups_gone += u64::from(news.state.is_none());
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { joined, left, groups_came, groups_gone } = self;
        write!(
            f,
            "members: {joined} joined, {left} left; groups: {groups_came} came, {groups_gone} went"
        )
    }
}
