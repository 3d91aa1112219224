//! Makes the two libraries for C from the static library that cargo builds.
//!
//! cargo's archive holds some hundred objects, and each symbol in it is visible to whoever links it:
//! a program with a second Rust library in it would have two of `rust_eh_personality`. So its objects
//! are joined to one from which only the listed symbols can be seen. That one object is the installed
//! archive, and the shared library is linked from it, with a version for each symbol.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{VERSION, symbols};
use crate::command;
use crate::files::{Scratch, at};
use crate::release;

/// What a compiler links into every program by itself.
const OF_THE_COMPILER: [&str; 2] = ["-lgcc_s", "-lc"];

/// Both libraries, until this is dropped.
pub(super) struct Built {
    pub(super) shared: PathBuf,
    pub(super) archive: PathBuf,
    /// What a program needs besides, such as `-lm`.
    pub(super) system_libraries: String,
    _scratch: Scratch,
}

/// Gives the name that programs ask for at run time: it stays for as long as they need no new build.
pub(crate) fn soname() -> String {
    let major = VERSION.split('.').next().unwrap_or_default();
    format!("librte_mp.so.{major}")
}

/// Gives the C compiler, which is the linker too: `CC`, or `cc`.
pub(super) fn compiler() -> Command {
    let named = env::var("CC").unwrap_or_default();
    let mut words = named.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words);
    command
}

/// Builds both libraries; `debug` keeps names and line numbers in them.
///
/// # Errors
/// What is missing or failed, in one line.
pub(super) fn build(debug: bool) -> Result<Built, String> {
    check_tools()?;
    let (archive, system_libraries) = build_crate()?;
    let scratch = Scratch::new(Path::new(release::DIRECTORY))?;
    let object = join(&scratch, &archive, debug)?;
    Ok(Built {
        shared: share(&scratch, &object, &system_libraries, debug)?,
        archive: pack(&scratch, &object)?,
        system_libraries,
        _scratch: scratch,
    })
}

fn check_tools() -> Result<(), String> {
    let compiler_name = compiler().get_program().display().to_string();
    if !command::succeeds(compiler().arg("--version")) {
        return Err(format!("no C compiler {compiler_name:?}: install gcc, or name one in CC"));
    }
    match ["ar", "ld.bfd", "nm", "objcopy"].iter().find(|tool| !command::is_installed(tool)) {
        Some(tool) => Err(format!("no {tool}: install binutils")),
        None => Ok(()),
    }
}

/// Has cargo build the crate, and rustc name the system's libraries that it needs.
fn build_crate() -> Result<(PathBuf, String), String> {
    let libraries = release::directory()?.join("native-static-libs");
    let mut cargo = release::cargo("rustc")?;
    cargo.args(["--release", "--package", "rte-mp-capi", "--lib"]);
    cargo.arg("--").arg(format!("--print=native-static-libs={}", libraries.display()));
    run_without_note(&mut cargo)?;

    let archive = release::products()?.join("librte_mp_capi.a");
    let needed = fs::read_to_string(&libraries).map_err(at(&libraries))?;
    let needed = needed.split_whitespace().filter(|library| !OF_THE_COMPILER.contains(library));
    Ok((archive, needed.collect::<Vec<_>>().join(" ")))
}

/// Shows what cargo says, but for a note that tells where our own file is.
fn run_without_note(cargo: &mut Command) -> Result<(), String> {
    let failed = |error| format!("cargo: {error}");
    let mut child = cargo.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let stderr = child.stderr.take().expect("it is piped");
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if !line.is_empty() && !line.starts_with("note: native artifacts to link against") {
            eprintln!("{line}");
        }
    }
    match child.wait().map_err(failed)? {
        status if status.success() => Ok(()),
        status => Err(format!("the library cannot be built: cargo: {status}")),
    }
}

/// Joins what is needed of cargo's archive to one object, and hides all but the listed symbols.
///
/// Groups of sections are dissolved: a linker would otherwise take another library's
/// `DW.ref.rust_eh_personality` for ours, and throw ours away although we refer to it.
fn join(scratch: &Scratch, archive: &Path, debug: bool) -> Result<PathBuf, String> {
    let listed = symbols::listed()?;
    let joined = scratch.file("joined.o");
    let mut linker = compiler();
    linker.args(["-r", "-nostdlib", "-fuse-ld=bfd", "-Wl,--gc-sections"]);
    linker.arg("-Wl,--force-group-allocation");
    linker.args(listed.iter().map(|symbol| format!("-Wl,--undefined={symbol}")));
    linker.arg("-o").arg(&joined).arg(archive);
    command::output(&mut linker)?;
    remove_bitcode(&joined)?;

    let defined = symbols::defined(&joined)?;
    let missing: Vec<&str> = listed.difference(&defined).map(String::as_str).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(format!("{} lists what the library has not: {missing}", symbols::MAP));
    }

    let names = scratch.file("visible");
    let text: String = listed.iter().map(|name| format!("{name}\n")).collect();
    fs::write(&names, text).map_err(at(&names))?;
    let object = scratch.file("rte_mp.o");
    let mut objcopy = Command::new("objcopy");
    objcopy.arg(format!("--keep-global-symbols={}", names.display()));
    if !debug {
        objcopy.arg("--strip-unneeded");
    }
    command::output(objcopy.args([&joined, &object]))?;
    Ok(object)
}

/// Takes out the bitcode that comes with Rust's own libraries. Where LLVM's plugin is installed,
/// `nm` and `ar` would take the object for nothing but bitcode, fail to read that of a newer LLVM, and
/// find no symbol.
fn remove_bitcode(object: &Path) -> Result<(), String> {
    let mut objcopy = Command::new("objcopy");
    objcopy.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd"]).arg(object);
    command::output(&mut objcopy).map(drop)
}

fn share(
    scratch: &Scratch,
    object: &Path,
    system_libraries: &str,
    debug: bool,
) -> Result<PathBuf, String> {
    let shared = scratch.file("librte_mp.so");
    let mut linker = compiler();
    linker.args(["-shared", "-Wl,--gc-sections", "-Wl,-z,defs", "-Wl,-z,text"]);
    linker.args(["-Wl,-z,relro", "-Wl,-z,now"]);
    linker.arg(format!("-Wl,--version-script={}", symbols::MAP));
    linker.arg(format!("-Wl,-soname,{}", soname()));
    if !debug {
        linker.arg("-Wl,--strip-all");
    }
    linker.arg("-o").arg(&shared).arg(object);
    linker.arg("-Wl,--as-needed").args(system_libraries.split(' '));
    command::output(&mut linker)?;
    Ok(shared)
}

fn pack(scratch: &Scratch, object: &Path) -> Result<PathBuf, String> {
    let archive = scratch.file("librte_mp.a");
    // Without times and users, so that the same sources give the same archive.
    command::output(Command::new("ar").arg("rcsD").args([&archive, object]))?;
    Ok(archive)
}
