//! A tree of files becomes a package.
//!
//! cargo-deb writes most of it. It takes no file but its own into the control archive, so that
//! dpkg-deb adds the two that it does not know: the sums of all files, and, for whoever builds a
//! package of a program that needs the library, which package holds it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::trees::{Kind, Tree};
use super::{architecture, documents};
use crate::command;
use crate::files::{Scratch, Stage, at};
use crate::install;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How often this version was packaged.
const REVISION: &str = "1";

/// Gives the version of the packages.
pub(super) fn debian_version() -> String {
    format!("{VERSION}-{REVISION}")
}

/// Makes the package of `tree` in `directory`, and gives its file.
///
/// # Errors
/// What failed, in one line.
pub(super) fn pack(cargo_deb: &Path, tree: &Tree, directory: &Path) -> Result<PathBuf, String> {
    let manifest = manifest(tree, &depends(tree)?)?;
    // cargo wants a crate, and its sources.
    for (name, text) in [("Cargo.toml", manifest.as_str()), ("lib.rs", ""), ("triggers", TRIGGERS)]
    {
        let file = tree.directory.join(name);
        fs::write(&file, text).map_err(at(&file))?;
    }
    let first = tree.directory.join("first.deb");
    let mut cargo_deb = Command::new(cargo_deb);
    cargo_deb.env("SOURCE_DATE_EPOCH", documents::time());
    cargo_deb.args(["--no-build", "--no-strip", "--manifest-path"]);
    cargo_deb.arg(tree.directory.join("Cargo.toml")).arg("--output").arg(&first);
    if !matches!(tree.kind, Kind::Command { .. }) {
        // Packages of several architectures then lie side by side.
        cargo_deb.args(["--multiarch", "same"]);
    }
    command::run(&mut cargo_deb)?;

    let architecture = architecture("DEB_HOST_ARCH")?;
    let file = directory.join(format!("{}_{}_{architecture}.deb", tree.name, debian_version()));
    complete(tree, &first, &tree.directory.join("whole"), &file)?;
    Ok(file)
}

/// The linker's cache is made anew when a library comes or goes.
const TRIGGERS: &str = "activate-noawait ldconfig\n";

/// Says what cargo-deb is to know about the package.
fn manifest(tree: &Tree, depends: &str) -> Result<String, String> {
    let mut manifest = format!(
        r#"[package]
name = "rte-mp"
version = "{VERSION}"
edition = "2024"
license = "MIT OR Apache-2.0"
description = {:?}

[lib]
path = "lib.rs"

[workspace]

[package.metadata.deb]
name = {:?}
maintainer = {:?}
revision = "{REVISION}"
section = {:?}
priority = "optional"
depends = {depends:?}
extended-description = """
{}"""
assets = [
{}]
"#,
        tree.summary,
        tree.name,
        documents::maintainer(),
        tree.section,
        tree.description,
        assets(&tree.root())?
    );
    if matches!(tree.kind, Kind::Library { .. }) {
        manifest.push_str("triggers-file = \"triggers\"\n");
    }
    Ok(manifest)
}

/// Names each file and link of a tree.
fn assets(root: &Path) -> Result<String, String> {
    let mut find = Command::new("find");
    find.arg(root).args(["-type", "f", "-printf"]);
    find.arg("{ source = \"root/%P\", dest = \"%P\", mode = \"%m\" },\\n");
    find.args(["-o", "-type", "l", "-printf", "{ dest = \"%P\", link_name = \"%l\" },\\n"]);
    let lines = command::output(&mut find)?;
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    Ok(lines.iter().map(|line| format!("    {line}\n")).collect())
}

/// Gives the packages that the files need, and from which version on.
fn depends(tree: &Tree) -> Result<String, String> {
    match &tree.kind {
        Kind::Command { binary } | Kind::Library { binary } => needed_packages(binary),
        Kind::Development { library } => Ok(format!("{library} (= {})", debian_version())),
    }
}

/// Has dpkg-shlibdeps find the packages whose libraries `binary` needs, as `Depends:` names them.
///
/// # Errors
/// What it cannot tell, in one line.
pub(crate) fn needed_packages(binary: &Path) -> Result<String, String> {
    // It reads a control file, of which nothing else is wanted, where it runs.
    let scratch = Scratch::new(&super::directory()?)?;
    let debian = scratch.file("debian");
    fs::create_dir(&debian).map_err(at(&debian))?;
    let control = debian.join("control");
    fs::write(&control, "Source: rte-mp\n\nPackage: rte-mp\nArchitecture: any\n")
        .map_err(at(&control))?;
    let mut tool = Command::new("dpkg-shlibdeps");
    tool.current_dir(scratch.file(".")).arg("-O").arg(format!("-e{}", binary.display()));
    let said = command::output(&mut tool)?;
    said.trim()
        .strip_prefix("shlibs:Depends=")
        .map(str::to_owned)
        .ok_or_else(|| format!("dpkg-shlibdeps does not say what {} needs", binary.display()))
}

/// Adds to the package `first` what cargo-deb leaves out, by way of `whole`, and writes it to `file`.
fn complete(tree: &Tree, first: &Path, whole: &Path, file: &Path) -> Result<(), String> {
    let mut unpack = Command::new("dpkg-deb");
    command::output(unpack.arg("--raw-extract").args([first, whole]))?;
    let control = whole.join("DEBIAN");
    let control = Stage::new(Some(&control));
    control.write(Path::new("md5sums"), &sums(whole)?)?;
    if let Kind::Library { .. } = tree.kind {
        control.write(Path::new("shlibs"), &shlibs(&tree.name)?)?;
    }
    let mut pack = Command::new("dpkg-deb");
    pack.env("SOURCE_DATE_EPOCH", documents::time());
    pack.args(["--root-owner-group", "-Zxz", "--build"]).args([whole, file]);
    command::output(&mut pack).map(drop)
}

/// Says which package a program needs that was linked with the library. Symbols may come with every
/// version, so that it takes this one or a newer.
fn shlibs(package: &str) -> Result<String, String> {
    let soname = install::soname();
    let (name, version) = soname.split_once(".so.").ok_or("the library has no version")?;
    Ok(format!("{name} {version} {package} (>= {VERSION})\n"))
}

/// Lists the sums of the regular files, but for those that dpkg itself reads.
fn sums(whole: &Path) -> Result<String, String> {
    let mut find = Command::new("find");
    find.current_dir(whole).args([".", "-path", "./DEBIAN", "-prune", "-o", "-type", "f"]);
    let files = command::output(find.args(["-printf", "%P\\n"]))?;
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    let sums = command::output(Command::new("md5sum").current_dir(whole).args(&files))?;
    let mut text = String::new();
    for line in sums.lines() {
        writeln!(text, "{line}").expect("a string takes everything");
    }
    Ok(text)
}
