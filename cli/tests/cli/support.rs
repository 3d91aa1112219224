//! What the tests of all subcommands need: a room for groups, and running the command in it.

mod started;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use rte_mp::{Group, Role};
use tempfile::TempDir;

pub(crate) use self::started::{Guarded, Started, wait_until};

/// A runtime directory of a test's own, removed with all that is in it.
pub(crate) struct Room(TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("rte-mp-cli-").tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leads a group in it from this process.
    pub(crate) fn primary(&self, prefix: &str) -> Group {
        self.join(prefix, Role::Primary)
    }

    /// Joins a group in it from this process.
    pub(crate) fn secondary(&self, prefix: &str) -> Group {
        self.join(prefix, Role::Secondary)
    }

    fn join(&self, prefix: &str, role: Role) -> Group {
        Group::builder().runtime_base(self.path()).file_prefix(prefix).role(role).join().unwrap()
    }

    /// Prepares to run the command with these arguments and `--runtime-dir`, untouched by the environment
    /// of whoever tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rte_mp();
        command.args(arguments).arg("--runtime-dir").arg(self.path()).env("TMPDIR", self.path());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.command(arguments).output().expect("the command can be run"))
    }
}

/// The command, without a terminal and without the environment of whoever tests.
pub(crate) fn rte_mp() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rte-mp"));
    for variable in ["RTE_MP_BUSY_POLL_US", "RUNTIME_DIRECTORY", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// How the command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).expect("what is written is UTF-8"),
            err: String::from_utf8(output.stderr).expect("what is said is UTF-8"),
        }
    }
}

/// Asserts that it ended with `status`, wrote nothing, and said why in one line.
pub(crate) fn assert_refused(ended: &Ended, status: i32, expected: &str) {
    assert_eq!((ended.status, ended.out.as_str()), (Some(status), ""), "{ended:?}");
    assert_eq!(ended.err, format!("rte-mp: {expected}\n"));
}
