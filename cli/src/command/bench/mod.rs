//! `rte-mp bench`: how long a request takes on this machine, and how many messages go through.
//!
//! What is compared is measured in turn, a slice of time each, round by round: what else happens on the
//! machine then comes over all alike. This process is the one that asks; what it asks are processes of its
//! own, in a runtime directory of their own, and the members of a running group if they are wanted.

mod child;
mod contender;
mod measure;
mod member;
mod native;
mod picture;
mod records;
mod series;
mod server;
mod socket;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueHint;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::fs::{Access, access};
use tempfile::NamedTempFile;

use crate::args::{Common, duration};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::status::{Failure, Status};

use measure::{Effort, Lane};
use records::{Row, Summary};
use socket::Wait;

pub(crate) use server::{Args as ServerArgs, run as serve};

/// How long each contender is asked if nothing is said.
const DEFAULT_DURATION: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  rte-mp bench --duration 2s
  rte-mp bench --size 0 --count 10000 --json
  rte-mp bench --plot percentiles.svg
  rte-mp bench --members --file-prefix pg1";

/// Measure round trips and throughput on this machine.
///
/// Starts a primary of its own, which this command asks as a secondary, and bare Unix sockets between two
/// processes for comparison, with datagrams of the same size. All are asked in turn, round by round. The
/// ratio is how many times as long as with rte-mp a round trip takes, the median of all rounds. Ctrl-C ends
/// it and shows what was measured until then.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// How long to ask each, all rounds together; half of that again goes to one-way messages
    /// [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = some_duration, conflicts_with = "count")]
    duration: Option<Duration>,

    /// How often to ask each, and how many one-way messages to send it, instead of a time
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// How many bytes a message carries, up to 256; a datagram has 340 bytes whatever it carries
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true, default_value = "64", value_parser = clap::value_parser!(u16).range(..=256))]
    size: u16,

    /// Ask the members of the running group, too; --file-prefix does so by itself. DPDK processes are left
    /// out: they would log an error and not answer
    #[arg(long)]
    members: bool,

    /// Draw the percentiles of the round trips into this file, as SVG
    #[arg(long, value_name = "FILE", value_parser = picture_path, value_hint = ValueHint::FilePath)]
    plot: Option<PathBuf>,
}

fn some_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("nothing can be measured in no time".to_owned()),
        time => Ok(time),
    }
}

fn picture_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("svg") => Ok(path),
        _ => Err("the picture is SVG; name a file that ends in .svg".to_owned()),
    }
}

pub(crate) fn run(args: &Args, common: &Common, output: &mut Output) -> Result<Status, Failure> {
    let interrupt = Interrupt::catch()?;
    let start = Instant::now();
    // What may not work is tried before the time that the rest takes.
    let picture = args.plot.as_deref().map(prepare_picture).transpose()?;
    let param = vec![0xa5; args.size.into()];
    let directory =
        tempfile::Builder::new().prefix("rte-mp-bench-").tempdir().map_err(|error| {
            Failure::refused(format_args!("cannot make a runtime directory: {error}"))
        })?;

    let mut lanes = Vec::new();
    let mut left_out = Vec::new();
    lanes.push(Lane::new(native::Native::start(directory.path(), &param, common.timeout)?));
    for wait in [Wait::Polling, Wait::Blocking] {
        lanes.push(Lane::new(socket::Socket::start(directory.path(), wait, common.timeout)?));
    }
    if args.members || common.file_prefix.is_some() {
        let members = member::find(common, &param)?;
        lanes.extend(members.asked.into_iter().map(Lane::new));
        left_out = members.left_out;
    }

    let effort = Effort::new(args.duration.unwrap_or(DEFAULT_DURATION), args.count);
    let progress = progress(effort.rounds() * lanes.len() as u64);
    measure::measure(&mut lanes, &effort, &interrupt, &progress);
    progress.finish_and_clear();

    let rows: Vec<_> = lanes.iter().map(|lane| Row::new(lane, &lanes[0], args.size)).collect();
    let plot = picture.map(|(file, path)| draw(&rows, &lanes, file, &path)).transpose()?;
    // Their processes end here, before the directory goes.
    let failed = lanes.iter().any(|lane| lane.error().is_some());
    drop(lanes);
    directory.close().map_err(|error| {
        Failure::refused(format_args!("cannot remove the runtime directory: {error}"))
    })?;

    let summary = Summary::new(&effort, &interrupt, start.elapsed(), plot);
    records::show(&rows, &left_out, &summary, output)?;
    Ok(if failed { Status::Refused } else { Status::Done })
}

/// Shown on a terminal only, and only between two slices.
fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("measuring {bar:40} {percent}%, {eta} left");
    let progress = ProgressBar::new(steps);
    style.map(|style| progress.clone().with_style(style)).unwrap_or(progress)
}

/// Makes the file beside the one that it will replace, so that nobody sees half of a picture.
fn prepare_picture(path: &Path) -> Result<(NamedTempFile, PathBuf), Failure> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let file = NamedTempFile::new_in(directory)
        .map_err(|error| unwritable(path, &why_not_in(directory, &error)))?;
    if path.is_dir() {
        return Err(unwritable(path, &io::ErrorKind::IsADirectory.into()));
    }
    Ok((file, path.to_owned()))
}

/// Why there cannot be a file in `directory`, without the name that `error` has: nobody has asked for that one.
fn why_not_in(directory: &Path, error: &io::Error) -> io::Error {
    match access(directory, Access::WRITE_OK | Access::EXEC_OK) {
        Err(errno) => errno.into(),
        Ok(()) => error.kind().into(),
    }
}

fn draw(
    rows: &[Row],
    lanes: &[Lane],
    file: NamedTempFile,
    path: &Path,
) -> Result<PathBuf, Failure> {
    let lines: Vec<_> = rows
        .iter()
        .zip(lanes)
        .map(|(row, lane)| picture::Line { name: row.name(), times: lane.times() })
        .collect();
    picture::write(file, path, &lines).map_err(|error| unwritable(path, &error))?;
    Ok(path.to_owned())
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format_args!("cannot write {}: {error}", path.display()))
}
