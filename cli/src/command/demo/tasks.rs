//! What a member does on each task: it asks, checks what came, and says how long it took.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, Message, Outcome, RequestError};

use super::Failure;
use super::actions::{
    PORT_SPEED_MBPS, Ping, PortQuery, PortState, greeting, nameless_file, read_file,
};
use super::member::Member;
use super::script::{Done, Task};

const PINGS: u32 = 1000;
const CROWD_THREADS: usize = 4;
const CROWD_REQUESTS: usize = 100;
/// The memory zone in which the secondaries count, and how far each counts.
const COUNTER: &str = "demo_counter";
const COUNTS: u64 = 100_000;
/// How long to wait for what must come at once.
const SOON: Duration = Duration::from_secs(2);
/// The timeout that is to be kept.
const SHORT_TIMEOUT: Duration = Duration::from_millis(200);
/// How late a timeout may be noticed on a busy machine.
const LATENESS: Duration = Duration::from_millis(250);

type Outcomes = Result<Done, Failure>;

impl Member {
    /// Performs a task, checks included.
    pub(super) fn perform(&self, task: Task) -> Outcomes {
        let group = &self.group;
        match task {
            Task::AskSync => ask_sync(group),
            Task::AskAsync => ask_async(group),
            Task::AskStruct => ask_struct(group),
            Task::AskPing => ask_ping(group),
            Task::Notify => notify(group),
            Task::AwaitNotice => self.await_notice(),
            Task::AskAll => ask_all(group),
            Task::AskCrowd => ask_crowd(group),
            Task::AskFile => ask_file(group),
            Task::ReserveCounter => reserve_counter(group),
            Task::Count => count(group),
            Task::ReadCounter => read_counter(group),
            Task::AskSilent => ask_silent(group),
            Task::AskHolder => ask_holder(group),
            Task::AwaitHeld => self.await_held(),
            Task::AskNobody => ask_nobody(group),
        }
    }

    fn await_notice(&self) -> Outcomes {
        let start = Instant::now();
        let note = self.notices.recv_timeout(SOON).map_err(|_| "no notification came")?;
        Ok(Done { time: start.elapsed(), note: format!("the primary got {note}") })
    }

    /// Waits for a request, and never answers it.
    fn await_held(&self) -> Outcomes {
        let start = Instant::now();
        let request = self.held.recv_timeout(SOON).map_err(|_| "no request came")?;
        let note = format!("{} is kept waiting", request.name());
        request.stay_silent();
        Ok(Done { time: start.elapsed(), note })
    }
}

fn ask_sync(group: &Group) -> Outcomes {
    let text = "SYNC Hello 1 from Client";
    let hello = Message::new("hello_request")?.with_param(text.as_bytes())?;
    let start = Instant::now();
    let reply = group.request(&hello, None)?.into_reply()?;
    let time = start.elapsed();
    Ok(Done { time, note: expect_text(&reply, &greeting("SYNC", text))? })
}

fn ask_async(group: &Group) -> Outcomes {
    let text = "ASYNC Hello 1 from Client";
    let hello = Message::new("hello_async_req")?.with_param(text.as_bytes())?;
    let (sender, called_back) = channel();
    let start = Instant::now();
    group.request_async(&hello, None, move |replies| {
        // Whoever waits has given up if this fails.
        let _ = sender.send((start.elapsed(), replies));
    })?;
    let (time, replies) =
        called_back.recv_timeout(SOON).map_err(|_| "the callback was not called")?;
    Ok(Done { time, note: expect_text(&replies.into_reply()?, &greeting("ASYNC", text))? })
}

fn ask_struct(group: &Group) -> Outcomes {
    let query = PortQuery { port: 3, queues: 16 };
    let request = Message::new("port_request")?.with_struct(&query)?;
    let start = Instant::now();
    let reply = group.request(&request, None)?.into_reply()?;
    let time = start.elapsed();
    let state: PortState = reply.param_as()?;
    let expected = PortState { port: 3, queues: 16, speed_mbps: PORT_SPEED_MBPS };
    expect(state == expected, || format!("{state:?} came instead of {expected:?}"))?;
    let PortState { port, queues, speed_mbps } = state;
    Ok(Done { time, note: format!("port {port} with {queues} queues runs at {speed_mbps} Mbit/s") })
}

fn ask_ping(group: &Group) -> Outcomes {
    let mut times = Vec::new();
    let start = Instant::now();
    for sequence in 0..PINGS {
        let ping = Ping { sequence, payload: !sequence };
        let request = Message::new("ping_request")?.with_struct(&ping)?;
        let sent = Instant::now();
        let reply = group.request(&request, None)?.into_reply()?;
        times.push(sent.elapsed());
        let pong: Ping = reply.param_as()?;
        expect(pong == ping, || format!("{pong:?} came instead of {ping:?}"))?;
    }
    let time = start.elapsed();
    times.sort_unstable();
    let median = times[times.len() / 2];
    Ok(Done { time, note: format!("{PINGS} round trips, half of them within {median:.1?}") })
}

fn notify(group: &Group) -> Outcomes {
    let notice = Message::new("notice")?.with_param(b"port 3 is up")?;
    let start = Instant::now();
    group.send(&notice)?;
    Ok(Done { time: start.elapsed(), note: "sent".to_owned() })
}

fn ask_all(group: &Group) -> Outcomes {
    let request = Message::new("status_request")?;
    let start = Instant::now();
    let replies = group.request(&request, None)?;
    let time = start.elapsed();
    let mut pids = Vec::new();
    for reply in replies.messages() {
        pids.push(reply.param_as::<u32>()?);
    }
    pids.sort_unstable();
    match pids[..] {
        [one, other] if replies.sent() == 2 && one != other => {
            Ok(Done { time, note: format!("processes {one} and {other} replied") })
        }
        _ => Err(format!("{} were asked, and {pids:?} replied", replies.sent()).into()),
    }
}

fn ask_crowd(group: &Group) -> Outcomes {
    let start = Instant::now();
    thread::scope(|scope| {
        let start_one = |thread| scope.spawn(move || ask_often(group, thread));
        let threads: Vec<_> = (0..CROWD_THREADS).map(start_one).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))
        })
    })?;
    let note = format!(
        "{CROWD_THREADS} threads each, {CROWD_REQUESTS} requests a thread: no reply was mixed up"
    );
    Ok(Done { time: start.elapsed(), note })
}

/// Asks again and again, each time with words that no other request has.
fn ask_often(group: &Group, thread: usize) -> Result<(), Failure> {
    for number in 1..=CROWD_REQUESTS {
        let text = format!("Hello {number} from thread {thread} of {}", std::process::id());
        let hello = Message::new("hello_request")?.with_param(text.as_bytes())?;
        let reply = group.request(&hello, None)?.into_reply()?;
        expect_text(&reply, &greeting("SYNC", &text))?;
    }
    Ok(())
}

fn ask_file(group: &Group) -> Outcomes {
    let text = "a file without a name";
    let request = Message::new("file_request")?.with_fd(nameless_file(text)?)?;
    let start = Instant::now();
    let mut reply = group.request(&request, None)?.into_reply()?;
    let time = start.elapsed();
    expect_text(&reply, text)?;
    let answer = read_file(reply.take_fds().pop().ok_or("no descriptor came back")?.into())?;
    let expected = text.to_uppercase();
    expect(answer == expected, || format!("{answer:?} came back instead of {expected:?}"))?;
    Ok(Done { time, note: format!("{text:?} was read, {answer:?} came back") })
}

fn reserve_counter(group: &Group) -> Outcomes {
    let start = Instant::now();
    group.memzones().reserve(COUNTER, size_of::<AtomicU64>()).zeroed().commit()?;
    Ok(Done { time: start.elapsed(), note: "reserved".to_owned() })
}

fn count(group: &Group) -> Outcomes {
    let start = Instant::now();
    let zone = group.memzones().lookup(COUNTER)?;
    let counter: &AtomicU64 = zone.shared()?;
    for _ in 0..COUNTS {
        counter.fetch_add(1, Ordering::Relaxed);
    }
    Ok(Done { time: start.elapsed(), note: "counted".to_owned() })
}

fn read_counter(group: &Group) -> Outcomes {
    let start = Instant::now();
    let zone = group.memzones().lookup(COUNTER)?;
    let sum = zone.shared::<AtomicU64>()?.load(Ordering::Relaxed);
    expect(sum == 2 * COUNTS, || format!("the counter stands at {sum}"))?;
    let note = format!("2 processes counted to {sum} at {:#x}: none was lost", zone.address());
    group.memzones().free(zone)?;
    Ok(Done { time: start.elapsed(), note })
}

fn ask_silent(group: &Group) -> Outcomes {
    let request = Message::new("silent_request")?;
    let start = Instant::now();
    let replies = group.request(&request, Some(SHORT_TIMEOUT))?;
    let time = start.elapsed();
    let outcome = replies.into_iter().next().map(|asked| asked.outcome);
    expect(matches!(outcome, Some(Outcome::TimedOut)), || format!("it ended with {outcome:?}"))?;
    expect(time >= SHORT_TIMEOUT && time <= SHORT_TIMEOUT + LATENESS, || {
        format!("a timeout of {SHORT_TIMEOUT:?} took {time:.1?}")
    })?;
    Ok(Done { time, note: format!("nobody answered within {SHORT_TIMEOUT:?}") })
}

fn ask_holder(group: &Group) -> Outcomes {
    let request = Message::new("hold_request")?;
    let start = Instant::now();
    let replies = group.request(&request, None)?;
    let time = start.elapsed();
    let died = replies.iter().filter(|asked| matches!(asked.outcome, Outcome::Died)).count();
    expect((replies.sent(), replies.received(), died) == (2, 1, 1), || {
        format!("it ended with {replies:?}")
    })?;
    Ok(Done { time, note: "noticed at once, and the other one's reply is kept".to_owned() })
}

fn ask_nobody(group: &Group) -> Outcomes {
    let request = Message::new("hello_request")?;
    let start = Instant::now();
    let outcome = group.request(&request, None);
    let time = start.elapsed();
    match outcome {
        Err(error @ RequestError::NoPrimary { .. }) => {
            let errno = io::Error::from_raw_os_error(error.errno());
            Ok(Done { time, note: format!("{error}: {errno}") })
        }
        Err(error) => Err(error.into()),
        Ok(replies) => Err(format!("it ended with {replies:?}").into()),
    }
}

fn expect_text(reply: &Message, expected: &str) -> Result<String, Failure> {
    let text = String::from_utf8_lossy(reply.param());
    expect(text == expected, || format!("{text:?} came instead of {expected:?}"))?;
    Ok(text.into_owned())
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}
