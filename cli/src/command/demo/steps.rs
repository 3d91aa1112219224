//! The steps of the demo, as the coordinator has them played.

use std::time::{Duration, Instant};

use super::cast::Cast;
use super::script::{Answer, Done, Task};

/// One step.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) play: fn(&mut Cast) -> Answer,
}

/// The steps, in their order: the last two each cost a member.
pub(super) const STEPS: [Step; 12] = [
    Step { title: "sync request", play: |cast| cast.answerer.perform(Task::AskSync) },
    Step { title: "async request", play: |cast| cast.answerer.perform(Task::AskAsync) },
    Step { title: "struct in the param", play: |cast| cast.answerer.perform(Task::AskStruct) },
    Step { title: "ping_request", play: |cast| cast.answerer.perform(Task::AskPing) },
    Step { title: "one-way notification", play: notify },
    Step { title: "broadcast, two replies", play: |cast| cast.primary.perform(Task::AskAll) },
    Step { title: "several clients at once", play: crowd },
    Step { title: "descriptors", play: |cast| cast.answerer.perform(Task::AskFile) },
    Step { title: "shared memory", play: count_together },
    Step { title: "timeout kept", play: |cast| cast.answerer.perform(Task::AskSilent) },
    Step { title: "peer killed in mid-request", play: kill_in_mid_request },
    Step { title: "no primary running", play: ask_nobody },
];

/// How soon a killed peer must be noticed; the request itself would wait for seconds.
const AT_ONCE: Duration = Duration::from_millis(250);

/// A secondary sends, and the primary says what it got.
fn notify(cast: &mut Cast) -> Answer {
    let sent = cast.answerer.perform(Task::Notify)?;
    let seen = cast.primary.perform(Task::AwaitNotice)?;
    Ok(Done { time: sent.time, note: seen.note })
}

/// Both secondaries ask, from several threads each.
fn crowd(cast: &mut Cast) -> Answer {
    cast.answerer.begin(Task::AskCrowd)?;
    cast.holder.begin(Task::AskCrowd)?;
    let (one, other) = (cast.answerer.finish()?, cast.holder.finish()?);
    Ok(Done { time: one.time.max(other.time), note: format!("2 processes, {}", one.note) })
}

/// The primary reserves a memory zone, both secondaries count in it, and the primary checks the sum.
fn count_together(cast: &mut Cast) -> Answer {
    cast.primary.perform(Task::ReserveCounter)?;
    cast.answerer.begin(Task::Count)?;
    cast.holder.begin(Task::Count)?;
    let (one, other) = (cast.answerer.finish()?, cast.holder.finish()?);
    let seen = cast.primary.perform(Task::ReadCounter)?;
    Ok(Done { time: one.time.max(other.time), note: seen.note })
}

/// The primary asks both secondaries, and one is killed while it is waited for. The time is that
/// from the kill until we hear of it.
fn kill_in_mid_request(cast: &mut Cast) -> Answer {
    cast.primary.begin(Task::AskHolder)?;
    cast.holder.perform(Task::AwaitHeld)?;
    let killed = Instant::now();
    cast.holder.kill()?;
    let note = cast.primary.finish()?.note;
    let time = killed.elapsed();
    if time > AT_ONCE {
        return Err(format!("it took {time:.1?} to notice"));
    }
    Ok(Done { time, note })
}

/// The primary leaves, and a secondary that stays asks.
fn ask_nobody(cast: &mut Cast) -> Answer {
    cast.primary.end()?;
    cast.answerer.perform(Task::AskNobody)
}
