//! Running the command to its end.

use std::process::{Command, Output};

use rte_mp_interop::Room;

/// Runs the command to its end: exit status, output, errors.
pub(crate) fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("it can be run");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// Runs it, and expects it to have nothing to complain of.
pub(crate) fn done(room: &Room, arguments: &[&str]) -> String {
    let (status, out, err) = run(room.rte_mp(arguments));
    assert_eq!((status, err.as_str()), (Some(0), ""), "{arguments:?}: {out}");
    out
}
