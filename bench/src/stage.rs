//! The processes that are measured: who is there, and where their files are.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::contender::{Contender, Process, Result};

/// A directory of its own, and the processes that serve. All is removed, and ended, on drop.
#[derive(Debug)]
pub(crate) struct Stage {
    servers: Vec<Process>,
    directory: Directory,
    dpdk: Option<Dpdk>,
}

#[derive(Debug)]
struct Dpdk {
    program: PathBuf,
    prefix: String,
    /// Started when it is first needed.
    primary: Option<u32>,
}

#[derive(Debug)]
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left is in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    pub(crate) fn new(dpdk: Option<&Path>) -> Result<Self> {
        let directory = env::temp_dir().join(format!("rte-mp-bench-{}", process::id()));
        DirBuilder::new().mode(0o700).create(&directory)?;
        let dpdk = dpdk.map(|program| Dpdk {
            program: program.to_owned(),
            prefix: format!("bench{}", process::id()),
            primary: None,
        });
        Ok(Self { servers: Vec::new(), directory: Directory(directory), dpdk })
    }

    /// Where `dpdk/PREFIX` is made, for all.
    pub(crate) fn base(&self) -> &Path {
        &self.directory.0
    }

    /// Begins the command that plays a part of `child`.
    pub(crate) fn part(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("child").args(arguments);
        command.env("RUNTIME_DIRECTORY", self.base()).env_remove("RTE_MP_BUSY_POLL_US");
        Ok(command)
    }

    /// Has a process serve until the stage is dropped; gives its id.
    pub(crate) fn serve(&mut self, command: &mut Command) -> Result<u32> {
        let server = Process::start(command)?;
        let id = server.id();
        self.servers.push(server);
        Ok(id)
    }

    /// An rte-mp pair. `busy_poll` is a number of microseconds, or the default.
    pub(crate) fn native(
        &mut self,
        name: &'static str,
        busy_poll: Option<&str>,
    ) -> Result<Contender> {
        let prefix = name.replace(' ', "-");
        let with_polling = |mut command: Command| {
            command.envs(busy_poll.map(|window| ("RTE_MP_BUSY_POLL_US", window)));
            command
        };
        let server = self.serve(&mut with_polling(self.part(&["native-server", &prefix])?))?;
        let client = with_polling(self.part(&["native-client", &prefix])?);
        Ok(Contender { name, client: Process::start(&mut { client })?, server })
    }

    /// A bare pair. Each end is `polling` or `blocking`.
    pub(crate) fn bare(
        &mut self,
        name: &'static str,
        client: &str,
        server: &str,
    ) -> Result<Contender> {
        let path = self.base().join(format!("bare_{client}_{server}")).display().to_string();
        let server = self.serve(&mut self.part(&["bare-server", &path, server])?)?;
        let client = Process::start(&mut self.part(&["bare-client", &path, client])?)?;
        Ok(Contender { name, client, server })
    }

    /// A DPDK pair, if there is DPDK.
    pub(crate) fn dpdk(&mut self, name: &'static str) -> Result<Option<Contender>> {
        let Some(server) = self.dpdk_primary()? else { return Ok(None) };
        let Some(command) = &mut self.dpdk_command("secondary", "ask") else { return Ok(None) };
        Ok(Some(Contender { name, client: Process::start(command)?, server }))
    }

    /// An rte-mp client of the DPDK primary, if there is DPDK.
    pub(crate) fn native_to_dpdk(&mut self, name: &'static str) -> Result<Option<Contender>> {
        let Some(server) = self.dpdk_primary()? else { return Ok(None) };
        let Some(Dpdk { prefix, .. }) = &self.dpdk else { return Ok(None) };
        let client = Process::start(&mut self.part(&["native-client", prefix])?)?;
        Ok(Some(Contender { name, client, server }))
    }

    fn dpdk_primary(&mut self) -> Result<Option<u32>> {
        if let Some(Dpdk { primary: Some(id), .. }) = self.dpdk {
            return Ok(Some(id));
        }
        let Some(mut command) = self.dpdk_command("primary", "serve") else { return Ok(None) };
        let id = self.serve(&mut command)?;
        if let Some(dpdk) = &mut self.dpdk {
            dpdk.primary = Some(id);
        }
        Ok(Some(id))
    }

    fn dpdk_command(&self, role: &str, part: &str) -> Option<Command> {
        let Dpdk { program, prefix, .. } = self.dpdk.as_ref()?;
        let mut command = Command::new(program);
        command
            .args(["--no-pci", "--no-telemetry", "--lcores", "0@(0,1)", "--file-prefix", prefix])
            .args(["--proc-type", role, "--", part])
            .env("RUNTIME_DIRECTORY", self.base())
            .current_dir(self.base());
        Some(command)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.servers.clear();
        if let Some(dpdk) = &self.dpdk {
            remove_hugepages(&dpdk.prefix);
        }
    }
}

/// Gives back the pages that DPDK processes of this prefix leave behind.
fn remove_hugepages(prefix: &str) {
    let ours = format!("{prefix}map_");
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let directories =
        mounts.lines().filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [_, directory, "hugetlbfs", ..] => Some(directory),
            _ => None,
        });
    for entry in directories.flat_map(fs::read_dir).flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&ours) {
            // What cannot be removed is not ours.
            let _ = fs::remove_file(entry.path());
        }
    }
}
