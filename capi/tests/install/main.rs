//! What `cargo xtask install` has put there: its symbols, and what programs it takes to use it.

mod builds;
mod layouts;
mod staging;
mod symbols;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rte_mp_interop::{Room, c_prefix};

/// A file of these tests.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install/c").join(name)
}

fn shared_library() -> PathBuf {
    c_prefix().join("lib/librte_mp.so")
}

fn static_library() -> PathBuf {
    c_prefix().join("lib/librte_mp.a")
}

/// Runs a command to its end, and gives what it writes; it must succeed.
fn output(command: &mut Command) -> String {
    match try_output(command) {
        Ok(output) => output,
        Err(errors) => panic!("{command:?}: {errors}"),
    }
}

/// Runs a command to its end, and gives what it writes if it succeeds, its errors if not.
fn try_output(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes| String::from_utf8(bytes).expect("tools write UTF-8");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Asks pkg-config, which finds nothing but what lies in `directory`.
fn pkg_config<A: AsRef<OsStr>>(
    directory: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Vec<String> {
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.env("PKG_CONFIG_LIBDIR", directory).env_remove("PKG_CONFIG_PATH");
    let flags = output(pkg_config.args(arguments));
    flags.split_whitespace().map(str::to_owned).collect()
}

/// Compiles `hello.c` with these flags behind it.
fn build_hello<A: AsRef<OsStr>>(room: &Room, flags: impl IntoIterator<Item = A>) -> PathBuf {
    let program = room.base().join("hello");
    output(room.command("cc").arg(source("hello.c")).arg("-o").arg(&program).args(flags));
    program
}

/// Runs such a program, which finds shared libraries in `libdir`, and sees that it is well.
fn check_hello(room: &Room, program: &Path, libdir: &Path) {
    let mut hello = room.command(program);
    hello.env("LD_LIBRARY_PATH", libdir).arg(format!("--file-prefix={}", room.prefix()));
    assert_eq!(output(&mut hello), "primary 1, sent 0, refused 1, descriptors 253\n");
}

/// The shared libraries that a program or library asks for.
fn needed(file: &Path) -> Vec<String> {
    let dynamic = output(Command::new("readelf").args(["--dynamic", "--wide"]).arg(file));
    let lines = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    lines
        .filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']').to_owned()))
        .collect()
}

/// The linkers of this machine that the compiler can be told to use.
fn linkers() -> Vec<&'static str> {
    let is_there = |linker: &&str| {
        let asked =
            Command::new("cc").arg(format!("-fuse-ld={linker}")).arg("-Wl,--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    let linkers: Vec<_> = ["bfd", "gold", "lld", "mold"].into_iter().filter(is_there).collect();
    assert!(linkers.contains(&"bfd"), "{linkers:?}");
    linkers
}
