//! The groups that are asked about: all of this machine, or those that the options name.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use rte_mp::inspect::{
    Base, GroupReport, Inspector, SocketKind, SocketReport, SocketState, State, bases,
};
use rte_mp::{Flavor, Role};

use crate::args::Common;

/// What was found at one moment.
pub(crate) struct Survey {
    pub(crate) bases: Vec<Base>,
    pub(crate) groups: Vec<GroupReport>,
    /// The directories that could not be listed.
    pub(crate) unreadable: Vec<(PathBuf, io::Error)>,
}

impl Survey {
    /// Looks at all groups that `common` means: below `--runtime-dir`, or below every base there is; with this
    /// prefix, or with any. `before` is given the bases before anything in them is looked at.
    pub(crate) fn take(common: &Common, before: impl FnOnce(&[Base])) -> Self {
        let bases = match &common.runtime_dir {
            Some(base) => vec![Base::new(base)],
            None => bases(),
        };
        before(&bases);
        let mut survey = Self { bases, groups: Vec::new(), unreadable: Vec::new() };
        let mut inspector = Inspector::new();
        for base in &survey.bases {
            let directories = match base.group_directories() {
                Ok(directories) => directories,
                Err(error) => {
                    survey.unreadable.push((base.dpdk_directory(), error));
                    continue;
                }
            };
            let is_wanted = |directory: &&PathBuf| {
                let prefix = common.file_prefix.as_ref();
                prefix.is_none_or(|prefix| directory.file_name() == Some(OsStr::new(prefix)))
            };
            let wanted = directories.iter().filter(is_wanted);
            survey.groups.extend(wanted.filter_map(|directory| inspector.group(directory)));
        }
        survey
    }

    /// What is to be said with "there is no group": not all may have been seen.
    pub(crate) fn proviso(&self) -> &'static str {
        if self.unreadable.is_empty() { "" } else { " that may be seen by this user" }
    }

    /// The groups in which there is something: a primary, what one left behind, or any socket.
    pub(crate) fn inhabited(&self) -> impl Iterator<Item = &GroupReport> {
        self.groups.iter().filter(|group| is_inhabited(group))
    }
}

/// Tells whether there is more of a group than its directory, which everybody leaves behind.
pub(crate) fn is_inhabited(group: &GroupReport) -> bool {
    group.state() != State::Vacant || !group.sockets.is_empty()
}

/// The word for a group's state.
pub(crate) fn state_word(state: State) -> &'static str {
    match state {
        State::Live => "live",
        State::Starting => "starting",
        State::Unlocked => "unlocked",
        State::Dead => "dead",
        State::Vacant => "vacant",
        _ => "unknown",
    }
}

/// The word for a kind of group.
pub(crate) fn kind_word(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Native => "native",
        Flavor::Dpdk(_) => "dpdk",
    }
}

/// DPDK's release, as DPDK writes it.
pub(crate) fn release(flavor: Flavor) -> Option<String> {
    match flavor {
        Flavor::Native => None,
        Flavor::Dpdk(version) => Some(version.to_string()),
    }
}

/// The role of a member by its socket.
pub(crate) fn role(socket: &SocketReport) -> Role {
    match socket.kind {
        SocketKind::Primary => Role::Primary,
        _ => Role::Secondary,
    }
}

/// The word for a socket's state.
pub(crate) fn socket_word(state: SocketState) -> &'static str {
    match state {
        SocketState::Alive => "alive",
        SocketState::Stale => "stale",
        SocketState::NotASocket => "not_a_socket",
        SocketState::TooLong { .. } => "path_too_long",
        _ => "unknown",
    }
}
