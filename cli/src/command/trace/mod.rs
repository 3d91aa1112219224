//! `rte-mp trace`: records the messages of rte-mp processes, as strace and tcpdump do for theirs.
//!
//! `program` starts what is to be recorded, `sources` reads the records of all members, `sorter` puts them in
//! order, `cast` knows who is who, and each form of output has a room: `text`, `json`, `mermaid`, `pcapng`.
//! `capture` reads a pcapng file back.

mod capture;
mod cast;
mod json;
mod mermaid;
mod paper;
mod pcapng;
mod program;
mod scribe;
mod sorter;
mod sources;
mod text;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use self::cast::Cast;
use self::paper::Paper;
use self::program::Program;
use self::scribe::{Scribe, Totals};
use self::sorter::Sorter;
use self::sources::{News, Sources};
use crate::args::Common;
use crate::escape::Escaped;
use crate::group::find_member;
use crate::interrupt::Interrupt;
use crate::nature::Nature;
use crate::output::Output;
use crate::status::{Failure, Status};

/// How long a program that Ctrl-C has reached, too, may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);
/// How long is read in the end what members have recorded so far, though they go on.
const LAST_LOOK: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  rte-mp trace -- ./server --proc-type primary
  rte-mp trace --attach primary --file-prefix pg1
  rte-mp trace --out talk.pcapng -- ./client
  rte-mp trace --in talk.pcapng --format mermaid";

/// Record the messages of a program, or of running members: what went out, came in or was dropped, and why.
///
/// Runs CMD, whose exit status becomes that of this command, and records every group that it or one of its
/// children joins; or attaches to running rte-mp processes of the same user, which go on when it ends. The
/// program needs no change and is not slowed down by a slow reader: what does not fit is lost, and that is
/// told. DPDK processes cannot be recorded, but what rte-mp processes say to them can.
///
/// The records go to the standard output, and then what CMD writes there goes to the standard error stream;
/// with --out the records go to the file, and CMD keeps its output.
///
/// CMD never ends because of its recorder: a disk that is full or a reader who is gone ends the recording only,
/// which is said on the standard error stream, and a member for which no file descriptor is left is not recorded,
/// which is said there and in the summary. Ctrl-C ends CMD, too.
#[derive(clap::Args)]
#[command(
    override_usage = "rte-mp trace [OPTIONS] -- <CMD>...\n       rte-mp trace [OPTIONS] --attach <MEMBER>\n       \
                            rte-mp trace [OPTIONS] --in <FILE>"
)]
#[command(after_long_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["attach", "input", "command"]))]
pub(crate) struct Args {
    /// Write the records to a file
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How to write them [default: what the end of FILE says: .pcapng, .json, .jsonl, .mmd; or else text]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Record a running member: a process id, `primary`, or a socket; may be given several times
    #[arg(short, long, value_name = "MEMBER", conflicts_with_all = ["input", "command"])]
    attach: Vec<String>,

    /// Read the records from a pcapng file that was written before
    #[arg(short, long = "in", value_name = "FILE", conflicts_with = "command")]
    input: Option<PathBuf>,

    /// The program to run, and its arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each
    Text,
    /// A JSON object a line
    Json,
    /// A sequence diagram
    Mermaid,
    /// A capture for Wireshark and tshark
    Pcapng,
}

impl Args {
    fn format(&self, common: &Common) -> Format {
        let by_name = |path: &PathBuf| match path.extension()?.to_str()? {
            "pcapng" => Some(Format::Pcapng),
            "json" | "jsonl" => Some(Format::Json),
            "mmd" | "mermaid" => Some(Format::Mermaid),
            _ => None,
        };
        let json = common.json.then_some(Format::Json);
        let named = || self.out.as_ref().and_then(by_name);
        self.format.or(json).or_else(named).unwrap_or(Format::Text)
    }
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    let format = args.format(common);
    if format == Format::Pcapng && args.out.is_none() && io::stdout().is_terminal() {
        return Err(Failure::usage(
            "a capture is not for a terminal; name a file with --out, or pipe it to `wireshark -k -i -`",
        ));
    }
    let scribe = scribe(format, common.verbose);
    match &args.input {
        Some(path) => read_back(path, args, scribe, common, output),
        None => record(args, scribe, common, output),
    }
}

fn scribe(format: Format, verbose: bool) -> Box<dyn Scribe> {
    match format {
        Format::Text => Box::new(text::Text::new(verbose)),
        Format::Json => Box::new(json::Json),
        Format::Mermaid => Box::new(mermaid::Mermaid::default()),
        Format::Pcapng => Box::new(pcapng::Pcapng::default()),
    }
}

/// Records what is to be, until it ends or the user wants it to.
fn record(
    args: &Args,
    scribe: Box<dyn Scribe>,
    common: &Common,
    output: &mut Output,
) -> Result<Status, Failure> {
    let interrupt = Interrupt::catch()?;
    // What can fail comes first, so that nothing is started in vain.
    let paper = Paper::open(args.out.as_deref(), output)?;
    let mut sources = Sources::new();
    let mut running = match &args.command[..] {
        [] => {
            attach(&args.attach, common, &mut sources)?;
            None
        }
        command => {
            let listener = sources.listen()?;
            Some(Program::start(command, &listener, args.out.is_some())?)
        }
    };
    let mut desk = Desk::new(scribe, paper, common.verbose);
    let mut status = Status::Done;
    let mut recorded = desk.begin();
    if recorded.is_ok() {
        recorded = follow(&mut sources, &mut running, &mut status, &interrupt, common, &mut desk);
    }
    // Also if it has come to an early end.
    let held = desk.write_held();
    let ended = recorded.and(held).and_then(|()| desk.end(&sources, args.command.first()));
    let Err(failure) = ended else { return Ok(status) };
    let Some(command) = args.command.first() else { return Err(failure) };
    // It is not the program's fault: it goes on, and its exit status counts.
    let why = failure.line().unwrap_or_else(|| "nobody reads the records any more".to_owned());
    drop(sources);
    match running {
        Some(program) => {
            let name = command.to_string_lossy();
            note(&format!("{why}; {name} goes on without being recorded"));
            Ok(accompany(program, &interrupt, common.timeout)?)
        }
        None => {
            note(&format!("{why}; the last records are missing"));
            Ok(status)
        }
    }
}

/// Waits until a program has ended that is not recorded any more. Ctrl-C ends it, too.
fn accompany(mut program: Program, interrupt: &Interrupt, timeout: Duration) -> io::Result<Status> {
    if interrupt.wait_for_either(program.as_fd()) {
        let mut ending = Ending::begin(timeout);
        while ending.due.is_some() && program.ended()?.is_none() {
            program.wait(ending.due);
            ending.go_on(&mut program);
        }
    }
    program.end()
}

/// Asks each member to be recorded.
fn attach(members: &[String], common: &Common, sources: &mut Sources) -> Result<(), Failure> {
    let group = common.join()?;
    for wanted in members {
        let member = find_member(&group, wanted)?;
        if Nature::of(&group, &member) == Nature::Dpdk {
            return Err(Failure::refused(format_args!(
                "{wanted} is a DPDK process, which cannot be recorded; attach to the rte-mp processes that it \
                 talks to"
            )));
        }
        sources.add(group.to(&member.name).trace(Some(common.timeout))?)?;
    }
    // The records come by sockets of their own; nobody needs to see us in the group any longer.
    group.leave();
    Ok(())
}

/// Writes down what comes, until all that is recorded has ended.
///
/// `program` is taken away once it has ended, and `status` is then its.
fn follow(
    sources: &mut Sources,
    program: &mut Option<Program>,
    status: &mut Status,
    interrupt: &Interrupt,
    common: &Common,
    desk: &mut Desk<'_>,
) -> Result<(), Failure> {
    let mut ending: Option<Ending> = None;
    loop {
        if interrupt.is_caught() && ending.is_none() {
            if program.is_none() {
                return sources.read_out(LAST_LOOK, |news| desk.take(news));
            }
            ending = Some(Ending::begin(common.timeout));
        }
        if let (Some(ending), Some(program)) = (&mut ending, &mut *program) {
            ending.go_on(program);
        }
        if program.is_none() && (sources.have_ended() || ending.is_some()) {
            return sources.read_out(LAST_LOOK, |news| desk.take(news));
        }
        let due = [desk.due(), ending.as_ref().and_then(|ending| ending.due)];
        let until = due.into_iter().flatten().min();
        sources.wait(interrupt, program.as_ref(), &desk.paper, until)?;
        desk.paper.check_reader()?;
        let ended = match program {
            Some(running) => running.ended()?,
            None => None,
        };
        // What had ended before has sent all of it by now.
        let taken = desk.take(sources.read());
        if let Some(ended) = ended {
            *status = ended;
            *program = None;
        }
        taken?;
    }
}

/// The program is to end: first by itself, for Ctrl-C on a terminal reaches it, too; then asked to; then made to.
struct Ending {
    step: Step,
    due: Option<Instant>,
    timeout: Duration,
}

enum Step {
    Wait,
    Ask,
    Kill,
}

impl Ending {
    fn begin(timeout: Duration) -> Self {
        Self { step: Step::Wait, due: Some(Instant::now() + GRACE), timeout }
    }

    fn go_on(&mut self, program: &mut Program) {
        if self.due.is_none_or(|due| Instant::now() < due) {
            return;
        }
        (self.step, self.due) = match self.step {
            Step::Wait => {
                program.ask_to_end();
                (Step::Ask, Instant::now().checked_add(self.timeout))
            }
            Step::Ask | Step::Kill => {
                program.kill();
                (Step::Kill, None)
            }
        };
    }
}

/// Where records are put in order, counted, and written.
struct Desk<'a> {
    cast: Cast,
    sorter: Sorter,
    scribe: Box<dyn Scribe>,
    paper: Paper<'a>,
    totals: Totals,
    verbose: bool,
    start: Instant,
}

impl<'a> Desk<'a> {
    fn new(scribe: Box<dyn Scribe>, paper: Paper<'a>, verbose: bool) -> Self {
        Self {
            cast: Cast::default(),
            sorter: Sorter::default(),
            scribe,
            paper,
            totals: Totals::default(),
            verbose,
            start: Instant::now(),
        }
    }

    fn begin(&mut self) -> Result<(), Failure> {
        self.scribe.begin(&mut self.paper)?;
        self.paper.flush()
    }

    fn due(&self) -> Option<Instant> {
        self.sorter.next_due()
    }

    fn take(&mut self, news: Vec<News>) -> Result<(), Failure> {
        let now = Instant::now();
        for piece in news {
            self.sorter.put(piece, now);
        }
        while let Some(piece) = self.sorter.take_due(now) {
            self.write(&piece)?;
        }
        self.paper.flush()
    }

    fn write(&mut self, piece: &News) -> Result<(), Failure> {
        self.cast.note(piece);
        if self.verbose || self.scribe.wants_all() || !piece.is_of_ours() {
            self.totals.count(piece);
            self.scribe.write(&self.cast, piece, &mut self.paper)?;
        }
        Ok(())
    }

    /// Writes what is held back: nothing will come any more.
    fn write_held(&mut self) -> Result<(), Failure> {
        while let Some(piece) = self.sorter.take_last() {
            self.write(&piece)?;
        }
        self.paper.flush()
    }

    /// Writes the summary. `command` was run, and may have joined no group.
    fn end(&mut self, sources: &Sources, command: Option<&OsString>) -> Result<(), Failure> {
        self.totals.time = self.start.elapsed();
        self.totals.unrecorded = sources.turned_away();
        self.scribe.end(&self.totals, &mut self.paper)?;
        self.paper.flush()?;
        let nobody_came = sources.count() == 0 && sources.turned_away() == 0;
        match command.filter(|_| nobody_came) {
            Some(command) => note(&format!(
                "{} has joined no group, so nothing was recorded; DPDK's own programs cannot be",
                command.to_string_lossy()
            )),
            None if !self.scribe.tells_totals() => note(&self.totals.to_string()),
            None => {}
        }
        Ok(())
    }
}

/// Says something beside the records, on the standard error stream.
fn note(text: &str) {
    // There is no better place to say that it cannot be said.
    let _ = writeln!(io::stderr(), "rte-mp: {}", Escaped::message(text));
}

/// Writes the records of a capture in another form.
fn read_back(
    path: &Path,
    args: &Args,
    scribe: Box<dyn Scribe>,
    common: &Common,
    output: &mut Output,
) -> Result<Status, Failure> {
    let mut capture = capture::Capture::open(path)?;
    if let Some(out) = args.out.as_deref().filter(|out| capture.is_at(out)) {
        return Err(Failure::usage(format_args!(
            "{} is what is read; write to another file",
            out.display()
        )));
    }
    let paper = Paper::open(args.out.as_deref(), output)?;
    let mut desk = Desk::new(scribe, paper, common.verbose);
    desk.begin()?;
    while let Some(piece) = capture.next()? {
        desk.write(&piece)?;
    }
    desk.start = Instant::now();
    desk.end(&Sources::new(), None)?;
    Ok(Status::Done)
}
