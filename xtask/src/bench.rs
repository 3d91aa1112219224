//! `cargo xtask bench`: builds `bench/`, and the DPDK pair that it compares with, and runs them.
//!
//! Without DPDK the same is measured, but for the comparison with it; a line says what is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::command::{self, cargo};
use crate::dpdk;

const MANIFEST: &str = "bench/Cargo.toml";
const BUILD: &str = "bench/target";
const PROGRAM: &str = "bench/target/release/rte-mp-bench";
const DPDK_SOURCE: &str = "interop/c/dpdk_bench.c";
const DPDK_PROGRAM: &str = "bench/target/release/dpdk_bench";

/// Runs the benchmark with `arguments`, which are its own.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    match build_and_run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build_and_run(arguments: &[&str]) -> Result<(), String> {
    let mut build = cargo(["build", "--quiet", "--release", "--locked"]);
    // A build directory of its own, whatever the environment says.
    run_silently(build.args(["--manifest-path", MANIFEST, "--target-dir", BUILD]))?;
    let mut program = Command::new(absolute(PROGRAM)?);
    program.args(arguments);
    // The hugepages are there for as long as this is.
    let _hugepages = match dpdk::prepare().and_then(|pages| Ok((pages, compile()?))) {
        Ok((pages, dpdk)) => {
            program.arg("--dpdk").arg(dpdk);
            Some(pages)
        }
        Err(reason) => {
            eprintln!("xtask: DPDK is left out: {reason}");
            None
        }
    };
    run_silently(&mut program)
}

/// Compiles the DPDK pair against the installed libdpdk.
fn compile() -> Result<PathBuf, String> {
    let mut flags = Command::new("pkg-config");
    let flags = command::output(flags.args(["--cflags", "--libs", "libdpdk"]))?;
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]);
    compiler.args(["-o", DPDK_PROGRAM, DPDK_SOURCE]).args(flags.split_whitespace());
    run_silently(&mut compiler)?;
    absolute(DPDK_PROGRAM)
}

/// Runs `command` without showing it: what comes out of a benchmark may be for a program to read.
fn run_silently(command: &mut Command) -> Result<(), String> {
    let name = Path::new(command.get_program()).display().to_string();
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    Path::new(path).canonicalize().map_err(|error| format!("{path}: {error}"))
}
