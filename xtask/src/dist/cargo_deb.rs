//! cargo-deb: found, or built once and kept.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, cargo};
use crate::files::at;

/// The release that packages are made with; another one may lay them out differently.
const VERSION: &str = "3.8.0";
const ROOT: &str = "target/tools";

/// Gives the path of cargo-deb, and installs it first if it is not there.
///
/// # Errors
/// Why it cannot be installed, in one line.
pub(super) fn prepare() -> Result<PathBuf, String> {
    let program = Path::new(ROOT).join("bin/cargo-deb");
    if !is_right(&program) {
        println!("cargo-deb {VERSION} is built once and kept in {ROOT}: a minute or two");
        let mut install = cargo(["install", "cargo-deb", "--locked", "--version", VERSION]);
        // Whatever the environment says: it is no part of what is built here.
        install.args(["--target-dir", &format!("{ROOT}/build"), "--root", ROOT, "--force"]);
        command::run(&mut install)?;
        std::fs::remove_dir_all(format!("{ROOT}/build")).map_err(at(Path::new(ROOT)))?;
    }
    program.canonicalize().map_err(at(&program))
}

fn is_right(program: &Path) -> bool {
    let said = command::output(Command::new(program).arg("--version"));
    said.is_ok_and(|said| said.trim().ends_with(&format!(" {VERSION}")))
}
