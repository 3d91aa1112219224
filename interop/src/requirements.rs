//! What a test needs of the machine, and what happens where that is missing.
//!
//! A test whose needs are not met says so in one line and passes, unless `RTE_MP_REQUIRE_DPDK=1`
//! (or `RTE_MP_REQUIRE_C=1`, if it is the library for C that is missing): then it fails.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Room;
use crate::c_program::library_missing;
use crate::room::hugepage_mounts;

/// Fewer free pages than this, of 2 MB each, and some test would fail for want of memory.
const HUGEPAGES_NEEDED: usize = 128;

/// The directory of the compiled C programs, or why there are none (`build.rs`).
const PROGRAMS: Result<&str, &str> =
    match (option_env!("DPDK_PROGRAMS"), option_env!("DPDK_MISSING")) {
        (Some(directory), _) => Ok(directory),
        (None, Some(missing)) => Err(missing),
        (None, None) => Err("the C programs were not built"),
    };

/// Something that a test needs and this machine lacks.
struct Missing {
    what: String,
    /// The variable that makes it a failure.
    required_by: &'static str,
}

impl Missing {
    fn dpdk(what: String) -> Self {
        Self { what, required_by: "RTE_MP_REQUIRE_DPDK" }
    }

    fn c_library(what: String) -> Self {
        Self { what, required_by: "RTE_MP_REQUIRE_C" }
    }
}

/// Runs a test that needs DPDK.
pub fn with_dpdk(test: impl FnOnce(&Room)) {
    run(|| dpdk_missing().map(Missing::dpdk), test);
}

/// Runs a test that needs the headers of DPDK, and runs none of it.
pub fn with_dpdk_headers(test: impl FnOnce(&Room)) {
    run(|| PROGRAMS.err().map(str::to_owned).map(Missing::dpdk), test);
}

/// Runs a test that needs the library for C as `cargo xtask install` put it.
pub fn with_c_library(test: impl FnOnce(&Room)) {
    run(|| library_missing().map(Missing::c_library), test);
}

/// Runs a test that needs DPDK and the library for C.
pub fn with_dpdk_and_c_library(test: impl FnOnce(&Room)) {
    let missing = || {
        let dpdk = dpdk_missing().map(Missing::dpdk);
        dpdk.or_else(|| library_missing().map(Missing::c_library))
    };
    run(missing, test);
}

/// Runs a test that needs DPDK and one of its own programs, such as `dpdk-testpmd`.
pub fn with_dpdk_tool(tool: &str, test: impl FnOnce(&Room)) {
    let missing = || match find_in_path(tool) {
        Some(_) => dpdk_missing(),
        None => Some(format!("{tool} is not installed (apt-get install dpdk-dev)")),
    };
    run(|| missing().map(Missing::dpdk), test);
}

/// Runs a test that needs hugepages and no DPDK: a hugetlbfs of pages of 2 MB, which it is given.
pub fn with_hugepages(test: impl FnOnce(&Room, &Path)) {
    let missing = || hugepages_missing().map(Missing::dpdk);
    run(missing, |room| test(room, &hugepage_mounts()[0]));
}

/// Runs a test that needs nothing but this crate's own peers.
pub fn with_room(test: impl FnOnce(&Room)) {
    run(|| None, test);
}

/// Where a compiled C program is.
pub(crate) fn program(name: &str) -> PathBuf {
    let directory = PROGRAMS.unwrap_or_else(|missing| panic!("{missing}"));
    Path::new(directory).join(name)
}

/// Where an example of this crate is: cargo builds it with the tests, beside their directory.
pub(crate) fn example(name: &str) -> PathBuf {
    let this = env::current_exe().expect("a test knows where it is");
    let directory = this.parent().and_then(Path::parent).expect("tests lie in target/*/deps");
    let path = directory.join("examples").join(name);
    assert!(path.exists(), "build it first: cargo build -p rte-mp-interop --example {name}");
    path
}

/// Where the command `rte-mp` is, built in the same way as this test.
pub(crate) fn rte_mp() -> PathBuf {
    let this = env::current_exe().expect("a test knows where it is");
    let directory = this.parent().and_then(Path::parent).expect("tests lie in target/*/deps");
    let path = directory.join("rte-mp");
    assert!(path.exists(), "build it first: cargo build -p rte-mp-cli");
    path
}

fn run(missing: impl FnOnce() -> Option<Missing>, test: impl FnOnce(&Room)) {
    // One test at a time in a process: the check below counts the descriptors of all threads.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);

    if let Some(Missing { what, required_by }) = missing() {
        assert!(env::var_os(required_by).is_none_or(|value| value != "1"), "{what}");
        // Not `eprintln!`, which the test harness would swallow.
        let _ = writeln!(io::stderr(), "left out: {what}");
        return;
    }
    let before = open_descriptors();
    test(&Room::new());
    assert_eq!(open_descriptors(), before, "descriptors were left open");
}

/// Why DPDK cannot run here.
fn dpdk_missing() -> Option<String> {
    PROGRAMS.err().map(str::to_owned).or_else(hugepages_missing)
}

/// Why there are no hugepages here.
fn hugepages_missing() -> Option<String> {
    let mounts = hugepage_mounts();
    if mounts.is_empty() {
        return Some("no hugetlbfs is mounted (mount -t hugetlbfs none /dev/hugepages)".to_owned());
    }
    let free = free_hugepages();
    if free < HUGEPAGES_NEEDED {
        return Some(format!(
            "{free} hugepages of 2 MB are free, {HUGEPAGES_NEEDED} are needed \
             (echo 512 > /proc/sys/vm/nr_hugepages)"
        ));
    }
    let writable =
        |mount: &PathBuf| rustix::fs::access(mount, rustix::fs::Access::WRITE_OK).is_ok();
    if !mounts.iter().any(writable) {
        return Some(format!("{} is not writable for us", mounts[0].display()));
    }
    None
}

/// How many hugepages of 2 MB nobody has.
pub fn free_hugepages() -> usize {
    fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
        .ok()
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

fn find_in_path(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|place| place.join(tool)).find(|file| file.exists())
}

/// What every open descriptor of this process refers to, in order.
fn open_descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    let mut open: Vec<_> = entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        // The directory that is being read right now.
        .filter(|target| !target.ends_with("/fd"))
        .collect();
    open.sort();
    open
}
