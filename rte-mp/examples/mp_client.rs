//! The client of the pair: a secondary that greets the primary, sync every 3 s, async every 5 s, and
//! shows what the primary counts in shared memory.
//!
//! ```sh
//! cargo run --example mp_client -- -l 2-3 -n 4 --proc-type=secondary --file-prefix=mp_ipc
//! ```
//!
//! It takes the command line of a DPDK program, and runs until Ctrl-C, until the server ends, or with
//! `--count N` until N requests of each kind have been made. Without a machine of four cores, name
//! others with `-l`.

mod common;

use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::offset_of;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rte_mp::{Group, Memzone, Message, NoReplyError, Replies, RequestError, ZoneAccessError};

use common::{Language, QUIT_PERIOD, SHARED_INFO, SharedInfo};

const USAGE: &str = "\
usage: mp_client [EAL flags] [--count N]

Greets mp_server until Ctrl-C or the server's end, or N times in each way. For example:
  mp_client -l 2-3 -n 4 --proc-type=secondary --file-prefix=mp_ipc --count 3";

const SYNC_PERIOD: Duration = Duration::from_secs(3);
const ASYNC_PERIOD: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    common::exit_with(run(), USAGE)
}

fn run() -> Result<(), Box<dyn Error>> {
    let (count, args) = take_count(env::args_os())?;
    let signals = common::collect_signals()?;
    let (group, words) = Group::from_args(args)?;
    common::expect_no_words(&words)?;

    let language = Language::of_environment();
    let counters = find_counters(&group, language);
    let (sender, news) = channel();
    common::leave_at_signal(signals, &group, sender.clone(), News::Stop);
    let mut client = Client { group, language, counters, news: sender, awaited: 0, failed: 0 };
    client.talk(&news, count);
    client.group.leave();
    match client.failed {
        0 => Ok(()),
        failed => Err(format!("requests without a reply: {failed}").into()),
    }
}

/// Looks for what the server counts. Without it, the client does all the rest.
fn find_counters(group: &Group, language: Language) -> Option<Memzone> {
    let look = || -> Result<Memzone, Box<dyn Error>> {
        let zone = group.memzones().lookup(SHARED_INFO)?;
        Seen::in_zone(&zone)?;
        Ok(zone)
    };
    look()
        .inspect_err(|error| {
            let none = language.pick("no counters", "没有计数器");
            common::say(&format!("[SHARED] {none}: {}", common::chain(error.as_ref())));
        })
        .ok()
}

/// What the main loop is told.
enum News {
    Stop,
    Answered(Result<(), Box<dyn Error + Send>>),
}

struct Client {
    group: Group,
    language: Language,
    /// What the server counts, if it does.
    counters: Option<Memzone>,
    news: Sender<News>,
    /// Async requests that are out.
    awaited: u64,
    /// Requests that brought no reply.
    failed: u64,
}

impl Client {
    /// Makes requests at their times, until `count` of each are through, or we are stopped, or
    /// everybody is told to quit.
    fn talk(&mut self, news: &Receiver<News>, count: Option<u64>) {
        let mut sync = Pace::new(SYNC_PERIOD, count);
        let mut asynchronous = Pace::new(ASYNC_PERIOD, count);
        loop {
            if let Some(number) = sync.turn() {
                let outcome = self.ask(number);
                self.note(outcome);
            }
            if let Some(number) = asynchronous.turn() {
                match self.ask_async(number) {
                    Ok(()) => self.awaited += 1,
                    failed => self.note(failed),
                }
            }
            let next = sync.next.into_iter().chain(asynchronous.next).min();
            if (next.is_none() && self.awaited == 0) || self.is_to_quit() {
                return;
            }
            match wait(news, next) {
                Some(News::Stop) => return,
                Some(News::Answered(outcome)) => {
                    self.awaited -= 1;
                    self.note(outcome.map_err(|error| error as Box<dyn Error>));
                }
                None => {}
            }
        }
    }

    /// Asks, and waits for the reply.
    fn ask(&self, number: u64) -> Result<(), Box<dyn Error>> {
        let hello = hello("hello_request", "SYNC", number)?;
        let reply = self.group.request(&hello, None)?.into_reply()?;
        print_reply("SYNC", self.language, &reply);
        self.show_counters();
        Ok(())
    }

    /// Prints what the server has counted.
    fn show_counters(&self) {
        let Some(Seen { sync, asynchronous, .. }) = self.see() else { return };
        common::say(&self.language.pick(
            format!("[SHARED] sync requests: {sync}, async requests: {asynchronous}"),
            format!("[SHARED] 同步请求: {sync} 个, 异步请求: {asynchronous} 个"),
        ));
    }

    /// Tells whether the server has told everybody to quit.
    fn is_to_quit(&self) -> bool {
        self.see().is_some_and(|seen| seen.force_quit)
    }

    fn see(&self) -> Option<Seen> {
        Seen::in_zone(self.counters.as_ref()?).ok()
    }

    /// Asks; the reply comes to a callback.
    fn ask_async(&self, number: u64) -> Result<(), Box<dyn Error>> {
        let hello = hello("hello_async_req", "ASYNC", number)?;
        let (language, news) = (self.language, self.news.clone());
        let done = move |replies| {
            let outcome = called_back(language, replies);
            // The main loop may be gone, and then needs no news.
            let _ = news.send(News::Answered(outcome));
        };
        // As long as we hold it, the callback cannot print before we have.
        let _output = io::stdout().lock();
        self.group.request_async(&hello, None, done)?;
        common::say(language.pick("[ASYNC] request sent", "[ASYNC] 请求已发送"));
        Ok(())
    }

    /// Counts and reports a failure, unless it is that we were told to stop or to quit.
    fn note(&mut self, outcome: Result<(), Box<dyn Error>>) {
        if let Err(error) = outcome
            && !is_our_leaving(error.as_ref())
            && !self.is_to_quit()
        {
            self.failed += 1;
            common::complain(error.as_ref());
        }
    }
}

fn hello(action: &str, kind: &str, number: u64) -> Result<Message, Box<dyn Error>> {
    let text = format!("{kind} Hello {number} from Client");
    Ok(Message::new(action)?.with_param(&common::to_param(&text))?)
}

fn called_back(language: Language, replies: Replies) -> Result<(), Box<dyn Error + Send>> {
    common::say(language.pick("[ASYNC] callback called", "[ASYNC] 回调被调用"));
    let reply = replies.into_reply().map_err(|error| Box::new(error) as _)?;
    print_reply("ASYNC", language, &reply);
    Ok(())
}

fn print_reply(kind: &str, language: Language, reply: &Message) {
    let word = language.pick("reply", "回复");
    common::say(&format!("[{kind}] {word}: {}", common::text_of(reply.param())));
}

/// Tells whether a request ended because we left the group.
fn is_our_leaving(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(RequestError::Left { .. }))
        || matches!(error.downcast_ref(), Some(NoReplyError::Abandoned { .. }))
}

/// What stood in the counters, read from outside: a zone of a DPDK primary can only be read.
struct Seen {
    force_quit: bool,
    sync: u64,
    asynchronous: u64,
}

impl Seen {
    fn in_zone(zone: &Memzone) -> Result<Self, ZoneAccessError> {
        let mut force_quit = [0; 4];
        zone.read_at(offset_of!(SharedInfo, force_quit), &mut force_quit)?;
        let count = |offset| {
            let mut count = [0; 8];
            zone.read_at(offset, &mut count).map(|()| u64::from_ne_bytes(count))
        };
        Ok(Self {
            force_quit: force_quit != [0; 4],
            sync: count(offset_of!(SharedInfo, request_count))?,
            asynchronous: count(offset_of!(SharedInfo, async_request_count))?,
        })
    }
}

/// When the next request of a kind is due, and which it is.
struct Pace {
    period: Duration,
    count: Option<u64>,
    number: u64,
    next: Option<Instant>,
}

impl Pace {
    /// The first is due at once.
    fn new(period: Duration, count: Option<u64>) -> Self {
        Self { period, count, number: 0, next: Some(Instant::now()) }
    }

    /// Gives the number of the request that is due, if one is.
    fn turn(&mut self) -> Option<u64> {
        let now = Instant::now();
        self.next.filter(|&next| next <= now)?;
        self.number += 1;
        let last = self.count == Some(self.number);
        self.next = (!last).then_some(now + self.period);
        Some(self.number)
    }
}

/// Waits for news, or until a request is due, or it is time to see whether to quit.
fn wait(news: &Receiver<News>, due: Option<Instant>) -> Option<News> {
    let until_due = due.map(|due| due.saturating_duration_since(Instant::now()));
    news.recv_timeout(until_due.map_or(QUIT_PERIOD, |wait| wait.min(QUIT_PERIOD))).ok()
}

/// Takes `--count N` or `--count=N` out of a command line, wherever it stands.
fn take_count(
    mut args: impl Iterator<Item = OsString>,
) -> Result<(Option<u64>, Vec<OsString>), Box<dyn Error>> {
    let mut count = None;
    let mut rest = Vec::new();
    while let Some(arg) = args.next() {
        if arg == "--count" {
            count = Some(parse_count(args.next().as_deref())?);
        } else if let Some(value) = arg.to_str().and_then(|arg| arg.strip_prefix("--count=")) {
            count = Some(parse_count(Some(value.as_ref()))?);
        } else {
            rest.push(arg);
        }
    }
    Ok((count, rest))
}

fn parse_count(value: Option<&OsStr>) -> Result<u64, Box<dyn Error>> {
    let value = value.unwrap_or_default();
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|&count| count > 0)
        .ok_or_else(|| format!("--count cannot be {value:?}: it takes a number from 1").into())
}
