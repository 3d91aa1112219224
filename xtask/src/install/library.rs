//! Makes the two libraries for C from the static library that cargo builds.
//!
//! cargo's archive holds some hundred objects, and each symbol in it is visible to whoever links it:
//! a program with a second Rust library in it would have two of `rust_eh_personality`. So its objects
//! are joined to one from which only the listed symbols can be seen. That one object is the installed
//! archive, and the shared library is linked from it, with a version for each symbol.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::at;
use super::{VERSION, symbols};
use crate::command::{self, cargo};

/// Where all of this is built, apart from everything else: it is built with flags of its own.
const DIRECTORY: &str = "target/c/build";

/// What the compiler links into every program by itself.
const OF_THE_COMPILER: [&str; 2] = ["-lgcc_s", "-lc"];

pub(super) struct Built {
    pub(super) shared: PathBuf,
    pub(super) archive: PathBuf,
    /// What the archive needs besides, such as `-lm`.
    pub(super) system_libraries: String,
}

/// Gives the name that programs ask for at run time: it stays as long as they need no new build.
pub(super) fn soname() -> String {
    let major = VERSION.split('.').next().unwrap_or_default();
    format!("librte_mp.so.{major}")
}

/// Gives the C compiler, which also links: `CC`, or `cc`.
pub(super) fn compiler() -> Command {
    let named = env::var("CC").unwrap_or_default();
    let mut words = named.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words);
    command
}

/// Builds both libraries.
///
/// # Errors
/// What is missing or failed, in one line.
pub(super) fn build(debug: bool) -> Result<Built, String> {
    for (program, package) in [("nm", "binutils"), ("objcopy", "binutils"), ("ar", "binutils")] {
        if !command::is_installed(program) {
            return Err(format!("there is no {program}: install {package}"));
        }
    }
    if !command::succeeds(compiler().arg("--version")) {
        let name = compiler().get_program().display().to_string();
        return Err(format!(
            "the C compiler {name:?} cannot be run: install gcc, or name another in CC"
        ));
    }
    let directory = env::current_dir().map_err(at(Path::new(".")))?.join(DIRECTORY);
    fs::create_dir_all(&directory).map_err(at(&directory))?;
    let (archive, system_libraries) = build_crate(&directory)?;
    let object = join(&directory, &archive, debug)?;
    Ok(Built {
        shared: share(&directory, &object, debug)?,
        archive: pack(&directory, &object)?,
        system_libraries,
    })
}

/// Has cargo build the crate, and rustc name the system's libraries that it needs.
fn build_crate(directory: &Path) -> Result<(PathBuf, String), String> {
    let host = rustc_says(&["--print", "host-tuple"])?;
    let libraries = directory.join("native-static-libs");
    let mut build = cargo(["rustc", "--quiet", "--release", "--locked"]);
    build.args(["--package", "rte-mp-capi", "--lib", "--target", &host]);
    build.arg("--target-dir").arg(directory);
    build.arg("--").arg(format!("--print=native-static-libs={}", libraries.display()));
    build.env("CARGO_ENCODED_RUSTFLAGS", flags()?.join("\u{1f}"));
    command::run(&mut build)?;
    let archive = directory.join(host).join("release/librte_mp_capi.a");
    let needed = fs::read_to_string(&libraries).map_err(at(&libraries))?;
    let needed = needed.split_whitespace().filter(|library| !OF_THE_COMPILER.contains(library));
    Ok((archive, needed.collect::<Vec<_>>().join(" ")))
}

/// The caller's flags, and that no path of this machine shall be in what is installed.
fn flags() -> Result<Vec<String>, String> {
    let root = env::current_dir().map_err(at(Path::new(".")))?;
    let home = |name: &str| env::var_os(name).map(PathBuf::from);
    let cargo = home("CARGO_HOME").or_else(|| Some(home("HOME")?.join(".cargo")));
    let sysroot = rustc_says(&["--print", "sysroot"])?;
    let mut flags: Vec<String> = match env::var("CARGO_ENCODED_RUSTFLAGS") {
        Ok(flags) => flags.split('\u{1f}').map(str::to_owned).collect(),
        Err(_) => env::var("RUSTFLAGS")
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    };
    flags.retain(|flag| !flag.is_empty());
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    flags.extend(cargo.map(|cargo| remap(&cargo, "/cargo")));
    flags.push(remap(Path::new(&sysroot), "/rust"));
    flags.push(remap(&root, "/rte-mp"));
    Ok(flags)
}

fn rustc_says(arguments: &[&str]) -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    Ok(command::output(Command::new(rustc).args(arguments))?.trim().to_owned())
}

/// Joins what is needed of cargo's archive to one object, and hides all but the listed symbols.
///
/// Groups of sections are dissolved: a linker would otherwise take our `DW.ref.rust_eh_personality`
/// for another library's, and throw ours away although we refer to it.
fn join(directory: &Path, archive: &Path, debug: bool) -> Result<PathBuf, String> {
    let listed = symbols::listed()?;
    let joined = directory.join("joined.o");
    let mut linker = compiler();
    linker.args(["-r", "-nostdlib", "-fuse-ld=bfd", "-Wl,--gc-sections"]);
    linker.arg("-Wl,--force-group-allocation");
    linker.args(listed.iter().map(|symbol| format!("-Wl,--undefined={symbol}")));
    linker.arg("-o").arg(&joined).arg(archive);
    command::output(&mut linker)?;

    let defined = symbols::defined(&joined)?;
    let missing: Vec<&str> = listed.difference(&defined).map(String::as_str).collect();
    if !missing.is_empty() {
        println!("{} lists what is not there: {}", symbols::MAP, missing.join(", "));
    }

    let visible = directory.join("visible");
    let names: String = listed.intersection(&defined).map(|name| format!("{name}\n")).collect();
    fs::write(&visible, names).map_err(at(&visible))?;
    let object = directory.join("rte_mp.o");
    let mut objcopy = Command::new("objcopy");
    objcopy.arg(format!("--keep-global-symbols={}", visible.display()));
    if !debug {
        objcopy.arg("--strip-unneeded");
    }
    command::output(objcopy.arg(&joined).arg(&object))?;
    Ok(object)
}

fn share(directory: &Path, object: &Path, debug: bool) -> Result<PathBuf, String> {
    let shared = directory.join("librte_mp.so");
    let mut linker = compiler();
    linker.args(["-shared", "-Wl,--gc-sections", "-Wl,-z,defs", "-Wl,-z,text"]);
    linker.args(["-Wl,-z,relro", "-Wl,-z,now"]);
    linker.arg(format!("-Wl,--version-script={}", symbols::MAP));
    linker.arg(format!("-Wl,-soname,{}", soname()));
    if !debug {
        linker.arg("-Wl,--strip-all");
    }
    linker.arg("-o").arg(&shared).arg(object);
    command::output(&mut linker)?;
    Ok(shared)
}

fn pack(directory: &Path, object: &Path) -> Result<PathBuf, String> {
    let archive = directory.join("librte_mp.a");
    if archive.exists() {
        fs::remove_file(&archive).map_err(at(&archive))?;
    }
    // Without times and users, so that the same source gives the same archive.
    command::output(Command::new("ar").arg("rcsD").args([&archive, object]))?;
    Ok(archive)
}
