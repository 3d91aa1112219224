//! The command line: the subcommands, and the options that all of them have.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};

use crate::command::{
    bench, completions, demo, doctor, hotplug, listen, man, ping, ps, request, send, top, trace,
    zones,
};

/// See, ask, listen to, measure and mend a DPDK or rte-mp process group.
///
/// Joins the group for as long as it runs, as one more secondary that needs no hugepages, or looks at it
/// from outside, and does not disturb it.
#[derive(Parser)]
#[command(name = "rte-mp", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a primary and two secondaries, and show and check all that they can say to each other.
    ///
    /// Needs no root, no hugepages and no DPDK, and leaves nothing behind. The exit status is 0 if
    /// every step holds.
    Demo,
    #[command(hide = true)]
    DemoMember(demo::MemberArgs),
    Ps(ps::Args),
    Send(send::Args),
    Request(request::Args),
    Listen(listen::Args),
    Ping(ping::Args),
    Top(top::Args),
    Zones(zones::Args),
    Hotplug(hotplug::Args),
    Trace(trace::Args),
    Bench(bench::Args),
    #[command(hide = true)]
    BenchServer(bench::ServerArgs),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// What all subcommands have in common.
#[derive(Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// The file prefix of the group [default: `rte` if it runs, or else the only group that does]
    #[arg(long, global = true, value_name = "P")]
    pub(crate) file_prefix: Option<String>,

    /// The directory that holds `dpdk/P` [default: where DPDK has it: $RUNTIME_DIRECTORY, or /var/run for
    /// root, or $XDG_RUNTIME_DIR, or /tmp]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath,
          value_parser = OsStringValueParser::new().try_map(directory))]
    pub(crate) runtime_dir: Option<PathBuf>,

    /// Write a JSON object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// How long to wait for the group: 200ms, 5s, 1m30s
    #[arg(long, global = true, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,

    /// Whether that is not just the default.
    #[arg(skip)]
    is_timeout_given: bool,

    /// Also say what happens below: dropped datagrams, lanes, stale sockets
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// When to use colours; $NO_COLOR is heeded, too
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    Always,
    Never,
}

/// Describes the command line without the subcommands that are not for users.
pub(crate) fn visible() -> clap::Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    // Subcommands can be added to a description, but not taken out of it.
    let bare = clap::Command::new("rte-mp")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .subcommand_help_heading("COMMANDS")
        .subcommand_value_name("command")
        .subcommands(shown);
    Common::augment_args(bare)
        .about(all.get_about().cloned().unwrap_or_default())
        .long_about(all.get_long_about().cloned().unwrap_or_default())
}

impl From<Color> for anstream::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

impl Cli {
    /// Reads our command line.
    ///
    /// # Errors
    /// What is wrong with it, or the help or version that was asked for.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches()?;
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.common.is_timeout_given =
            matches.value_source("timeout") == Some(ValueSource::CommandLine);
        Ok(cli)
    }

    /// Names the subcommand of our command line, as far as it can be read.
    pub(crate) fn subcommand() -> Option<String> {
        let matches = Self::command().ignore_errors(true).try_get_matches().ok()?;
        matches.subcommand_name().map(str::to_owned)
    }
}

impl Common {
    /// Gives the timeout that was asked for, or else this one: for what takes a DPDK process longer.
    pub(crate) fn timeout_or(&self, default: Duration) -> Duration {
        if self.is_timeout_given { self.timeout } else { default }
    }

    /// With `--verbose`, has the library's notes written to the standard error stream from now on.
    pub(crate) fn note_what_happens(&self) {
        if self.verbose {
            tracing_subscriber::fmt()
                .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .init();
        }
    }
}

/// Reads a time as people write it: `200ms`, `5s`, `1m 30s`.
///
/// # Errors
/// What is wrong, and what would be right.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and its unit, as in 200ms, 5s or 1m30s"))
}

/// Reads how often something is to be done: a time that is not 0.
///
/// # Errors
/// As [`duration`].
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it takes a time that is not 0".to_owned()),
        interval => Ok(interval),
    }
}

/// Reads the path of a directory that is there.
///
/// # Errors
/// What is there instead.
fn directory(path: OsString) -> Result<PathBuf, String> {
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(path.into()),
        Ok(_) => Err("it is no directory".to_owned()),
        // Below what may not be entered: whoever goes there says so.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(path.into()),
        Err(error) => Err(format!("{error}; name the directory that holds `dpdk/`")),
    }
}
