//! Which group is meant, joining it, and who is meant in it.

use std::path::{Path, PathBuf};

use rte_mp::inspect::Base;
use rte_mp::{Group, GroupBuilder, Member, PeerName, Role, default_runtime_base};

use crate::args::Common;
use crate::status::Failure;

/// The prefix that DPDK takes where none is given.
pub(crate) const DEFAULT_PREFIX: &str = "rte";

impl Common {
    /// Gives the directory that holds `dpdk/PREFIX`.
    pub(crate) fn base(&self) -> PathBuf {
        self.runtime_dir.clone().unwrap_or_else(default_runtime_base)
    }

    /// Names the group: the one that was given, else `rte` if it runs, else the only one that does.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub(crate) fn prefix(&self) -> Result<String, Failure> {
        if let Some(prefix) = &self.file_prefix {
            return Ok(prefix.clone());
        }
        let base = self.base();
        let mut live = live_prefixes(&base)?;
        if live.len() > 1 && live.iter().any(|prefix| prefix == DEFAULT_PREFIX) {
            return Ok(DEFAULT_PREFIX.to_owned());
        }
        match (live.pop(), live.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Failure::no_group(format_args!(
                "no group is running under {}; start its primary, or name another place with --runtime-dir",
                base.join("dpdk").display()
            ))),
            (Some(last), false) => Err(Failure::usage(format_args!(
                "several groups are running: {}, {last}; choose one with --file-prefix",
                live.join(", ")
            ))),
        }
    }

    /// Begins to join the group as a secondary.
    ///
    /// # Errors
    /// As [`Common::prefix`].
    pub(crate) fn builder(&self) -> Result<GroupBuilder, Failure> {
        Ok(self.builder_of(&self.prefix()?, Role::Secondary))
    }

    /// Begins to lead the group: the one that was given, else `rte`.
    pub(crate) fn leader(&self) -> GroupBuilder {
        self.builder_of(self.file_prefix.as_deref().unwrap_or(DEFAULT_PREFIX), Role::Primary)
    }

    fn builder_of(&self, prefix: &str, role: Role) -> GroupBuilder {
        let builder = Group::builder()
            .file_prefix(prefix)
            .role(role)
            .ready_timeout(self.timeout)
            .lock_timeout(self.timeout)
            .send_timeout(self.timeout);
        match &self.runtime_dir {
            Some(base) => builder.runtime_base(base),
            None => builder,
        }
    }

    /// Joins the group as a secondary.
    ///
    /// # Errors
    /// Why it cannot be joined; status 3 if it does not run.
    pub(crate) fn join(&self) -> Result<Group, Failure> {
        Ok(self.builder()?.join()?)
    }
}

/// Lists the groups below `base` that have a primary, sorted.
fn live_prefixes(base: &Path) -> Result<Vec<String>, Failure> {
    let base = Base::new(base);
    base.live_prefixes().map_err(|error| {
        let directory = base.dpdk_directory();
        Failure::refused(format_args!("cannot look into {}: {error}", directory.display()))
    })
}

/// Finds a member of the group that the user names by its process id, by `primary`, or by its socket: the
/// name or path of the file.
///
/// # Errors
/// Nobody, or more than one, has that name; says who is there.
pub(crate) fn find_member(group: &Group, wanted: &str) -> Result<Member, Failure> {
    let members = group.members()?;
    let is_wanted = |member: &&Member| {
        let by_role = wanted == "primary" && member.role == Role::Primary;
        let by_pid = member.pid.is_some_and(|pid| wanted.parse() == Ok(pid));
        let by_file =
            member.name.file_name() == wanted || member.name.as_path() == Path::new(wanted);
        by_role || by_pid || by_file
    };
    let found: Vec<_> = members.iter().filter(is_wanted).collect();
    match found[..] {
        [member] => Ok(*member),
        [] if members.is_empty() => Err(Failure::refused(format_args!(
            "{wanted:?} is no member of the group; it has no other member"
        ))),
        [] => Err(Failure::refused(format_args!(
            "{wanted:?} is no member of the group; its members are {}",
            listed(&members)
        ))),
        _ => Err(Failure::usage(format_args!(
            "{wanted:?} has joined more than once; name its socket: {}",
            found.iter().map(|member| file_name(&member.name)).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// Finds those that the user means: as [`find_member`], everybody by `all`, and without a name the primary.
///
/// # Errors
/// As there; also if there is nobody.
pub(crate) fn find_members(group: &Group, wanted: Option<&str>) -> Result<Vec<Member>, Failure> {
    if wanted != Some("all") {
        return Ok(vec![find_member(group, wanted.unwrap_or("primary"))?]);
    }
    let members = group.members()?;
    match members.is_empty() {
        true => Err(Failure::refused("there is nobody to ask: the group has no other member")),
        false => Ok(members),
    }
}

/// The word for a role that a member has.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Secondary | Role::Auto => "secondary",
    }
}

fn listed(members: &[Member]) -> String {
    members.iter().map(label).collect::<Vec<_>>().join(", ")
}

/// Says who a member is, in a way that is understood as MEMBER.
pub(crate) fn label(member: &Member) -> String {
    match (member.role, member.pid) {
        (Role::Primary, Some(pid)) => format!("primary ({pid})"),
        (Role::Primary, None) => "primary".to_owned(),
        (_, Some(pid)) => pid.to_string(),
        (_, None) => file_name(&member.name),
    }
}

fn file_name(name: &PeerName) -> String {
    name.file_name().to_string_lossy().into_owned()
}
