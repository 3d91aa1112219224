//! Compiles the C programs against the installed libdpdk, or remembers why that cannot be.
//!
//! The crate builds either way. What was found reaches `requirements.rs` in one of two variables:
//! `DPDK_PROGRAMS`, the directory of the programs, or `DPDK_MISSING`, what would bring them in.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAMS: [&str; 3] = ["dpdk_peer", "dpdk_zones", "dpdk_bench"];

fn main() {
    println!("cargo::rerun-if-changed=c");
    for variable in ["CC", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    for place in places_where_libdpdk_may_appear() {
        println!("cargo::rerun-if-changed={}", place.display());
    }
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    match compile(Path::new(&out)) {
        Ok(()) => println!("cargo::rustc-env=DPDK_PROGRAMS={out}"),
        Err(reason) => println!("cargo::rustc-env=DPDK_MISSING={}", reason.replace('\n', "; ")),
    }
}

fn compile(out: &Path) -> Result<(), String> {
    if env::var("HOST") != env::var("TARGET") {
        return Err("DPDK programs are not cross-compiled".to_owned());
    }
    let flags = pkg_config(&["--cflags", "--libs", "libdpdk"])
        .ok_or("libdpdk is not installed (apt-get install libdpdk-dev)")?;
    for program in PROGRAMS {
        let output = Command::new(env::var("CC").as_deref().unwrap_or("cc"))
            .args(["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(out.join(program))
            .arg(format!("c/{program}.c"))
            .args(flags.split_whitespace())
            .output()
            .map_err(|error| format!("no C compiler: {error}"))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("c/{program}.c does not compile: {errors}"));
        }
    }
    Ok(())
}

/// Directories that change when libdpdk comes or goes: watching them is what runs this again.
fn places_where_libdpdk_may_appear() -> Vec<PathBuf> {
    let Some(path) = pkg_config(&["--variable", "pc_path", "pkg-config"]) else {
        return vec![PathBuf::from("/usr/bin")];
    };
    path.trim()
        .split(':')
        .filter_map(|place| Path::new(place).ancestors().find(|place| place.is_dir()))
        .filter(|place| place.parent().is_some_and(|above| above.parent().is_some()))
        .map(Path::to_owned)
        .collect()
}

fn pkg_config(arguments: &[&str]) -> Option<String> {
    let output = Command::new("pkg-config").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
