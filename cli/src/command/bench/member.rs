//! The members of a running group, as far as they are rte-mp processes.

use std::time::Duration;

use rte_mp::{Group, Member, PeerName};

use super::contender::{Contender, Identity};
use crate::args::Common;
use crate::group::role_word;
use crate::nature::Nature;
use crate::status::Failure;

/// Who is in a group.
pub(super) struct Members {
    pub(super) asked: Vec<Box<dyn Contender>>,
    /// DPDK processes, and those of which it is not known.
    pub(super) left_out: Vec<Identity>,
}

/// Joins the group that `common` names, and lists who else is in it.
pub(super) fn find(common: &Common, param: &[u8]) -> Result<Members, Failure> {
    let group = common.join()?;
    let mut members = Members { asked: Vec::new(), left_out: Vec::new() };
    for member in group.members()? {
        let identity = identity(&member);
        if Nature::of(&group, &member) == Nature::RteMp {
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
    Identity { kind: "member", pid: member.pid, role: Some(role_word(member.role)) }
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
