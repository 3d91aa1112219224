//! A room: a runtime directory and a file prefix that no other process uses.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rte_mp::{Group, GroupBuilder, JoinError, Role};
use rustix::thread::{CpuSet, sched_getaffinity};
use tempfile::TempDir;

use crate::requirements::{example, program, rte_mp};
use crate::{Peer, Process, Testpmd, ZoneServer};

/// Where one test takes place. All that was made in it is removed with it.
#[derive(Debug)]
pub struct Room {
    base: TempDir,
    prefix: String,
    started: AtomicUsize,
}

impl Room {
    pub(crate) fn new() -> Self {
        // Hugepage files are named after the prefix and lie in one directory for all of DPDK.
        Self::of_prefix(format!("interop{}", process::id()))
    }

    fn of_prefix(prefix: String) -> Self {
        let base = tempfile::Builder::new().prefix("rte-mp-").tempdir();
        let base = base.expect("the temporary directory is writable");
        remove_hugepages(&prefix);
        Self { base, prefix, started: AtomicUsize::new(0) }
    }

    /// A room for a second group.
    pub fn beside(&self) -> Self {
        Self::of_prefix(format!("{}b", self.prefix))
    }

    /// What stands in `$RUNTIME_DIRECTORY`.
    pub fn base(&self) -> &Path {
        self.base.path()
    }

    /// The file prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The group's runtime directory.
    pub fn directory(&self) -> PathBuf {
        self.base().join("dpdk").join(&self.prefix)
    }

    /// The names of all files in the runtime directory, in order.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory()).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A builder for a group in this room.
    pub fn group(&self, role: Role) -> GroupBuilder {
        Group::builder().runtime_base(self.base()).file_prefix(self.prefix()).role(role)
    }

    /// Joins this room's group as a secondary.
    pub fn member(&self) -> Group {
        self.group(Role::Secondary).join().expect("there is a primary")
    }

    /// Tries to join, and gives the error.
    pub fn refusal(&self, builder: GroupBuilder) -> JoinError {
        match builder.join() {
            Err(error) => error,
            Ok(group) => panic!("{} should have been refused", group.name()),
        }
    }

    /// Starts a DPDK primary. It begins with no memory at all, and takes pages as it needs them.
    pub fn dpdk_primary(&self) -> Peer {
        Peer::new(self.dpdk("primary"))
    }

    /// Starts a DPDK secondary.
    pub fn dpdk_secondary(&self) -> Peer {
        Peer::new(self.dpdk("secondary"))
    }

    /// Starts a DPDK process of this `--proc-type`, which may well refuse to run.
    pub fn dpdk(&self, proc_type: &str) -> Process {
        let mut command = self.command(program("dpdk_peer"));
        command.args(self.eal_arguments(proc_type));
        self.start(command)
    }

    /// Starts a DPDK primary that reserves memory zones, with more EAL flags.
    pub fn zone_server(&self, flags: &[&str]) -> ZoneServer {
        let mut command = self.command(program("dpdk_zones"));
        command.args(self.eal_arguments("primary")).args(flags);
        ZoneServer::new(self.start(command))
    }

    /// Starts `examples/zone_client`, which looks up a zone, without these capabilities.
    pub fn zone_client(&self, zone: &str, without: &[&str]) -> Process {
        let without = without.iter().map(|name| format!("-{name}")).collect::<Vec<_>>().join(",");
        let mut command = self.command("setpriv");
        command
            .args(["--bounding-set", &without])
            .arg(example("zone_client"))
            .arg(self.base())
            .args([self.prefix(), zone]);
        self.start(command)
    }

    /// Makes a hugepage of 2 MB whose file has this name behind the prefix, and holds nothing.
    pub fn make_hugepage(&self, name: &str) {
        let mounts = hugepage_mounts();
        let mount = mounts.first().expect("DPDK runs here");
        let file = File::create_new(mount.join(format!("{}{name}", self.prefix)));
        file.and_then(|file| file.set_len(1 << 21)).expect("the mount is writable");
    }

    /// Starts one side of the DPDK pair that speeds are compared with; see `c/dpdk_bench.c`.
    pub fn dpdk_bench(&self, proc_type: &str, what: &str) -> Process {
        let mut command = self.command(program("dpdk_bench"));
        command.args(self.eal_arguments(proc_type)).args(["--", what]);
        self.start(command)
    }

    /// Starts the peer that behaves like DPDK 26.07, as a primary.
    pub fn peer_26_07(&self) -> Peer {
        Peer::new(self.start_26_07(&[]))
    }

    /// The same with options (see [`crate::peer_26_07`]), and not waited for.
    pub fn start_26_07(&self, options: &[&str]) -> Process {
        let mut command = self.command(example("peer_26_07"));
        command.arg(self.directory()).args(options);
        self.start(command)
    }

    /// Starts `dpdk-testpmd` as a primary with the port `net_null0`.
    pub fn testpmd(&self) -> Testpmd {
        let lcores = format!("(0,1)@{}", first_processor());
        let mut command = self.command("stdbuf");
        command
            .args(["-oL", "dpdk-testpmd", "-m", "64", "--no-pci", "--no-telemetry"])
            .args(["--vdev=net_null0", "--lcores", &lcores, "--file-prefix", &self.prefix])
            .args(["--", "-i", "--total-num-mbufs=2048"]);
        Testpmd::new(self.start(command))
    }

    /// Starts `dpdk-proc-info`, which attaches as a secondary.
    pub fn proc_info(&self) -> Process {
        let mut command = self.command("dpdk-proc-info");
        command.args(["--no-pci", "--file-prefix", &self.prefix, "--", "--stats"]);
        self.start(command)
    }

    pub(crate) fn eal_arguments(&self, proc_type: &str) -> [String; 7] {
        [
            "--no-pci".to_owned(),
            "--no-telemetry".to_owned(),
            "-l".to_owned(),
            first_processor().to_string(),
            format!("--proc-type={proc_type}"),
            "--file-prefix".to_owned(),
            self.prefix.clone(),
        ]
    }

    /// The command `rte-mp` with these arguments, which finds the groups of this room.
    pub fn rte_mp(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(rte_mp());
        command.args(arguments).env_remove("NO_COLOR").stdin(Stdio::null());
        command
    }

    /// A command that runs in this room, whatever program it is.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        // In the room, so that a core file is removed with it.
        command.env("RUNTIME_DIRECTORY", self.base()).current_dir(self.base());
        command
    }

    /// Starts such a command.
    pub fn start(&self, command: Command) -> Process {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        Process::start(command, &self.base().join(format!("errors-{number}")))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        remove_hugepages(&self.prefix);
    }
}

/// The directories in which DPDK finds hugepages: every hugetlbfs with pages of 2 MB.
pub(crate) fn hugepage_mounts() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [_, directory, "hugetlbfs", options, ..] if options.contains("pagesize=2M") => {
                Some(PathBuf::from(directory))
            }
            _ => None,
        })
        .collect()
}

/// Gives back the pages that DPDK processes of this prefix left behind, as they all do.
fn remove_hugepages(prefix: &str) {
    let ours = format!("{prefix}map_");
    for entry in hugepage_mounts().iter().flat_map(fs::read_dir).flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&ours) {
            // What cannot be removed is not ours.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A processor that this process may use.
pub fn first_processor() -> usize {
    let allowed = sched_getaffinity(None).expect("one's own processors can be asked for");
    (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).expect("we run on some processor")
}
