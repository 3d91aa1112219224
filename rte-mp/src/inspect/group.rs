//! What was found out about one group.

use std::io;
use std::path::PathBuf;

use rte_mp_proto::config::MpStatus;
use rte_mp_proto::{Flavor, Layout, VersionError};

use super::{SocketKind, SocketReport, SocketState};

/// What stands in a group's directory, and who is behind it, at one moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct GroupReport {
    /// The file prefix. A name that is no UTF-8 is shown as well as it can be.
    pub prefix: String,
    /// Its directory, `<base>/dpdk/<prefix>`.
    pub directory: PathBuf,
    /// What its config file says.
    pub config: Config,
    /// Whether somebody holds the primary's lock.
    pub is_locked: bool,
    /// Whether others may attach, as far as the file says: DPDK before 20.08 has no such byte.
    pub multi_process: Option<MpStatus>,
    /// The primary's process, as its lock (DPDK) or its file (native) says: its id in its own pid
    /// namespace.
    pub claimed_primary: Option<u32>,
    /// How the sockets were listed.
    pub listing: Listing,
    /// Every file that is, or has the name of, a socket of a member or a return address; by name.
    pub sockets: Vec<SocketReport>,
}

/// What a group's config file says.
#[derive(Debug)]
#[non_exhaustive]
pub enum Config {
    /// There is none: nobody has led, or a native primary has left.
    Missing,
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is another program's.
    NotAConfig {
        /// What stands where DPDK's magic should.
        magic: u32,
    },
    /// Its primary has not finished its start; what it is, once it has said so.
    NotReady(Option<Flavor>),
    /// Its primary was ready.
    Ready(Flavor),
}

/// How the sockets of a group were listed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listing {
    /// Under the directory's shared lock, as members list them: nobody was joining meanwhile.
    Locked,
    /// Without it, because of this: `TimedOut` if others held it all the time. A member that was
    /// joining may show as stale.
    Unlocked(io::Error),
    /// Not at all: the directory cannot be listed.
    Failed(io::Error),
}

/// Who leads a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A primary holds its lock and is ready.
    Live,
    /// A primary holds its lock, and has not finished its start.
    Starting,
    /// A primary answers to its socket and has lost its lock, as a DPDK primary does that asks
    /// whether it is alive. Nobody can join, and another primary may take its place.
    Unlocked,
    /// A primary has ended and left its config file.
    Dead,
    /// There is no primary, and no trace of one but the directory.
    Vacant,
    /// The config file cannot be read.
    Unknown,
}

impl GroupReport {
    /// Says who leads.
    pub fn state(&self) -> State {
        let answers = || self.primary().is_some_and(|socket| socket.state == SocketState::Alive);
        match &self.config {
            Config::Unreadable(_) => State::Unknown,
            Config::Missing => State::Vacant,
            Config::Ready(_) if self.is_locked => State::Live,
            Config::NotReady(_) if self.is_locked => State::Starting,
            Config::Ready(_) if answers() => State::Unlocked,
            Config::NotAConfig { .. } | Config::NotReady(_) | Config::Ready(_) => State::Dead,
        }
    }

    /// Says what kind of process leads, or led last.
    pub fn flavor(&self) -> Option<Flavor> {
        match self.config {
            Config::Ready(flavor) | Config::NotReady(Some(flavor)) => Some(flavor),
            _ => None,
        }
    }

    /// Says how the group's datagrams are laid out, or why that is not known.
    pub fn layout(&self) -> Option<Result<Layout, VersionError>> {
        self.flavor().map(Flavor::layout)
    }

    /// Gives the primary's process as this process sees it: the one that has its socket open, or
    /// else the one that it says to be.
    pub fn primary_pid(&self) -> Option<u32> {
        self.primary().and_then(|socket| socket.owner).or(self.claimed_primary)
    }

    /// Gives the primary's socket.
    pub fn primary(&self) -> Option<&SocketReport> {
        self.sockets.iter().find(|socket| socket.kind == SocketKind::Primary)
    }

    /// Gives the sockets of members, the primary's first; return addresses are none.
    pub fn members(&self) -> impl Iterator<Item = &SocketReport> {
        let secondaries = self.sockets.iter().filter(|s| s.kind == SocketKind::Secondary);
        self.primary().into_iter().chain(secondaries)
    }
}
