//! The project's own tasks, run as `cargo xtask TASK`.
//!
//! This file reads the command line and no more; each task has a file of its own.

use std::env;
use std::path::Path;
use std::process::ExitCode;

mod bench;
mod c;
mod command;
mod deb;
mod dist;
mod dpdk;
mod files;
mod install;
mod release;
mod test;
mod threads;

const USAGE: &str = "\
cargo xtask TASK

tasks:
  test [SUITE]... [--require-dpdk] [--no-fuzz]
        Runs every test, or only the suites that are named, and says of each how it went.
        --require-dpdk   fail if one of the suites c, code, deb and dpdk, or a part of it, is left out
        --no-fuzz        leave out the fuzz targets, which take a minute each
        suites: code, docs, c, deb, threads, loom, fuzz, dpdk

  install --prefix P [--libdir D] [--destdir DIR] [--debug]
        Builds the library for C, and installs it with its headers for pkg-config.
        --prefix P       where it will be used: /usr/local, or a directory of yours
        --libdir D       where the libraries go; from P, if it is relative; default: lib
        --destdir DIR    write below DIR what is going to be moved to P, as packagers do
        --debug          keep line numbers and names for debuggers

  dist
        Makes Debian packages in target/dist: rte-mp, librte-mp0 and librte-mp-dev.
        DEBFULLNAME and DEBEMAIL say who made them.

  bench [--quick] [--json] [--check] [--only NAME]...
        Measures how fast it is, beside bare sockets and, where it can run, DPDK.
        --quick          fewer rounds
        --json           JSON lines instead of tables
        --check          fail if a target is missed
        --only NAME      sync, cold, one-core, dpdk-primary, oneway, broadcast, death, join, idle,
                         or calls
";

fn main() -> ExitCode {
    // Where the command was typed: what it names is found from there.
    let here = env::current_dir().unwrap_or_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if let Err(error) = env::set_current_dir(&root) {
        eprintln!("xtask: cannot enter {}: {error}", root.display());
        return ExitCode::FAILURE;
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["test", arguments @ ..] => match test::Options::parse(arguments) {
            Ok(options) => test::run(&options),
            Err(error) => usage(&error),
        },
        ["install", arguments @ ..] => match install::Options::parse(arguments, &here) {
            Ok(options) => install::run(&options),
            Err(error) => usage(&error),
        },
        ["dist"] => dist::run(),
        ["dist", argument, ..] => usage(&format!("dist has no option {argument:?}")),
        ["bench", arguments @ ..] => bench::run(arguments),
        [dpdk::HOLD_HUGEPAGES] => dpdk::hold_hugepages(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        [] => usage("which task?"),
        [task, ..] => usage(&format!("there is no task {task:?}")),
    }
}

fn usage(error: &str) -> ExitCode {
    eprint!("xtask: {error}\n\n{USAGE}");
    ExitCode::from(2)
}
