//! What the server and the client share: their language, the text in a parameter, their counters in
//! shared memory, how they end.

use std::borrow::Cow;
use std::env;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use rte_mp::{Group, StartError};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The longest text that fits into a parameter with its NUL.
const MAX_TEXT: usize = 255;

/// Where the counters are.
pub(crate) const SHARED_INFO: &str = "MZ_SHARED_INFO";

/// How often to look whether everybody is to quit.
pub(crate) const QUIT_PERIOD: Duration = Duration::from_millis(100);

rte_mp::shared_struct! {
    /// What the server counts and all can see; a C program declares the same struct, aligned to a
    /// cache line.
    #[repr(align(64))]
    pub(crate) struct SharedInfo {
        /// Not 0 once everybody is to quit.
        pub(crate) force_quit: AtomicU32,
        /// Sync requests that were handled.
        pub(crate) request_count: AtomicU64,
        /// Async requests that were handled.
        pub(crate) async_request_count: AtomicU64,
    }
}

/// The language of the printed lines; what goes over the wire is the same in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

impl Language {
    /// Reads the locale of messages: of `LC_ALL`, `LC_MESSAGES` and `LANG` the first that says
    /// anything.
    pub(crate) fn of_environment() -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(env::var_os)
            .find(|value| !value.is_empty())
            .unwrap_or_default();
        if locale.as_encoded_bytes().starts_with(b"zh") { Self::Chinese } else { Self::English }
    }

    /// Picks what is said in this language.
    pub(crate) fn pick<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

/// Makes a C string of `text`, cut short as `snprintf` would: the NUL goes over the wire and counts
/// in the length.
pub(crate) fn to_param(text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(MAX_TEXT)];
    [text, b"\0"].concat()
}

/// Reads the C string in a parameter; without a NUL it is all of it.
pub(crate) fn text_of(param: &[u8]) -> Cow<'_, str> {
    let text = param.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text)
}

/// Prints a line. That nobody reads our output is no reason to end.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints what went wrong, with its causes, on one line.
pub(crate) fn complain(error: &dyn Error) {
    let _ = writeln!(io::stderr(), "{}: {}", env!("CARGO_CRATE_NAME"), chain(error));
}

/// Puts an error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}

/// Refuses words that neither the EAL flags nor the program have a use for.
pub(crate) fn expect_no_words(words: &[OsString]) -> Result<(), Box<dyn Error>> {
    match words {
        [] => Ok(()),
        words => {
            let words = words.join(OsStr::new(" "));
            Err(format!("there is no use for {words:?} on the command line").into())
        }
    }
}

/// Collects Ctrl-C (`SIGINT`) and `SIGTERM` from now on.
pub(crate) fn collect_signals() -> io::Result<Signals> {
    Signals::new([SIGINT, SIGTERM])
}

/// At the first signal, sends `news` to the main loop and leaves the group, so that a request that
/// waits ends at once.
pub(crate) fn leave_at_signal<N: Send + 'static>(
    mut signals: Signals,
    group: &Group,
    main_loop: Sender<N>,
    news: N,
) {
    let group = group.downgrade();
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            // Without a main loop the program is ending anyway.
            let _ = main_loop.send(news);
            if let Some(group) = group.upgrade() {
                group.leave();
            }
        }
    });
}

/// Turns the outcome of the program into its exit status, and says what went wrong.
pub(crate) fn exit_with(outcome: Result<(), Box<dyn Error>>, usage: &str) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if matches!(error.downcast_ref(), Some(StartError::Help)) {
        say(usage);
        return ExitCode::SUCCESS;
    }
    complain(error.as_ref());
    ExitCode::FAILURE
}
