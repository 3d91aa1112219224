//! The sections of a man page that help does not have.

use clap::Command;
use clap_mangen::roff::{Roff, bold, roman};

const EXIT_STATUS: [(&str, &str); 4] = [
    ("0", "It is done."),
    (
        "1",
        "The group said no: nobody answered in time, not all did, or one asked to be ignored; or something \
         else failed. One line on the standard error stream says what.",
    ),
    ("2", "The command line makes no sense."),
    ("3", "There is no such group: no primary is running under the file prefix."),
];

const ENVIRONMENT: [(&str, &str); 6] = [
    (
        "RUNTIME_DIRECTORY",
        "The directory that holds dpdk/P, as systemd sets it; --runtime-dir goes before it.",
    ),
    ("XDG_RUNTIME_DIR", "The same for users other than root, if RUNTIME_DIRECTORY is not set."),
    (
        "RTE_MP_BUSY_POLL_US",
        "How many microseconds a member polls before it sleeps, from 0 to 1000000.",
    ),
    (
        "TMPDIR",
        "Where demo and bench make the runtime directory of their own groups, and trace the socket to which the \
         program that it runs sends its records.",
    ),
    ("NO_COLOR", "If set and not empty, nothing is coloured; --color goes before it."),
    ("CLICOLOR_FORCE", "If set and not 0, colours are used even where no terminal is."),
];

const FILES: [(&str, &str); 4] = [
    (
        "/var/run/dpdk/P/",
        "The runtime directory of the group with file prefix P, for root; for others it is \
         $XDG_RUNTIME_DIR/dpdk/P/.",
    ),
    ("config", "In it: the primary holds a lock on this file for as long as it lives."),
    ("mp_socket", "In it: the primary's socket."),
    ("mp_socket_PID_TSC", "In it: the socket of each secondary."),
];

/// Shown where the help of the command itself has no examples.
const EXAMPLES: [(&str, &str); 6] = [
    ("See all of it work, without DPDK and as any user:", "rte-mp demo"),
    ("List the groups of this machine and their members:", "rte-mp ps"),
    (
        "Ask the primary of the group \"pg1\", and wait for a second at most:",
        "rte-mp request --file-prefix pg1 --timeout 1s ping_request",
    ),
    ("Find out what is wrong with a group:", "rte-mp doctor --file-prefix pg1"),
    ("Measure round trips on this machine, for a program:", "rte-mp bench --duration 2s --json"),
    ("Have bash complete the command's lines:", "source <(rte-mp completions bash)"),
];

/// Writes the sections that only the page of the command itself has.
pub(super) fn common(roff: &mut Roff) {
    heading(roff, "EXIT STATUS");
    EXIT_STATUS.iter().for_each(|(status, meaning)| tagged(roff, status, meaning));
    heading(roff, "ENVIRONMENT");
    ENVIRONMENT.iter().for_each(|(variable, meaning)| tagged(roff, variable, meaning));
    heading(roff, "FILES");
    FILES.iter().for_each(|(path, meaning)| tagged(roff, path, meaning));
    heading(roff, "EXAMPLES");
    for (what, line) in EXAMPLES {
        roff.text([roman(what)]);
        literal(roff, &[line]);
    }
}

/// Writes what the help of a subcommand has after all options, which is where its examples are.
pub(super) fn examples(roff: &mut Roff, command: &Command) {
    let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) else {
        return;
    };
    let text = text.to_string();
    heading(roff, "EXAMPLES");
    let lines: Vec<_> = text.lines().filter(|line| !is_heading(line)).collect();
    literal(roff, &lines);
}

fn is_heading(line: &str) -> bool {
    line.trim_end().eq_ignore_ascii_case("examples:")
}

fn heading(roff: &mut Roff, name: &str) {
    roff.control("SH", [name]);
}

fn tagged(roff: &mut Roff, tag: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(tag)]);
    roff.text([roman(text)]);
}

/// Writes lines as they are, indented.
fn literal(roff: &mut Roff, lines: &[&str]) {
    roff.control("PP", []);
    roff.control("RS", ["4"]);
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(*line)]);
    }
    roff.control("fi", []);
    roff.control("RE", []);
    roff.control("PP", []);
}
