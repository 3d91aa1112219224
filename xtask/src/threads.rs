//! Runs the library's tests under ThreadSanitizer, which finds data races.
//!
//! ThreadSanitizer has to see every atomic operation, those inside the standard library too, or it
//! takes two threads that share a `Mutex` for a race. The standard library comes compiled without
//! it, and its source need not be installed; but its archives hold bitcode. From that we make a
//! second sysroot whose atomics report to ThreadSanitizer, with the linker that comes with Rust.
//!
//! This needs no nightly toolchain: `RUSTC_BOOTSTRAP` lets a stable one take the flag.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;

/// The archives in which threads meet, the test runner's among them.
const ARCHIVES: [&str; 4] = ["libcore-", "liballoc-", "libstd-", "libtest-"];

/// Where all of this is built, apart from everything else.
const TARGET_DIR: &str = "target/tsan";

/// What a build needs in order to run under ThreadSanitizer.
pub(crate) struct Sanitizer {
    host: String,
    flags: Vec<String>,
}

impl Sanitizer {
    /// Builds the parts that do not come with Rust.
    ///
    /// # Errors
    /// What is missing, in one line.
    pub(crate) fn prepare() -> Result<Self, String> {
        let host = host()?;
        let sysroot = instrumented_sysroot(&host)
            .map_err(|error| format!("no standard library for ThreadSanitizer: {error}"))?;
        let fences = fences().map_err(|error| format!("no fences for ThreadSanitizer: {error}"))?;
        let flags = vec![
            "-Zsanitizer=thread".to_owned(),
            // The parts of the standard library that hold no atomics stay as they are.
            "-Cunsafe-allow-abi-mismatch=sanitizer".to_owned(),
            format!("--sysroot={}", sysroot.display()),
            "-Clink-arg=-Wl,--wrap=__tsan_atomic64_fetch_sub".to_owned(),
            format!("-Clink-arg={}", fences.display()),
        ];
        Ok(Self { host, flags })
    }

    /// Sets up a command of cargo's.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        cargo
            .args(["--target", &self.host, "--target-dir", TARGET_DIR])
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags.join("\u{1f}"));
    }
}

fn host() -> Result<String, String> {
    let about = command::output(Command::new("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not name its host".to_owned())
}

/// Builds the sysroot anew, which takes seconds, so that it always is this compiler's.
fn instrumented_sysroot(host: &str) -> Result<PathBuf, String> {
    let original = command::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let original = Path::new(original.trim()).join("lib/rustlib").join(host);
    let linker = original.join("bin/rust-lld");
    if !linker.is_file() {
        return Err(format!("{} does not exist", linker.display()));
    }
    let sysroot = absolute(Path::new(TARGET_DIR))?.join("sysroot");
    let copy = sysroot.join("lib/rustlib").join(host);
    if sysroot.exists() {
        fs::remove_dir_all(&sysroot).map_err(at(&sysroot))?;
    }
    let libraries = copy.join("lib");
    fs::create_dir_all(&libraries).map_err(at(&libraries))?;
    symlink(original.join("bin"), copy.join("bin")).map_err(at(&copy))?;
    for file in list(&original.join("lib"))? {
        let name = file.file_name().unwrap_or_default();
        let link = libraries.join(name);
        let name = name.display().to_string();
        if name.ends_with(".rlib") && ARCHIVES.iter().any(|archive| name.starts_with(archive)) {
            instrument(&linker, &file, &link)?;
        } else {
            symlink(&file, &link).map_err(at(&link))?;
        }
    }
    Ok(sysroot)
}

/// Copies an archive, and in the copy compiles each object from its bitcode.
fn instrument(linker: &Path, archive: &Path, copy: &Path) -> Result<(), String> {
    let scratch = copy.with_extension("objects");
    fs::create_dir(&scratch).map_err(at(&scratch))?;
    fs::copy(archive, copy).map_err(at(copy))?;
    let run = |command: &mut Command| command::output(command.current_dir(&scratch));
    run(Command::new("ar").arg("x").arg(archive))?;
    for object in list(&scratch)?.iter().filter(|file| file.extension() == Some("o".as_ref())) {
        let bitcode = object.with_extension("bc");
        run(Command::new("objcopy")
            .args(["-O", "binary", "--only-section=.llvmbc"])
            .arg("--set-section-flags=.llvmbc=alloc")
            .args([object, &bitcode]))?;
        run(Command::new(linker)
            .args(["-flavor", "gnu", "-r", "--lto-newpm-passes=function(tsan)", "-o"])
            .args([object, &bitcode]))?;
        run(Command::new("ar").arg("r").args([copy, object]))?;
    }
    fs::remove_dir_all(&scratch).map_err(at(&scratch))
}

/// Compiles what makes ThreadSanitizer see fences.
fn fences() -> Result<PathBuf, String> {
    let object = absolute(Path::new(TARGET_DIR))?.join("fences.o");
    let mut compiler = Command::new("cc");
    compiler.args(["-c", "-O2", "-Wall", "-Wextra", "xtask/src/fences.c", "-o"]).arg(&object);
    command::output(&mut compiler)?;
    Ok(object)
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(at(directory))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<Result<_, _>>().map_err(at(directory))
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    Ok(env::current_dir().map_err(at(path))?.join(path))
}

fn at(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}
