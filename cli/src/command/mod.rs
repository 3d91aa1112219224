//! The subcommands, one room each.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod hotplug;
pub(crate) mod listen;
pub(crate) mod man;
pub(crate) mod ping;
pub(crate) mod ps;
pub(crate) mod request;
pub(crate) mod send;
pub(crate) mod top;
pub(crate) mod trace;
pub(crate) mod zones;

use crate::args::{Command, Common};
use crate::output::Output;
use crate::status::{Failure, Status};

/// Runs a subcommand, and gives its exit status.
pub(crate) fn run(
    command: &Command,
    common: &Common,
    output: &mut Output,
) -> Result<Status, Failure> {
    match command {
        Command::Demo => demo::run(output),
        Command::DemoMember(args) => demo::run_member(args),
        Command::Ps(args) => ps::run(args, common, output),
        Command::Send(args) => send::run(args, common, output),
        Command::Request(args) => request::run(args, common, output),
        Command::Listen(args) => listen::run(args, common, output),
        Command::Ping(args) => ping::run(args, common, output),
        Command::Top(args) => top::run(args, common, output),
        Command::Zones(args) => zones::run(args, common, output),
        Command::Hotplug(args) => hotplug::run(args, common, output),
        Command::Trace(args) => trace::run(args, common, output),
        Command::Bench(args) => bench::run(args, common, output),
        Command::BenchServer(args) => bench::serve(args),
        Command::Doctor(args) => doctor::run(args, common, output),
        Command::Completions(args) => completions::run(args, output),
        Command::Man(args) => man::run(args),
    }
}
