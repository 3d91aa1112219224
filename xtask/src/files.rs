//! Puts files where they belong, so that nobody ever sees half of one, and all can read them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Where what is installed is written to: the place itself, or below another directory.
pub(crate) struct Stage<'a> {
    destdir: Option<&'a Path>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(destdir: Option<&'a Path>) -> Self {
        Self { destdir }
    }

    /// Gives the path under which `path` is written.
    pub(crate) fn place(&self, path: &Path) -> PathBuf {
        match self.destdir {
            Some(destdir) => destdir.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// Makes sure that files can be written into `directory`, and makes it if need be.
    pub(crate) fn check(&self, directory: &Path) -> Result<(), String> {
        let probe = directory.join(".rte-mp");
        self.write(&probe, "").map_err(|error| {
            format!("{error}: nothing can be installed there (--prefix says where)")
        })?;
        let place = self.place(&probe);
        fs::remove_file(&place).map_err(at(&place))
    }

    pub(crate) fn copy(&self, source: &Path, path: &Path, mode: u32) -> Result<(), String> {
        let contents = fs::read(source).map_err(at(source))?;
        self.put(path, |file| {
            fs::write(file, &contents)?;
            fs::set_permissions(file, Permissions::from_mode(mode))
        })
    }

    pub(crate) fn write(&self, path: &Path, text: &str) -> Result<(), String> {
        self.put(path, |file| {
            fs::write(file, text)?;
            fs::set_permissions(file, Permissions::from_mode(0o644))
        })
    }

    pub(crate) fn link(&self, target: &str, path: &Path) -> Result<(), String> {
        self.put(path, |file| symlink(target, file))
    }

    /// Removes the files of `directory` whose names begin with `start`, but for those in `keep`.
    pub(crate) fn remove_others(
        &self,
        directory: &Path,
        start: &str,
        keep: &[&str],
    ) -> Result<(), String> {
        let place = self.place(directory);
        make_directory(&place)?;
        for name in list(&place)? {
            if name.starts_with(start) && !keep.contains(&name.as_str()) {
                let stale = place.join(name);
                fs::remove_file(&stale).map_err(at(&stale))?;
            }
        }
        Ok(())
    }

    /// Makes a file under another name, and renames it: a program that has the one before mapped
    /// keeps it.
    fn put(&self, path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> Result<(), String> {
        let place = self.place(path);
        let directory = place.parent().unwrap_or(Path::new("/"));
        make_directory(directory)?;
        let name = place.file_name().unwrap_or_default().display();
        let new = directory.join(format!(".{name}.{}", std::process::id()));
        let put = make(&new).and_then(|()| fs::rename(&new, &place));
        put.map_err(|error| {
            let _ = fs::remove_file(&new);
            at(&place)(error)
        })
    }
}

/// A directory that is removed on drop.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one of this process's own inside of `directory`.
    pub(crate) fn new(directory: &Path) -> Result<Self, String> {
        let path = directory.join(format!("scratch-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(at(&path))?;
        Ok(Self(path))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("xtask: {}", at(&self.0)(error));
        }
    }
}

/// Makes a directory and those above it, which anybody may enter whatever the umask says.
fn make_directory(directory: &Path) -> Result<(), String> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(above) = directory.parent() {
        make_directory(above)?;
    }
    fs::create_dir(directory)
        .and_then(|()| fs::set_permissions(directory, Permissions::from_mode(0o755)))
        .map_err(at(directory))
}

/// Lists the names of the files in `directory`, in order.
pub(crate) fn list(directory: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let entry = entry.map_err(at(directory))?;
        let is_directory = entry.file_type().map_err(at(directory))?.is_dir();
        if let (false, Ok(name)) = (is_directory, entry.file_name().into_string()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}
