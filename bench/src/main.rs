//! How fast rte-mp is, side by side with bare sockets and with DPDK.
//!
//! Everything that is compared is measured in one run, in rounds that alternate, between processes
//! of their own, so that whatever disturbs the machine disturbs all alike. This file reads the
//! command line; `measure/` has a file for each thing that is measured, `child/` what the measured
//! processes do.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

mod child;
mod contender;
mod cores;
mod measure;
mod report;
mod stage;

const USAGE: &str = "\
rte-mp-bench [--quick] [--json] [--check] [--only NAME]... [--dpdk PROGRAM]

  --quick          fewer rounds
  --json           JSON lines instead of tables
  --check          fail if a target is missed
  --only NAME      measure only this; may be repeated
  --dpdk PROGRAM   the compiled interop/c/dpdk_bench.c, to compare with DPDK

names: sync, cold, one-core, dpdk-primary, oneway, broadcast, death, join, idle, calls, memory
";

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    quick: bool,
    json: bool,
    check: bool,
    only: Vec<String>,
    dpdk: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(&argument) = rest.next() {
            let mut value = || rest.next().ok_or(format!("{argument} wants a value"));
            match argument {
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--dpdk" => options.dpdk = Some(value()?.into()),
                "--only" => {
                    let name = *value()?;
                    if !measure::NAMES.contains(&name) {
                        return Err(format!("nothing is called {name:?}"));
                    }
                    options.only.push(name.to_owned());
                }
                other => return Err(format!("no such option: {other:?}")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["child", part @ ..] = arguments.as_slice() {
        return match child::play(part) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("failed {error}");
                ExitCode::FAILURE
            }
        };
    }
    let options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(error) => {
            eprint!("rte-mp-bench: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match measure::all(&options) {
        Ok(all_met) if all_met || !options.check => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rte-mp-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
