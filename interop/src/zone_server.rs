//! A DPDK primary with memory zones that a test drives: `c/dpdk_zones.c`.

use crate::line::Line;
use crate::{Failed, PATIENCE, Process};

/// A DPDK primary that has reserved `MZ_SHARED_INFO`.
#[derive(Debug)]
pub struct ZoneServer {
    process: Process,
}

/// A zone as DPDK reserved it.
#[derive(Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Its address in the server.
    pub address: u64,
    /// How many bytes it has.
    pub len: u64,
    /// Where devices find it.
    pub iova: u64,
    /// The size of its pages.
    pub page: u64,
    /// The NUMA node of its memory.
    pub socket: u64,
    /// `RTE_MEMZONE_*`.
    pub flags: u64,
}

/// What stands in `MZ_SHARED_INFO`.
#[derive(Debug, PartialEq, Eq)]
pub struct Counters {
    /// Whether everybody is asked to end.
    pub force_quit: u64,
    /// How many requests there were.
    pub request_count: u64,
    /// How many of them were asynchronous.
    pub async_request_count: u64,
}

impl ZoneServer {
    /// Waits until `process` says that it is ready.
    pub(crate) fn new(mut process: Process) -> Self {
        match process.line(PATIENCE) {
            Some(line) if line == "ready" => Self { process },
            other => process.fail(&format!("is not ready: {other:?}")),
        }
    }

    /// Reserves a zone.
    pub fn reserve(&mut self, name: &str, len: usize) -> Result<Reserved, Failed> {
        let line = self.command(&format!("reserve {name} {len}"))?;
        let number = |key| line.number(key).expect("what it reserved");
        Ok(Reserved {
            address: number("address"),
            len: number("len"),
            iova: number("iova"),
            page: number("page"),
            socket: number("socket"),
            flags: number("flags"),
        })
    }

    /// Frees a zone.
    pub fn free(&mut self, name: &str) {
        self.expect(&format!("free {name}"));
    }

    /// Stores a word in a zone.
    pub fn set(&mut self, name: &str, offset: usize, value: u64) {
        self.expect(&format!("set {name} {offset} {value}"));
    }

    /// Loads a word of a zone.
    pub fn get(&mut self, name: &str, offset: usize) -> u64 {
        self.expect(&format!("get {name} {offset}")).number("value").expect("a word")
    }

    /// Counts one request and two async ones.
    pub fn count(&mut self) {
        self.expect("count");
    }

    /// What it has counted.
    pub fn counters(&mut self) -> Counters {
        let line = self.expect("counters");
        let number = |key| line.number(key).expect("a counter");
        Counters {
            force_quit: number("force_quit"),
            request_count: number("request_count"),
            async_request_count: number("async_request_count"),
        }
    }

    /// Reserves, fills and frees a zone `count` times, and waits until that is done.
    pub fn churn(&mut self, name: &str, len: usize, count: usize) {
        self.expect(&format!("churn {name} {len} {count}"));
        self.process.wait_for("churning", PATIENCE, |line| (line == "churned").then_some(()));
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(mut self) {
        self.process.kill();
    }

    fn expect(&mut self, command: &str) -> Line {
        match self.command(command) {
            Ok(line) => line,
            Err(Failed(errno)) => self.process.fail(&format!("fails at {command:?}: {errno}")),
        }
    }

    fn command(&mut self, command: &str) -> Result<Line, Failed> {
        self.process.write(command);
        let line = self.process.wait_for("an answer", PATIENCE, |line| {
            let line = Line::parse(line);
            matches!(line.verb(), "ok" | "error").then_some(line)
        });
        match line.number("errno") {
            None => Ok(line),
            Some(errno) => Err(Failed(errno.try_into().expect("errno is small"))),
        }
    }
}
