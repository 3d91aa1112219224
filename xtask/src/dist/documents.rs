//! What Debian wants to find in `/usr/share/doc` of each package: whose it is, and what has changed.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::pack::debian_version;
use crate::command::{self, cargo};
use crate::files::at;

/// Who is named as the one who made the packages, unless `DEBFULLNAME` and `DEBEMAIL` say otherwise.
const MAINTAINER: [&str; 2] = ["The rte-mp authors", "authors@rte-mp.invalid"];

/// Gives the name and address that `DEBFULLNAME` and `DEBEMAIL` hold, as Debian's own tools do.
pub(super) fn maintainer() -> String {
    let said = |variable: &str| env::var(variable).ok().filter(|value| !value.is_empty());
    let [name, address] = MAINTAINER.map(str::to_owned);
    let name = said("DEBFULLNAME").unwrap_or(name);
    let address = said("DEBEMAIL").unwrap_or(address);
    format!("{name} <{address}>")
}

/// Gives the time that goes into the packages, in seconds: `SOURCE_DATE_EPOCH`, or that of the last
/// commit, or now. So the same sources give the same packages.
pub(super) fn time() -> String {
    let given = env::var("SOURCE_DATE_EPOCH").ok().filter(|time| time.parse::<u64>().is_ok());
    let committed =
        || command::output(Command::new("git").args(["log", "-1", "--format=%ct"])).ok();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = given.or_else(committed).unwrap_or_else(|| now().to_string());
    time.trim().to_owned()
}

/// Writes the changelog of the packaging, of which there is one entry: the project's own has the rest.
///
/// # Errors
/// Why the time cannot be written, in one line.
pub(super) fn debian_changelog() -> Result<String, String> {
    let mut date = Command::new("date");
    date.env("LC_ALL", "C").args(["--utc", "--rfc-email", "--date", &format!("@{}", time())]);
    let date = command::output(&mut date)?;
    Ok(format!(
        "rte-mp ({}) unstable; urgency=medium\n\n  * What has changed is in changelog.gz.\n\n \
         -- {}  {}\n",
        debian_version(),
        maintainer(),
        date.trim()
    ))
}

/// Writes the licences of a package that is built from the crate `package`, and of all that cargo
/// links into it, in Debian's machine-readable form.
///
/// # Errors
/// What cannot be read, in one line.
pub(super) fn copyright(package: &str) -> Result<String, String> {
    let mit = read("LICENSE-MIT")?;
    let (owner, text) = mit_parts(&mit).ok_or("LICENSE-MIT does not say whose it is")?;
    let crates: String = crates(package)?.iter().map(|line| format!(" {line}\n")).collect();
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: rte-mp
Comment: These crates are linked in, each under the licence that it names:
{crates}
Files: *
Copyright: {owner}
License: Expat or Apache-2.0

License: Expat
{}
License: Apache-2.0
 On Debian systems, the full text of the Apache License, Version 2.0 is in
 /usr/share/common-licenses/Apache-2.0.
",
        indented(text)
    ))
}

/// Finds the owner in the text of the MIT licence, and what comes after the owner.
fn mit_parts(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("Copyright (c) ")?;
    let (owner, rest) = rest.split_once('\n')?;
    Some((owner.trim(), rest.trim()))
}

/// Writes a text as a field of a control file goes on: indented, with a dot for an empty line.
fn indented(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { " .\n".into() } else { format!(" {line}\n") };
    text.lines().map(line).collect()
}

/// Lists the crates of others that are linked into one of ours: name, version and licence.
fn crates(package: &str) -> Result<BTreeSet<String>, String> {
    let mut tree = cargo(["tree", "--locked", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--package", package, "--format", "{p}|{l}"]);
    Ok(command::output(&mut tree)?.lines().filter_map(linked).collect())
}

/// Reads a line of `cargo tree`, unless the crate is one of ours, which lie at a path, or runs in the
/// compiler.
fn linked(line: &str) -> Option<String> {
    let (name, licence) = line.split_once('|')?;
    let licence = licence.trim_end_matches(" (*)");
    let name = name.trim();
    (!name.contains(" (")).then(|| format!("{}: {licence}", name.replacen(" v", " ", 1)))
}

fn read(name: &str) -> Result<String, String> {
    fs::read_to_string(name).map_err(at(Path::new(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_listed_if_it_is_linked_and_not_ours() {
        let cases = [
            ("libc v0.2.191|MIT OR Apache-2.0", Some("libc 0.2.191: MIT OR Apache-2.0")),
            ("clap v4.6.9|MIT OR Apache-2.0 (*)", Some("clap 4.6.9: MIT OR Apache-2.0")),
            ("rte-mp v0.1.0 (/home/me/rte-mp/rte-mp)|MIT OR Apache-2.0", None),
            ("clap_derive v4.6.1 (proc-macro)|MIT OR Apache-2.0", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(linked(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_licence_is_taken_apart_and_indented() {
        let text = "MIT License\n\nCopyright (c) Me\n\nDo.\n\nNo warranty.\n";
        let (owner, rest) = mit_parts(text).expect("it names its owner");
        assert_eq!((owner, indented(rest)), ("Me", " Do.\n .\n No warranty.\n".to_owned()));
        assert_eq!(mit_parts("Do."), None);
    }
}
