//! The server of the pair: a primary that answers greetings, and counts them in shared memory.
//!
//! ```sh
//! cargo run --example mp_server -- -l 0-1 -n 4 --proc-type=primary --file-prefix=mp_ipc
//! ```
//!
//! It takes the command line of a DPDK program, and runs until Ctrl-C.

mod common;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rte_mp::{Group, Memzone, ReplyError, Request};

use common::{Language, QUIT_PERIOD, SHARED_INFO, SharedInfo};

const USAGE: &str = "\
usage: mp_server [EAL flags]

Answers the requests of mp_client until Ctrl-C. For example:
  mp_server -l 0-1 -n 4 --proc-type=primary --file-prefix=mp_ipc";

const STATISTICS_PERIOD: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    common::exit_with(serve(), USAGE)
}

fn serve() -> Result<(), Box<dyn Error>> {
    let signals = common::collect_signals()?;
    let (group, words) = Group::from_args(env::args_os())?;
    common::expect_no_words(&words)?;

    let language = Language::of_environment();
    let zone = group.memzones().reserve(SHARED_INFO, size_of::<SharedInfo>()).zeroed().commit()?;
    let counters = Counters::new(zone)?;
    answer(&group, "hello_request", "SYNC", language, &counters, |info| &info.request_count)?;
    answer(&group, "hello_async_req", "ASYNC", language, &counters, |info| {
        &info.async_request_count
    })?;

    let (stop, stopped) = channel();
    common::leave_at_signal(signals, &group, stop, ());
    show_statistics(&stopped, language, counters.info());
    // The clients see it, and end too.
    counters.info().force_quit.store(1, Ordering::Relaxed);
    group.leave();
    Ok(())
}

/// Answers the requests named `action`, and counts each by `counter`.
fn answer(
    group: &Group,
    action: &str,
    kind: &'static str,
    language: Language,
    counters: &Counters,
    counter: fn(&SharedInfo) -> &AtomicU64,
) -> Result<(), Box<dyn Error>> {
    let counters = counters.clone();
    group.register(action, move |request| {
        counter(counters.info()).fetch_add(1, Ordering::Relaxed);
        greet(request, kind, language)
    })?;
    Ok(())
}

/// Prints the counters now and then, until we are stopped, or everybody is told to quit.
fn show_statistics(stopped: &Receiver<()>, language: Language, info: &SharedInfo) {
    let mut due = Instant::now() + STATISTICS_PERIOD;
    while stopped.recv_timeout(QUIT_PERIOD) == Err(RecvTimeoutError::Timeout)
        && info.force_quit.load(Ordering::Relaxed) == 0
    {
        if Instant::now() >= due {
            due += STATISTICS_PERIOD;
            let sync = info.request_count.load(Ordering::Relaxed);
            let asynchronous = info.async_request_count.load(Ordering::Relaxed);
            common::say(&statistics(language, sync, asynchronous));
        }
    }
}

/// Prints what came, and sends it back with a frame around it.
fn greet(request: Request, kind: &str, language: Language) -> Result<(), ReplyError> {
    let text = common::text_of(request.param());
    let received = language.pick("received", "收到");
    common::say(&format!("[{kind}] {received}: {text}"));
    let reply = format!("Server {kind} reply: Got '{text}'");
    request.reply(&common::to_param(&reply))
}

fn statistics(language: Language, sync: u64, asynchronous: u64) -> String {
    language.pick(
        format!("[Server] handled sync requests: {sync}, async requests: {asynchronous}"),
        format!("[Server] 已处理同步请求: {sync} 个, 异步请求: {asynchronous} 个"),
    )
}

/// The counters, and the memory that they lie in.
#[derive(Clone)]
struct Counters(Memzone);

impl Counters {
    /// Takes the zone for them, which must be large enough.
    fn new(zone: Memzone) -> Result<Self, Box<dyn Error>> {
        zone.shared::<SharedInfo>()?;
        Ok(Self(zone))
    }

    fn info(&self) -> &SharedInfo {
        self.0.shared().expect("it was looked at when the zone was found")
    }
}
