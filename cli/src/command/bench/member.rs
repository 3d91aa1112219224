//! The members of a running group, as far as they are rte-mp processes.

use std::time::Duration;

use rte_mp::inspect::Inspector;
use rte_mp::{Flavor, Group, Member, PeerName, Role};

use super::contender::{Contender, Identity};
use crate::args::Common;
use crate::machine::process::Process;
use crate::status::Failure;

/// What the thread of an rte-mp member is called.
const THREAD: &str = "mp-msg";

/// Who is in a group.
pub(super) struct Members {
    pub(super) asked: Vec<Box<dyn Contender>>,
    /// DPDK processes, and those of which it is not known.
    pub(super) left_out: Vec<Identity>,
}

/// Joins the group that `common` names, and lists who else is in it.
pub(super) fn find(common: &Common, param: &[u8]) -> Result<Members, Failure> {
    let group = common.join()?;
    let report = Inspector::new().group(group.runtime_dir());
    let is_native = report.and_then(|report| report.flavor()) == Some(Flavor::Native);
    let mut members = Members { asked: Vec::new(), left_out: Vec::new() };
    for member in group.members()? {
        let identity = identity(&member);
        if is_native || member.pid.is_some_and(has_our_thread) {
            members.asked.push(Box::new(Asked {
                identity,
                group: group.clone(),
                name: member.name,
                param: param.to_owned(),
                timeout: common.timeout,
            }));
        } else {
            members.left_out.push(identity);
        }
    }
    Ok(members)
}

fn identity(member: &Member) -> Identity {
    let role = if member.role == Role::Primary { "primary" } else { "secondary" };
    Identity { kind: "member", pid: member.pid, role: Some(role) }
}

/// Tells an rte-mp process in a DPDK group by the name of its thread: DPDK's is called otherwise.
fn has_our_thread(pid: u32) -> bool {
    Process(pid).threads().iter().any(|name| name == THREAD)
}

struct Asked {
    identity: Identity,
    group: Group,
    name: PeerName,
    param: Vec<u8>,
    timeout: Duration,
}

impl Contender for Asked {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn round_trip(&mut self) -> Result<Duration, Failure> {
        Ok(self.group.to(&self.name).ping(&self.param, Some(self.timeout))?)
    }

    /// It has no action for that, and another one is not ours to disturb.
    fn one_way(&mut self, _count: u64) -> Option<Result<Duration, Failure>> {
        None
    }
}
