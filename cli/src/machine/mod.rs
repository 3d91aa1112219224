//! What this machine tells about its groups, without joining any: who they are, and what the kernel says of
//! their processes, sockets and locks.
//!
//! The groups themselves are read by `rte_mp::inspect`. Here is what a library need not know: `/proc`, and the
//! kernel's table of queues. Whatever may not be looked at is simply not known.

pub(crate) mod hugepages;
pub(crate) mod locks;
pub(crate) mod process;
pub(crate) mod queues;
pub(crate) mod survey;

use std::path::Path;

use rte_mp::inspect::GroupReport;

pub(crate) use crate::escape::shown;

/// Shows a group's file prefix safely, also one that is no UTF-8.
pub(crate) fn shown_prefix(group: &GroupReport) -> String {
    shown(group.directory.file_name().unwrap_or_default().as_ref())
}

/// Shows a path as it can be typed in a shell, whatever its name would do there.
pub(crate) fn typed(path: &Path) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@,=".contains(letter);
    match path.to_str() {
        Some(text) if text.chars().all(is_plain) => text.to_owned(),
        Some(text) if !text.contains(char::is_control) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        // What the shell makes of it again.
        _ => format!("$'{}'", shown(path).replace('\'', r"\'")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_path_in_a_cure_does_nothing_but_name_a_file() {
        let cases: [(&[u8], &str); 4] = [
            (b"/var/run/dpdk/rte-1", "/var/run/dpdk/rte-1"),
            (b"/tmp/dpdk/a; reboot #$(b)", "'/tmp/dpdk/a; reboot #$(b)'"),
            (b"/tmp/it's", r"'/tmp/it'\''s'"),
            (b"/tmp/\x1b'\n\xff", r"$'/tmp/\x1b\'\x0a\xff'"),
        ];
        for (path, expected) in cases {
            assert_eq!(typed(Path::new(OsStr::from_bytes(path))), expected);
        }
    }
}
