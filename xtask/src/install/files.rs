//! Puts files where they belong, so that nobody ever sees half of one.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Where what is installed is written to: the place itself, or below another directory.
pub(super) struct Stage<'a> {
    destdir: Option<&'a Path>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(destdir: Option<&'a Path>) -> Self {
        Self { destdir }
    }

    /// Gives the path under which `path` is written.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        match self.destdir {
            Some(destdir) => destdir.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    pub(super) fn make_directory(&self, path: &Path) -> Result<(), String> {
        let place = self.place(path);
        fs::create_dir_all(&place).map_err(at(&place))
    }

    pub(super) fn copy(&self, source: &Path, path: &Path, mode: u32) -> Result<(), String> {
        let contents = fs::read(source).map_err(at(source))?;
        self.put(path, |file| {
            fs::write(file, &contents)?;
            fs::set_permissions(file, Permissions::from_mode(mode))
        })
    }

    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), String> {
        self.put(path, |file| {
            fs::write(file, text)?;
            fs::set_permissions(file, Permissions::from_mode(0o644))
        })
    }

    pub(super) fn link(&self, target: &str, path: &Path) -> Result<(), String> {
        self.put(path, |file| symlink(target, file))
    }

    /// Removes the files of `directory` whose names begin with `start`, but for those in `keep`.
    pub(super) fn remove_others(
        &self,
        directory: &Path,
        start: &str,
        keep: &[&str],
    ) -> Result<(), String> {
        let place = self.place(directory);
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
        fs::create_dir_all(directory).map_err(at(directory))?;
        let name = place.file_name().unwrap_or_default().display();
        let new = directory.join(format!(".{name}.{}", std::process::id()));
        let put = make(&new).and_then(|()| fs::rename(&new, &place));
        put.map_err(|error| {
            let _ = fs::remove_file(&new);
            at(&place)(error)
        })
    }
}

/// Lists the names of the files in `directory`, in order.
pub(super) fn list(directory: &Path) -> Result<Vec<String>, String> {
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

pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}
