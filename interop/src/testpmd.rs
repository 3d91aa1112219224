//! A running `dpdk-testpmd`, driven through its own prompt.

use crate::{PATIENCE, Process};

/// An interactive testpmd.
#[derive(Debug)]
pub struct Testpmd {
    process: Process,
}

impl Testpmd {
    /// Waits until `process` has started its ports.
    pub(crate) fn new(mut process: Process) -> Self {
        process.wait_for("a prompt", PATIENCE, |line| (line == "Done").then_some(()));
        Self { process }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has noted so far.
    pub fn errors(&self) -> String {
        self.process.errors()
    }

    /// The names of its ports, from `show port summary all`.
    pub fn ports(&mut self) -> Vec<String> {
        self.process.write("show port summary all");
        let count: usize = self.process.wait_for("a port count", PATIENCE, |line| {
            line.rsplit_once("Number of available ports: ")?.1.trim().parse().ok()
        });
        self.process
            .wait_for("the table", PATIENCE, |line| line.starts_with("Port ").then_some(()));
        (0..count)
            .map(|_| {
                let row = self.process.line(PATIENCE).expect("a row for each port");
                row.split_whitespace().nth(2).expect("the name is the third column").to_owned()
            })
            .collect()
    }

    /// Ends it the proper way.
    pub fn quit(mut self) {
        self.process.write("quit");
        let status = self.process.finish(PATIENCE);
        assert!(status.success(), "{status}: {}", self.process.errors());
    }
}
