//! How `rte-mp request` and `listen` end: at once, whatever they wait for, and with all told.

use crate::support::{Room, Started, assert_refused};

#[test]
fn commands_that_are_never_run_do_not_keep_it_from_ending() {
    let room = Room::new();
    let ended = Started::new(room.command(&["listen", "--exec", "cat"])).end();
    let expected = format!(
        "no group is running under {}; start its primary, or name another place with --runtime-dir",
        room.path().join("dpdk").display()
    );
    assert_refused(&ended, 3, &expected);
}
