//! What a test needs of the machine, and what happens where that is missing.
//!
//! A test whose needs are not met says so in one line and passes, unless `RTE_MP_REQUIRE_DPDK=1`:
//! then it fails.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Room;
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

/// Runs a test that needs DPDK.
pub fn with_dpdk(test: impl FnOnce(&Room)) {
    run(dpdk_missing, test);
}

/// Runs a test that needs DPDK and one of its own programs, such as `dpdk-testpmd`.
pub fn with_dpdk_tool(tool: &str, test: impl FnOnce(&Room)) {
    let missing = || match find_in_path(tool) {
        Some(_) => dpdk_missing(),
        None => Some(format!("{tool} is not installed (apt-get install dpdk-dev)")),
    };
    run(missing, test);
}

/// Runs a test that needs hugepages and no DPDK: a hugetlbfs of pages of 2 MB, which it is given.
pub fn with_hugepages(test: impl FnOnce(&Room, &Path)) {
    run(hugepages_missing, |room| test(room, &hugepage_mounts()[0]));
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

fn run(missing: impl FnOnce() -> Option<String>, test: impl FnOnce(&Room)) {
    // One test at a time in a process: the check below counts the descriptors of all threads.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);

    if let Some(missing) = missing() {
        let required = env::var_os("RTE_MP_REQUIRE_DPDK").is_some_and(|value| value == "1");
        assert!(!required, "{missing}");
        // Not `eprintln!`, which the test harness would swallow.
        let _ = writeln!(io::stderr(), "left out: {missing}");
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
