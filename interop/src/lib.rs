//! What the tests against real DPDK processes need: rooms to run them in, and processes to drive.
//!
//! A test takes place in a [`Room`]: a runtime directory and a file prefix of its own, and a check
//! at the end that no descriptor was left open. [`with_dpdk`] opens one if this machine can run
//! DPDK, [`with_room`] where no DPDK is needed. Peers are processes driven line by line: the C
//! programs `c/dpdk_peer.c` and `c/dpdk_zones.c`, and [`peer_26_07`], which behaves like the newest release.
//! Other C programs are compiled by the test that needs them, as a [`CProgram`].

mod c_pair;
mod c_program;
mod conformance;
mod line;
mod member;
mod peer;
pub mod peer_26_07;
mod process;
mod requirements;
mod room;
mod testpmd;
mod zone_server;

pub use c_pair::{CLIENT_LINES, CPair, GREETED, SERVER_LINES, Transcript};
pub use c_program::{Against, CBuild, CProgram, c_example, c_prefix, c_sources};
pub use conformance::{Conformance, Row};
pub use member::{block_on, message, reply_text, text};
pub use peer::{Failed, Peer, Received, Replies, Reply};
pub use process::Process;
pub use requirements::{
    free_hugepages, with_c_library, with_dpdk, with_dpdk_and_c_library, with_dpdk_headers,
    with_dpdk_tool, with_hugepages, with_room,
};
pub use room::{Room, first_processor};
pub use testpmd::Testpmd;
pub use zone_server::{Counters, Reserved, ZoneServer};

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a test waits for anything before it fails. Nothing that works comes close to it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Opens a file in memory that holds `content`.
pub fn file_holding(content: &str) -> OwnedFd {
    let fd = rustix::fs::memfd_create("interop", rustix::fs::MemfdFlags::CLOEXEC)
        .expect("memory files can be made");
    let mut file = File::from(fd);
    file.write_all(content.as_bytes()).expect("memory files can be written");
    file.into()
}

/// Reads a file from its start, through whatever descriptor of it.
pub fn content_of(fd: impl AsFd) -> String {
    let mut content = [0; 4096];
    let len = rustix::io::pread(fd, &mut content, 0).expect("the descriptor is a readable file");
    String::from_utf8_lossy(&content[..len]).into_owned()
}

/// Waits until `fd` polls as readable, and says whether it did.
pub fn is_readable_within(fd: impl AsFd, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).expect("deadlines are short");
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)) == Ok(1)
}
