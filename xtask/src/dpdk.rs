//! What the DPDK suites need of a machine: Debian's packages, and hugepages for as long as they run.
//!
//! The hugepages are reserved and given back by a *keeper*, a process of its own that lives until
//! its input ends. So they are given back in any case, even if the tests, or this process, are
//! killed; and no signal needs to be handled.

use std::fmt::Display;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use crate::command;

/// The keeper's command; nobody types it.
pub(crate) const HOLD_HUGEPAGES: &str = "hold-hugepages";

/// How many pages of 2 MB the suites find free, twice as many as they need.
const PAGE_COUNT: u64 = 256;
const PAGES: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
const MOUNT_POINT: &str = "/dev/hugepages";
const PACKAGES: [&str; 5] = ["dpdk", "dpdk-dev", "libdpdk-dev", "pkg-config", "gcc"];

/// Makes the machine ready for real DPDK processes, until what is returned is dropped.
///
/// # Errors
/// What is missing and what would bring it in, in one line.
pub(crate) fn prepare() -> Result<Hugepages, String> {
    if !is_root() {
        return Err("DPDK needs hugepages: run this as root, on Debian or Ubuntu".to_owned());
    }
    install()?;
    Hugepages::reserve()
}

/// Tells whether we may install packages and reserve hugepages.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Installs Debian packages. Blocks until another package manager is done, for at most 5 minutes.
///
/// # Errors
/// Why it was not possible, in one line.
pub(crate) fn apt_install(packages: &[&str]) -> Result<(), String> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=300"]);
        command
    };
    command::run(apt().args(["-q", "update"]))?;
    command::run(apt().args(["-q", "-y", "--no-install-recommends", "install"]).args(packages))
}

fn install() -> Result<(), String> {
    if is_there() {
        return Ok(());
    }
    if !command::is_installed("apt-get") {
        return Err(format!("DPDK is not installed: {} would bring it in", PACKAGES.join(", ")));
    }
    apt_install(&PACKAGES)?;
    if is_there() { Ok(()) } else { Err("DPDK's packages are installed, but incomplete".into()) }
}

fn is_there() -> bool {
    ["cc", "pkg-config", "dpdk-testpmd", "dpdk-proc-info"].into_iter().all(command::is_installed)
        && command::succeeds(Command::new("pkg-config").args(["--exists", "libdpdk"]))
}

/// Hugepages that are there for the taking, until this is dropped.
pub(crate) struct Hugepages {
    keeper: Child,
    /// The keeper lives as long as this is open.
    lifeline: Option<ChildStdin>,
}

impl Hugepages {
    fn reserve() -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("no keeper: {error}"))?;
        let mut keeper = Command::new(program)
            .arg(HOLD_HUGEPAGES)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the terminal's foreground group, which the keeper must outlive.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("no keeper for the hugepages: {error}"))?;
        let lifeline = keeper.stdin.take();
        let mut word = String::new();
        let output = keeper.stdout.take().expect("its output is piped");
        let read = BufReader::new(output).read_line(&mut word);
        // From here on a keeper that failed is waited for, too.
        let hugepages = Self { keeper, lifeline };
        match (read, word.trim_end()) {
            (Ok(_), HELD) => Ok(hugepages),
            (Ok(_), error) => Err(error.to_owned()),
            (Err(error), _) => Err(format!("the keeper of the hugepages says nothing: {error}")),
        }
    }
}

impl Drop for Hugepages {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!("xtask: the hugepages may not have been given back: {error}");
        }
    }
}

const HELD: &str = "held";

/// Is the keeper: reserves hugepages, says so in one line, and gives them back when its input ends.
pub(crate) fn hold_hugepages() -> ExitCode {
    let held = mount().and_then(|mount| Ok((Reservation::new(PAGE_COUNT)?, mount)));
    let answer = match &held {
        Ok(_) => HELD,
        Err(error) => error,
    };
    // Whoever started us may be gone already; the input has ended then.
    let _ = writeln!(io::stdout(), "{answer}");
    if held.is_ok() {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
    }
    drop(held);
    ExitCode::SUCCESS
}

/// Pages that were added to the kernel's pool, and are taken out of it on drop.
struct Reservation {
    added: u64,
}

impl Reservation {
    /// Sees to it that `count` pages are free.
    fn new(count: u64) -> Result<Self, String> {
        let before = read("nr_hugepages")?;
        let missing = count.saturating_sub(read("free_hugepages")?);
        if missing == 0 {
            return Ok(Self { added: 0 });
        }
        write(before + missing)?;
        let reservation = Self { added: read("nr_hugepages")?.saturating_sub(before) };
        let free = read("free_hugepages")?;
        if free < count {
            return Err(format!(
                "only {free} of {count} hugepages of 2 MB can be had: free memory"
            ));
        }
        Ok(reservation)
    }
}

/// Takes out as many as were added, whatever others did to the pool meanwhile.
impl Drop for Reservation {
    fn drop(&mut self) {
        if self.added == 0 {
            return;
        }
        let given_back =
            read("nr_hugepages").and_then(|count| write(count.saturating_sub(self.added)));
        if let Err(error) = given_back {
            eprintln!("xtask: {} hugepages were not given back: {error}", self.added);
        }
    }
}

fn read(file: &str) -> Result<u64, String> {
    let path = Path::new(PAGES).join(file);
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    text.trim().parse().map_err(at(&path))
}

fn write(count: u64) -> Result<(), String> {
    let path = Path::new(PAGES).join("nr_hugepages");
    fs::write(&path, count.to_string()).map_err(at(&path))
}

fn at<E: Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("no hugepages of 2 MB: {}: {error}", path.display())
}

/// A hugetlbfs that we mounted, and unmount on drop.
struct Mount;

/// Mounts a hugetlbfs, unless there is one for pages of 2 MB.
fn mount() -> Result<Option<Mount>, String> {
    let mounts = fs::read_to_string("/proc/mounts").map_err(|error| error.to_string())?;
    if has_hugetlbfs(&mounts) {
        return Ok(None);
    }
    let directory = Path::new(MOUNT_POINT);
    fs::create_dir_all(directory).map_err(at(directory))?;
    let mut command = Command::new("mount");
    command.args(["-t", "hugetlbfs", "-o", "pagesize=2M", "none", MOUNT_POINT]);
    if !command::succeeds(&mut command) {
        return Err(format!("no hugetlbfs: it cannot be mounted on {MOUNT_POINT}"));
    }
    Ok(Some(Mount))
}

fn has_hugetlbfs(mounts: &str) -> bool {
    mounts.lines().any(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [_, _, kind, options, ..] => {
            kind == "hugetlbfs" && options.split(',').any(|option| option == "pagesize=2M")
        }
        _ => false,
    })
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, since a process that was just killed may not be gone yet.
        if !command::succeeds(Command::new("umount").args(["--lazy", MOUNT_POINT])) {
            eprintln!("xtask: the hugetlbfs on {MOUNT_POINT} is still mounted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hugetlbfs_counts_if_its_pages_have_2_mb() {
        let cases = [
            ("none /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0", true),
            ("none /mnt/huge hugetlbfs rw,pagesize=1024M 0 0", false),
            ("none /hugetlbfs tmpfs rw,pagesize=2M 0 0", false),
            ("", false),
        ];
        for (line, expected) in cases {
            assert_eq!(has_hugetlbfs(line), expected, "{line}");
        }
    }
}
