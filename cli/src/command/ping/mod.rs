//! `rte-mp ping`: round trips to members, as ping(8) makes them to hosts.
//!
//! A member that is an rte-mp process answers by itself. A DPDK process must not be asked: it is looked at from
//! outside (`look`), which tells whether it could answer.

mod look;
mod records;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, Member, NoReplyError, RequestError, Role, ServiceError};

use self::look::State;
use self::records::{Pong, Summary};
use crate::args::{Common, duration};
use crate::group::find_member;
use crate::interrupt::Interrupt;
use crate::latency::Latency;
use crate::nature::Nature;
use crate::output::Output;
use crate::status::{Failure, Status};

const EXAMPLES: &str = "\
Examples:
  rte-mp ping
  rte-mp ping primary --count 5 --interval 100ms
  rte-mp ping --file-prefix pg1 --count 1 --timeout 1s --json";

/// Measure round trips to the members, until Ctrl-C.
///
/// All members are asked at the same time, and their lines come in the same order in each round. A member that is an
/// rte-mp process is asked, and answers from where its handlers run: one that is busy answers late. A DPDK process is never asked, since it has no such action and would note an error; whether it could
/// answer is told by its socket, the room in its queue, and its IPC thread, which ends for good at the first
/// malformed datagram. The exit status is 1 if anybody did not answer, or could not have.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Who is asked: a process id, `primary`, or a socket [default: all members]
    #[arg(value_name = "MEMBER")]
    member: Option<String>,

    /// How often each is asked [default: until Ctrl-C]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// How long to wait between two rounds
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    interval: Duration,
}

/// A member that is asked or looked at, and what came of it so far.
struct Target {
    member: Member,
    nature: Nature,
    latency: Latency,
    /// Whether it was found well each time.
    is_well: bool,
}

/// What came of one look or question.
enum Pinged {
    Answered(Duration),
    Seen(State),
    Silent(&'static str),
    /// The user wants it to end.
    Interrupted,
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    let interrupt = Arc::new(Interrupt::catch()?);
    let group = common.join()?;
    let members = match &args.member {
        Some(wanted) => vec![find_member(&group, wanted)?],
        None => in_order(group.members()?),
    };
    if members.is_empty() {
        return Err(Failure::refused("there is nobody to ask; the group has no other member"));
    }
    let target = |member: Member| Target {
        nature: Nature::of(&group, &member),
        latency: Latency::new(),
        is_well: true,
        member,
    };
    let mut targets: Vec<_> = members.into_iter().map(target).collect();
    give_up_when(&interrupt, &group);
    let written = ask_again_and_again(args, common, &interrupt, &group, &mut targets, output);
    let summed_up = written
        .and_then(|()| targets.iter().try_for_each(|target| output.show(&Summary::of(target))));
    // A thread has a handle, too, and would keep our socket there.
    group.leave();
    summed_up?;
    Ok(match targets.iter().all(|target| target.is_well) {
        true => Status::Done,
        false => Status::Refused,
    })
}

/// The primary first, then by their process ids.
fn in_order(mut members: Vec<Member>) -> Vec<Member> {
    members.sort_by_key(|member| (member.role != Role::Primary, member.pid));
    members
}

/// Leaves the group at Ctrl-C, which ends a question that is open.
fn give_up_when(interrupt: &Arc<Interrupt>, group: &Group) {
    let (interrupt, group) = (Arc::clone(interrupt), group.downgrade());
    thread::spawn(move || {
        interrupt.wait(None);
        if let Some(group) = group.upgrade() {
            group.leave_without_waiting();
        }
    });
}

fn ask_again_and_again(
    args: &Args,
    common: &Common,
    interrupt: &Interrupt,
    group: &Group,
    targets: &mut [Target],
    output: &mut Output,
) -> Result<(), Failure> {
    let mut round = 0;
    // Nothing where no clock reaches it.
    let mut next = Some(Instant::now());
    while args.count.is_none_or(|count| round < count) {
        let left = next.map(|next| next.saturating_duration_since(Instant::now()));
        if interrupt.wait(left) || output.is_closed() {
            return Ok(());
        }
        round += 1;
        if !ask_all(group, round, common.timeout, targets, output)? {
            return Ok(());
        }
        next = next
            .and_then(|next| next.checked_add(args.interval))
            .map(|next| next.max(Instant::now()));
    }
    Ok(())
}

/// Asks all at the same time, so that one who does not answer holds up nobody, and tells what came of it in their
/// order. `false` if the user wants it to end.
fn ask_all(
    group: &Group,
    round: u64,
    timeout: Duration,
    targets: &mut [Target],
    output: &mut Output,
) -> Result<bool, Failure> {
    if let [target] = targets {
        let pinged = target.ping(group, round, timeout);
        return tell(target, round, &pinged, output);
    }
    thread::scope(|scope| {
        let mut asked = Vec::with_capacity(targets.len());
        for target in targets {
            asked.push(thread::Builder::new().spawn_scoped(scope, move || {
                let pinged = target.ping(group, round, timeout);
                (&*target, pinged)
            })?);
        }
        let mut goes_on = true;
        for thread in asked {
            let (target, pinged) =
                thread.join().map_err(|_| Failure::refused("a thread that asked has failed"))?;
            match tell(target, round, &pinged, output) {
                Ok(is_told) => goes_on &= is_told,
                Err(failure) => {
                    // The others need not wait for their answers.
                    group.leave_without_waiting();
                    return Err(failure);
                }
            }
        }
        Ok(goes_on)
    })
}

/// Writes what came of a question. `false` if the user wants it to end.
fn tell(
    target: &Target,
    round: u64,
    pinged: &Pinged,
    output: &mut Output,
) -> Result<bool, Failure> {
    if matches!(pinged, Pinged::Interrupted) {
        return Ok(false);
    }
    output.show(&Pong::of(target, round, pinged))?;
    Ok(true)
}

impl Target {
    fn ping(&mut self, group: &Group, round: u64, timeout: Duration) -> Pinged {
        let pinged = match self.nature {
            Nature::RteMp => self.ask(group, round, timeout),
            Nature::Dpdk | Nature::Unknown => Pinged::Seen(look::at(&self.member, self.nature)),
        };
        self.is_well &= match &pinged {
            Pinged::Answered(_) | Pinged::Interrupted => true,
            Pinged::Seen(state) => state.is_well(),
            Pinged::Silent(_) => false,
        };
        pinged
    }

    fn ask(&mut self, group: &Group, round: u64, timeout: Duration) -> Pinged {
        let answer = group.to(&self.member.name).ping(&round.to_ne_bytes(), Some(timeout));
        let why = match answer {
            Err(ServiceError::Request(RequestError::Left { .. })) => return Pinged::Interrupted,
            Ok(time) => {
                self.latency.add_sent();
                self.latency.add_received(time);
                return Pinged::Answered(time);
            }
            Err(ServiceError::Request(
                RequestError::NoPeer { .. } | RequestError::NoPrimary { .. },
            )) => "gone",
            Err(ServiceError::Request(RequestError::OtherPrimary { .. })) => "replaced",
            Err(ServiceError::NoReply(NoReplyError::TimedOut { .. })) => "timed_out",
            Err(ServiceError::NoReply(NoReplyError::Died { .. })) => "died",
            Err(ServiceError::NoReply(NoReplyError::Ignored { .. })) => "ignored",
            Err(ServiceError::NoReply(NoReplyError::Unsendable { .. })) => "full",
            Err(_) => "failed",
        };
        self.latency.add_sent();
        Pinged::Silent(why)
    }
}
