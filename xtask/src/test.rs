//! `cargo xtask test`: every suite, one after the other, and at the end a line for each.
//!
//! A suite that cannot run here is left out and says what would bring it in.

use std::env;
use std::num::NonZero;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use crate::c;
use crate::command::{self, cargo};
use crate::deb;
use crate::dpdk;
use crate::threads::Sanitizer;

/// How long each fuzz target runs, in seconds.
const FUZZ_SECONDS: u64 = 60;

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The suites that are named; none means all.
    only: Vec<String>,
    require_dpdk: bool,
    no_fuzz: bool,
}

impl Options {
    /// Reads what stands behind `cargo xtask test`.
    ///
    /// # Errors
    /// Which argument is none.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        for &argument in arguments {
            match argument {
                "--require-dpdk" => options.require_dpdk = true,
                "--no-fuzz" => options.no_fuzz = true,
                name if SUITES.iter().any(|suite| suite.name == name) => {
                    options.only.push(name.to_owned());
                }
                other => return Err(format!("there is no suite or option {other:?}")),
            }
        }
        Ok(options)
    }

    fn wants(&self, suite: &Suite) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == suite.name)
    }
}

struct Suite {
    name: &'static str,
    what: &'static str,
    run: fn(&Options) -> Result<(), Shortfall>,
}

/// What `--require-dpdk` is about: who can run DPDK can have all that the others need.
const REQUIRED: [&str; 4] = ["c", "code", "deb", "dpdk"];

const SUITES: [Suite; 8] = [
    Suite { name: "code", what: "unit and integration tests", run: code },
    Suite { name: "docs", what: "the examples in the documentation", run: docs },
    Suite { name: "c", what: "C programs against the library", run: c },
    Suite { name: "deb", what: "Debian packages, installed and used", run: deb },
    Suite { name: "threads", what: "the library under ThreadSanitizer", run: threads },
    Suite { name: "loom", what: "lanes and the heap in every order of events", run: loom },
    Suite { name: "fuzz", what: "each fuzz target for a minute", run: fuzz },
    Suite { name: "dpdk", what: "against real DPDK processes", run: dpdk },
];

/// Why a suite did not pass.
#[derive(Debug, PartialEq, Eq)]
enum Shortfall {
    Failed(String),
    /// What is missing, and what would bring it in.
    LeftOut(String),
}

/// A command that fails is a suite that fails.
impl From<String> for Shortfall {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

/// One suite, and how it went.
struct Report {
    suite: &'static Suite,
    result: Result<(), Shortfall>,
    took: Duration,
}

/// Runs the suites. Fails if one of them did, or if one was left out that must not be.
pub(crate) fn run(options: &Options) -> ExitCode {
    let reports: Vec<Report> = SUITES
        .iter()
        .filter(|suite| options.wants(suite))
        .map(|suite| try_out(suite, options))
        .collect();
    println!();
    for report in &reports {
        println!("{}", report.line());
    }
    if reports.iter().any(|report| report.is_failure(options)) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn try_out(suite: &'static Suite, options: &Options) -> Report {
    println!("\n== {}: {}", suite.name, suite.what);
    let start = Instant::now();
    let result = (suite.run)(options);
    Report { suite, result, took: start.elapsed() }
}

impl Report {
    fn line(&self) -> String {
        let (word, reason) = match &self.result {
            Ok(()) => ("passed", self.suite.what),
            Err(Shortfall::Failed(reason)) => ("FAILED", reason.as_str()),
            Err(Shortfall::LeftOut(reason)) => ("left out", reason.as_str()),
        };
        format!("{:<8} {word:<9} {:>6.1} s  {reason}", self.suite.name, self.took.as_secs_f64())
    }

    fn is_failure(&self, options: &Options) -> bool {
        match self.result {
            Ok(()) => false,
            Err(Shortfall::Failed(_)) => true,
            Err(Shortfall::LeftOut(_)) => {
                options.require_dpdk && REQUIRED.contains(&self.suite.name)
            }
        }
    }
}

/// But for the packages that have suites of their own.
fn code(_: &Options) -> Result<(), Shortfall> {
    let tools = code_tools();
    let others = ["--exclude", "rte-mp-capi", "--exclude", "rte-mp-interop"];
    run_tests(&[&["--workspace", "--all-features"], &others[..]].concat(), |cargo| {
        // Those that need a terminal say that they are left out where there is none.
        if tools.is_ok() {
            cargo.env("RTE_MP_REQUIRE_TMUX", "1");
        }
    })?;
    tools.map_err(Shortfall::LeftOut)
}

/// Makes sure of what some tests of the command need, where we may install things.
fn code_tools() -> Result<(), String> {
    if !command::is_installed("tmux") {
        if !(dpdk::is_root() && command::is_installed("apt-get")) {
            return Err("tests in a terminal are left out: install tmux".to_owned());
        }
        dpdk::apt_install(&["tmux"])?;
    }
    Ok(())
}

fn docs(_: &Options) -> Result<(), Shortfall> {
    Ok(command::run(&mut cargo(["test", "--doc", "--workspace", "--all-features"]))?)
}

fn c(_: &Options) -> Result<(), Shortfall> {
    let library = c_library();
    run_tests(&["--package", "rte-mp-capi"], |cargo| {
        // The units need no library, and the other tests say that they are left out.
        library.iter().for_each(|library| library.apply(cargo));
    })?;
    library.map(drop)
}

fn deb(_: &Options) -> Result<(), Shortfall> {
    deb::prepare().map_err(Shortfall::LeftOut)?;
    Ok(deb::run()?)
}

fn c_library() -> Result<c::Library, Shortfall> {
    c::prepare_tools().map_err(Shortfall::LeftOut)?;
    Ok(c::Library::install()?)
}

/// Without the feature `tokio`: its scheduler orders threads by fences, which are not followed.
fn threads(_: &Options) -> Result<(), Shortfall> {
    let sanitizer = Sanitizer::prepare().map_err(Shortfall::LeftOut)?;
    Ok(run_tests(&["--package", "rte-mp"], |cargo| sanitizer.apply(cargo))?)
}

/// With a target directory of its own: the flag is for everything that is built.
fn loom(_: &Options) -> Result<(), Shortfall> {
    let mut tests = cargo(["test", "--release", "--package", "rte-mp", "--lib"]);
    tests.args(["--target-dir", "target/loom", "--", "lane", "heap::models"]);
    tests.env("RUSTFLAGS", "--cfg loom");
    Ok(command::run(&mut tests)?)
}

fn fuzz(options: &Options) -> Result<(), Shortfall> {
    if options.no_fuzz {
        return Err(Shortfall::LeftOut("--no-fuzz was given".to_owned()));
    }
    install_cargo_fuzz().map_err(Shortfall::LeftOut)?;
    // The targets have no unsafe code, so that no sanitizer is needed, nor a nightly toolchain.
    command::run(&mut cargo(["fuzz", "build", "--sanitizer=none"]))?;
    let list = command::output(&mut cargo(["fuzz", "list"]))?;
    let targets: Vec<_> = list.lines().collect();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    // Each keeps one processor busy.
    for some in targets.chunks(processors) {
        let runs = some.iter().map(|target| {
            let mut fuzz = cargo(["fuzz", "run", "--sanitizer=none", *target, "--"]);
            fuzz.args([&format!("-max_total_time={FUZZ_SECONDS}"), "-print_final_stats=1"]);
            fuzz.args(["-verbosity=0", "-timeout=10"]);
            fuzz
        });
        command::run_side_by_side(runs.collect())?;
    }
    Ok(())
}

fn dpdk(_: &Options) -> Result<(), Shortfall> {
    let hugepages = dpdk::prepare();
    let library = c_library();
    // Tests start it beside DPDK processes.
    command::run(&mut cargo(["build", "--package", "rte-mp-cli"]))?;
    run_tests(&["--package", "rte-mp-interop"], |cargo| {
        // Some of them need no DPDK or no C, and the others say that they are left out.
        if hugepages.is_ok() {
            cargo.env("RTE_MP_REQUIRE_DPDK", "1");
        }
        library.iter().for_each(|library| library.apply(cargo));
    })?;
    hugepages.map_err(Shortfall::LeftOut)?;
    library.map(drop)
}

/// Runs the tests of some packages, but not the documentation's examples: with nextest, which gives
/// each test a process of its own and ends those that hang, or with cargo.
fn run_tests(packages: &[&str], set_up: impl Fn(&mut Command)) -> Result<(), String> {
    // Tests start them as programs; `--examples` below would turn them into tests.
    let mut examples = cargo(["build", "--examples"]);
    set_up(examples.args(packages));
    command::run(&mut examples)?;

    let has_nextest = command::succeeds(&mut cargo(["nextest", "--version"]));
    let mut tests = if has_nextest { cargo(["nextest", "run"]) } else { cargo(["test"]) };
    set_up(tests.args(["--no-fail-fast", "--lib", "--bins", "--tests"]).args(packages));
    command::run(&mut tests)
}

/// Makes sure of cargo-fuzz and of the C++ compiler that it needs, where we may install things.
fn install_cargo_fuzz() -> Result<(), String> {
    let may_install = dpdk::is_root() || env::var_os("CI").is_some();
    if !command::is_installed("c++") {
        if !(may_install && command::is_installed("apt-get")) {
            return Err("no C++ compiler: install g++".to_owned());
        }
        dpdk::apt_install(&["g++"])?;
    }
    if command::succeeds(&mut cargo(["fuzz", "--version"])) {
        Ok(())
    } else if may_install {
        command::run(&mut cargo(["install", "cargo-fuzz", "--locked"]))
    } else {
        Err("no cargo-fuzz: `cargo install cargo-fuzz --locked` brings it in".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_suites_and_options() {
        let expected =
            Options { only: vec!["dpdk".to_owned()], require_dpdk: true, no_fuzz: false };
        assert_eq!(Options::parse(&["dpdk", "--require-dpdk"]), Ok(expected));
        assert!(Options::parse(&["--frobnicate"]).is_err());
    }

    #[test]
    fn suites_that_need_more_than_a_toolchain_can_be_required() {
        let left_out = |name: &str| Report {
            suite: SUITES.iter().find(|suite| suite.name == name).expect("it is a suite"),
            result: Err(Shortfall::LeftOut("no hugepages".to_owned())),
            took: Duration::ZERO,
        };
        let required = Options { require_dpdk: true, ..Options::default() };
        assert!(left_out("dpdk").is_failure(&required));
        assert!(left_out("c").is_failure(&required));
        assert!(left_out("deb").is_failure(&required));
        assert!(left_out("code").is_failure(&required));
        assert!(!left_out("dpdk").is_failure(&Options::default()));
        assert!(!left_out("fuzz").is_failure(&required));
        assert_eq!(left_out("dpdk").line(), "dpdk     left out     0.0 s  no hugepages");
    }
}
