//! C programs that a test compiles itself: against rte-mp as `cargo xtask install` put it, or against
//! DPDK. The same source goes with both.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What the programs are compiled with: all that a strict compiler has to say is an error.
const STRICT: [&str; 7] =
    ["-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// Where `cargo xtask install` put the library for C; an absolute path.
pub(crate) const PREFIX_VARIABLE: &str = "RTE_MP_C_PREFIX";

/// Which library a C program is compiled against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// rte-mp, with the layout of messages that `RTE_MP_ABI` chooses: 25 or 22.
    RteMp {
        /// The value of `RTE_MP_ABI`.
        abi: u32,
    },
    /// The DPDK of this machine.
    Dpdk,
}

impl Against {
    /// rte-mp with its default layout, that of DPDK 25.11.
    pub const RTE_MP: Self = Self::RteMp { abi: 25 };
}

/// A compiled C program. Its file is removed when this goes away.
#[derive(Debug)]
pub struct CProgram {
    directory: TempDir,
    name: String,
}

impl CProgram {
    /// Compiles a program without further ado.
    pub fn compile(against: Against, name: &str, sources: &[PathBuf]) -> Self {
        CBuild::new(against).compile(name, sources)
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }
}

/// How C programs are compiled and linked.
#[derive(Debug, Clone)]
pub struct CBuild {
    against: Against,
    flags: Vec<String>,
    is_static: bool,
}

impl CBuild {
    /// Begins with strict warnings, and the shared library.
    pub fn new(against: Against) -> Self {
        Self { against, flags: Vec::new(), is_static: false }
    }

    /// Adds flags for the compiler, behind all others.
    pub fn flags<S: Into<String>>(mut self, flags: impl IntoIterator<Item = S>) -> Self {
        self.flags.extend(flags.into_iter().map(Into::into));
        self
    }

    /// Has the program watched by AddressSanitizer with LeakSanitizer, and by UBSan.
    pub fn sanitized(self) -> Self {
        self.flags(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"])
    }

    /// Links rte-mp as a static library.
    pub fn linked_statically(mut self) -> Self {
        self.is_static = true;
        self
    }

    /// Compiles and links `sources`.
    pub fn compile(&self, name: &str, sources: &[PathBuf]) -> CProgram {
        self.try_compile(name, sources)
            .unwrap_or_else(|errors| panic!("{name} does not compile: {errors}"))
    }

    /// Tries to.
    ///
    /// # Errors
    /// What the compiler or the linker says.
    pub fn try_compile(&self, name: &str, sources: &[PathBuf]) -> Result<CProgram, String> {
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        let program = CProgram { directory, name: name.to_owned() };
        let output = Command::new(env::var("CC").as_deref().unwrap_or("cc"))
            .args(STRICT)
            .args(self.package_flags("--cflags")?)
            .args(self.layout_flag())
            .args(&self.flags)
            .arg("-o")
            .arg(program.path())
            .args(sources)
            .args(self.libraries()?)
            .output()
            .map_err(|error| format!("no C compiler: {error}"))?;
        if output.status.success() {
            Ok(program)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn layout_flag(&self) -> Option<String> {
        match self.against {
            Against::RteMp { abi: 25 } | Against::Dpdk => None,
            Against::RteMp { abi } => Some(format!("-DRTE_MP_ABI={abi}")),
        }
    }

    fn libraries(&self) -> Result<Vec<String>, String> {
        let mut flags = self.package_flags("--libs")?;
        if let Against::RteMp { .. } = self.against {
            let libdir = c_prefix().join("lib");
            flags.push(format!("-Wl,-rpath,{}", libdir.display()));
        }
        if self.is_static {
            // The linker would take the shared library, which lies beside it.
            for flag in &mut flags {
                if flag == "-lrte_mp" {
                    "-l:librte_mp.a".clone_into(flag);
                }
            }
        }
        Ok(flags)
    }

    fn package_flags(&self, what: &str) -> Result<Vec<String>, String> {
        let mut command = Command::new("pkg-config");
        let package = match self.against {
            Against::Dpdk => "libdpdk",
            Against::RteMp { .. } => {
                command.env("PKG_CONFIG_PATH", c_prefix().join("lib/pkgconfig"));
                "rte-mp"
            }
        };
        if self.is_static {
            command.arg("--static");
        }
        let output = command.args([what, package]).output();
        let output = output.map_err(|error| format!("no pkg-config: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let flags = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(flags.split_whitespace().map(str::to_owned).collect())
    }
}

/// Gives a source of this crate by its name in `c/`, or all of a directory there.
pub fn c_sources(name: &str) -> Vec<PathBuf> {
    sources_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("c").join(name))
}

/// Gives a source of the C examples by its path in `capi/examples/`.
pub fn c_example(path: &str) -> Vec<PathBuf> {
    sources_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../capi/examples").join(path))
}

fn sources_of(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = path.read_dir() else { return vec![path.to_owned()] };
    let files = entries.map(|entry| entry.expect("the directory is readable").path());
    files.filter(|file| file.extension() == Some(OsStr::new("c"))).collect()
}

/// Where rte-mp is installed for C.
pub fn c_prefix() -> PathBuf {
    let prefix = env::var_os(PREFIX_VARIABLE).unwrap_or_default();
    assert!(!prefix.is_empty(), "{PREFIX_VARIABLE} is not set");
    prefix.into()
}

/// Why there is no library for C here.
pub(crate) fn library_missing() -> Option<String> {
    env::var_os(PREFIX_VARIABLE).is_none_or(|prefix| prefix.is_empty()).then(|| {
        format!(
            "{PREFIX_VARIABLE} does not say where rte-mp is installed for C (cargo xtask test c)"
        )
    })
}
