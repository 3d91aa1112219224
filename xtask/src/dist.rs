//! `cargo xtask dist`: the command and the library for C as Debian packages.
//!
//! Each package is first a tree of files as it will lie on a machine (`trees`), which cargo-deb then
//! packs (`pack`). What is said about a package, and which files are in it, stands in `trees`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::command;
use crate::files::{self, at};

mod cargo_deb;
mod documents;
mod pack;
mod trees;

pub(crate) use pack::needed_packages;
pub(crate) use trees::names;

/// Where the packages are put, seen from the root of the project.
const DIRECTORY: &str = "target/dist";

/// What is needed of a Debian or Ubuntu machine, and the packages that bring it in.
const TOOLS: [&str; 6] = ["cc", "strip", "gzip", "md5sum", "dpkg-architecture", "dpkg-shlibdeps"];
const DEBIAN_PACKAGES: &str = "gcc, binutils, dpkg-dev";

/// The packages that were made.
pub(crate) struct Packages {
    /// One file each, absolute: the command, the library, and what is needed to build with it.
    pub(crate) files: Vec<PathBuf>,
}

/// Makes the packages, and says in a few lines what is where.
pub(crate) fn run() -> ExitCode {
    match make() {
        Ok(packages) => {
            println!("\nThe packages:");
            for file in &packages.files {
                println!("  {}", file.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the packages, and removes those that were made before.
///
/// # Errors
/// What is missing or failed, in one line.
pub(crate) fn make() -> Result<Packages, String> {
    if let Some(tool) = TOOLS.into_iter().find(|tool| !command::is_installed(tool)) {
        return Err(format!(
            "there is no {tool}: packages are made on Debian or Ubuntu, with {DEBIAN_PACKAGES}"
        ));
    }
    let cargo_deb = cargo_deb::prepare()?;
    let directory = directory()?;
    remove_old(&directory)?;
    let trees = trees::build(&directory.join("trees"))?;
    let files = trees.iter().map(|tree| pack::pack(&cargo_deb, tree, &directory));
    Ok(Packages { files: files.collect::<Result<_, _>>()? })
}

fn directory() -> Result<PathBuf, String> {
    let directory = Path::new(DIRECTORY);
    fs::create_dir_all(directory).map_err(at(directory))?;
    directory.canonicalize().map_err(at(directory))
}

/// A package of an older version would be taken for one of this.
fn remove_old(directory: &Path) -> Result<(), String> {
    for name in files::list(directory)? {
        if name.ends_with(".deb") {
            let old = directory.join(name);
            fs::remove_file(&old).map_err(at(&old))?;
        }
    }
    Ok(())
}

/// Asks dpkg about the architecture that packages are made for.
fn architecture(variable: &str) -> Result<String, String> {
    let said = command::output(Command::new("dpkg-architecture").arg("-q").arg(variable))?;
    Ok(said.trim().to_owned())
}
