//! The suite `deb`: the packages are made, installed, used as on anybody's machine, and removed again.
//!
//! They are removed whatever happens; after a run that was killed, the next one does it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::dist::{self, Packages};
use crate::dpdk;
use crate::files::at;

mod checks;

/// Says that whatever is installed was installed by this suite.
const MARK: &str = "target/dist/installed-for-tests";
const BASH_COMPLETION: &str = "/usr/share/bash-completion/bash_completion";
const TOOLS: [&str; 9] =
    ["cc", "strip", "make", "pkg-config", "dpkg-shlibdeps", "man", "bash", "zsh", "fish"];
const DEBIAN_PACKAGES: [&str; 9] = [
    "gcc",
    "libc6-dev",
    "binutils",
    "make",
    "pkg-config",
    "dpkg-dev",
    "man-db",
    "bash-completion",
    "zsh",
];
const FISH: &str = "fish";

/// Makes sure of what it takes, and that nobody's own packages would be removed.
///
/// # Errors
/// What is missing and what would bring it in, in one line.
pub(crate) fn prepare() -> Result<(), String> {
    if !command::is_installed("dpkg") {
        return Err("packages are installed with dpkg: run this on Debian or Ubuntu".to_owned());
    }
    if !dpdk::is_root() {
        return Err("packages are installed by root: run this as root".to_owned());
    }
    let is_ours = Path::new(MARK).exists();
    if let Some(name) = dist::names().iter().find(|name| !is_ours && is_known(name)) {
        return Err(format!(
            "{name} is installed here and would be removed: `apt-get purge {name}` brings the suite in"
        ));
    }
    if missing().is_some() {
        if !command::is_installed("apt-get") {
            return Err(missing_line());
        }
        dpdk::apt_install(&[&DEBIAN_PACKAGES[..], &[FISH]].concat())?;
    }
    match missing() {
        Some(_) => Err(missing_line()),
        None => Ok(()),
    }
}

fn missing() -> Option<&'static str> {
    let has_completion = Path::new(BASH_COMPLETION).exists();
    let tool = TOOLS.into_iter().find(|tool| !command::is_installed(tool));
    tool.or((!has_completion).then_some("bash-completion"))
}

fn missing_line() -> String {
    let tool = missing().unwrap_or_default();
    format!("there is no {tool}: install {}, {FISH}", DEBIAN_PACKAGES.join(", "))
}

/// Makes the packages, installs them, checks what they bring, and removes them.
///
/// # Errors
/// What is not as it should be, in one line.
pub(crate) fn run() -> Result<(), String> {
    let packages = dist::make()?;
    purge()?;
    let installed = Installed::install(&packages)?;
    let checked = checks::run();
    let left = installed.remove();
    checked.and(left)
}

/// The packages, from before they are there until they are removed; on drop, if it was not done.
struct Installed {
    /// What only they have brought.
    paths: Vec<PathBuf>,
    is_removed: bool,
}

impl Installed {
    fn install(packages: &Packages) -> Result<Self, String> {
        let mut paths = Vec::new();
        for file in &packages.files {
            paths.extend(contents(file)?.into_iter().filter(|path| !exists(path)));
        }
        fs::write(MARK, "").map_err(at(Path::new(MARK)))?;
        let installed = Self { paths, is_removed: false };
        let mut dpkg = dpkg();
        // Images of containers leave out manuals, which are looked at below.
        dpkg.args(["--path-include=/usr/share/man/*", "--path-include=/usr/share/doc/*"]);
        command::run(dpkg.arg("--install").args(&packages.files))?;
        Ok(installed)
    }

    /// Removes the packages, and sees that nothing is left.
    fn remove(mut self) -> Result<(), String> {
        self.is_removed = true;
        purge()?;
        if let Some(path) = self.paths.iter().find(|path| exists(path)) {
            return Err(format!("{} is left after the packages were removed", path.display()));
        }
        if let Some(name) = dist::names().iter().find(|name| is_known(name)) {
            return Err(format!("dpkg still knows {name} after it was purged"));
        }
        if command::output(Command::new("ldconfig").arg("-p"))?.contains("librte_mp") {
            return Err("the linker's cache still has the library".to_owned());
        }
        Ok(())
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if self.is_removed {
            return;
        }
        if let Err(error) = purge() {
            eprintln!("xtask: the packages are still installed: {error}");
        }
    }
}

fn dpkg() -> Command {
    let mut dpkg = Command::new("dpkg");
    dpkg.env("DEBIAN_FRONTEND", "noninteractive");
    dpkg
}

/// Removes those that are there, configuration included.
fn purge() -> Result<(), String> {
    let names = dist::names();
    let known: Vec<&String> = names.iter().filter(|name| is_known(name)).collect();
    if !known.is_empty() {
        command::run(dpkg().arg("--purge").args(known))?;
    }
    match fs::remove_file(MARK) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(at(Path::new(MARK))(error))
        }
        _ => Ok(()),
    }
}

/// Tells whether dpkg has anything of a package, whatever state it is in.
fn is_known(name: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", name]);
    command::output(&mut query).is_ok_and(|status| !matches!(status.trim(), "" | "not-installed"))
}

/// Lists what a package brings, files and directories.
fn contents(file: &Path) -> Result<Vec<PathBuf>, String> {
    let mut list = Command::new("sh");
    list.args(["-c", "dpkg-deb --fsys-tarfile \"$1\" | tar --list", "sh"]).arg(file);
    let list = command::output(&mut list)?;
    let inside = list.lines().map(|line| line.trim_start_matches("./"));
    Ok(inside.filter(|path| !path.is_empty()).map(|path| Path::new("/").join(path)).collect())
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
