//! The server of the pair: a primary that answers greetings, and counts them.
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
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rte_mp::{Group, ReplyError, Request};

use common::Language;

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
    let sync = answer(&group, "hello_request", "SYNC", language)?;
    let asynchronous = answer(&group, "hello_async_req", "ASYNC", language)?;

    let (stop, stopped) = channel();
    common::leave_at_signal(signals, &group, stop, ());
    while stopped.recv_timeout(STATISTICS_PERIOD) == Err(RecvTimeoutError::Timeout) {
        common::say(&statistics(
            language,
            sync.load(Ordering::Relaxed),
            asynchronous.load(Ordering::Relaxed),
        ));
    }
    group.leave();
    Ok(())
}

/// Answers the requests named `action`, and gives their counter.
fn answer(
    group: &Group,
    action: &str,
    kind: &'static str,
    language: Language,
) -> Result<Arc<AtomicU64>, Box<dyn Error>> {
    let handled = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&handled);
    group.register(action, move |request| {
        counter.fetch_add(1, Ordering::Relaxed);
        greet(request, kind, language)
    })?;
    Ok(handled)
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
