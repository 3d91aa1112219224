//! The compilers of this machine: which there are, and what they make of the headers.
//!
//! A test that finds no compiler says so in one line and passes, unless `RTE_MP_REQUIRE_C=1`: then
//! it fails.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where the headers are.
pub(crate) const HEADERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
/// Where the C sources of these tests are.
pub(crate) const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/headers");

/// The values of `RTE_MP_ABI`.
pub(crate) const ABIS: [u32; 2] = [25, 22];

const C_COMPILERS: [&str; 2] = ["gcc", "clang"];
const CPP_COMPILERS: [&str; 2] = ["g++", "clang++"];

/// A compiler, by the name it is called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compiler {
    pub(crate) program: &'static str,
    pub(crate) is_cpp: bool,
}

/// Runs a test with the compilers for C that are there.
pub(crate) fn with_c(test: impl FnOnce(&[Compiler])) {
    with(&found(&C_COMPILERS, false), "gcc or clang", test);
}

/// Runs a test with the compilers for C and for C++ that are there.
pub(crate) fn with_c_and_cpp(test: impl FnOnce(&[Compiler])) {
    let c = found(&C_COMPILERS, false);
    let cpp = if c.is_empty() { Vec::new() } else { found(&CPP_COMPILERS, true) };
    with(&[c, cpp].concat(), "gcc or clang", test);
}

/// Runs a test with one compiler, if it is there.
pub(crate) fn with_one(program: &'static str, test: impl FnOnce(Compiler)) {
    if let [compiler] = found(&[program], false)[..] {
        test(compiler);
    } else {
        leave_out(&format!("{program} is not installed (apt-get install {program})"));
    }
}

/// Says that a test is left out for want of something that no suite requires.
pub(crate) fn leave_out(reason: &str) {
    // Not `eprintln!`, which the test harness would swallow.
    let _ = writeln!(io::stderr(), "left out: {reason}");
}

fn with(compilers: &[Compiler], wanted: &str, test: impl FnOnce(&[Compiler])) {
    if compilers.is_empty() {
        let required = env::var_os("RTE_MP_REQUIRE_C").is_some_and(|value| value == "1");
        assert!(!required, "{wanted} is needed");
        return leave_out(&format!("{wanted} is not installed (apt-get install gcc)"));
    }
    test(compilers);
}

fn found(programs: &[&'static str], is_cpp: bool) -> Vec<Compiler> {
    let is_there = |program: &&str| {
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let programs = programs.iter().copied().filter(is_there);
    programs.map(|program| Compiler { program, is_cpp }).collect()
}

impl Compiler {
    /// Begins a command that compiles against the headers with one layout of messages.
    pub(crate) fn command(self, abi: u32) -> Command {
        let mut command = Command::new(self.program);
        command.arg(format!("-I{HEADERS}")).arg(format!("-DRTE_MP_ABI={abi}"));
        command
    }

    /// Checks a text: gives what the compiler has to say of it, which is nothing if all is well.
    pub(crate) fn check(self, abi: u32, flags: &[&str], text: &str) -> Result<(), String> {
        let language = if self.is_cpp { "c++" } else { "c" };
        let mut command = self.command(abi);
        command.args(flags).args(["-fsyntax-only", "-x", language, "-"]).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it was found before");
        let mut input = child.stdin.take().expect("it was asked for");
        input.write_all(text.as_bytes()).expect("the compiler reads all of it");
        drop(input);
        said(&child.wait_with_output().expect("it ends"))
    }

    /// Compiles and links sources of these tests into a program.
    pub(crate) fn build(self, abi: u32, flags: &[&str], source: &str, program: &Path) {
        let mut command = self.command(abi);
        command.args(flags).arg(format!("{SOURCES}/{source}")).arg("-o").arg(program);
        if let Err(errors) = run(&mut command) {
            panic!("{} {flags:?} {source}: {errors}", self.program);
        }
    }
}

/// Runs a command, and gives what it complains of.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    said(&command.output().map_err(|error| format!("{command:?}: {error}"))?)
}

fn said(output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Gives the names of all headers, in alphabetical order.
pub(crate) fn headers() -> Vec<String> {
    let entries = fs::read_dir(HEADERS).expect("the headers are there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.len() > 20 && names.iter().all(|name| name.ends_with(".h")), "{names:?}");
    names
}

/// Reads all headers, one after the other.
pub(crate) fn text_of_headers() -> String {
    let read = |name| fs::read_to_string(PathBuf::from(HEADERS).join(name)).expect("it is text");
    headers().into_iter().map(read).collect()
}

/// Makes a text that includes headers, and is not empty when those declare nothing.
pub(crate) fn including<'a>(headers: impl IntoIterator<Item = &'a String>) -> String {
    let lines = headers.into_iter().map(|header| format!("#include <{header}>\n"));
    lines.chain(["typedef int end_of_text;\n".to_owned()]).collect()
}
