//! The command `rte-mp`: see, ask and mend a process group from a shell.
//!
//! The command line is described in `args`; each subcommand has a room in `command`. Beside them is what
//! they have in common: the group that is meant, what is written and how, and how it ends.

mod args;
mod clock;
mod command;
mod content;
mod decode;
mod dpdk;
mod escape;
mod group;
mod interrupt;
mod latency;
mod machine;
mod nature;
mod output;
mod payload;
mod status;
mod table;
mod usage;

use std::io::{self, Write};
use std::process::ExitCode;

use args::Cli;
use output::Output;
use status::Status;

fn main() -> ExitCode {
    let status = match Cli::read() {
        Ok(cli) => run(&cli),
        Err(error) => usage::show(&error),
    };
    status.into()
}

fn run(cli: &Cli) -> Status {
    cli.common.note_what_happens();
    let mut output = Output::new(&cli.common);
    command::run(&cli.command, &cli.common, &mut output).unwrap_or_else(|failure| {
        if let Some(line) = failure.line() {
            // There is no better place to say that it cannot be said.
            let _ = writeln!(io::stderr(), "rte-mp: {line}");
        }
        failure.status()
    })
}
