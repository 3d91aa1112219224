//! What pkg-config reads.
//!
//! A file names its prefix by its own place, so that an installed tree can be moved as a whole; only
//! one that lies outside of the prefix names the prefix as it is.
//!
//! Beside `rte-mp.pc` there is an alias in DPDK's name. DPDK's own examples, linked by `make static`,
//! want the static libraries between `--whole-archive` flags and before the shared ones. The latter
//! therefore stand in a second file, as DPDK has it too: what a file requires comes after it.

use std::fmt::Write;
use std::path::{Component, Path};

use super::VERSION;

pub(super) struct Texts<'a> {
    pub(super) prefix: &'a Path,
    pub(super) libdir: &'a Path,
    /// What a static link needs besides, such as `-lm`.
    pub(super) system_libraries: &'a str,
    pub(super) dpdk_version: &'a str,
}

impl Texts<'_> {
    /// `rte-mp.pc`, to be written into `directory`.
    pub(super) fn own(&self, directory: &Path) -> String {
        let mut text = self.variables(directory);
        describe(&mut text, "rte-mp", "DPDK's multi-process IPC for C, without DPDK", VERSION);
        text += "Libs: -L${libdir} -lrte_mp\n";
        put(&mut text, "Libs.private", self.system_libraries);
        text + CFLAGS
    }

    /// `libdpdk.pc`, to be written into `directory`.
    pub(super) fn alias(&self, directory: &Path) -> String {
        let mut text = self.variables(directory);
        describe(&mut text, "libdpdk", "rte-mp in the place of DPDK", self.dpdk_version);
        text += "Requires: libdpdk-libs\n";
        let archive = "-Wl,--whole-archive -L${libdir} -l:librte_mp.a -Wl,--no-whole-archive";
        put(&mut text, "Libs.private", &format!("{archive} {}", self.system_libraries));
        text + CFLAGS
    }

    /// `libdpdk-libs.pc`, to be written into `directory`.
    pub(super) fn alias_libraries(&self, directory: &Path) -> String {
        let mut text = self.variables(directory);
        describe(&mut text, "libdpdk-libs", "rte-mp as a shared library", self.dpdk_version);
        text + "Libs: -L${libdir} -Wl,--as-needed -lrte_mp\n"
    }

    fn variables(&self, directory: &Path) -> String {
        let prefix = match directory.strip_prefix(self.prefix) {
            Ok(inside) => {
                let up = inside.components().map(|_: Component| "/..");
                format!("${{pcfiledir}}{}", up.collect::<String>())
            }
            Err(_) => self.prefix.display().to_string(),
        };
        let libdir = match self.libdir.strip_prefix(self.prefix) {
            Ok(inside) => format!("${{prefix}}/{}", inside.display()),
            Err(_) => self.libdir.display().to_string(),
        };
        format!("prefix={prefix}\nlibdir={libdir}\nincludedir=${{prefix}}/include/rte-mp\n\n")
    }
}

/// DPDK has its configuration included before anything else, and programs rely on it.
const CFLAGS: &str = "Cflags: -include rte_config.h -I${includedir}\n";

fn describe(text: &mut String, name: &str, description: &str, version: &str) {
    put(text, "Name", name);
    put(text, "Description", description);
    put(text, "Version", version);
}

fn put(text: &mut String, key: &str, value: &str) {
    writeln!(text, "{key}: {value}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_inside_of_the_prefix_finds_it_from_its_own_place() {
        let cases = [
            ("/usr/lib", "${pcfiledir}/../..", "${prefix}/lib"),
            ("/usr/lib/multi/arch", "${pcfiledir}/../../../..", "${prefix}/lib/multi/arch"),
            ("/lib", "/usr", "/lib"),
        ];
        for (libdir, prefix, named) in cases {
            let libdir = Path::new(libdir);
            let texts = Texts {
                prefix: Path::new("/usr"),
                libdir,
                system_libraries: "-lm",
                dpdk_version: "25.11.0",
            };
            let text = texts.own(&libdir.join("pkgconfig"));
            let expected = format!("prefix={prefix}\nlibdir={named}\n");
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}
