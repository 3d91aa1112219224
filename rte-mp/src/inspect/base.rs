//! Where groups may be: the directories that hold `dpdk/<prefix>`.
//!
//! DPDK chooses one of a few by who it runs as; `runtime::directory` knows the rule for this
//! process. Here are those that any process of this machine may have chosen.

use std::collections::HashSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rte_mp_proto::path;

use crate::runtime::liveness::Owners;
use crate::runtime::{default_runtime_base, primary_is_alive};

/// A directory under which groups may be: each in `<base>/dpdk/<prefix>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Base {
    path: PathBuf,
}

impl Base {
    /// Takes `path`, which need not be there. It is kept as the string that it is.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Gives the one that DPDK, and [`GroupBuilder`](crate::GroupBuilder), choose for this process.
    pub fn of_this_process() -> Self {
        Self::new(default_runtime_base())
    }

    /// Borrows the path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives `<base>/dpdk`, as the string that DPDK builds.
    pub fn dpdk_directory(&self) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push("/dpdk");
        path.into()
    }

    /// Gives the directory of the group `prefix`, be it there or not.
    pub fn group_directory(&self, prefix: &str) -> PathBuf {
        self.dpdk_directory().join(prefix)
    }

    /// Lists the directories of all groups, in the order of their names; none where `<base>/dpdk` is
    /// not there. A link to a directory is none.
    ///
    /// # Errors
    /// The kernel's, if `<base>/dpdk` cannot be listed.
    pub fn group_directories(&self) -> io::Result<Vec<PathBuf>> {
        let above = self.dpdk_directory();
        let entries = match fs::read_dir(&above) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut directories = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            }
        }
        directories.sort();
        Ok(directories)
    }

    /// Names the groups that somebody leads, or is about to, in order: those whose primary's lock is held. A
    /// prefix that is no UTF-8 is left out: nobody can ask for it.
    ///
    /// # Errors
    /// As [`Base::group_directories`].
    pub fn live_prefixes(&self) -> io::Result<Vec<String>> {
        let directories = self.group_directories()?;
        let live = directories
            .iter()
            .filter(|directory| primary_is_alive(&directory.join(path::CONFIG)).unwrap_or(false));
        Ok(live.filter_map(|live| Some(live.file_name()?.to_str()?.to_owned())).collect())
    }

    /// Tells apart two paths of one directory from two directories.
    fn identity(&self) -> Option<(u64, u64)> {
        let path = if self.path.as_os_str().is_empty() { Path::new("/") } else { &self.path };
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
        Some((metadata.dev(), metadata.ino()))
    }
}

/// Lists the bases that are there, each once: this process's own, `$RUNTIME_DIRECTORY`, `/var/run`,
/// `$XDG_RUNTIME_DIR`, `/run/user/*`, `/tmp`, and wherever else a socket of a group is bound.
///
/// A directory that has two names is listed by the first of these. Sockets that are bound elsewhere
/// show only in this process's network namespace.
pub fn bases() -> Vec<Base> {
    let mut candidates = vec![Base::of_this_process()];
    candidates.extend(env::var_os("RUNTIME_DIRECTORY").map(Base::new));
    candidates.push(Base::new("/var/run"));
    candidates.extend(env::var_os("XDG_RUNTIME_DIR").map(Base::new));
    let mut users: Vec<_> =
        fs::read_dir("/run/user").into_iter().flatten().flatten().map(|e| e.path()).collect();
    users.sort();
    candidates.extend(users.into_iter().map(Base::new));
    candidates.push(Base::new("/tmp"));
    let mut owners = Owners::default();
    let mut bound: Vec<_> = owners.bound_paths().filter_map(base_of_socket).collect();
    bound.sort();
    candidates.extend(bound.into_iter().map(Base::new));

    let mut seen = HashSet::new();
    candidates.retain(|base| base.identity().is_some_and(|identity| seen.insert(identity)));
    candidates
}

/// Finds the base of a group's socket: `BASE/dpdk/PREFIX/mp_socket`.
fn base_of_socket(socket: &Path) -> Option<&Path> {
    let file = socket.file_name()?.as_bytes();
    if file != path::PRIMARY_SOCKET.as_bytes() && !path::is_secondary_socket(file) {
        return None;
    }
    let dpdk = socket.parent()?.parent()?;
    (dpdk.file_name()? == "dpdk").then(|| dpdk.parent()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_leads_to_the_base_of_its_group() {
        let cases = [
            ("/run/web/dpdk/rte/mp_socket", Some("/run/web")),
            ("/run/web/dpdk/rte/mp_socket_12_ab", Some("/run/web")),
            ("/dpdk/rte/mp_socket", Some("/")),
            ("/run/web/dpdk/rte/dpdk_telemetry.v2", None),
            ("/run/web/rte/mp_socket", None),
            ("/mp_socket", None),
            ("/", None),
        ];
        for (socket, expected) in cases {
            assert_eq!(base_of_socket(Path::new(socket)), expected.map(Path::new), "{socket}");
        }
    }

    #[test]
    fn a_base_with_two_names_is_listed_once() {
        let bases = bases();
        let identities: HashSet<_> = bases.iter().map(Base::identity).collect();
        assert_eq!(identities.len(), bases.len(), "{bases:?}");
        assert!(bases.contains(&Base::new("/tmp")), "{bases:?}");
        assert_eq!(bases[0], Base::of_this_process(), "DPDK's own choice keeps its name");
    }

    #[test]
    fn paths_are_the_strings_that_dpdk_builds() {
        let directory = |base: &str| Base::new(base).group_directory("rte").into_os_string();
        assert_eq!(directory("/var/run"), "/var/run/dpdk/rte");
        assert_eq!(directory(""), "/dpdk/rte");
    }

    #[test]
    fn only_directories_are_groups() {
        let base = tempfile::tempdir().unwrap();
        let listed = || Base::new(base.path()).group_directories();
        assert_eq!(listed().unwrap(), [] as [PathBuf; 0], "nothing is there");
        let above = base.path().join("dpdk");
        fs::create_dir_all(above.join("b")).unwrap();
        fs::create_dir(above.join("a")).unwrap();
        fs::write(above.join("file"), "").unwrap();
        std::os::unix::fs::symlink("a", above.join("link")).unwrap();
        assert_eq!(listed().unwrap(), [above.join("a"), above.join("b")]);
        fs::remove_dir_all(&above).unwrap();
        fs::write(&above, "").unwrap();
        assert_eq!(listed().unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }
}
