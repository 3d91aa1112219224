//! The trees of files that are packed: which package holds what, where Debian wants it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{architecture, documents};
use crate::command;
use crate::files::{Stage, at};
use crate::install;
use crate::release;

const COMMAND: &str = "rte-mp";
const DEVELOPMENT: &str = "librte-mp-dev";

/// Gives the names of the packages: the command, what is needed to build with the library, the library,
/// whose name holds its version as Debian wants it.
pub(crate) fn names() -> [String; 3] {
    let library = install::soname().replace(".so.", "").replace('_', "-");
    [COMMAND.to_owned(), DEVELOPMENT.to_owned(), library]
}

/// Where Debian's shells look for completions of packages.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "/usr/share/bash-completion/completions/rte-mp"),
    ("zsh", "/usr/share/zsh/vendor-completions/_rte-mp"),
    ("fish", "/usr/share/fish/vendor_completions.d/rte-mp.fish"),
];

/// What is said about a package, and where its files are.
pub(super) struct Tree {
    pub(super) name: String,
    pub(super) section: &'static str,
    /// The first line of its description, without article and full stop.
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) kind: Kind,
    /// Its own, in which it is packed.
    pub(super) directory: PathBuf,
}

impl Tree {
    /// Gives what its files lie in as they will below `/`.
    pub(super) fn root(&self) -> PathBuf {
        root(&self.directory)
    }
}

fn root(directory: &Path) -> PathBuf {
    directory.join("root")
}

/// What a package is to others, and takes of them.
pub(super) enum Kind {
    /// It needs what its binary needs.
    Command { binary: PathBuf },
    /// So does a library, which the linker of other programs has to be told of.
    Library { binary: PathBuf },
    /// It needs the library of its own version, whose package has this name.
    Development { library: String },
}

/// Builds everything, and lays it out in `directory`, which is made anew.
///
/// # Errors
/// What is missing or failed, in one line.
pub(super) fn build(directory: &Path) -> Result<[Tree; 3], String> {
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(at(directory))?;
    }
    let libdir = Path::new("/usr/lib").join(architecture("DEB_HOST_MULTIARCH")?);
    let [_, _, library] = names();
    let trees = [
        command(directory.join(COMMAND))?,
        development(directory.join(DEVELOPMENT), &libdir, &library)?,
        // Last, since it takes its files out of the one before.
        shared(directory.join(&library), &libdir, &library)?,
    ];
    for tree in &trees {
        add_documents(tree)?;
    }
    Ok(trees)
}

fn command(directory: PathBuf) -> Result<Tree, String> {
    let root = root(&directory);
    let mut build = release::cargo("build")?;
    command::run(build.args(["--release", "--package", "rte-mp-cli"]))?;
    let stage = Stage::new(Some(&root));
    let program = Path::new("/usr/bin/rte-mp");
    stage.copy(&release::products()?.join("rte-mp"), program, 0o755)?;
    let binary = stage.place(program);
    strip(&binary, "--strip-all")?;
    command::run(Command::new(&binary).arg("man").arg(root.join("usr/share/man/man1")))?;
    for (shell, path) in COMPLETIONS {
        let script = command::output(Command::new(&binary).args(["completions", shell]))?;
        stage.write(Path::new(path), &script)?;
    }
    for name in ["README.md", "JSON.md", "PCAPNG.md"] {
        let documents = Path::new("/usr/share/doc").join(COMMAND);
        stage.copy(&Path::new("cli").join(name), &documents.join(name), 0o644)?;
    }
    Ok(Tree {
        name: COMMAND.to_owned(),
        section: "net",
        summary: "look into and talk to DPDK's groups of processes",
        description: "See who is attached to the process group of a running DPDK application, or of programs \
                      that use rte-mp, watch and send the messages of its multi-process IPC (rte_mp), and find \
                      out why one was not answered. Neither DPDK nor hugepages are needed.",
        kind: Kind::Command { binary },
        directory,
    })
}

fn development(directory: PathBuf, libdir: &Path, library: &str) -> Result<Tree, String> {
    let root = root(&directory);
    install::install(&install::Options::of_package(Path::new("/usr"), libdir, &root))?;
    // The licences stand in each package's own file.
    let licences = root.join("usr/share/doc/rte-mp");
    fs::remove_dir_all(&licences).map_err(at(&licences))?;
    let example = "8-multiprocess-msg";
    let sources = Path::new("capi/examples").join(example);
    let examples = Path::new("/usr/share/doc/librte-mp-dev/examples").join(example);
    for name in ["CMakeLists.txt", "Makefile", "client.c", "common.h", "server.c"] {
        Stage::new(Some(&root)).copy(&sources.join(name), &examples.join(name), 0o644)?;
    }
    Ok(Tree {
        name: DEVELOPMENT.to_owned(),
        section: "libdevel",
        summary: "DPDK's multi-process IPC for C, without DPDK - development files",
        description: "The headers, the static library and the files for pkg-config that it takes to build \
                      programs in C with librte_mp, and a stand-in for libdpdk.pc, with which programs for \
                      DPDK are built unchanged.",
        kind: Kind::Development { library: library.to_owned() },
        directory,
    })
}

/// Moves the shared library out of the files that were installed to build with it.
fn shared(directory: PathBuf, libdir: &Path, library: &str) -> Result<Tree, String> {
    let root = root(&directory);
    let stage = Stage::new(Some(&root));
    let installed = self::root(&directory.with_file_name(DEVELOPMENT));
    let installed = Stage::new(Some(&installed)).place(libdir);
    let soname = install::soname();
    let versioned = fs::read_link(installed.join(&soname)).map_err(at(&installed))?;
    let versioned = versioned.display().to_string();
    // The linker runs no library, and neither does anybody else.
    stage.copy(&installed.join(&versioned), &libdir.join(&versioned), 0o644)?;
    stage.link(&versioned, &libdir.join(&soname))?;
    for name in [&soname, &versioned] {
        fs::remove_file(installed.join(name)).map_err(at(&installed))?;
    }
    let binary = stage.place(&libdir.join(&versioned));
    strip(&binary, "--strip-unneeded")?;
    Ok(Tree {
        name: library.to_owned(),
        section: "libs",
        summary: "DPDK's multi-process IPC for C, without DPDK - shared library",
        description: "Programs in C that use DPDK's start-up (EAL), its multi-process messages (rte_mp), \
                      memory zones and rte_malloc run with this library as any user, without DPDK and without \
                      hugepages, and join the process group of a running DPDK application.",
        kind: Kind::Library { binary },
        directory,
    })
}

/// Removes what only debuggers read.
fn strip(binary: &Path, how: &str) -> Result<(), String> {
    let mut strip = Command::new("strip");
    strip.args([how, "--remove-section=.comment", "--remove-section=.note"]).arg(binary);
    command::output(&mut strip).map(drop)
}

fn add_documents(tree: &Tree) -> Result<(), String> {
    let root = tree.root();
    let stage = Stage::new(Some(&root));
    let documents = Path::new("/usr/share/doc").join(&tree.name);
    let source = match tree.kind {
        Kind::Command { .. } => "rte-mp-cli",
        Kind::Library { .. } | Kind::Development { .. } => "rte-mp-capi",
    };
    stage.write(&documents.join("copyright"), &documents::copyright(source)?)?;
    stage.write(&documents.join("changelog.Debian"), &documents::debian_changelog()?)?;
    stage.copy(Path::new("CHANGELOG.md"), &documents.join("changelog"), 0o644)?;
    for name in ["changelog.Debian", "changelog"] {
        compress(&stage.place(&documents.join(name)))?;
    }
    Ok(())
}

/// Compresses a file as Debian wants it: as far as possible, and without time and name.
fn compress(file: &Path) -> Result<(), String> {
    command::output(Command::new("gzip").args(["-9", "--no-name"]).arg(file)).map(drop)
}
