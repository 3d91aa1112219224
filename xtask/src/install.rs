//! `cargo xtask install`: the library for C, with its headers and what pkg-config reads.
//!
//! What goes where stands here; how the libraries are made from cargo's, in `library`.

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use crate::command;
use crate::files::{self, Stage};

mod library;
mod pkg_config;
mod symbols;

pub(crate) use library::soname;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const HEADERS: &str = "capi/include";
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// Where to install what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Absolute, as are the other two.
    prefix: PathBuf,
    libdir: PathBuf,
    /// Stands before every path that is written, but in no file.
    destdir: Option<PathBuf>,
    debug: bool,
}

impl Options {
    /// Installs for this project's own tests.
    pub(crate) fn of_prefix(prefix: &Path) -> Self {
        Self { prefix: prefix.to_owned(), libdir: prefix.join("lib"), destdir: None, debug: false }
    }

    /// Installs below `destdir` what a package will bring to `prefix`.
    pub(crate) fn of_package(prefix: &Path, libdir: &Path, destdir: &Path) -> Self {
        let destdir = Some(destdir.to_owned());
        Self { libdir: libdir.to_owned(), destdir, ..Self::of_prefix(prefix) }
    }

    /// Reads what stands behind `cargo xtask install`; relative paths are taken from `here`.
    ///
    /// # Errors
    /// What is missing or makes no sense.
    pub(crate) fn parse(arguments: &[&str], here: &Path) -> Result<Self, String> {
        let (mut prefix, mut libdir, mut destdir, mut debug) = (None, None, None, false);
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (argument, None),
            };
            let place = match name {
                "--prefix" => &mut prefix,
                "--libdir" => &mut libdir,
                "--destdir" => &mut destdir,
                "--debug" if attached.is_none() => {
                    debug = true;
                    continue;
                }
                _ => return Err(format!("install has no option {argument:?}")),
            };
            let value = attached.or_else(|| arguments.next().copied()).unwrap_or_default();
            if value.is_empty() {
                return Err(format!("{name} needs a directory"));
            }
            *place = Some(value);
        }
        let prefix = prefix.ok_or("install needs --prefix DIRECTORY")?;
        let prefix = usable(absolute(&here.join(prefix)))?;
        let libdir = usable(absolute(&prefix.join(libdir.unwrap_or("lib"))))?;
        let destdir = destdir.map(|directory| absolute(&here.join(directory)));
        Ok(Self { prefix, libdir, destdir, debug })
    }
}

/// Takes out `.` and `..`: a path may be used before the directories in it exist.
fn absolute(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

/// Refuses what Makefiles, shells or pkg-config would take apart: blanks, quotes and the like.
fn usable(path: PathBuf) -> Result<PathBuf, String> {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+@=,~".contains(letter);
    match path.to_str() {
        Some(text) if text.chars().all(is_plain) => Ok(path),
        _ => Err(format!(
            "{path:?} cannot be installed to: pkg-config and make need names of letters, digits and /._-+@=,~"
        )),
    }
}

/// Builds and installs, and says in a few lines what is where.
pub(crate) fn run(options: &Options) -> ExitCode {
    match install(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// As [`run`], for another task.
///
/// # Errors
/// What failed, in one line.
pub(crate) fn install(options: &Options) -> Result<(), String> {
    let stage = Stage::new(options.destdir.as_deref());
    stage.check(&options.libdir)?; // before the minute that the build may take
    let built = library::build(options.debug)?;

    let shared = format!("librte_mp.so.{VERSION}");
    let soname = library::soname();
    stage.remove_others(&options.libdir, &format!("{soname}."), &[&shared])?;
    stage.copy(&built.shared, &options.libdir.join(&shared), 0o755)?;
    stage.link(&shared, &options.libdir.join(&soname))?;
    stage.link(&soname, &options.libdir.join("librte_mp.so"))?;
    stage.copy(&built.archive, &options.libdir.join("librte_mp.a"), 0o644)?;

    let includes = options.prefix.join("include/rte-mp");
    let header_count = install_headers(&stage, &includes)?;

    let texts = pkg_config::Texts {
        prefix: &options.prefix,
        libdir: &options.libdir,
        system_libraries: &built.system_libraries,
        dpdk_version: &dpdk_version()?,
    };
    let pkgconfig = options.libdir.join("pkgconfig");
    let alias = options.libdir.join("rte-mp/dpdk");
    stage.write(&pkgconfig.join("rte-mp.pc"), &texts.own(&pkgconfig))?;
    stage.write(&alias.join("libdpdk.pc"), &texts.alias(&alias))?;
    stage.write(&alias.join("libdpdk-libs.pc"), &texts.alias_libraries(&alias))?;

    let documents = options.prefix.join("share/doc/rte-mp");
    for licence in LICENCES {
        stage.copy(Path::new(licence), &documents.join(licence), 0o644)?;
    }

    println!("rte-mp {VERSION} for C:");
    println!("  {}: librte_mp.a, {shared}", stage.place(&options.libdir).display());
    println!("  {}: {header_count} headers", stage.place(&includes).display());
    println!("  {}: rte-mp.pc", stage.place(&pkgconfig).display());
    println!("  {}: libdpdk.pc, in DPDK's place", stage.place(&alias).display());
    Ok(())
}

/// Installs the headers, and removes those of another release; the directory is ours alone.
fn install_headers(stage: &Stage, includes: &Path) -> Result<usize, String> {
    let headers = files::list(Path::new(HEADERS))?;
    let names: Vec<&str> = headers.iter().map(String::as_str).collect();
    stage.remove_others(includes, "rte_", &names)?;
    for name in &names {
        stage.copy(&Path::new(HEADERS).join(name), &includes.join(name), 0o644)?;
    }
    Ok(names.len())
}

/// Asks the headers which release of DPDK they follow.
fn dpdk_version() -> Result<String, String> {
    let mut compiler = library::compiler();
    compiler.args(["-dM", "-E", "-I", HEADERS]).arg(format!("{HEADERS}/rte_version.h"));
    let macros = command::output(&mut compiler)?;
    let number = |name: &str| {
        let define = format!("#define {name} ");
        macros
            .lines()
            .find_map(|line| line.strip_prefix(&define))
            .and_then(|value| value.trim().parse::<u32>().ok())
            .ok_or_else(|| format!("rte_version.h does not say {name}"))
    };
    let [year, month] = [number("RTE_VER_YEAR")?, number("RTE_VER_MONTH")?];
    Ok(format!("{year}.{month:02}.{}", number("RTE_VER_MINOR")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_directories_from_where_it_is_typed() {
        let here = Path::new("/home/me");
        let parse = |line: &str| Options::parse(&line.split(' ').collect::<Vec<_>>(), here);
        let options = parse("--prefix ../p --libdir=lib64 --destdir=stage --debug").unwrap();
        let expected = Options {
            prefix: "/home/p".into(),
            libdir: "/home/p/lib64".into(),
            destdir: Some("/home/me/stage".into()),
            debug: true,
        };
        assert_eq!(options, expected);
        assert_eq!(parse("--prefix=/usr"), Ok(Options::of_prefix(Path::new("/usr"))));
    }

    #[test]
    fn a_wrong_command_line_is_told_what_is_wrong() {
        let cases = [
            (&["--libdir", "lib"][..], "install needs --prefix DIRECTORY"),
            (&["--prefix"], "--prefix needs a directory"),
            (&["--prefix="], "--prefix needs a directory"),
            (&["--prefix", "/p", "--frobnicate"], r#"install has no option "--frobnicate""#),
            (&["--prefix", "/p", "--debug=1"], r#"install has no option "--debug=1""#),
            (&["/p"], r#"install has no option "/p""#),
        ];
        for (arguments, expected) in cases {
            let error = Options::parse(arguments, Path::new("/")).unwrap_err();
            assert_eq!(error, expected, "{arguments:?}");
        }
    }
}
