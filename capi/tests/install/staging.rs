//! Where `cargo xtask install` writes: below `--destdir`, again and again, and in trees that move.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rte_mp_interop::{Room, with_c_library};

use crate::{build_hello, check_hello, output, pkg_config};

const PREFIX: &str = "/opt/rte-mp";
const LIBDIR: &str = "lib/of/this/machine";

/// Installs for [`PREFIX`] below a directory of the room, and gives where the prefix is there.
fn stage(room: &Room) -> PathBuf {
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo runs the tests"));
    cargo.args(["xtask", "install", "--prefix", PREFIX, "--libdir", LIBDIR, "--destdir"]);
    // A blank in it does no harm: it is in no file.
    let destdir = room.base().join("st age");
    output(cargo.arg(&destdir).current_dir(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(files(&destdir).len(), files(&destdir.join("opt/rte-mp")).len());
    destdir.join("opt/rte-mp")
}

/// Every file below a directory, with its contents.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("it is a directory") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let contents = fs::read(&path).expect("no link leads nowhere");
            found.push((path, contents));
        }
    }
    found.sort();
    found
}

#[test]
fn an_installation_can_be_staged_repeated_and_moved() {
    with_c_library(|room| {
        let staged = stage(room);
        let first = files(&staged);
        assert!(first.iter().any(|(path, _)| path.ends_with("share/doc/rte-mp/LICENSE-MIT")));

        // What an older release has left is gone afterwards, and what is not ours stays.
        let stale = ["include/rte-mp/rte_gone.h", "lib/of/this/machine/librte_mp.so.0.0.9"];
        let foreign = staged.join(LIBDIR).join("librte_mp_other.so.0");
        for file in stale.map(|file| staged.join(file)).iter().chain([&foreign]) {
            fs::write(file, "").unwrap();
        }
        assert_eq!(stage(room), staged);
        fs::remove_file(foreign).expect("it is still there");
        assert!(files(&staged) == first, "another installation differs");

        let moved = room.base().join("moved");
        fs::rename(&staged, &moved).unwrap();
        let libdir = moved.join(LIBDIR);
        let flags = pkg_config(&libdir.join("pkgconfig"), ["--cflags", "--libs", "rte-mp"]);
        check_hello(room, &build_hello(room, flags), &libdir);
    });
}

#[test]
fn a_staged_tree_serves_as_the_root_of_a_system() {
    with_c_library(|room| {
        let staged = stage(room);
        let root = room.base().join("root");
        fs::create_dir(&root).unwrap();
        fs::rename(staged.parent().unwrap(), root.join("opt")).unwrap();
        let libdir = root.join("opt/rte-mp").join(LIBDIR);
        let mut pkg_config = Command::new("pkg-config");
        pkg_config.env("PKG_CONFIG_SYSROOT_DIR", &root).env_remove("PKG_CONFIG_PATH");
        pkg_config.env("PKG_CONFIG_LIBDIR", libdir.join("pkgconfig"));
        let flags = output(pkg_config.args(["--cflags", "--libs", "rte-mp"]));
        check_hello(room, &build_hello(room, flags.split_whitespace()), &libdir);
    });
}
