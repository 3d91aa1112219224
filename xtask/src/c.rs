//! What the suites with C programs need of a machine: compilers and tools, and our library for C.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::dpdk;
use crate::install;

const PREFIX: &str = "target/c/prefix";
const TOOLS: [&str; 8] = ["cc", "c++", "gcc", "objcopy", "pkg-config", "make", "cmake", "valgrind"];
const PACKAGES: [&str; 7] = ["gcc", "g++", "binutils", "pkg-config", "make", "cmake", "valgrind"];

/// Makes sure of the compilers and tools, where we may install things.
///
/// # Errors
/// What is missing and what would bring it in, in one line.
pub(crate) fn prepare_tools() -> Result<(), String> {
    if missing_tool().is_some() && dpdk::is_root() && command::is_installed("apt-get") {
        dpdk::apt_install(&PACKAGES)?;
    }
    match missing_tool() {
        None => Ok(()),
        Some(tool) => Err(format!("there is no {tool}: install {}", PACKAGES.join(", "))),
    }
}

fn missing_tool() -> Option<&'static str> {
    TOOLS.into_iter().find(|tool| !command::is_installed(tool))
}

/// Our library for C, installed for tests.
pub(crate) struct Library {
    prefix: PathBuf,
}

impl Library {
    /// Builds and installs it anew, so that nothing of an older one is there.
    ///
    /// # Errors
    /// What failed, in one line.
    pub(crate) fn install() -> Result<Self, String> {
        let here = env::current_dir().map_err(|error| error.to_string())?;
        let prefix = here.join(PREFIX);
        if prefix.exists() {
            fs::remove_dir_all(&prefix).map_err(|error| format!("{PREFIX}: {error}"))?;
        }
        install::install(&install::Options::of_prefix(Path::new(&prefix)))?;
        Ok(Self { prefix })
    }

    /// Has the tests of `cargo` use it, and fail rather than be left out.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        cargo.env("RTE_MP_C_PREFIX", &self.prefix).env("RTE_MP_REQUIRE_C", "1");
    }
}
