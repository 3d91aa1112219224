//! The exported symbols, as the version script lists them: the one list that there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command;
use crate::files::at;

/// The version script, with each symbol by its name.
pub(super) const MAP: &str = "capi/rte_mp.map";

/// Reads the names that the version script exports.
///
/// # Errors
/// What is wrong with the file, in one line.
pub(super) fn listed() -> Result<BTreeSet<String>, String> {
    let path = Path::new(MAP);
    let names = exported(&fs::read_to_string(path).map_err(at(path))?);
    if names.is_empty() { Err(format!("{MAP} exports nothing")) } else { Ok(names) }
}

/// Reads the names that `object` defines for other objects.
///
/// # Errors
/// Why it cannot be read, in one line.
pub(super) fn defined(object: &Path) -> Result<BTreeSet<String>, String> {
    let mut nm = Command::new("nm");
    nm.args(["--extern-only", "--defined-only", "--format=posix"]).arg(object);
    let lines = command::output(&mut nm)?;
    Ok(lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

fn exported(script: &str) -> BTreeSet<String> {
    let mut is_global = false;
    let mut names = BTreeSet::new();
    let lines = script.lines().map(|line| line.split('#').next().unwrap_or_default());
    for word in lines.flat_map(|line| line.split([';', '{', '}'])).map(str::trim) {
        match word {
            "global:" => is_global = true,
            "local:" => is_global = false,
            name if is_global && !name.is_empty() => {
                names.insert(name.to_owned());
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_a_version_script() {
        let script = "V_1 {\nglobal:\n\t# of a.h; and\n\tone;\n\ttwo; three;\n\nlocal:\n\t*;\n};\n";
        let names = exported(script);
        assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["one", "three", "two"]);
    }
}
