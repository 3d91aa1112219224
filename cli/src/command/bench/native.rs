//! A primary that is asked by a secondary, which this process is.

use std::path::Path;
use std::time::{Duration, Instant};

use rte_mp::{Group, Member, Message, PeerName, Role};

use super::child::Child;
use super::contender::{Contender, Identity};
use super::server::Part;
use crate::status::Failure;

pub(super) const PREFIX: &str = "bench";
/// A message that is counted.
pub(super) const COUNT: &str = "bench_count";
/// Answers with the count.
pub(super) const TOTAL: &str = "bench_total";

pub(super) struct Native {
    identity: Identity,
    group: Group,
    primary: PeerName,
    param: Vec<u8>,
    message: Message,
    question: Message,
    timeout: Duration,
    /// Ends after this process has left the group.
    _child: Child,
}

impl Native {
    /// Starts the primary in `base`, and joins it.
    pub(super) fn start(
        base: &Path,
        param: &[u8],
        timeout: Duration,
    ) -> Result<Box<dyn Contender>, Failure> {
        let child = Child::start(base, Part::Primary)?;
        let builder = Group::builder().runtime_base(base).file_prefix(PREFIX);
        let group = builder.role(Role::Secondary).send_timeout(timeout).join()?;
        let members = group.members()?;
        let is_primary = |member: &&Member| member.role == Role::Primary;
        let primary = members.iter().find(is_primary).map(|member| member.name);
        let identity = Identity { kind: "rte-mp", pid: Some(child.id()), role: None };
        Ok(Box::new(Self {
            identity,
            group,
            primary: primary.ok_or_else(|| Failure::refused("our own primary is gone"))?,
            param: param.to_owned(),
            message: Message::new(COUNT)?.with_param(param)?,
            question: Message::new(TOTAL)?,
            timeout,
            _child: child,
        }))
    }

    /// Asks how many messages have been counted.
    fn total(&self) -> Result<u64, Failure> {
        let reply = self.group.request(&self.question, Some(self.timeout))?.into_reply()?;
        Ok(reply.param_as()?)
    }

    /// Sends messages until the last has been counted: they and questions do not overtake each other on
    /// the way to one handler, but a count is not asked for that.
    fn send_all(&self, count: u64) -> Result<Duration, Failure> {
        let before = self.total()?;
        let start = Instant::now();
        for _ in 0..count {
            self.group.send(&self.message)?;
        }
        loop {
            let counted = self.total()?.wrapping_sub(before);
            let took = start.elapsed();
            match counted >= count {
                true => return Ok(took),
                false if took > self.timeout => {
                    return Err(Failure::refused(format_args!(
                        "only {counted} of {count} messages were received within {took:.1?}"
                    )));
                }
                false => {}
            }
        }
    }
}

impl Contender for Native {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn round_trip(&mut self) -> Result<Duration, Failure> {
        Ok(self.group.to(&self.primary).ping(&self.param, Some(self.timeout))?)
    }

    fn one_way(&mut self, count: u64) -> Option<Result<Duration, Failure>> {
        Some(self.send_all(count))
    }
}
