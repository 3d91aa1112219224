//! The parts that rte-mp plays. The runtime directory and the polling window come from the
//! environment, as for any program.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, LookupError, Message, Request};

use super::{PARAM, Result, heap, nanoseconds, obey, ready_until_the_end, time_round_trips, zones};

/// Answers with the parameter that came.
pub(crate) const ECHO: &str = "bench_echo";
/// The same, after [`HANDLER_TIME`].
pub(crate) const SLOW_ECHO: &str = "bench_slow";
/// A message that is counted.
const COUNT: &str = "bench_count";
/// Answers with the count.
const TOTAL: &str = "bench_total";

/// How long the slow handler takes.
pub(crate) const HANDLER_TIME: Duration = Duration::from_millis(10);

/// How much memory there is for whoever joins: 1 GiB.
const MEMORY_SIZE: u64 = 1 << 30;

/// What to be in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Role(rte_mp::Role);

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Self, String> {
        match word {
            "primary" => Ok(Self(rte_mp::Role::Primary)),
            "secondary" => Ok(Self(rte_mp::Role::Secondary)),
            _ => Err(format!("no such role: {word}")),
        }
    }
}

fn group(prefix: &str, role: rte_mp::Role) -> Result<Group> {
    Ok(Group::builder().file_prefix(prefix).role(role).join()?)
}

/// A primary that echoes, counts, and has reserved zones.
pub(super) fn serve(prefix: &str) -> Result<()> {
    let group = group(prefix, rte_mp::Role::Primary)?;
    let counted = Arc::new(AtomicU64::new(0));
    let total = Arc::clone(&counted);
    zones::reserve_all(&group.memzones())?;
    group.register(ECHO, echo)?;
    group.register(COUNT, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    })?;
    group.register(TOTAL, move |request| {
        request.reply(&total.load(Ordering::Relaxed).to_ne_bytes())
    })?;
    ready_until_the_end()
}

/// A secondary that asks the primary, of either kind, and uses its memory.
pub(super) fn ask(prefix: &str) -> Result<()> {
    let group = group(prefix, rte_mp::Role::Secondary)?;
    let echo = Message::new(ECHO)?.with_param(&PARAM)?;
    obey(|verb, count| match verb {
        "oneway" => Ok(vec![send_many(&group, count)?]),
        "lookup" | "open" | "reserve" | "touch" => zones::time(&group.memzones(), verb, count),
        "small" | "page" => heap::time(&group.heap(), verb, count),
        _ => time_round_trips(verb, count, || {
            group.request(&echo, None)?.into_reply()?;
            Ok(())
        }),
    })
}

/// Sends `count` messages, and waits until they have all been counted.
fn send_many(group: &Group, count: usize) -> Result<u64> {
    let message = Message::new(COUNT)?.with_param(&PARAM)?;
    let question = Message::new(TOTAL)?;
    let total = || -> Result<u64> {
        let reply = group.request(&question, None)?.into_reply()?;
        Ok(u64::from_ne_bytes(reply.param().try_into()?))
    };
    let before = total()?;
    let start = Instant::now();
    for _ in 0..count {
        group.send(&message)?;
    }
    while total()? - before < count as u64 {}
    Ok(nanoseconds(start.elapsed()))
}

/// A secondary that echoes.
pub(super) fn answer(prefix: &str) -> Result<()> {
    let group = group(prefix, rte_mp::Role::Secondary)?;
    group.register(ECHO, echo)?;
    group.register(SLOW_ECHO, |request| {
        thread::sleep(HANDLER_TIME);
        echo(request)
    })?;
    ready_until_the_end()
}

/// A primary that asks all secondaries at once: `sync` their echo, `slow` their slow one.
pub(super) fn call(prefix: &str) -> Result<()> {
    let group = group(prefix, rte_mp::Role::Primary)?;
    let quick = Message::new(ECHO)?.with_param(&PARAM)?;
    let slow = Message::new(SLOW_ECHO)?.with_param(&PARAM)?;
    obey(|verb, count| {
        let (verb, message) = if verb == "slow" { ("sync", &slow) } else { (verb, &quick) };
        // The first round tells how many there are; none may be missing in any.
        let there = group.request(&quick, None)?.received();
        time_round_trips(verb, count, || {
            let received = group.request(message, None)?.received();
            if received == there { Ok(()) } else { Err("a reply is missing".into()) }
        })
    })
}

/// Somebody who says `asked` when a request has come, and never answers.
pub(super) fn stay_silent(prefix: &str, role: Role) -> Result<()> {
    let group = group(prefix, role.0)?;
    group.register(ECHO, |request| {
        request.stay_silent();
        println!("asked");
    })?;
    ready_until_the_end()
}

/// Joins, says how long it took, and leaves at the end of the input: `took` the joining alone,
/// `attach` with the first use of the memory.
pub(super) fn join(prefix: &str, role: Role) -> Result<()> {
    let start = Instant::now();
    let builder = Group::builder().file_prefix(prefix).role(role.0);
    let group = builder.memory_size(MEMORY_SIZE).join()?;
    let took = nanoseconds(start.elapsed());
    obey(|verb, _| match verb {
        "took" => Ok(vec![took]),
        "attach" => {
            let start = Instant::now();
            match group.memzones().lookup("bench_none") {
                Err(LookupError::NotFound { .. }) => Ok(vec![took + nanoseconds(start.elapsed())]),
                other => Err(format!("nobody has reserved this zone: {other:?}").into()),
            }
        }
        _ => Err(format!("no such verb: {verb}").into()),
    })?;
    group.leave();
    Ok(())
}

fn echo(request: Request) -> std::result::Result<(), rte_mp::ReplyError> {
    let mut param = [0; 256];
    let len = request.param().len();
    param[..len].copy_from_slice(request.param());
    request.reply(&param[..len])
}
