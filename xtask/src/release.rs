//! Builds of what others get: apart from everything else, with flags of their own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::files::at;

/// Where cargo builds them, seen from the root of the project.
pub(crate) const DIRECTORY: &str = "target/c/build";

/// Gives a cargo that builds for this machine into [`DIRECTORY`].
///
/// # Errors
/// What is missing, in one line.
pub(crate) fn cargo(subcommand: &str) -> Result<Command, String> {
    let mut cargo = command::cargo([subcommand, "--locked"]);
    cargo.args(["--target", &host()?, "--target-dir"]).arg(directory()?);
    without_paths_of_this_machine(&mut cargo)?;
    Ok(cargo)
}

/// Gives [`DIRECTORY`] as an absolute path.
///
/// # Errors
/// Why it is not known where we are.
pub(crate) fn directory() -> Result<PathBuf, String> {
    Ok(here()?.join(DIRECTORY))
}

/// Gives the directory in which what was built lies in the end.
///
/// # Errors
/// What is missing, in one line.
pub(crate) fn products() -> Result<PathBuf, String> {
    Ok(directory()?.join(host()?).join("release"))
}

fn host() -> Result<String, String> {
    rustc_says("host-tuple")
}

/// Adds to the caller's flags what names sources by where they come from, not by where they lie.
fn without_paths_of_this_machine(cargo: &mut Command) -> Result<(), String> {
    let directory = |name: &str| env::var_os(name).map(PathBuf::from);
    let registry = directory("CARGO_HOME").or_else(|| Some(directory("HOME")?.join(".cargo")));
    let sysroot = PathBuf::from(rustc_says("sysroot")?);
    let root = here()?;
    let places = [(registry, "/cargo"), (Some(sysroot), "/rust"), (Some(root.clone()), "/rte-mp")];
    let remapped = places.into_iter().filter_map(|(place, name)| {
        Some(format!("--remap-path-prefix={}={name}", place?.display()))
    });
    let given = match env::var("CARGO_ENCODED_RUSTFLAGS") {
        Ok(flags) => flags,
        Err(_) => env::var("RUSTFLAGS").unwrap_or_default().replace(' ', "\u{1f}"),
    };
    let given = given.split('\u{1f}').filter(|flag| !flag.is_empty()).map(str::to_owned);
    let flags: Vec<String> = given.chain(remapped).collect();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));

    let given = env::var("CFLAGS").unwrap_or_default();
    cargo.env("CFLAGS", format!("{given} -ffile-prefix-map={}=/rte-mp", root.display()));
    Ok(())
}

fn rustc_says(what: &str) -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = command::output(Command::new(rustc).args(["--print", what]))?;
    Ok(said.trim().to_owned())
}

fn here() -> Result<PathBuf, String> {
    env::current_dir().map_err(at(Path::new(".")))
}
