//! The command `rte-mp`: see, ask and mend a process group from a shell.
//!
//! What is on the command line is read here; each subcommand has a room in `command`.

mod command;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use command::demo;

/// See, ask and mend a DPDK or rte-mp process group.
#[derive(Parser)]
#[command(name = "rte-mp", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a primary and two secondaries, and show and check all that they can say to each other.
    ///
    /// Needs no root, no hugepages and no DPDK, and leaves nothing behind. The exit status is 0 if
    /// every step holds.
    Demo,
    #[command(hide = true)]
    DemoMember(demo::MemberArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo => demo::run(&mut io::stdout()),
        Command::DemoMember(args) => demo::run_member(&args),
    };
    outcome.unwrap_or_else(|error| {
        // There is no better place to say that it cannot be said.
        let _ = writeln!(io::stderr(), "rte-mp: {}", chain(error.as_ref()));
        ExitCode::FAILURE
    })
}

/// Puts an error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}
