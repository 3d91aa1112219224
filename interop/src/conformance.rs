//! The conformance program, `c/conformance`: one line for every rule that a user of the C functions
//! can see.

use crate::{CBuild, CProgram, PATIENCE, Process, Room, c_sources};

/// One line: the row's name and its result.
pub type Row = (String, String);

/// The program, while it runs.
#[derive(Debug)]
pub struct Conformance {
    process: Process,
    _program: CProgram,
}

impl Conformance {
    /// Compiles it and starts it, in a group of its own; two must not have the same `name`.
    pub fn start(room: &Room, build: &CBuild, name: &str) -> Self {
        let program = build.compile("conformance", &c_sources("conformance"));
        let mut command = room.command(program.path());
        command.arg(format!("{}{name}", room.prefix())).args(["--no-pci", "--no-telemetry"]);
        Self { process: room.start(command), _program: program }
    }

    /// Waits for its end, and gives its rows in order, and what else it said.
    pub fn finish(mut self) -> (Vec<Row>, String) {
        let mut rows = Vec::new();
        while let Some(line) = self.process.line(PATIENCE) {
            match line.split_once(": ") {
                Some((name, result)) => rows.push((name.to_owned(), result.to_owned())),
                None => self.process.fail(&format!("prints {line:?}, which is no row")),
            }
        }
        assert!(self.process.finish(PATIENCE).success());
        (rows, self.process.errors())
    }
}
